"""Noise: `E(x) = |x - y|^2`, or `|x - y|_1` where it is outliers."""

from typing import Any, Literal, cast

import jax
import jax.numpy as jnp

from dipjax import codes, images, noise, stopping
from dipjax.fitting import fit
from dipjax.noise import clipping
from dipjax.noise import spectrum as spectra
from dipjax.objectives import Fidelity, as_objective, data_term, l2
from dipjax.operators import Identity
from dipjax.polish import polished
from dipjax.presets import PRESETS, Preset, by_risk, enough
from dipjax.restoration import Driver, Restoration
from dipjax.risk import Risk, sure
from dipjax.step import Energy
from dipjax.tasks.recipe import behind, fitted

Array = jax.Array


def denoise(
    key: Array,
    y: Array,
    *,
    sigma: float | None = None,
    fidelity: Literal["auto", "l2", "l1", "huber", "poisson"] | Fidelity = "auto",
    spectrum: Literal["auto", "white", "coloured"] | Array = "auto",
    clipped: bool = True,
    polish: bool = True,
    regularizer: Energy | None = None,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Remove noise from a picture: `E(x) = |x - y|^2`, stopped before the noise is learnt.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the noisy picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        sigma: standard deviation of the noise, before clipping; if not given it is estimated, that
            of white noise with how it depends on the light, as the noise of counted photons does.
        spectrum: "white" noise is independent from pixel to pixel. That of "coloured" noise, as of
            most cameras, is read off the picture (see `noise.spectrum`), or is an array such as
            `noise.spectrum.seen(picture).S`. "auto" looks which it is, unless a sigma is given, by
            "l2" and not for `preset="paper"`.
        fidelity: of the data term, see `data_term`; "l1" is for noise that loses some pixels and
            leaves the others. "auto" takes it where salt and pepper is seen in `y` (see
            `noise.fidelity`), and else "l2".
        clipped: the noise was clipped with the picture, as in any picture file. A fit by "l2" tends
            to the mean of such noise, which is undone then (see `clipping`), but for
            `preset="paper"`: 2 dB for noise of 50 in dark or bright pictures.
        polish: blend a fit by "l2" with non-local Bayes, which keeps more of fine texture (see
            `polish`), but for `preset="paper"`.
        regularizer: `R`, an energy that is added, such as `1e-2 * TotalVariation()`.
        preset: "paper" (Ulyanov et al. 2018, sec. 4), "fast", or "best", the mean of four fits.
            What is fitted by risk and polished is by "fast" in 1800 steps at most, and in fewer
            where it has more than 192 x 192 pixels (see `presets.enough`).
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "risk", which
            minimises an estimate of the error (see `dipjax.risk`), "held_out", or "auto": by risk,
            but by held-out pixels with another fidelity than "l2", a regulariser, or a code or
            jitter of yours.

    Returns:
        A `Restoration`; `.image` (H, W, C) is the best estimate of the run.

    Raises:
        ValueError: for a picture of another shape or range, a sigma that is no level of noise, an
            unknown preset or fidelity, or `stop="risk"` for salt and pepper, with a regulariser
            or with a code.
        TypeError: for a regulariser that is no function of an image.
    """
    codes.one_key(key)  # before a long look at the noise
    y = images.check(y)
    sigma = None if sigma is None else noise.told(sigma)
    told = sees(y, sigma=sigma, fidelity=fidelity, spectrum=spectrum, preset=preset)
    fidelity = cast(Fidelity, told["fidelity"])
    S = spectra.asked(told["spectrum"], y, known=True)
    s = _level(y, sigma, S)
    rule = settings.pop("stop", stopping.never() if preset == "paper" else "auto")
    plain = regularizer is None and not {"code", "jitter"} & settings.keys()
    if rule == "risk" or (rule == "auto" and fidelity == "l2" and plain):
        if regularizer is not None or "code" in settings:
            raise ValueError('stop="risk" has its own code and no regulariser: leave them out')
        energy, changes = _by_risk(y, s, S, fidelity, soon=polish and preset == "fast")
    else:
        energy, changes = data_term(Identity(), y, fidelity), {"stop": rule}
    energy = energy if regularizer is None else energy + as_objective(regularizer)
    result = fitted("denoise", key, energy, y.shape, preset, driver, {**changes, **settings})
    if polish and finishes(fidelity, preset):
        result = behind(result, driver, lambda x: polished(jnp.clip(x, 0, 1), y, s, S))
    if clipped and finishes(fidelity, preset):
        result = result._replace(image=clipping.undo(result.image, y, sigma=sigma, s=s))
    return result


def finishes(fidelity: Any, preset: str) -> bool:
    """Whether `denoise` goes on behind the fit: where noise adds, and not as published."""
    return fidelity == "l2" and preset != "paper"


def sees(
    y: Array,
    *,
    sigma: float | None = None,
    fidelity: Any = "auto",
    spectrum: Any = "auto",
    preset: str = "fast",
    **_: Any,
) -> dict[str, Any]:
    """What `denoise` takes for what is "auto": a fidelity, and a spectrum, "white" or an array."""
    if isinstance(fidelity, str):
        fidelity = noise.fidelity(y) if fidelity == "auto" else fidelity
    elif fidelity is l2:
        fidelity = "l2"
    known = sigma is not None or not finishes(fidelity, preset)
    S = spectra.asked(spectrum, y, known=known)
    return {"fidelity": fidelity, "spectrum": "white" if S is None else S}


def _level(y: Array, sigma: float | None, S: Array | None) -> Array:
    """Of the noise after clipping, of every entry."""
    if sigma is not None:
        return clipping.level_after(y, sigma)
    if S is None or min(y.shape[:2]) < spectra.SIDE:
        return noise.level_by_brightness(y)
    return spectra.seen(y).level(y)


def _by_risk(
    y: Array, s: Array, S: Array | None, fidelity: str | Fidelity, soon: bool
) -> tuple[Risk, Preset]:
    """The estimate of the risk, for noise that is added, and what its fit changes in a preset."""
    if fidelity != "l2":
        raise ValueError(
            f"no risk is known for noise whose fidelity is {fidelity!r}, as of salt and pepper: "
            'leave stop="risk" out, or say fidelity="l2"'
        )
    energy = sure(y, s, None if S is None else spectra.kernel(S))
    changes = {"code": energy.code, **by_risk(y.shape)}
    if soon:
        changes["steps"] = min(PRESETS["denoise"]["fast"]["steps"], enough(y.shape))
    return energy, changes
