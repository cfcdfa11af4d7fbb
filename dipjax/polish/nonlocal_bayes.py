"""Non-local Bayes: patches that look alike are draws from one Gaussian (Lebrun et al. 2013).

    x_i = y_i - sigma^2 A^-1 (y_i - m)        m, A: mean and covariance of the noisy group

Every patch is the linear minimum mean square estimate within its group, and every pixel the mean
of the patches that hold it. What is alike, and `A = cov(p) + sigma^2 I`, is read off a pilot `p`, a
first estimate of the picture; without one, off the noisy picture itself. It came within 0.4 dB of
BM3D on four pictures of scikit-image, in code that JAX compiles, under dipjax's own licence.

M. Lebrun, A. Buades, J.-M. Morel, "A nonlocal Bayesian image denoising algorithm", SIAM J. Imaging
Sciences 6(3), 2013.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from dipjax import images, noise
from dipjax.noise import spectrum

Array = jax.Array

RADIUS = 10  # patches are alike within so many pixels
STRIDE = 2  # between the patches whose groups are formed
FIRST = {"side": 5, "group": 160}  # of noisy patches a covariance takes many
SECOND = {"side": 3, "group": 30}
EPSILON = 1e-6  # keeps a covariance positive in float32
BLOCK = 64  # groups at once: a few MB, which lie in a CPU's cache
WIDE_BLOCK = 2048  # on an accelerator, which is idle with fewer


def nonlocal_bayes(
    y: ArrayLike,
    *,
    sigma: float | Array | None = None,
    pilot: ArrayLike | None = None,
    S: Array | None = None,
) -> Array:
    """Remove Gaussian noise by groups of alike patches.

    Args:
        y: the noisy picture (H, W, C), at least 5 pixels high and wide.
        sigma: standard deviation of its noise, on the scale where white is 1.
        pilot: an estimate of the picture (H, W, C) by another method, better than `y`.
        S: of coloured noise, its spectrum (see `dipjax.noise.spectrum`); white without it.

    Returns:
        (H, W, C), held in [0, 1].

    Raises:
        ValueError: for a picture of another shape or range, a pilot of another shape, or a noise
            level that is no level.
    """
    y, sigma = noise.checked(y, sigma)
    if min(y.shape[:2]) < FIRST["side"]:
        raise ValueError(f"a picture of shape {y.shape} is smaller than a patch of 5 x 5")
    if pilot is not None:
        pilot = images.check(pilot, "pilot")
        if pilot.shape != y.shape:
            raise ValueError(f"pilot of shape {pilot.shape} for a picture of shape {y.shape}")
    return staged(y, sigma, pilot, S)


def staged(
    y: Array, sigma: float | Array, pilot: Array | None = None, S: Array | None = None
) -> Array:
    """`nonlocal_bayes` where nothing is to be looked at: `y` may leave the range of a picture."""
    if pilot is None:
        pilot = jnp.clip(grouped(y, y, sigma, S, noisy=True, **FIRST), 0, 1)
    return jnp.clip(grouped(y, pilot, sigma, S, noisy=False, **SECOND), 0, 1)


@partial(jax.jit, static_argnames=("noisy", "side", "group"))
@jax.default_matmul_precision("highest")  # a covariance in TF32 need not be positive
def grouped(
    y: Array,
    pilot: Array,
    sigma: float | Array,
    S: Array | None = None,
    *,
    noisy: bool,
    side: int,
    group: int,
) -> Array:
    """`y` (H, W, C) by groups of `group` patches of `side` pixels that are alike in the pilot.

    One stage of `nonlocal_bayes`; nothing is looked at. `noisy` says that the pilot is as noisy as
    `y`, which its covariance then holds already.
    """
    Y, P = _patches(y, side), _patches(pilot, side)
    h, w, d = Y.shape
    Y, P = Y.reshape(-1, d), P.reshape(-1, d)
    N = None if S is None else spectrum.covariance(S, side).astype(Y.dtype)
    filtered = partial(_gaussian, sigma=sigma, N=N, noisy=noisy)
    sums, counts = jnp.zeros_like(Y), jnp.zeros(len(Y), Y.dtype)

    def block(carry: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
        sums, counts = carry
        near = _alike(P, i, (h, w), group)
        x = jax.vmap(filtered)(Y[near], P[near])
        near = jnp.where(i[:, None] < len(Y), near, len(Y))  # adds to nothing
        return (sums.at[near].add(x, mode="drop"), counts.at[near].add(1, mode="drop")), None

    (sums, counts), _ = lax.scan(block, (sums, counts), _references(h, w))
    return _fold(sums.reshape(h, w, d), counts.reshape(h, w, 1), side)


def too_few(x: Array, side: int, group: int) -> bool:
    """Whether a group finds too few patches around it; one of fewer magnifies rounding."""
    h, w = (min(max(n - side + 1, 0), 2 * RADIUS + 1) for n in x.shape[:2])
    return h * w < group


def _gaussian(Y: Array, P: Array, sigma: float | Array, N: Array | None, noisy: bool) -> Array:
    """A group of patches (n, d) by the formula above, `sigma^2 N` the covariance of the noise."""
    centred, d = Y - Y.mean(0, keepdims=True), Y.shape[1]
    one = jnp.eye(d, dtype=P.dtype)
    A = jnp.cov(P, rowvar=False, bias=True).reshape(d, d)
    if N is None:
        variance = EPSILON + (0 if noisy else sigma**2)
        return Y - sigma**2 * centred @ _inverse(A + variance * one)
    A += EPSILON * one + (0 if noisy else sigma**2 * N)
    return Y - sigma**2 * centred @ _inverse(A) @ N


def _inverse(A: Array) -> Array:
    """Of a positive definite matrix, by sweeping out one row and column after another.

    With LAPACK's all is a fifth faster, and waits for ever where devices share fewer cores.
    """

    def sweep(k: Array, A: Array) -> Array:
        row = A[k] / A[k, k]
        swept = (A - A[:, k, None] * row[None]).at[k].set(row).at[:, k].set(row)
        return swept.at[k, k].set(-1 / A[k, k])

    return -lax.fori_loop(0, len(A), sweep, A)


def _alike(P: Array, i: Array, size: tuple[int, int], group: int) -> Array:
    """The indices (n, group) of the patches nearest to each of the patches `i` (n,)."""
    across = 2 * RADIUS + 1

    def span(at: Array, n: int) -> Array:
        start = jnp.clip(at - RADIUS, 0, max(n - across, 0))
        return start[:, None] + jnp.arange(min(across, n))[None]

    rows, columns = span(i // size[1], size[0]), span(i % size[1], size[1])
    window = (rows[:, :, None] * size[1] + columns[:, None, :]).reshape(len(i), -1)
    distance = jnp.sum((P[window] - P[i][:, None]) ** 2, -1)
    distance = jnp.where(window == i[:, None], -1, distance)  # itself, whatever else is equal
    _, nearest = lax.top_k(-distance, min(group, window.shape[1]))
    return jnp.take_along_axis(window, nearest, 1)


def _references(h: int, w: int) -> Array:
    """The indices (blocks, n) of every second patch along rows and columns, and of the last.

    What is left of the last block are indices of no patch.
    """
    rows, columns = (jnp.minimum(jnp.arange(0, n + STRIDE - 1, STRIDE), n - 1) for n in (h, w))
    i = (rows[:, None] * w + columns[None]).ravel()
    block = BLOCK if jax.default_backend() == "cpu" else WIDE_BLOCK
    block = min(block, i.size)
    return jnp.pad(i, (0, -i.size % block), constant_values=h * w).reshape(-1, block)


def _patches(x: Array, side: int) -> Array:
    """(H, W, C) -> (H - side + 1, W - side + 1, side * side * C)"""
    h, w = x.shape[0] - side + 1, x.shape[1] - side + 1
    return jnp.concatenate([x[i : i + h, j : j + w] for i, j in _corners(side)], -1)


def _fold(sums: Array, counts: Array, side: int) -> Array:
    """The mean of the patches, pixel by pixel."""
    h, w, c = sums.shape[0], sums.shape[1], sums.shape[2] // side**2
    x = jnp.zeros((h + side - 1, w + side - 1, c), sums.dtype)
    n = jnp.zeros((h + side - 1, w + side - 1, 1), sums.dtype)
    for k, (i, j) in enumerate(_corners(side)):
        x = x.at[i : i + h, j : j + w].add(sums[..., k * c : (k + 1) * c])
        n = n.at[i : i + h, j : j + w].add(counts)
    return x / n


def _corners(side: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(side) for j in range(side)]
