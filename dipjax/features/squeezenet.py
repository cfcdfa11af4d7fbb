"""SqueezeNet 1.0 and 1.1: Iandola et al., 2016, table 1: AlexNet's accuracy in 1.2 M params."""

from collections.abc import Mapping
from typing import Literal, get_args

from dipjax.features.layers import Conv, Fire, GlobalAverage, MaxPool, Relu, Softmax
from dipjax.features.loading import Table, Weights, arrays_of, assemble
from dipjax.features.network import Network, caffe_colour, torchvision_colour

Form = Literal["torchvision", "caffe"]
Version = Literal["1.0", "1.1"]

HEAD: Table = (
    ("conv10", Conv(1000, 1)),
    ("relu_conv10", Relu()),
    ("pool10", GlobalAverage()),
    ("prob", Softmax()),
)

V1_0: Table = (
    ("conv1", Conv(96, 7, stride=2)),
    ("relu_conv1", Relu()),
    ("pool1", MaxPool(3, 2, ceil=True)),
    ("fire2", Fire(16, 64)),
    ("fire3", Fire(16, 64)),
    ("fire4", Fire(32, 128)),
    ("pool4", MaxPool(3, 2, ceil=True)),
    ("fire5", Fire(32, 128)),
    ("fire6", Fire(48, 192)),
    ("fire7", Fire(48, 192)),
    ("fire8", Fire(64, 256)),
    ("pool8", MaxPool(3, 2, ceil=True)),
    ("fire9", Fire(64, 256)),
    *HEAD,
)

V1_1: Table = (
    ("conv1", Conv(64, 3, stride=2)),
    ("relu_conv1", Relu()),
    ("pool1", MaxPool(3, 2, ceil=True)),
    ("fire2", Fire(16, 64)),
    ("fire3", Fire(16, 64)),
    ("pool3", MaxPool(3, 2, ceil=True)),
    ("fire4", Fire(32, 128)),
    ("fire5", Fire(32, 128)),
    ("pool5", MaxPool(3, 2, ceil=True)),
    ("fire6", Fire(48, 192)),
    ("fire7", Fire(48, 192)),
    ("fire8", Fire(64, 256)),
    ("fire9", Fire(64, 256)),
    *HEAD,
)

VERSIONS = {"1.0": V1_0, "1.1": V1_1}
OFFICIAL = {"1.0": "squeezenet1_0-b66bff10.pth", "1.1": "squeezenet1_1-b8a52dc0.pth"}
SIZES = {"torchvision": 224, "caffe": 227}
ALIASES = tuple((f"conv{i}", f"fire{i}") for i in range(2, 10))  # the ten stages, conv1 ... conv10


def squeezenet(
    weights: Weights = "auto", *, version: Version = "1.0", form: Form | None = None
) -> Network:
    """SqueezeNet with pretrained weights: `conv1`, `fire2` ... `fire9`, `conv10`, `prob`.

    Its ten stages count through: what is a convolution in other networks, `conv4` say, is here
    the fire module `fire4`, and both names stand for it.

    Args:
        weights: a file, "auto" (torchvision's own, downloaded once), arrays by name, or a key
            for random weights. A file may end early, the network then ends there too.
        version: "1.0", or "1.1" with less computation.
        form: "torchvision" (RGB less mean over standard deviation, 224 x 224) or "caffe" (BGR
            from 0 to 255 less the mean 104, 117, 123, 227 x 227). By default what the names in
            the file are those of: `features.0.weight`, or `conv1...`.

    Raises:
        WeightsError: for a file that cannot be used (see `dipjax.weights.load`), or is of
            another network.
        ValueError: for another version or form.
    """
    if version not in VERSIONS:
        raise ValueError(f"version must be one of {get_args(Version)}, not {version!r}")
    if form not in (None, *get_args(Form)):
        raise ValueError(f"form must be one of {get_args(Form)}, not {form!r}")
    arrays = arrays_of(weights, OFFICIAL[version])
    named = isinstance(arrays, Mapping) and not any(n.startswith("features.") for n in arrays)
    form = form or ("caffe" if named else "torchvision")
    table, name, size = VERSIONS[version], f"SqueezeNet {version} ({form})", SIZES[form]
    params, reached = assemble(name, table, arrays, (size, size, 3), _torch_names(table))
    colour = torchvision_colour() if form == "torchvision" else caffe_colour((104, 117, 123))
    return Network(params, colour, reached, name, size, table, ALIASES)


def _torch_names(table: Table) -> dict[str, str]:
    """Slot -> name: torchvision numbers all rows, and calls the squeeze `squeeze`."""
    names = {"conv10": "classifier.1"}
    for i, (row, layer) in enumerate(table):
        if isinstance(layer, Fire):
            names[f"{row}/squeeze1x1"] = f"features.{i}.squeeze"
            names |= {
                f"{row}/{part}": f"features.{i}.{part}" for part in ("expand1x1", "expand3x3")
            }
        elif row == "conv1":
            names[row] = f"features.{i}"
    return names
