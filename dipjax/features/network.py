"""A pretrained network as a value: its layers by name are frozen operators `Phi`.

    phi = dipjax.features.squeezenet(weights=PATH)
    A = phi("fire9")             # an Operator, image (H, W, 3) in [0, 1] -> activations (h, w, c)
    phi.classify(image)          # [("guenon", 0.995), ...]

The weights are leaves of the pytree, so a fit against other weights compiles nothing.
"""

import difflib
import math
from collections.abc import Collection, Sequence
from functools import cache, partial
from importlib import resources
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dipjax import images
from dipjax.features.loading import Params, Table, flat
from dipjax.operators import Operator

Array = jax.Array


class Receptive(NamedTuple):
    """Which pixels one entry of a layer sees.

    Entry `i` sees the rows from `start + i * stride` to `start + i * stride + size - 1` of the
    image, and the columns likewise; rows before 0 are padding.
    """

    size: float
    stride: int
    start: int


@flax.struct.dataclass
class Colour:
    """The preprocessing of every published network: `x M + b`, an affine map of the colour.

    Attributes:
        matrix: `M` (3, 3).
        offset: `b` (3,).
    """

    matrix: Array
    offset: Array

    def __call__(self, x: Array) -> Array:
        y = jnp.einsum("hwc,cd->hwd", x, self.matrix, precision="highest")
        return y + self.offset[None, None]


