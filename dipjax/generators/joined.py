"""A fine image, and a coarse one that is up-sampled to its size, side by side in their channels.

That is what a decoder convolves at every scale. The up-sampled image is the largest of a network,
and has no more in it than the coarse one: on a CPU all passes over it are saved.
"""

from functools import partial
from typing import Any, get_args

import flax.struct
import jax
import jax.numpy as jnp

from dipjax.generators.convolution import pays
from dipjax.generators.functions import Upsampling, gram, identity, normalise, pad, upsample
from dipjax.generators.winograd import winograd_upsampled

Array = jax.Array

GRAMS = {method: partial(gram, method=method) for method in get_args(Upsampling)}


@flax.struct.dataclass
class Joined:
    """`concatenate(fine, up-sampled coarse)`, which is never computed.

    Attributes:
        fine: image (H, W, C), or None where there are no channels of it.
        coarse: image (H / 2, W / 2, C').
        upsampling: the method.
    """

    fine: Array | None
    coarse: Array
    upsampling: Upsampling = flax.struct.field(pytree_node=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C + C')."""
        h, w, c = self.coarse.shape
        return 2 * h, 2 * w, c + _channels(self.fine)

    def astype(self, dtype: Any) -> "Joined":
        return jax.tree.map(lambda x: x.astype(dtype), self)

    def normalised(self, scale: Array, bias: Array) -> "Joined":
        """`normalise` of the whole: its up-sampled part has statistics that `gram` knows."""
        n, spread = _channels(self.fine), GRAMS[self.upsampling]
        fine: Any = None if self.fine is None else normalise(self.fine, scale[:n], bias[:n])
        coarse: Any = normalise(self.coarse, scale[n:], bias[n:], identity, spread)
        return Joined(fine, coarse, self.upsampling)

    def convolved(self, w: Array) -> Array:
        """Padded by reflection and convolved with a kernel (3, 3, C + C', D): (H, W, D)."""
        fine = None if self.fine is None else pad(self.fine, 1, "reflect")
        return winograd_upsampled(fine, self.coarse, w, self.upsampling)


def join(fine: Array | None, coarse: Array, upsampling: Upsampling, shape: tuple[int, ...]):
    """The channels of `fine` and of `coarse` up-sampled to (H, W) = `shape`: (H, W, C + C')."""
    image = upsample(coarse, upsampling, shape)
    return image if fine is None else jnp.concatenate([fine, image], -1)


def folds(shape: tuple[int, ...], kernel: tuple[int, ...], dtype: Any) -> bool:
    """Whether a `Joined` image of (H, W) = `shape` can be convolved, and should be, here."""
    whole = shape[0] % 4 == shape[1] % 4 == 0
    return jax.default_backend() == "cpu" and whole and pays(shape[0] * shape[1], kernel, dtype)


def _channels(x: Array | None) -> int:
    return 0 if x is None else x.shape[-1]
