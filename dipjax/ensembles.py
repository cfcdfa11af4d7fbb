"""Ensembles: the same problem fitted from several seeds, or several problems in one call.

    mean = 1/N sum_i x_i        std = sqrt(1/N sum_i (x_i - mean)^2)        over the members x_i

The mean is the better picture, and the std tells where the members disagree. How the members
run is chosen by what is fast: one after another on a CPU, side by side on one accelerator, and
spread over several. Member `i` is the fit that `fn(keys[i], ...)` makes alone.
"""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dipjax import codes, images, tasks
from dipjax.compiler import traced
from dipjax.fitting import fit
from dipjax.members import (
    Axes,
    Fit,
    along,
    axes_of,
    checked,
    count_of,
    member,
    over_devices,
    side_by_side,
)
from dipjax.members import spread as spread
from dipjax.restoration import FitError, Restoration
from dipjax.stopping import Reason

Array = jax.Array

HOW = ("auto", "map", "vmap", "devices")


class Ensemble(NamedTuple):
    """What `N` fits agree on, and where they do not. Images are (H, W, C), as in `Restoration`.

    Attributes:
        mean: of the members.
        std: their standard deviation around the mean, per entry; 0 for a single member.
        members: the images (N, H, W, C).
        fits: the `Restoration` of every member, stacked: each of its arrays begins with N.
    """

    mean: Array
    std: Array
    members: Array
    fits: Restoration

    @property
    def image(self) -> Array:
        """The mean: the best estimate of the restored image, under the name of a `Restoration`."""
        return self.mean


