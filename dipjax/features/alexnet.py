"""AlexNet: Krizhevsky, Sutskever and Hinton, 2012, in the two forms that are in use."""

from typing import Literal, get_args

from dipjax.features.layers import Conv, LocalResponseNorm, MaxPool, Relu, Softmax
from dipjax.features.loading import Table, Weights, arrays_of, assemble
from dipjax.features.network import Network, caffe_colour, torchvision_colour

Form = Literal["torchvision", "caffe"]

# Krizhevsky's later, one-tower network (arXiv 1404.5997), as torchvision has it.
TORCHVISION: Table = (
    ("conv1", Conv(64, 11, stride=4, padding=2)),
    ("relu1", Relu()),
    ("pool1", MaxPool(3, 2)),
    ("conv2", Conv(192, 5, padding=2)),
    ("relu2", Relu()),
    ("pool2", MaxPool(3, 2)),
    ("conv3", Conv(384, 3, padding=1)),
    ("relu3", Relu()),
    ("conv4", Conv(256, 3, padding=1)),
    ("relu4", Relu()),
    ("conv5", Conv(256, 3, padding=1)),
    ("relu5", Relu()),
    ("pool5", MaxPool(3, 2)),
    ("fc6", Conv(4096, 6)),
    ("relu6", Relu()),
    ("fc7", Conv(4096, 1)),
    ("relu7", Relu()),
    ("fc8", Conv(1000, 1)),
    ("prob", Softmax()),
)

# The paper's, as Caffe's bvlc_alexnet has it: two towers that meet in conv3 and fc6.
CAFFE: Table = (
    ("conv1", Conv(96, 11, stride=4)),
    ("relu1", Relu()),
    ("norm1", LocalResponseNorm()),
    ("pool1", MaxPool(3, 2, ceil=True)),
    ("conv2", Conv(256, 5, padding=2, groups=2)),
    ("relu2", Relu()),
    ("norm2", LocalResponseNorm()),
    ("pool2", MaxPool(3, 2, ceil=True)),
    ("conv3", Conv(384, 3, padding=1)),
    ("relu3", Relu()),
    ("conv4", Conv(384, 3, padding=1, groups=2)),
    ("relu4", Relu()),
    ("conv5", Conv(256, 3, padding=1, groups=2)),
    ("relu5", Relu()),
    ("pool5", MaxPool(3, 2, ceil=True)),
    ("fc6", Conv(4096, 6)),
    ("relu6", Relu()),
    ("fc7", Conv(4096, 1)),
    ("relu7", Relu()),
    ("fc8", Conv(1000, 1)),
    ("prob", Softmax()),
)

FORMS = {"torchvision": (TORCHVISION, 224), "caffe": (CAFFE, 227)}
OFFICIAL = {"torchvision": "alexnet-owt-7be5be79.pth"}
TORCH_NAMES = {
    **{f"conv{i + 1}": f"features.{n}" for i, n in enumerate((0, 3, 6, 8, 10))},
    **{f"fc{i + 6}": f"classifier.{n}" for i, n in enumerate((1, 4, 6))},
}


def alexnet(weights: Weights = "auto", *, form: Form = "torchvision") -> Network:
    """AlexNet with pretrained weights: `conv1` ... `conv5`, `fc6` ... `fc8`, `prob`.

    `conv1` and its like are the outputs before the rectifier, `relu1` those behind it. The
    `torchvision` form takes RGB less mean over standard deviation, 224 x 224; the `caffe` form
    has local response normalisation and groups and takes BGR less mean, 227 x 227.

    Args:
        weights: a file, "auto" (torchvision's own, downloaded once), arrays by name, or a key
            for random weights. A file may end early, the network then ends there too.
        form: "torchvision", or "caffe" for the network of the paper.

    Raises:
        WeightsError: for a file that cannot be used (see `dipjax.weights.load`), or is of
            another network.
        ValueError: for another form.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {get_args(Form)}, not {form!r}")
    table, size = FORMS[form]
    arrays = arrays_of(weights, OFFICIAL.get(form))
    # The heads of LPIPS, a perceptual metric, often come in one file with the network.
    ignored = ("lpips_lin",)
    names = TORCH_NAMES if form == "torchvision" else None
    params, reached = assemble(f"AlexNet ({form})", table, arrays, (size, size, 3), names, ignored)
    colour = torchvision_colour() if form == "torchvision" else caffe_colour()
    return Network(params, colour, reached, f"AlexNet ({form})", size, table)
