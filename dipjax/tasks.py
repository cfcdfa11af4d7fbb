"""Tasks: recipes that put an operator, a code and published settings into the one fit.

    denoise, remove_jpeg_artifacts   E(x) = |x - y|^2, or |x - y|_1 where outliers are
    inpaint                          E(x) = |m * x - m * y|^2      m = 1 where y is known
    super_resolve                    E(x) = |A x - y|^2            A keeps every n-th pixel
    deblur                           E(x) = |k * x - y|^2          k is the picture of a point
    flash_no_flash                   E(x) = |x - y|^2              z = the flash picture
    enhance                          x_e = y + (y - x_c)           x_c fits y, but coarsely

A recipe holds no loop. Its settings are the keyword arguments of `fit`, taken from a preset and
changed one by one: `denoise(key, y, steps=500, jitter=0.05)`. `stop="auto"` is the default: the
fit ends by itself where its task can tell when (see `presets.by_risk` and `automatic`), but for
`preset="paper"`, which makes the published steps. `sample` fits nothing at all.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax.core import Tracer

from dipjax import clipping, codes, images, kernels, noise, stopping
from dipjax.codes import Code
from dipjax.fitting import Energy, Restoration, fit
from dipjax.generators import Hourglass
from dipjax.masks import masked
from dipjax.objectives import Fidelity, as_objective, data_term
from dipjax.operators import Blur, Downsample, Identity, Jpeg, Kernel, Mask, Operator
from dipjax.operators.jpeg import ROUNDING, light
from dipjax.polish import BLURRED, EXACT, polished, refined
from dipjax.presets import PRESETS, Preset, automatic, by_risk, choose, precision
from dipjax.risk import Risk, sure
from dipjax.stopping import Reason

Array = jax.Array
Driver = Callable[..., Restoration]  # called like `fit`
# How much of the decoded colour stays, of which a file keeps means alone: 0 to .4 dB better than
# none on crops of kodim03, lena and peppers, in qualities from 10 to 60, and 1 dB at most in 90.
COLOUR = 0.25
FEW = 400  # steps of a fit that a known compression polishes: of 1600 no more was left, 0.02 dB
CUT_SHORT = (Reason.RUNNING, Reason.FAILED)
Missing = Literal["half", "text", "sparse", "hole"]


def denoise(
    key: Array,
    y: Array,
    *,
    sigma: float | None = None,
    fidelity: Literal["auto", "l2", "l1", "huber"] | Fidelity = "auto",
    clipped: bool = True,
    polish: bool = True,
    regularizer: Energy | None = None,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Remove noise from a picture: `E(x) = |x - y|^2`, stopped before the noise is learnt.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the noisy picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        sigma: standard deviation of white noise, before clipping; if not given it is estimated,
            with how it depends on the light, as the noise of counted photons does.
        fidelity: of the data term, see `data_term`; "l1" is for noise that loses some pixels and
            leaves the others. "auto" takes it where salt and pepper is seen in `y` (see
            `noise.fidelity`), and else "l2".
        clipped: the noise was clipped with the picture, as in any picture file. A fit by "l2" tends
            to the mean of such noise, which is undone then (see `clipping`), but for
            `preset="paper"`: 2 dB for noise of 50 in dark or bright pictures.
        polish: blend a fit by "l2" with non-local Bayes, which keeps more of fine texture (see
            `polish`), but for `preset="paper"`; for noise that is independent from pixel to pixel.
        regularizer: `R`, an energy that is added, such as `1e-2 * TotalVariation()`.
        preset: "paper" (Ulyanov et al. 2018, sec. 4), "fast", the default on a CPU, or "best".
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
    y = images.check(y)
    white = None if sigma is None else noise.checked(y, sigma)[1]
    fidelity = noise.fidelity(y) if fidelity == "auto" else fidelity
    rule = settings.pop("stop", stopping.never() if preset == "paper" else "auto")
    plain = regularizer is None and not {"code", "jitter"} & settings.keys()
    if rule == "risk" or (rule == "auto" and fidelity == "l2" and plain):
        energy = _risk(y, white, fidelity)
        if regularizer is not None or "code" in settings:
            raise ValueError('stop="risk" has its own code and no regulariser: leave them out')
        settings = {"code": energy.code, **by_risk(y.shape), **settings}
    else:
        energy = data_term(Identity(), y, fidelity)
        settings = {"stop": rule, **settings}
    energy = energy if regularizer is None else energy + as_objective(regularizer)
    result = _fit("denoise", key, energy, y.shape, preset, driver, settings)
    if polish and finishes(fidelity, preset):
        s = energy.s if isinstance(energy, Risk) else _level(y, white)
        result = _behind(result, driver, lambda x: polished(jnp.clip(x, 0, 1), y, s))
    if clipped and finishes(fidelity, preset):
        result = result._replace(image=clipping.undo(result.image, y, sigma=white))
    return result


def finishes(fidelity: Any, preset: str | None) -> bool:
    """Whether `denoise` goes on behind the fit: where noise adds, and not as published."""
    return fidelity == "l2" and preset != "paper"


def _risk(y: Array, white: float | None, fidelity: str | Fidelity) -> Risk:
    """The estimate of the risk, for noise that is added to the picture."""
    if fidelity != "l2":
        raise ValueError(
            f"no risk is known for noise whose fidelity is {fidelity!r}, as of salt and pepper: "
            'leave stop="risk" out, or say fidelity="l2"'
        )
    return sure(y, _level(y, white))


def _level(y: Array, white: float | None) -> Array:
    """Of the noise that is left in every entry, after clipping."""
    return noise.level_by_brightness(y) if white is None else clipping.level_after(y, white)


def remove_jpeg_artifacts(
    key: Array,
    y: Array,
    *,
    jpeg: Jpeg | None = None,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Remove the blocks and ripples that JPEG leaves: `E(x) = |x - y|^2`, stopped in time.

    Blind, as published: nothing is known of the compression, the generator takes longer over
    blocks than over the picture (Ulyanov et al. 2018, Fig. 3). Where it is known the fit is
    polished by it (see `polish.refined`), and agrees with the file.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture as decoded (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        jpeg: what the file has kept of it, as `images.load_picture(path).jpeg`, of a picture that
            is whole and was not in coarser steps before; `preset="paper"` does not use it.
        preset: "paper", "fast", the default on a CPU, or "best".
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is the best estimate of the run.

    Raises:
        ValueError: for a picture of another shape or range, of other channels than those of `jpeg`,
            or for an unknown preset.
    """
    y = images.check(y)
    if jpeg is None or preset == "paper":
        return _near("remove_jpeg_artifacts", key, y, preset, driver, settings)
    jax.eval_shape(jpeg.forward, y)  # whether it fits
    settings = {"steps": FEW, **settings}
    result = _near("remove_jpeg_artifacts", key, y, preset, driver, settings)

    def refine(x: Array) -> Array:
        x = refined(x, A=jpeg, y=jpeg.measured(y), s=ROUNDING, narrow=jpeg.level)
        if jpeg.sampling == (1, 1):
            return x
        change = x - y
        return jnp.clip(x - COLOUR * (change - light(change)), 0, 1)

    return _behind(result, driver, refine)


