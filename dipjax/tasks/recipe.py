"""What the recipes share: settings of a preset, the rule that ends the fit, members, a polish."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from dipjax import memory, stopping
from dipjax.compiler import traced
from dipjax.objectives import DataTerm, data_term
from dipjax.operators import Identity
from dipjax.polish import refined
from dipjax.presets import PRESETS, Preset, automatic, choose, precision
from dipjax.restoration import Driver, FitError, Restoration
from dipjax.settings import whole
from dipjax.stopping import Reason

Array = jax.Array
CUT_SHORT = (Reason.RUNNING, Reason.FAILED)


def near(task: str, key, y: Array, preset, driver: Driver, settings: Preset) -> Restoration:
    """The fit of `|x - y|^2`."""
    return fitted(task, key, data_term(Identity(), y), y.shape, preset, driver, settings)


def measured(
    task: str,
    key,
    energy: DataTerm,
    shape,
    preset,
    driver: Driver,
    settings: Preset,
    polish: bool,
    refine: Callable = refined,
) -> Restoration:
    """The fit of `|A x - y|^2`, refined by what was measured, but not as published."""
    result = fitted(task, key, energy, shape, preset, driver, settings)
    if not polish or preset == "paper":
        return result
    return behind(result, driver, lambda x: refine(x, energy.operator, energy.y))


def fitted(task: str, key, energy, shape, preset, driver: Driver, changes: Preset) -> Restoration:
    """The fit with the settings of the preset, the changes, and the rule that ends it."""
    settings = _settings(task, preset, changes, shape)
    rule = settings.pop("stop", stopping.never() if preset == "paper" else "auto")

    def one(key: Array) -> Restoration:
        objective, stop = energy, rule
        if isinstance(rule, str):
            key, objective, stop = automatic(key, energy, rule, task)
        return driver(key, objective, shape, stop=stop, **settings)

    members = whole(settings.pop("members", 1), "members")
    return one(key) if members == 1 else _mean(each(one, jax.random.split(key, members), driver))


def each(one: Callable[[Array], Restoration], keys: Any, driver: Driver) -> list[Restoration]:
    """A fit for each key, one after another, until one is cut short, by Ctrl-C or by failing.

    That one would blur the mean of those before it and is left out, unless it is the first. A
    driver that knows of a Ctrl-C between two fits says so by `ended`, as `drivers.Loop` does.

    Raises:
        FitError: when the first fails, of a driver that raises it, as `fit` does.
    """
    fits = []
    for key in keys:
        try:
            fits.append(one(key))
        except FitError:
            if fits:
                return fits
            raise
        if _cut_short(fits[-1]):
            return fits[:-1] or fits
        if getattr(driver, "ended", False):
            break
    return fits


def _cut_short(fit: Restoration) -> bool:
    """Whether something other than its rule ended a fit, as far as it is known."""
    reason = fit.stop_reason
    return not (reason is None or traced(reason)) and int(reason) in CUT_SHORT


def behind(result: Restoration, driver: Driver, polish: Callable[[Array], Array]) -> Restoration:
    """The result with its image polished, but where the fit was cut short by Ctrl-C or failing.

    A driver that shows how it goes has a method `polish` that is given the work (see `drivers`).
    """
    if getattr(driver, "ended", False) or _cut_short(result):
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
        setbacks=None if all_of.setbacks is None else all_of.setbacks.sum(),
    )


def _settings(task: str, preset: str, changes: Preset, shape) -> Preset:
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


def planned(
    task: Callable[..., Any],
    shape: tuple[int, int, int],
    *,
    factor: int = 1,
    sides: Sequence[int] | None = None,
) -> memory.Plan:
    """How to fit a task in the memory that is free, see `memory.plan`.

    Args:
        task: such that `task(driver=...)` is all that is to be called.
        shape: of its image (H, W, C).
        factor: pixels of the image for one of the measurement, along each side.
        sides: of tiles, if it must be tiles.

    Raises:
        ValueError: for data that the task refuses.
        MemoryError: where not even a tile fits.
    """
    request = asked(task) or {"shape": shape}
    margin = tuple(n - m for n, m in zip(request["shape"], shape, strict=True))
    needs = memory.needs(request)
    return memory.plan(shape, factor=factor, margin=margin, sides=sides, **needs)
