"""The risk of a fit, estimated without the truth: what its error is, over that of the noise.

    R(x) = |x - x_true|^2 / |s|^2,    y = x_true + s n,    x = f_theta(z),    z = y / u

A fit that has its measurement for a code answers to it, and how strongly tells how much of the
noise it repeats. By Stein's lemma (1981), for noise of level `s` that is independent from entry
to entry, and whatever the picture,

    E R = E (|x - y|^2 + 2 sum_i s_i^2 dx_i / dy_i) / |s|^2 - 1

With one level that is SURE, with `s^2 = gain * y` PURE, for counted photons. The divergence is that
along one random direction (Ramani et al. 2008), drawn anew at every step:

    sum_i s_i^2 dx_i / dy_i  =  mean_d d^T (f(z + eps d / u) - f(z)) / eps,    d = s * (+1 or -1)

The code is the measurement in units `u` of its noise, so that jitter 1 is as strong as that.

A fit that minimises it (Jo et al., "Rethinking deep image prior for denoising", ICCV 2021) pays for
what it takes from the noise of a pixel for the same pixel: it does not copy, and fits on all pixels
what else has to be held out or stopped before.

    E = sure(y, 25 / 255)
    fit(key, E, y.shape, code=E.code, jitter=1.0, stop=stopping.zero_crossing())
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dipjax import images, noise
from dipjax.compiler import traced
from dipjax.noise import spectrum
from dipjax.objectives import Objective
from dipjax.probes import Probe

Array = jax.Array

PROBE = 0.5  # eps: of .1, .5 and 1, on two crops
FLOOR = 0.15  # a risk that is small beside the steps of a fit; a probe of few entries shows more
FEW = 32 * 32 * 3


@flax.struct.dataclass
class Risk(Objective):
    """`E(x) = R(x)`, which may be a little below 0.

    Of an image alone it knows `|x - y|^2 / |s|^2 - 1`; the divergence is its probe.

    Attributes:
        y: the measurement (H, W, C).
        s: the level of its noise (H, W, C).
        k: of noise that is not independent, `s (k * n)`, see `spectrum.kernel`.
    """

    y: Array
    s: Array
    k: Array | None = None

    @property
    def code(self) -> Array:
        """`z = y / u` (H, W, C), the code that the fit has to have."""
        return self.y / self._unit

    @property
    def floor(self) -> float:
        return FLOOR * max(1.0, (FEW / self.y.size) ** 0.5)

    @property
    def power(self) -> float | Array:
        """Of the noise in what is coarse, 1 if it is white, and never less."""
        if self.k is None:
            return 1.0
        K = self.k.sum((0, 1))
        return spectrum.coarse_power(K @ K.T)

    @property
    def _unit(self) -> Array:
        return jnp.sqrt(jnp.mean(self.s**2))

    def __call__(self, x: Array) -> Array:
        return jnp.sum((x - self.y) ** 2) / jnp.sum(self.s**2) - 1

    def probes(self, key: Array) -> tuple[Probe, ...]:
        """One, that tells the divergence."""
        d = self.s * self._direction(key)
        return (Probe(PROBE * d / self._unit, 2 * d / (PROBE * jnp.sum(self.s**2))),)

    def _direction(self, key: Array) -> Array:
        """As the noise is alike from entry to entry, so is the direction."""
        if self.k is None:
            return jax.random.rademacher(key, self.s.shape, self.s.dtype)
        return spectrum.draw(key, self.k, self.s.shape)


def sure(y: Array, sigma: float | Array | None = None, k: Array | None = None) -> Risk:
    """Stein's unbiased estimate of the risk, for a picture with Gaussian noise.

    Args:
        y: the picture (H, W, C).
        sigma: the level of the noise, a number or that of every entry (H, W, C), such as from
            `noise.level_by_brightness`; estimated by `noise.level` if not given.
        k: of coloured noise, see `spectrum.kernel`; white without it.

    Raises:
        ValueError: for a picture of another shape or range, or a level that is not positive.
    """
    if sigma is None or jnp.ndim(sigma) == 0:
        y, sigma = noise.checked(y, sigma)
    y = images.check(y)
    if not traced(sigma):
        _check_level(np.asarray(sigma))
    return Risk(y, jnp.broadcast_to(jnp.asarray(sigma, y.dtype), y.shape), k)


def pure(y: Array, gain: float) -> Risk:
    """The Poisson unbiased estimate of the risk, for a picture of counted photons.

    To first order in the gain, `x_i(y) - x_i(y - gain e_i) = gain dx_i / dy_i`.

    Args:
        y: the picture (H, W, C): `gain` times a number of photons.
        gain: of a photon, 1 / peak; the variance of the noise is `gain * y`.

    Raises:
        ValueError: for a picture of another shape or range, or without photons, or a gain that is
            not positive.
    """
    y = images.check(y)
    if not traced(gain) and not 0 < gain < float("inf"):
        raise ValueError(f"gain {gain}: must be positive, 1 / peak")
    if not traced(y) and not (np.asarray(y) > 0).any():
        raise ValueError("the picture has no photons, it is black everywhere: it has no noise")
    return Risk(y, jnp.sqrt(gain * jnp.maximum(y, 0)))


def _check_level(sigma: np.ndarray) -> None:
    if not ((sigma >= 0) & np.isfinite(sigma)).all():
        raise ValueError("sigma: has entries that are negative or not finite")
    if not sigma.any():
        raise ValueError("sigma: is 0 everywhere, and without noise there is no risk")
