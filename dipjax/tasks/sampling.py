"""What the prior says unasked: `f_theta(z)` with random params."""

from functools import partial
from typing import Any

import jax

from dipjax import codes
from dipjax.codes import Code
from dipjax.compiler import compiled
from dipjax.generators.hourglass import or_hourglass
from dipjax.settings import check_hash

Array = jax.Array


def sample(
    key: Array,
    shape: tuple[int, int, int],
    *,
    generator: Any = None,
    code: Code | Array = codes.uniform,
) -> Array:
    """A picture drawn from the prior: `f_theta(z)` with random `theta`, nothing is fitted.

    What a generator can say before it has seen anything (Ulyanov et al. 2020, IJCV, "samples from
    the prior"): deeper ones are smoother, skips bring fine grain.

    Args:
        key: of code and params; the same key gives the same bits.
        shape: of the picture, (H, W, C).
        generator: `f`; the paper's `Hourglass` by default.
        code: `z`, an array or a function `(key, shape) -> z`.

    Returns:
        The picture (H, W, C) in [0, 1], for a generator that ends in a sigmoid.

    Raises:
        ValueError: for a shape that is not (H, W, C), or that the generator does not make.
        TypeError: for a generator that has no hash.
    """
    z, key, _ = codes.drawn(key, code, shape)
    generator = or_hourglass(generator, shape)
    check_hash(generator)
    image = _said(key, z, generator)
    if image.shape != tuple(shape):
        raise ValueError(f"the generator makes images of shape {image.shape}, not {shape}")
    return image


def needs(key: Array, shape: tuple[int, int, int], generator: Any) -> int:
    """The bytes that `sample` works with, as its compiler says; nothing is computed.

    What is compiled here is found again in the cache on disk (see `dipjax.cache`), and only there.
    """
    z, key, _ = jax.eval_shape(lambda key: codes.drawn(key, codes.uniform, shape), key)
    plan = _said.program().lower(key, z, generator).compile().memory_analysis()
    if plan is None:  # of a backend that does not tell
        return 0
    return plan.temp_size_in_bytes + plan.output_size_in_bytes + plan.argument_size_in_bytes


@partial(compiled, static_argnames="generator")
def _said(key: Array, z: Array, generator: Any) -> Array:
    """What it says unasked."""
    return generator.apply(generator.init(key, z), z)
