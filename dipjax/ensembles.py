"""Ensembles: the same problem fitted from several seeds, or several problems in one call.

    mean = 1/N sum_i x_i        std = sqrt(1/N sum_i (x_i - mean)^2)        over the members x_i

The mean is the better picture, and the std tells where the members disagree. How the members
run is chosen by what is fast: one after another on a CPU, side by side on one accelerator, and
spread over several. Member `i` is the fit that `fn(keys[i], ...)` makes alone.
"""

import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from dipjax import images, memory, tasks
from dipjax.compiler import compiled, traced
from dipjax.fitting import fit
from dipjax.restoration import FitError, Restoration
from dipjax.stopping import Reason

Array = jax.Array
Fit = Callable[..., Restoration]
Axes = tuple[int | None, ...]

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
        An `Ensemble`. With "map", member `i` is `fn(keys[i], ...)` bit for bit. With the others the
        data are traced, and `denoise` sees neither salt and pepper (say `fidelity="l1"` then) nor
        coloured noise (`spectrum="coloured"`).

        Members that fail are left out, with `map` those behind the first of them, too.

    Raises:
        ValueError: before any step, for no members, an unknown `how`, axes that the data do
            not have or that disagree, and what a task refuses of any member's data.
        FitError: when no member is left.
    """
    axes = _axes(in_axes, data)
    count = _count(members, axes, data)
    how = _how(how, batch, _driver(fn, settings))
    keys = jax.random.split(key, count)
    data = _along(axes, data, lambda leaf, axis: jnp.moveaxis(leaf, axis, 0))

    def arguments(i) -> tuple:
        return keys[i], *_along(axes, data, lambda leaf, axis: leaf[i])

    def one(i) -> Restoration:
        return _restoration(fn(*arguments(i), **settings))

    inside = traced((keys, data, settings))
    if not inside:
        shared = all(axis is None for axis in axes)
        _check(fn, [arguments(i) for i in range(1 if shared else count)], settings)
    if how == "map" and not inside:
        # Waiting gives each member the machine for itself, and lets Ctrl-C in between two.
        waited = lambda i: jax.block_until_ready(one(i))  # noqa: E731
        return collect(tasks.each(waited, range(count), _driver(fn, settings)))
    if how == "map":
        return _summary(lax.map(one, jnp.arange(count)))
    many, mapped, shared = _many(fn, data, settings, axes)
    asked = partial(_asked, fn, arguments(0), settings)
    run = _over_devices if how == "devices" else _over_one
    fits = run(many, (keys, mapped), shared, batch, asked)
    return _summary(fits if inside else _sound(fits))


def collect(fits: Sequence[Restoration]) -> Ensemble:
    """The `Ensemble` of fits that were made one by one, all of one shape.

    Raises:
        ValueError: when there are none.
    """
    if not fits:
        raise ValueError("an ensemble needs at least one fit")
    return _summary(jax.tree.map(lambda *leaves: jnp.stack(leaves), *fits))


def spread(fn: Callable, mesh: Mesh | None = None, in_axes: Axes | int = 0) -> Callable:
    """`jax.vmap(fn)` with the members laid over all devices of the process.

    A fit that runs inside is the fit of one device, though it draws its own params: the
    check of what varies over the devices is off, because it takes what starts as a constant,
    such as the biases, for one value that all devices share, and sums its gradients.

    Args:
        fn: any function of arrays that JAX can trace, `(key, *data) -> pytree of arrays`.
        mesh: whose devices to use, all of them by default; its axes do not matter.
        in_axes: 0 for members along the leading axis of every argument, or a tuple with 0 or None
            for each argument; one of None is shared by all members.

    Returns:
        A function that maps `fn` over the leading axes of its arguments. Where the devices do
        not divide the members, copies of the last one fill them up and are dropped. Its
        results lie on the devices that made them. Keep it: it holds the compiled program.

    Raises:
        ValueError: by that function, where leading axes differ.
    """
    devices = np.array(jax.local_devices()) if mesh is None else mesh.devices.ravel()
    # Auto, whatever the mesh was: results are then used like any other array.
    mesh = Mesh(devices, "members", axis_types=(AxisType.Auto,))
    apart, shared = PartitionSpec("members"), PartitionSpec()
    specs: Any = apart
    if isinstance(in_axes, tuple):
        specs = tuple(shared if axis is None else apart for axis in in_axes)
    mapped = compiled(
        jax.shard_map(
            jax.vmap(fn, in_axes), mesh=mesh, in_specs=specs, out_specs=apart, check_vma=False
        )
    )

    def over_devices(*arguments):
        axes = _axes(in_axes, arguments)
        count = _count(None, axes, arguments)
        size = count + -count % devices.size

        def placed(argument, axis):
            if axis is None or size > count:
                argument = jax.device_put(argument, NamedSharding(mesh, shared))
            if axis is None:
                return argument
            return jax.device_put(_filled(argument, count, size), NamedSharding(mesh, apart))

        # In place of a mesh that the caller has set, which the traced have to do without.
        with nullcontext() if traced(arguments) else jax.set_mesh(mesh):
            results = mapped(*map(placed, arguments, axes))
            return jax.tree.map(lambda leaf: leaf[:count], results)

    return over_devices


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


# --- how the members run ---------------------------------------------------------------------


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


def _restoration(result: Any) -> Restoration:
    if not isinstance(result, Restoration):
        raise TypeError(f"an ensemble is made of Restorations, not of {type(result).__name__}")
    return result


def _over_one(many: "_Member", arguments: tuple, shared, batch: int | None, asked: Callable):
    """On one device, as many at once as fit."""
    at_once = jax.vmap(many, (0, 0, None))
    return _rounds(at_once, arguments, shared, _batch(batch, _length(arguments), asked))


def _over_devices(many: "_Member", arguments: tuple, shared, batch: int | None, asked: Callable):
    """On all devices, and back to one, like the result of any other fit."""
    devices = jax.local_device_count()
    size = devices * _batch(batch, -(-_length(arguments) // devices), asked)
    fits = _rounds(_spread(many, None, (0, 0, None)), arguments, shared, size)
    return fits if traced(fits) else jax.tree.map(jnp.asarray, jax.device_get(fits))


_spread = lru_cache(maxsize=8)(spread)


def _rounds(many: Callable, arguments: tuple, shared: dict[str, Any], size: int):
    """`many` in equal rounds of at most `size` members, so that one program does them all."""
    count = _length(arguments)
    rounds = -(-count // size)
    size = -(-count // rounds)
    filled, results = _filled(arguments, count, rounds * size), []
    for start in range(0, count, size):
        part = partial(lax.dynamic_slice_in_dim, start_index=start, slice_size=size)
        results.append(jax.block_until_ready(many(*jax.tree.map(part, filled), shared)))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:count], *results)


def _filled(arguments: Any, known: int, count: int) -> Any:
    """So many members, of which those beyond the known are copies of the last."""
    index = jnp.minimum(jnp.arange(count), known - 1)
    return arguments if count == known else jax.tree.map(lambda leaf: leaf[index], arguments)


def _length(arguments: Any) -> int:
    return jax.tree.leaves(arguments)[0].shape[0]


def _batch(batch: int | None, members: int, asked: Callable) -> int:
    """How many members at once on a device: as many as the memory forecast allows."""
    if batch is not None:
        return batch
    found, free = asked(), memory.free_memory()
    needs = memory.needs(found)
    while members > 1 and free < memory.estimate_memory(found["shape"], members=members, **needs):
        members = -(-members // 2)
    return members


class _Member(NamedTuple):
    """`fn` with all that is static in its call: equal ones share a compiled program."""

    fn: Fit
    data: int
    static: tuple[tuple[str, Any], ...]

    def __call__(self, key: Array, mapped: dict, shared: dict) -> Restoration:
        given = {**dict(self.static), **mapped, **shared}
        data = [given.pop(str(i)) for i in range(self.data)]
        return _restoration(self.fn(key, *data, **given))


def _many(fn: Fit, data: tuple, settings: dict[str, Any], axes: Axes):
    """A `_Member`, and what it takes by name: the members' own, and what all share.

    What can be hashed is a part of the program.
    """
    named = {str(i): datum for i, datum in enumerate(data)}
    mapped = {str(i): named[str(i)] for i, axis in enumerate(axes) if axis is not None}
    given = {name: value for name, value in (named | settings).items() if name not in mapped}
    static = tuple((name, value) for name, value in given.items() if _hashable(value))
    shared = {name: value for name, value in given.items() if name not in dict(static)}
    return _Member(fn, len(data), static), mapped, shared


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


# --- what is looked at before any compute -----------------------------------------------------


def _axes(in_axes: int | Axes | None, data: tuple) -> Axes:
    axes = tuple(in_axes) if isinstance(in_axes, tuple | list) else (in_axes,) * len(data)
    if len(axes) != len(data):
        raise ValueError(f"in_axes {in_axes}: one for each of the {len(data)} data is needed")
    return axes


def _along(axes: Axes, data: tuple, change: Callable) -> tuple:
    """The data with `change(leaf, axis)` in place of every leaf that holds all members."""
    return tuple(
        datum if axis is None else jax.tree.map(partial(change, axis=axis), datum)
        for axis, datum in zip(axes, data, strict=True)
    )


def _count(members: int | None, axes: Axes, data: tuple) -> int:
    """The number of members: as asked for, or as the data hold."""
    sizes = set() if members is None else {members}
    for axis, datum in zip(axes, data, strict=True):
        if axis is None:
            continue
        if isinstance(datum, list):
            raise ValueError("a list cannot hold one item for each member: jnp.stack it first")
        for shape in map(jnp.shape, jax.tree.leaves(datum)):
            if not -len(shape) <= axis < len(shape):
                raise ValueError(f"an array of shape {shape} has no axis {axis} of members")
            sizes.add(shape[axis])
    if len(sizes) > 1:
        raise ValueError(f"members and the axes of the data disagree, they count {sorted(sizes)}")
    count = sizes.pop() if sizes else 8
    if count < 1:
        raise ValueError(f"members must be at least 1, not {count}")
    return count


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


def _check(fn: Fit, members: list[tuple], settings: dict[str, Any]) -> None:
    """Let a task look at the data of every member, before the first one takes its hour."""
    for i, arguments in enumerate(members if _driver(fn, settings) else []):
        try:
            _asked(fn, arguments, settings)
        except ValueError as error:
            if len(members) == 1:
                raise
            raise ValueError(f"member {i}: {error}") from error