def torchvision_colour() -> Colour:
    """RGB less the mean of ImageNet, divided by its standard deviation."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return Colour(jnp.asarray(np.diag(1 / std), jnp.float32), jnp.asarray(-mean / std, jnp.float32))


def caffe_colour(mean: Sequence[float] = (103.939, 116.779, 123.68)) -> Colour:
    """BGR from 0 to 255, less the mean of ImageNet."""
    matrix = 255 * np.eye(3)[::-1]
    return Colour(jnp.asarray(matrix, jnp.float32), -jnp.asarray(mean, jnp.float32))


@flax.struct.dataclass
class Network:
    """A network whose weights do not change: `phi(layer)` is the operator up to a layer.

    Attributes:
        params: of each layer by its name.
        colour: the preprocessing.
        table: the layers in order, (name, Flax module).
        name: of the network and its form.
        size: height and width in pixels of the images that it was trained on.
        whole: as `table`, but all layers, of which the weights may reach the first only.
        aliases: other names of layers, (alias, name).
    """

    params: Params
    colour: Colour
    table: Table = flax.struct.field(pytree_node=False)
    name: str = flax.struct.field(pytree_node=False)
    size: int = flax.struct.field(pytree_node=False)
    whole: Table = flax.struct.field(pytree_node=False)
    aliases: tuple[tuple[str, str], ...] = flax.struct.field(pytree_node=False, default=())

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers that the weights reach, from the image on."""
        return tuple(name for name, _ in self.table)

    def __call__(self, layer: str) -> "Features":
        """The operator `Phi`: image (H, W, 3) in [0, 1] -> activations (h, w, c) of a layer.

        Raises:
            ValueError: for a name that is no layer, or one that the weights do not reach.
        """
        layer = self.resolve(layer)
        return Features(self.upto(layer), layer)

    def resolve(self, layer: str) -> str:
        """The layer's own name; raises ValueError where there is none (see `__call__`)."""
        layer = dict(self.aliases).get(layer, layer)
        if layer in self.layers:
            return layer
        reach = f"{self.layers[0]} ... {self.layers[-1]}"
        if layer in dict(self.whole):
            raise ValueError(
                f"{layer}: the weights at hand end before it, they reach {reach}; "
                f"give the weights of the whole {self.name}"
            )
        close = difflib.get_close_matches(layer, self.layers, 3, 0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {reach}"
        raise ValueError(f"{layer!r} is no layer of {self.name}; {hint}")

    def upto(self, layer: str) -> "Network":
        """The same network, ending with this layer."""
        end = self.layers.index(self.resolve(layer)) + 1
        params = {name: self.params[name] for name in self.layers[:end] if name in self.params}
        return self.replace(params=params, table=self.table[:end])  # pyright: ignore

    def activations(self, image: Array, layers: Collection[str]) -> dict[str, Array]:
        """What several layers say about an image (H, W, 3), in one pass.

        Raises:
            ValueError: for an image of other than 3 channels, or too small for the network.
        """
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(f"{self.name} takes RGB images (H, W, 3), not {image.shape}")
        layers = {self.resolve(layer): None for layer in layers}
        last = max(layers, key=self.layers.index)
        return _activations(self.upto(last), jnp.asarray(image), tuple(layers))

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by name, as `dipjax.weights.save` writes them and the networks read them."""
        return flat(self.params)

    def receptive(self, layer: str) -> Receptive:
        """Size, stride and start of the receptive fields of a layer, in pixels."""
        size, stride, start = 1.0, 1, 0
        for _, module in self.upto(layer).table:
            kernel, s, padding = module.geometry
            size += (kernel - 1) * stride
            start -= padding * stride
            stride *= s
        return Receptive(size if math.isinf(size) else int(size), stride, start)

    # --- classes ---------------------------------------------------------------------------

    @property
    def class_layer(self) -> str:
        """The layer whose channels are the classes, before any rectifier or softmax.

        Raises:
            ValueError: where the weights do not reach it.
        """
        layer = [name for name, module in self.whole if hasattr(module, "kernel")][-1]
        return self.resolve(layer)

    def classify(self, image: Array, *, top: int = 5) -> list[tuple[str, float]]:
        """What the network says is in the picture.

        Args:
            image: (H, W, 3) in [0, 1], or 8- and 16-bit integers; its centre is looked at, at
                the size the network was trained on.
            top: how many classes.

        Returns:
            (name, probability) of the most probable classes, best first.

        Raises:
            ValueError: where the weights do not reach the classes, or for a bad picture.
        """
        self.class_layer  # noqa: B018 raises where there are no classes
        if self.layers[-1] != self.whole[-1][0]:
            raise ValueError(f"{self.name} ends at {self.layers[-1]} here: ask the whole network")
        view = centred(images.check(image), self.size)
        probabilities = np.asarray(self(self.layers[-1])(view))
        order = np.argsort(-probabilities[0, 0], kind="stable")[:top]
        return [(classes()[i], float(probabilities[0, 0, i])) for i in order]


@flax.struct.dataclass
class Features(Operator):
    """`A x = Phi(x)`: the activations (h, w, c) of one layer of a network, for an RGB image.

    Not linear, so it has no adjoint; its gradient is what inversion needs.
    """

    network: Network
    layer: str = flax.struct.field(pytree_node=False)

    def forward(self, x: Array) -> Array:
        return self.network.activations(x, (self.layer,))[self.layer]


@partial(jax.jit, static_argnames="layers")
def _activations(network: Network, image: Array, layers: tuple[str, ...]) -> dict[str, Array]:
    """One pass through the table; compiled as one program, also for those who use no `jit`."""
    x: Any = network.colour(image)
    found = {}
    for name, layer in network.table:
        params = {"params": network.params[name]} if name in network.params else {}
        try:
            x = layer.apply(params, x)
        except ValueError as error:
            raise ValueError(
                f"an image of {image.shape[0]} x {image.shape[1]} pixels is too small for "
                f"{network.name} up to {name}"
            ) from error
        if name in layers:
            found[name] = x
    return found


def centred(image: Array, size: int) -> Array:
    """The centre of a picture (H, W, C) as (size, size, C): resized to fit, then cropped."""
    h, w, c = image.shape
    if (h, w) == (size, size):
        return image
    scale = size / min(h, w)
    h, w = (max(size, round(n * scale)) for n in (h, w))
    top, left = (h - size) // 2, (w - size) // 2
    image = jnp.clip(jax.image.resize(image, (h, w, c), "cubic"), 0, 1)
    return image[top : top + size, left : left + size]


@cache
def classes() -> tuple[str, ...]:
    """The names of the 1000 classes of ImageNet (ILSVRC 2012), as in torchvision."""
    text = resources.files("dipjax.features").joinpath("imagenet.txt").read_text()
    return tuple(text.splitlines())


def class_index(name: str | int) -> int:
    """The number of a class of ImageNet from its name or its number, 0 to 999.

    Raises:
        ValueError: for a name that none has, or that two have (`Cardigan` is a dog, `cardigan`
            is not; the case decides where it has to).
    """
    if isinstance(name, int | np.integer) or name.isdecimal():
        if not 0 <= int(name) < len(classes()):
            raise ValueError(f"class {name}: must be from 0 to {len(classes()) - 1}")
        return int(name)
    if name in classes():
        return classes().index(name)
    low = [c.lower() for c in classes()]
    found = [i for i, c in enumerate(low) if c == name.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"class {name!r} is ambiguous: give its number, one of {found}")
    close = difflib.get_close_matches(name.lower(), low, 3, 0.6)
    close = close or [c for c in low if name.lower() in c][:3]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see features.classes()"
    raise ValueError(f"{name!r} is no class of ImageNet; {hint}")
