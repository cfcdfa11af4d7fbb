"""The layers of the pretrained networks, as Flax modules: the rows of their papers' tables.

Everything is for one image (H, W, C). `geometry` is (kernel, stride, padding), of which the
receptive fields are made. Fully connected layers are convolutions as large as their input:
activations are (h, w, c) throughout, (1, 1, c) where a network has become a vector.
"""

import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from dipjax.generators.convolution import convolve
from dipjax.generators.functions import pad

Array = jax.Array
Geometry = tuple[float, int, int]

he_normal = nn.initializers.he_normal()


class Layer(nn.Module):
    """Base of the rows; by default a function of each entry alone."""

    @property
    def geometry(self) -> Geometry:
        return 1, 1, 0


class Conv(Layer):
    """Convolution (H, W, C) -> (h, w, features), with `h = (H + 2 padding - kernel) // stride + 1`.

    Attributes:
        features: channels of the output.
        kernel, stride, padding: in pixels, the same in both directions.
        groups: into so many parts the channels are split, each convolved on its own.
        border: "zero", or "reflect" (mirrored without the edge).
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    border: Literal["zero", "reflect"] = "zero"

    @property
    def geometry(self) -> Geometry:
        return self.kernel, self.stride, self.padding

    @nn.compact
    def __call__(self, x: Array) -> Array:
        k, c = self.kernel, x.shape[-1] // self.groups
        kernel = self.param("kernel", he_normal, (k, k, c, self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x = pad(x, self.padding, self.border)
        if min(x.shape[:2]) < k:
            raise ValueError(f"{self.name} has a {k} x {k} kernel and an input of {x.shape[:2]}")
        parts = zip(jnp.split(x, self.groups, -1), jnp.split(kernel, self.groups, -1), strict=True)
        y = jnp.concatenate([strided(x, w, self.stride) for x, w in parts], -1)
        return y + bias[None, None]


def strided(x: Array, w: Array, s: int) -> Array:
    """`convolve(x, w, s)` as a convolution of stride 1 over cells of `s * s` pixels.

    Pixels of a cell become channels: the same sums. On a CPU the gradient of a strided
    convolution is one small product a tap, 121 for AlexNet's first; here it is one of 3 x 3.
    """
    if s == 1:
        return _convolve(x, w)
    k = -(-w.shape[0] // s)
    h, v = ((n - w.shape[0]) // s + k for n in x.shape[:2])
    x = _fitted(_fitted(x, h * s, 0), v * s, 1)
    w = _fitted(_fitted(w, k * s, 0), k * s, 1)
    x = x.reshape(h, s, v, s, -1).swapaxes(1, 2).reshape(h, v, -1)
    w = w.reshape(k, s, k, s, *w.shape[2:]).swapaxes(1, 2).reshape(k, k, -1, w.shape[-1])
    return _convolve(x, w)


def _convolve(x: Array, w: Array) -> Array:
    y: Any = convolve(x, w)
    return y


def _fitted(x: Array, n: int, axis: int) -> Array:
    """`x` with `n` entries along an axis: cut, or filled up with zeros."""
    x = lax.slice_in_dim(x, 0, min(n, x.shape[axis]), axis=axis)
    widths = [(0, n - x.shape[axis] if i == axis else 0) for i in range(x.ndim)]
    return jnp.pad(x, widths)


class Relu(Layer):
    """`max(x, 0)`, or `max(x, slope x)`."""

    slope: float = 0.0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return jnp.where(x > 0, x, self.slope * x)


class MaxPool(Layer):
    """Largest entry of each window; with `ceil` windows may stick out at the end (Caffe's rule)."""

    kernel: int
    stride: int
    ceil: bool = False

    @property
    def geometry(self) -> Geometry:
        return self.kernel, self.stride, 0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        k, s = self.kernel, self.stride
        if min(x.shape[:2]) < k:
            raise ValueError(f"{self.name} has {k} x {k} windows and an input of {x.shape[:2]}")
        out: Any = [(0, -(n - k) % s if self.ceil else 0) for n in x.shape[:2]]
        return nn.max_pool(x, (k, k), (s, s), out)


class LocalResponseNorm(Layer):
    """`y_c = x_c / (1 + alpha / n sum_d x_d^2)^beta` over the `n` channels `d` around `c`.

    Krizhevsky et al. 2012, sec. 3.3, with the constants and the `1 / n` of Caffe.
    """

    n: int = 5
    alpha: float = 1e-4
    beta: float = 0.75

    @nn.compact
    def __call__(self, x: Array) -> Array:
        c, r = x.shape[-1], self.n // 2
        squares = jnp.pad(x**2, ((0, 0), (0, 0), (r, r)))
        total = sum(squares[..., i : i + c] for i in range(self.n))
        return x * (1 + self.alpha / self.n * total) ** -self.beta


class GlobalAverage(Layer):
    """The mean over all pixels, (H, W, C) -> (1, 1, C)."""

    @property
    def geometry(self) -> Geometry:
        return math.inf, 1, 0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return x.mean((0, 1), keepdims=True)


class Softmax(Layer):
    """Probabilities of the classes, for each pixel."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return jax.nn.softmax(x)


class Fire(Layer):
    """The module of SqueezeNet: 1x1 to few channels, then 1x1 and 3x3 side by side to many."""

    squeeze: int
    expand: int

    @property
    def geometry(self) -> Geometry:
        return 3, 1, 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = jax.nn.relu(Conv(self.squeeze, 1, name="squeeze1x1")(x))
        left = Conv(self.expand, 1, name="expand1x1")(x)
        right = Conv(self.expand, 3, padding=1, name="expand3x3")(x)
        return jax.nn.relu(jnp.concatenate([left, right], -1))


class UpConv(Layer):
    """Twice the size: zeros between the entries, then a convolution (Dosovitskiy and Brox)."""

    features: int
    kernel: int = 5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 1, 1), (0, 1, 1), (0, 0, 0)))
        return Conv(self.features, self.kernel, padding=self.kernel // 2, name="conv")(x)
