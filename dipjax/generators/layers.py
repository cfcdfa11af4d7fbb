"""The layers of a generator, as Flax modules: convolution, norm, and the block of the two.

There are no running statistics: batch normalisation of a single image is per-channel
normalisation of that image, so a generator stays a pure function of its params and its code.
"""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dipjax.generators.convolution import convolve, deconvolve
from dipjax.generators.functions import (
    Activation,
    Array,
    Downsampling,
    Padding,
    halve,
    identity,
    leaky_relu,
    normalise,
    pad,
)
from dipjax.generators.joined import Joined

Params = dict[str, Any]
ScaleInit = Literal["ones", "uniform"]


class Generator(nn.Module):
    """Base of the generators: `init(key, z) -> params`, `apply(params, z) -> image`.

    Params start as in PyTorch: kernels and biases of convolutions from U(-1, 1) / sqrt(fan_in),
    norms with bias 0 and scale 1, or U(0, 1) where a generator has `scale_init = "uniform"`, as in
    the PyTorch of the paper's day. A generator is made of the modules of this file; one with other
    params writes its own `init`.
    """

    @nn.nowrap
    def init(self, key: Array, z: Array) -> Params:
        """Random params for codes of the shape of `z`.

        All come out of one draw: a draw for each would be most of the time of compilation.
        """
        _, shapes = jax.eval_shape(super().init_with_output, key, z)
        leaves, structure = jax.tree.flatten(shapes)
        sizes = [leaf.size for leaf in leaves]
        draws = jnp.split(jax.random.uniform(key, (sum(sizes),)), np.cumsum(sizes)[:-1])
        draws = [u.reshape(leaf.shape) for u, leaf in zip(draws, leaves, strict=True)]
        return _scaled(jax.tree.unflatten(structure, draws), getattr(self, "scale_init", "ones"))

    @nn.nowrap
    def init_with_output(self, key: Array, z: Array) -> tuple[Array, Params]:
        """The image of random params, and the params: a sample of the prior."""
        params = self.init(key, z)
        image: Any = self.apply(params, z)
        return image, params


def _scaled(node: Params, scale_init: str) -> Params:
    """The params of a module and all below it, from draws of U(0, 1)."""
    if "kernel" in node:
        bound = np.prod(node["kernel"].shape[:-1]) ** -0.5
        return {name: bound * (2 * u - 1) for name, u in node.items()}
    if "scale" in node:
        scale = node["scale"] if scale_init == "uniform" else jnp.ones_like(node["scale"])
        return {"scale": scale, "bias": jnp.zeros_like(node["bias"])}
    if not all(isinstance(below, dict) for below in node.values()):
        raise TypeError(f"params {sorted(node)} are none of Conv or Norm: write an init for them")
    return {name: _scaled(below, scale_init) for name, below in node.items()}


def to_image(x: Array, sigmoid: bool, dtype: Any) -> Array:
    """The last layer's output as an image: in [0, 1] by a sigmoid, float32 at least."""
    x = x.astype(jnp.promote_types(dtype, jnp.float32))
    return jax.nn.sigmoid(x) if sigmoid else x


class Conv(nn.Module):
    """Padded convolution `(H, W, C) -> (ceil(H / s), ceil(W / s), features)`.

    Its params are drawn by `Generator.init`. With `cancelled_bias` the bias is a parameter but
    is not added, because the norm that follows subtracts it again: the published network has
    it, its value never matters. With `bias=False` there is none.
    """

    features: int
    kernel: int = 3
    stride: int = 1
    padding: Padding = "reflect"
    cancelled_bias: bool = False
    dtype: jnp.dtype = jnp.float32
    bias: bool = True

    @nn.compact
    def __call__(self, x: Array | Joined) -> Array:
        k, c = self.kernel, x.shape[-1]
        kernel = self.param("kernel", nn.initializers.zeros, (k, k, c, self.features))
        kernel, x = kernel.astype(self.dtype), x.astype(self.dtype)
        if isinstance(x, Joined):
            y: Any = x.convolved(kernel)
        else:
            y = convolve(pad(x, (k - 1) // 2, self.padding), kernel, self.stride)
        if not self.bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return y if self.cancelled_bias else y + bias.astype(self.dtype)[None, None]


class Deconv(nn.Module):
    """Transposed convolution, 4 x 4 of stride 2: `(H, W, C) -> (2H, 2W, features)`.

    Its kernel (4, 4, features, C) is that of the convolution whose adjoint it is; PyTorch, too,
    takes the fan-in of that one for the draws.
    """

    features: int
    bias: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = 4, 4, self.features, x.shape[-1]
        kernel = self.param("kernel", nn.initializers.zeros, shape)
        y: Any = deconvolve(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return y + bias.astype(self.dtype)[None, None]


class Norm(nn.Module):
    """Per-channel normalisation of one image, and the activation behind it.

    A `Joined` image (whose norm has no activation) is one again. Without `affine` there are no
    params: PyTorch's `InstanceNorm2d` at its defaults.
    """

    activation: Activation = identity
    affine: bool = True

    @nn.compact
    def __call__(self, x: Any) -> Any:
        shape = x.shape[-1:]
        if not self.affine:
            wide = jnp.promote_types(x.dtype, jnp.float32)
            return normalise(x, jnp.ones(shape, wide), jnp.zeros(shape, wide), self.activation)
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        if isinstance(x, Joined):
            return x.normalised(scale, bias)
        return normalise(x, scale, bias, self.activation)


class Block(nn.Module):
    """Convolution, down-sampling where asked for, norm, activation: the unit of every scale."""

    features: int
    kernel: int = 3
    downsample: Downsampling | None = None
    padding: Padding = "reflect"
    activation: Activation = leaky_relu
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array | Joined) -> Array:
        stride = 2 if self.downsample == "stride" else 1
        conv = Conv(self.features, self.kernel, stride, self.padding, True, self.dtype, name="conv")
        y = conv(x)
        if self.downsample not in (None, "stride"):
            y = halve(y, self.downsample)
        return Norm(self.activation, name="norm")(y)