def inpaint(
    key: Array,
    y: Array,
    mask: Array,
    *,
    missing: Missing = "half",
    polish: bool = True,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Fill in what is missing of a picture: `E(x) = |m * x - m * y|^2`.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture (H, W, C); what it holds at missing pixels does not matter, NaN is fine.
        mask: `m` (H, W), (H, W, 1) or (H, W, C): 1 or True where `y` is known, 0 where missing.
        missing: what is missing, which chooses the settings: "half" of the pixels or so,
            scattered; thin strokes as of "text"; nearly all ("sparse", 98 % as published);
            a large "hole".
        polish: go on behind the fit by non-local Bayes and back-projection in turn (see
            `polish.refined`), but where `preset="paper"` is asked for.
        preset: "paper" (Ulyanov et al. 2018, sec. 4), "fast", the default on a CPU, or "best".
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is `y` where it is known and the average, polished,
            elsewhere.

    Raises:
        ValueError: for a picture of another shape or range, a mask that does not fit it, has
            other values than 0 and 1, knows all or nothing, or seems to be inverted; for
            an unknown preset or kind of `missing`.
    """
    if missing not in get_args(Missing):
        raise ValueError(f"missing must be one of {get_args(Missing)}, not {missing!r}")
    y, m = masked(y, mask)
    task = "inpaint" if missing == "half" else f"inpaint_{missing}"
    result = _refined(task, key, Mask(m), y, polish, preset, driver, settings)
    return result._replace(image=jnp.where(m > 0, y, result.image))


def super_resolve(
    key: Array,
    y: Array,
    *,
    factor: int = 4,
    kernel: Kernel = "lanczos2",
    polish: bool = True,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Enlarge a picture: `E(x) = |A x - y|^2`, with `A` the down-sampling that made it small.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the small picture (h, w, C), floats in [0, 1] or 8- and 16-bit integers.
        factor: by how much to enlarge, an integer of at least 2.
        kernel: of the down-sampling; "lanczos2" is the paper's and close to bicubic.
        polish: go on behind the fit by non-local Bayes and back-projection in turn (see
            `polish.refined`), but where `preset="paper"` is asked for.
        preset: "paper" (Ulyanov et al. 2018, sec. 4), "fast", the default on a CPU, or "best".
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (h * factor, w * factor, C) is the average of the iterates,
            polished.

    Raises:
        ValueError: for a picture of another shape or range, another factor, or an unknown preset.
    """
    y = images.check(y)
    if not 2 <= factor <= min(y.shape[:2]):
        raise ValueError(
            f"factor {factor}: must be an integer from 2 to the smaller side of the picture, "
            f"which is {min(y.shape[:2])}"
        )
    A = Downsample(factor, kernel)
    task = "super_resolve" if factor < 8 else "super_resolve_x8"
    return _refined(task, key, A, y, polish, preset, driver, settings)


def deblur(
    key: Array,
    y: Array,
    kernel: Array,
    *,
    sigma: float | None = None,
    polish: bool = True,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Sharpen a picture whose blur is known: `E(x) = |k * x - y|^2`.

    What is fitted reaches beyond the picture by half of the kernel on each side, from where light
    has come into it, and is cut to the picture in the end: nothing is assumed of its border.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the blurred picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        kernel: `k` (h, w), the picture of a point of light, seen at its entry (h // 2, w // 2),
            such as `kernels.disc(3)`; it is scaled to the sum 1.
        sigma: standard deviation of the noise, before clipping, on the scale where white is 1; for
            the polish. If not given it is estimated, where the picture is neither black nor white.
        polish: go on behind the fit by non-local Bayes and back-projection in turn (see
            `polish.refined`), but where `preset="paper"` is asked for.
        preset: "paper" (its network and settings of super-resolution; deblurring is ours), "fast",
            the default on a CPU, or "best".
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is the average of the iterates, polished.

    Raises:
        ValueError: for a picture of another shape or range, a kernel that is none or larger than
            the picture, a sigma that is no level of noise, or an unknown preset.
    """
    y = images.check(y)
    A = Blur(kernels.checked(kernel, y.shape).astype(y.dtype))
    white = None if sigma is None else noise.checked(y, sigma)[1]

    def refine(x: Array, A: Operator, y: Array) -> Array:
        s = _unclipped_level(y) if white is None else white
        return refined(x, A=A, y=y, s=jnp.maximum(s, EXACT), wide=BLURRED)

    result = _refined("deblur", key, A, y, polish, preset, driver, settings, refine)
    return result.map_images(lambda x: images.middle(x, y.shape))


def _unclipped_level(y: Array) -> Array:
    """Of the noise of the entries that are neither black nor white, a scalar."""
    inside = (y > 0) & (y < 1)
    squares = jnp.where(inside, noise.level_by_brightness(y) ** 2, 0)
    return jnp.sqrt(squares.sum() / jnp.maximum(inside.sum(), 1))


def flash_no_flash(
    key: Array,
    y: Array,
    flash: Array,
    *,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Remove the noise of a dark picture by one with flash: `E(x) = |x - y|^2`, `z = flash`.

    The generator turns the flash picture into the other, so that its edges are at hand while
    light and colour come from `y` (Ulyanov et al. 2018, Fig. 10).

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture without flash (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        flash: the same view with flash (H, W, any number of channels), aligned with `y`.
        preset: "paper", "fast", the default on a CPU, or "best".
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is the best estimate of the run.

    Raises:
        ValueError: for pictures of another shape or range, of different height or width, or an
            unknown preset.
    """
    y, z = images.check(y), images.check(flash, "flash")
    if y.shape[:2] != z.shape[:2]:
        raise ValueError(
            f"flash of {z.shape[1]} x {z.shape[0]} pixels for a picture of {y.shape[1]} x "
            f"{y.shape[0]}: they must agree, pixel by pixel"
        )
    return _near("flash_no_flash", key, y, preset, driver, {"code": z, **settings})


def enhance(
    key: Array,
    y: Array,
    *,
    strength: float = 1.0,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Boost the details of a picture: `x_e = y + strength * (y - x_c)`.

    `x_c` is a fit of `y` that is stopped while it is coarse: what it has not learnt yet is
    detail (Ulyanov et al. 2020, IJCV, "image enhancement"). Fewer `steps` leave more to boost.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers. Noise is detail.
        strength: of the details that are added, positive.
        preset: "paper" (its network; the number of steps is ours), "fast", the default on a CPU,
            or "best".
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is `x_e`, held in [0, 1], and `.average` is `x_c`.

    Raises:
        ValueError: for a picture of another shape or range, an unknown preset, or a strength that
            is not positive.
    """
    if not isinstance(strength, Tracer) and not 0 < strength < math.inf:
        raise ValueError(f"strength {strength}: must be a positive number")
    y = images.check(y)
    result = _near("enhance", key, y, preset, driver, settings)
    return result._replace(image=jnp.clip(y + strength * (y - result.image), 0, 1))


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
        ValueError: for a shape that is none of an image, or that the generator does not make.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"shape must be (H, W, C) of an image, not {shape}")
    generator = Hourglass(channels=shape[-1]) if generator is None else generator
    code_key, key = jax.random.split(key)
    z = code(code_key, shape) if callable(code) else jnp.asarray(code)
    image = generator.apply(generator.init(key, z), z)
    if image.shape != tuple(shape):
        raise ValueError(f"the generator makes images of shape {image.shape}, not {shape}")
    return image


def _near(task: str, key, y: Array, preset, driver: Driver, settings: Preset) -> Restoration:
    """The fit of `|x - y|^2`."""
    return _fit(task, key, data_term(Identity(), y), y.shape, preset, driver, settings)


def _refined(
    task: str, key, A, y, polish: bool, preset, driver, settings, refine: Callable = refined
) -> Restoration:
    """The fit of `|A x - y|^2`, refined by what was measured, but not as published."""
    result = _fit(task, key, data_term(A, y), A.domain(y.shape), preset, driver, settings)
    if not polish or preset == "paper":
        return result
    return _behind(result, driver, lambda x: refine(x, A, y))


def _fit(task: str, key, energy, shape, preset, driver: Driver, changes: Preset) -> Restoration:
    """The fit with the settings of the preset, the changes, and the rule that ends it."""
    settings = _settings(task, preset, changes, shape)
    rule = settings.pop("stop", stopping.never() if preset == "paper" else "auto")

    def one(key: Array) -> Restoration:
        objective, stop = energy, rule
        if isinstance(rule, str):
            key, objective, stop = automatic(rule, task, key, energy)
        return driver(key, objective, shape, stop=stop, **settings)

    members = settings.pop("members", 1)
    return one(key) if members == 1 else _mean(each(one, jax.random.split(key, members), driver))


def each(one: Callable[[Array], Restoration], keys: Any, driver: Driver) -> list[Restoration]:
    """A fit for each key, one after another, until one is cut short, by Ctrl-C or by failing.

    That one would blur the mean of those before it and is left out, unless it is the first. A
    driver that knows of a Ctrl-C between two fits says so by `ended`, as `report.Watch` does.
    """
    fits = []
    for key in keys:
        fits.append(one(key))
        reason = fits[-1].stop_reason
        if not (reason is None or isinstance(reason, Tracer)) and int(reason) in CUT_SHORT:
            return fits[:-1] or fits
        if getattr(driver, "ended", False):
            break
    return fits


def _behind(result: Restoration, driver: Driver, polish: Callable[[Array], Array]) -> Restoration:
    """The result with its image polished, but where the fit was cut short by Ctrl-C or failing.

    A driver that shows how it goes, as `report.Watch` does, has a method `polish` that is given
    the work.
    """
    if getattr(driver, "ended", False):
        return result
    told = getattr(driver, "polish", lambda work: work())
    return result._replace(image=told(lambda: polish(result.image)))


def _mean(fits: list[Restoration]) -> Restoration:
    """Several fits as one: the mean of their images, where they disagree, the first's curves."""
    all_of = jax.tree.map(lambda *leaves: jnp.stack(leaves), *fits)
    return fits[0]._replace(
        image=all_of.image.mean(0),
        average=all_of.average.mean(0),
        std=all_of.image.std(0),
        stopped_at=all_of.stopped_at.sum(),
        setbacks=all_of.setbacks.sum(),
    )


def _settings(task: str, preset: str | None, changes: Preset, shape) -> Preset:
    """The arguments of `fit`: the preset's, made for images of this shape, and the changes."""
    chosen = choose(PRESETS[task], preset)
    generator = chosen["generator"].clone(channels=shape[-1], dtype=precision())
    return {**chosen, "generator": generator, **changes}


class _Asked(Exception):
    """What a task would fit, thrown out of it before it is fitted."""


def asked(task: Callable[..., Any]) -> Preset | None:
    """The settings and `shape` that `task(driver=...)` asks its driver for; fits nothing.

    Returns:
        They by name, or None for a task that asks no driver.

    Raises:
        ValueError: for data that the task refuses.
    """

    def driver(key: Array, objective: Any, shape: tuple[int, ...], **settings) -> Restoration:
        raise _Asked({"shape": shape, **settings})

    try:
        task(driver=driver)
    except _Asked as request:
        return request.args[0]
    return None
