"""How much work a step is, and how fast the machine could do it.

Counted are the convolutions of the plain network, the same for every library: what an exact
rewrite saves shows as a higher fraction of the peak, not as less work.
"""

from typing import Any, NamedTuple

import jax

Shape = tuple[int, ...]


class Work(NamedTuple):
    """One convolution in one step: floating-point operations, and entries moved at the least."""

    flops: int
    entries: int


def convolutions(generator: Any, shape: Shape, channels: int) -> list[Work]:
    """The convolutions of one step of an `Hourglass`, read off its params.

        forward   y = w * x                 2 h w k^2 C D operations, reads x and writes y
        backward  dw = x * dy, dx = w * dy  twice that, reads x and dy and writes dx

    for the image (h, w, D) that comes out; the gradient of the code is needed by nobody.

    Args:
        generator: an `Hourglass` that strides; another `downsample` does more at `down`.
        shape: (H, W, C) of the image.
        channels: of the code.
    """
    z = jax.ShapeDtypeStruct((*shape[:2], channels), "float32")
    params = jax.eval_shape(generator.init, jax.random.key(0), z)["params"]
    works = []
    for name, module in params.items():
        kernel = module.get("conv", module).get("kernel")
        if kernel is None:  # the norm of a join
            continue
        k, _, c, d = kernel.shape
        kind, _, i = name.partition("_")
        scale = int(i or 0)
        before, after = scale + (kind == "deep"), scale + (kind in ("down", "deep"))
        (h_in, w_in), (h, w) = ([-(-n // 2**level) for n in shape[:2]] for level in (before, after))
        from_code = scale == 0 and kind in ("down", "skip")
        x, y = h_in * w_in * c, h * w * d
        products = 2 if from_code else 3
        works.append(Work(products * 2 * h * w * k * k * c * d, products * x + 2 * y))
    return works


def flops(works: list) -> int:
    """Of a step."""
    return sum(work[0] for work in works)


def floor(works: list, flops_per_second: float, bytes_per_second: float, size: int) -> float:
    """The seconds of a step at the roofline, for entries of `size` bytes.

        sum_i max(flops_i / peak, bytes_i / bandwidth)

    as if everything between the convolutions were free.
    """
    return sum(
        max(count / flops_per_second, size * entries / bytes_per_second) for count, entries in works
    )
