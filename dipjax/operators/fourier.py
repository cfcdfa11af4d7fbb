"""Samples of the Fourier transform: the operator of magnetic resonance imaging."""

import flax.struct
import jax.numpy as jnp

from dipjax.operators.base import Array, Operator, Shape, list_as_array

PLANE = (0, 1)


@flax.struct.dataclass
class Fourier(Operator):
    """`(A x)_c = m F (s_c x)`: what the coils of a scanner have measured of a real image.

    `F` is the unitary transform with frequency 0 at the entry (H // 2, W // 2), of an image whose
    origin is there, too: as scanners write it.

    K. Pruessmann et al., "SENSE: sensitivity encoding for fast MRI", Magn. Reson. Med. 42, 1999.

    Attributes:
        mask: `m` (H, W) or (H, W, 1), 1 where a frequency was measured and 0 where not.
        coils: `s` (H, W, coils), complex, what each of them sees of a pixel, with the phase that
            the image has there, such as `coil_maps(y)`; None for a transform channel by channel.

    Raises:
        ValueError: when applied to what is no image (H, W, C), to one of another size, or of
            several channels through coils.
    """

    mask: Array
    coils: Array | None = None

    def __post_init__(self):
        list_as_array(self, "mask")
        list_as_array(self, "coils")

    def forward(self, x: Array) -> Array:
        m = self.mask if jnp.ndim(self.mask) == 3 else self.mask[..., None]
        if x.ndim != 3 or m.shape != (*x.shape[:2], 1):
            raise ValueError(
                f"mask of shape {self.mask.shape} does not fit an image of shape {x.shape}"
            )
        if self.coils is not None:
            if x.shape != (*self.coils.shape[:2], 1):
                raise ValueError(
                    f"coils of shape {self.coils.shape} do not fit an image of shape {x.shape}: "
                    "they see one channel of their own height and width"
                )
            x = self.coils * x
        spectrum = jnp.fft.fft2(jnp.fft.ifftshift(x, PLANE), axes=PLANE, norm="ortho")
        return m * jnp.fft.fftshift(spectrum, PLANE)

    def domain(self, shape: Shape) -> Shape:
        return shape if self.coils is None else (*shape[:2], 1)


def coil_maps(y: Array, side: int = 24) -> Array:
    """What each coil sees, with the phase of the image, from the lowest frequencies: `s`.

        s_c = x_c / sqrt(sum_c |x_c|^2),    x_c = F^-1 (w y_c),    w a window of Hann

    Args:
        y: the measurement (H, W, coils), complex, frequency 0 at (H // 2, W // 2), of which the
            middle is measured without a gap.
        side: of that middle, in frequencies.

    Returns:
        `s` (H, W, coils), complex, with `sum_c |s_c|^2 = 1` wherever anything is seen: what they
        see of an image is its magnitude.

    Raises:
        ValueError: for a measurement of another form, or smaller than `side`.
    """
    if y.ndim != 3 or not jnp.iscomplexobj(y) or not 1 <= side <= min(y.shape[:2]):
        raise ValueError(
            f"y must be complex and (H, W, coils) with at least {side} x {side} frequencies, not "
            f"{y.dtype} of shape {y.shape}"
        )
    rows, columns = (_hann(n, side) for n in y.shape[:2])
    low = jnp.fft.ifftshift(rows[:, None, None] * columns[None, :, None] * y, PLANE)
    x = jnp.fft.fftshift(jnp.fft.ifft2(low, axes=PLANE, norm="ortho"), PLANE)
    seen = jnp.linalg.norm(x, axis=-1, keepdims=True)
    return x / jnp.maximum(seen, jnp.finfo(seen.dtype).tiny)


def _hann(n: int, side: int) -> Array:
    """As wide as `side` entries, around `n // 2`, and 0 elsewhere."""
    from_middle = jnp.abs(jnp.arange(n) - n // 2) / (side / 2)
    return jnp.where(from_middle < 1, jnp.cos(jnp.pi / 2 * from_middle) ** 2, 0)