def ensemble(
    fn: Fit,
    key: Array,
    *data,
    members: int | None = None,
    in_axes: int | Axes | None = None,
    how: str = "auto",
    batch: int | None = None,
    **settings,
) -> Ensemble:
    """Fit several members in one call: seeds over the same data, or data of their own.

        ensemble(denoise, key, y, members=8)                    one picture, 8 seeds
        ensemble(inpaint, key, ys, masks, in_axes=0)            pictures and masks (N, H, W, ...)
        ensemble(fit, key, objective, (H, W, C), members=4)     your own objective

    Args:
        fn: a task, `fit`, or any function `(key, *data, **settings) -> Restoration`.
        key: split into one for each member, `jax.random.split(key, members)`.
        *data: the arguments of `fn` behind its key; pytrees, or static values such as a shape.
        members: how many; 8 by default, or as many as the data hold along `in_axes`.
        in_axes: None where all members share the data, an axis of the data that counts the
            members, or a tuple with one of these for each, as in `jax.vmap`.
        how: "map" is one after another, in a Python loop that Ctrl-C can end, with what is
            finished where a `driver` knows of it (`lax.map` inside a trace); "vmap" is at once on
            one device; "devices" is `spread` over all of them.
            "auto" takes map on a CPU, where it costs what single fits cost, and wherever a
            `driver` is among the settings; vmap on one accelerator, devices on several.
        batch: how many members at once on each device, for vmap and devices; by default as
            many as the memory forecast allows.
        **settings: keyword arguments of `fn`, the same for all members.

    Returns:
        An `Ensemble`. With "map", member `i` is `fn(keys[i], ...)` bit for bit, and with the others
        up to rounding: what a task would see in its data, which are traced then, is looked for
        before (see `tasks.seen`). Where members see what differs, as salt and pepper in one picture
        and not in another, "auto" takes map; "vmap" and "devices" take what is traced for white
        noise and for stored light.

        Members that fail are left out, with `map` those behind the first of them, too.

    Raises:
        ValueError: before any step, for no members, an unknown `how`, axes that the data do
            not have or that disagree, several keys, and what a task refuses of any member's data.
        TypeError: for a key that is not one of `jax.random`.
        FitError: when no member is left.
    """
    axes = axes_of(in_axes, data)
    count = count_of(members, axes, data)
    auto, how = how == "auto", _how(how, batch, _driver(fn, settings))
    keys = jax.random.split(codes.one_key(key), count)
    data = along(axes, data, lambda leaf, axis: jnp.moveaxis(leaf, axis, 0))

    def arguments(i) -> tuple:
        return keys[i], *along(axes, data, lambda leaf, axis: leaf[i])

    def one(i, **sight) -> Restoration:
        return checked(fn(*arguments(i), **settings | sight))

    def at_once(settings: dict[str, Any], own: dict[str, Any]) -> Restoration:
        """With settings that all members share, and those of their own, stacked."""
        many, mapped, shared = member(fn, data, settings, axes)
        first = jax.tree.map(lambda leaf: leaf[0], own)
        asked = partial(_asked, fn, arguments(0), settings | first)
        run = over_devices if how == "devices" else side_by_side
        return run(many, (keys, mapped | own), shared, batch, asked)

    if traced((keys, data, settings)):  # nothing can be seen in it
        return _summary(lax.map(one, jnp.arange(count)) if how == "map" else at_once(settings, {}))
    apart = [arguments(i) for i in range(1 if all(axis is None for axis in axes) else count)]
    sights = _seen(fn, apart, settings) * (count // len(apart))  # one that all share
    told = None if how == "map" else _shared(sights)
    if how == "map" or (auto and told is None):
        # Waiting gives each member the machine for itself, and lets Ctrl-C in between two.
        waited = lambda i: jax.block_until_ready(one(i, **sights[i]))  # noqa: E731
        return collect(tasks.each(waited, range(count), _driver(fn, settings)))
    words, own = told or ({}, {})
    settings = {n: v for n, v in (settings | words).items() if n not in own}
    return _summary(_sound(at_once(settings, own)))


def collect(fits: Sequence[Restoration]) -> Ensemble:
    """The `Ensemble` of fits that were made one by one, all of one shape.

    Raises:
        ValueError: when there are none.
    """
    if not fits:
        raise ValueError("an ensemble needs at least one fit")
    return _summary(jax.tree.map(lambda *leaves: jnp.stack(leaves), *fits))


def calibration(ensemble: Ensemble, truth: Array) -> Array:
    """How well the spread of an ensemble tells its error, the spread-skill ratio:

        sqrt((N + 1) / (N - 1) * mean(std^2)) / sqrt(mean((mean - truth)^2))

    It is 1 where the truth could be one of the members, below 1 where they are too sure of
    themselves, as members are that share the data's noise. The factor makes it hold for few
    members (Fortin et al. 2014, "Why should ensemble spread match the RMSE of the ensemble
    mean?", J. Hydrometeorology 15).

    Args:
        ensemble: of at least two members.
        truth: the true image (H, W, C).

    Returns:
        A scalar, at least 0.

    Raises:
        ValueError: for a single member, or a truth of another shape.
    """
    n = ensemble.members.shape[0]
    if n < 2:
        raise ValueError("calibration needs at least two members, of one there is no spread")
    truth = images.check(truth, "truth")
    if truth.shape != ensemble.mean.shape:
        raise ValueError(f"truth of shape {truth.shape} for images {ensemble.mean.shape}")
    spread = (n + 1) / (n - 1) * jnp.mean(ensemble.std**2)
    return jnp.sqrt(spread / jnp.mean((ensemble.mean - truth) ** 2))


def _sound(fits: Restoration) -> Restoration:
    """Those that did not fail.

    Raises:
        FitError: where all did; it has the first.
    """
    if fits.stop_reason is None:
        return fits
    sound = np.flatnonzero(np.asarray(fits.stop_reason) != Reason.FAILED)
    if not sound.size:
        raise FitError(jax.tree.map(lambda leaf: leaf[0], fits))
    return jax.tree.map(lambda leaf: leaf[sound], fits)


def _summary(fits: Restoration) -> Ensemble:
    return Ensemble(fits.image.mean(0), fits.image.std(0), fits.image, fits)


# --- what is looked at before any compute -----------------------------------------------------


def _how(how: str, batch: int | None, driver: Fit | None) -> str:
    if how not in HOW:
        raise ValueError(f"how must be one of {HOW}, not {how!r}")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    if how != "auto":
        return how
    # Kernels that differ by member make grouped convolutions, which are slow on CPUs.
    if jax.default_backend() == "cpu" or driver not in (None, fit):
        return "map"
    return "vmap" if jax.local_device_count() == 1 else "devices"


def _asked(fn: Fit, arguments: tuple, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings and `shape` of a fit; a task raises here what it refuses."""
    found = tasks.asked(partial(fn, *arguments, **settings)) if _driver(fn, settings) else None
    if found is None:
        shape = jax.eval_shape(lambda: fn(*arguments, **settings)).image.shape
        found = {**settings, "shape": shape}
    return found


def _driver(fn: Fit, settings: dict[str, Any]) -> Any:
    """What runs the fit of a task, None where `fn` takes no driver."""
    parameter = inspect.signature(fn).parameters.get("driver")
    return parameter and settings.get("driver", parameter.default)


def _seen(fn: Fit, members: list[tuple], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """What a task sees in each member's data, all of which it may refuse before the first fit."""
    sights = []
    for i, arguments in enumerate(members):
        try:
            sight = tasks.seen(fn, *arguments[1:], **settings)
            sights.append({n: v for n, v in sight.items() if _open(settings.get(n))})
            if _driver(fn, settings):
                _asked(fn, arguments, settings | sights[i])
        except ValueError as error:
            if len(members) == 1:
                raise
            raise ValueError(f"member {i}: {error}") from error
    return sights


def _open(setting: Any) -> bool:
    """Whether a task has still to look: nothing was told, or a word."""
    return setting is None or isinstance(setting, str)


def _shared(sights: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The words that all members see, and the arrays of each, stacked; None where they differ."""
    kinds = [jax.tree.map(lambda v: getattr(v, "shape", v), sight) for sight in sights]
    if any(kind != kinds[0] for kind in kinds):
        return None
    arrays = {name for name, v in sights[0].items() if any(map(_is_array, jax.tree.leaves(v)))}
    stack = partial(jax.tree.map, lambda *leaves: jnp.stack(leaves))
    own = {name: stack(*[sight[name] for sight in sights]) for name in arrays}
    return {name: v for name, v in sights[0].items() if name not in arrays}, own


def _is_array(value: Any) -> bool:
    return isinstance(value, Array)
