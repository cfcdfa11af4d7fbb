"""Scanners, of which the paper says nothing: magnetic resonance and computed tomography."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import dipjax
from dipjax import figures, generators
from dipjax.baselines import filtered_back_projection
from dipjax.objectives import TotalVariation, data_term
from dipjax.operators import Fourier, Operator, Radon, backproject, coil_maps

from . import rules, tables
from .lab import Experiment, Found, Lab, Record, middle, resized, unfitted
from .pictures import present
from .rules import Array

PICTURES: dict[str, str] = {  # and what stands in for it; on none of which anything was tuned
    "phantom": "",
    "F16": "astronaut",
    "kodim12": "chelsea",
}
WEIGHTS = (20, 70, 200)  # of total variation, in units of the noise's variance


class Scan(NamedTuple):
    """How a picture is measured.

    Attributes:
        operator: side of the picture -> `A`.
        sigma: of the noise in `A x`, in each part of a complex number.
        linear: `y`, `A` -> what is reconstructed without a prior.
    """

    operator: Callable[[int], Operator]
    sigma: float
    linear: Callable[[Array, Any], Array]


def frequencies(side: int, part: float) -> Fourier:
    """So many of all: random ones, the lower the more, and all of the lowest."""
    i = jnp.arange(side) - side // 2
    rows, columns = jnp.meshgrid(i, i, indexing="ij")
    wanted = jnp.clip(1 - jnp.hypot(rows, columns) / (0.71 * side), 0, 1) ** 3
    chance = wanted * part * side**2 / wanted.sum()
    middle = jnp.maximum(jnp.abs(rows), jnp.abs(columns)) < side // 20
    drawn = jax.random.uniform(jax.random.key(0), (side, side)) < chance
    return Fourier((drawn | middle).astype(jnp.float32))


def views(side: int, count: int) -> Radon:
    """So many angles, evenly, on detectors that see all of the picture."""
    return Radon(jnp.linspace(0, 180, count, endpoint=False), round(side * 2**0.5) + 1)


def back_transformed(y: Array, A: Fourier) -> Array:
    """As if what was not measured were 0."""
    return A.T(y)


SCANS = {
    "a quarter of the frequencies": Scan(partial(frequencies, part=0.25), 0.02, back_transformed),
    "a tenth of the frequencies": Scan(partial(frequencies, part=0.1), 0.02, back_transformed),
    "60 views": Scan(partial(views, count=60), 0.5, filtered_back_projection),
    "24 views": Scan(partial(views, count=24), 0.5, filtered_back_projection),
}


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {
        f"{name}, {scan}": partial(_reconstruct, lab, name, scan)
        for name in list(PICTURES)[: 1 if lab.tiny else lab.scale.few]
        for scan in SCANS
    }


def _reconstruct(lab: Lab, name: str, scan: str) -> Found:
    truth = _grey(lab, name)
    operator, sigma, linear = SCANS[scan]
    A = operator(truth.shape[0])
    y = _noisy(lab.key, A, A(truth), sigma)
    settings = {"shape": truth.shape, "preset": lab.scale.preset}
    result = dipjax.reconstruct(
        lab.key, y, A, driver=lab.driver(truth), **settings, **lab.fewer(300)
    )
    naive = jnp.clip(linear(y, A), 0, 1)
    settings["preset"] = "fast"  # of its polish, which "paper" has not
    polish = dipjax.reconstruct(lab.key, y, A, driver=unfitted(naive), **settings, sigma=sigma)
    methods = {
        "linear": naive,
        "total variation": _total_variation(lab, A, y, naive, truth, sigma),
        "polish, no fit": polish.image,
        "fit": jnp.clip(result.average, 0, 1),
        "ours": result.image,
    }
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


def _grey(lab: Lab, name: str) -> Array:
    """A square picture (side, side, 1)."""
    if name == "phantom":
        from skimage.data import shepp_logan_phantom

        x = jnp.asarray(shepp_logan_phantom(), jnp.float32)[..., None]
        return resized(x, *[lab.scale.side or x.shape[0]] * 2)
    x = lab.pictures.colour(f"denoise/25/{name}_GT.png", PICTURES[name])
    x = x.mean(-1, keepdims=True)
    return middle(x, lab.scale.side or min(x.shape[:2]))


def _noisy(key: Array, A: Operator, y: Array, sigma: float) -> Array:
    """With noise in what was measured; of complex numbers in both parts."""
    noise = jax.random.normal(key, y.shape, y.dtype)
    if isinstance(A, Fourier):  # both parts of JAX's complex numbers share a variance of 1
        noise *= 2**0.5 * A.mask[..., None]
    return y + sigma * noise


def _total_variation(
    lab: Lab, A: Operator, y: Array, naive: Array, truth: Array, sigma: float
) -> Array:
    """The best of three weights, chosen by the true picture."""
    pixels = {"generator": generators.Pixels(), "code": naive, "jitter": 0.0}
    pixels |= {"steps": 500, **lab.fewer(100)}
    found = []
    for weight in WEIGHTS:
        energy = data_term(A, y) + weight * sigma**2 * TotalVariation()
        found.append(jnp.clip(dipjax.fit(lab.key, energy, truth.shape, **pixels).last, 0, 1))
    return max(found, key=lambda x: rules.whole(x, truth))


# --- a real scan ---------------------------------------------------------------------------

BRAIN = "mri/sigpy_cartesian_ksp.npy"  # of sigpy-mri-tutorial (BSD-3): 8 coils, an eighth sampled
CALIBRATION = 24  # so many frequencies in the middle have no gap
RIDGES = (0.001, 0.01, 0.1)


def _brain(lab: Lab) -> Found:
    """How well what is reconstructed predicts a tenth of the samples, which it has not seen."""
    assert lab.pictures.data is not None
    y = jnp.asarray(np.load(present(lab.pictures.data / BRAIN))).transpose(1, 2, 0)
    sampled = jnp.abs(y).sum(-1) > 0
    rows, columns = (jnp.abs(jnp.arange(n) - n // 2) < CALIBRATION // 2 for n in sampled.shape)
    drawn = jax.random.uniform(lab.key, sampled.shape) < 0.1
    held = sampled & drawn & ~(rows[:, None] & columns[None])
    coils = coil_maps(y, CALIBRATION)
    A, unseen = Fourier(sampled & ~held, coils), Fourier(held, coils)
    nothing = jnp.zeros((*sampled.shape, 1))
    seen = y * A.mask[..., None]
    linear = [backproject(nothing, A, seen, ridge=ridge) for ridge in RIDGES]
    white = jnp.percentile(linear[0], 99.8)
    y, seen = y / white, seen / white

    def error(x: Array) -> float:
        truth = y * held[..., None]
        return float(jnp.linalg.norm(unseen(x) - truth) / jnp.linalg.norm(truth))

    settings = {"preset": lab.scale.preset, "driver": lab.driver(), **lab.fewer(300)}
    result = dipjax.reconstruct(lab.key, seen, A, **settings)
    methods = {
        "least squares": min((x / white for x in linear), key=error),
        "fit": result.average,
        "ours": result.image,
    }
    return Found({"error": {name: error(x) for name, x in methods.items()}}, methods)


def _draw(records: list[Record], summary: dict[str, Any]) -> Any:
    (record,) = records
    error = record.numbers["error"]
    return figures.grid([[(f"{name} {error[name]:.2f}", x) for name, x in record.views.items()]])


EXPERIMENTS = {
    "scanners": tables.experiment(
        "Scanners: Fourier samples and line integrals of three pictures (not in the paper)", items
    ),
    "brain": Experiment(
        "A scan of a head by 8 coils, an eighth of the frequencies: the error in samples that were "
        "held out (not in the paper)",
        lambda lab: {"head": partial(_brain, lab)},
        lambda records: {"table": tables.measured(records, "error")},
        _draw,
        needs_data=True,
    ),
}
