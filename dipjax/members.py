"""Members: how several calls of one function run, on one device or spread over many.

Arguments that differ by member hold all of them along an axis, as in `jax.vmap`; what all members
share is copied for none of them.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from dipjax import memory
from dipjax.compiler import compiled, traced
from dipjax.restoration import Restoration

Array = jax.Array
Fit = Callable[..., Restoration]
Axes = tuple[int | None, ...]


def spread(
    fn: Callable, mesh: Mesh | None = None, in_axes: Axes | list[int | None] | int = 0
) -> Callable:
    """`jax.vmap(fn)` with the members laid over all devices of the process.

    A fit that runs inside is the fit of one device, though it draws its own params: the
    check of what varies over the devices is off, because it takes what starts as a constant,
    such as the biases, for one value that all devices share, and sums its gradients.

    Args:
        fn: any function of arrays that JAX can trace, `(key, *data) -> pytree of arrays`.
        mesh: whose devices to use, all of them by default; its axes do not matter.
        in_axes: 0 for members along the leading axis of every argument, or a tuple or list with
            0 or None for each argument; one of None is shared by all members.

    Returns:
        A function that maps `fn` over the leading axes of its arguments. Where the devices do
        not divide the members, copies of the last one fill them up and are dropped. Its
        results lie on the devices that made them. Keep it: it holds the compiled program.

    Raises:
        ValueError: for other axes; by that function, where leading axes differ.
    """
    in_axes = _leading(in_axes)
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

    def run(*arguments):
        axes = axes_of(in_axes, arguments)
        count = count_of(None, axes, arguments)
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

    return run


def _leading(in_axes: Any) -> Axes | int:
    """`in_axes` that say 0 at least once, and else None."""
    several = isinstance(in_axes, tuple | list)
    axes = tuple(in_axes) if several else (in_axes,)
    if 0 not in axes or any(axis not in (0, None) for axis in axes):
        raise ValueError(f"in_axes {in_axes}: must be 0, or a tuple of 0 and None, not None alone")
    return axes if several else 0


# --- on one device, or all ------------------------------------------------------------------


def side_by_side(many: "Member", arguments: tuple, shared, batch: int | None, asked: Callable):
    """On one device, as many at once as fit."""
    at_once = jax.vmap(many, (0, 0, None))
    return _rounds(at_once, arguments, shared, _batch(batch, _length(arguments), asked))


def over_devices(many: "Member", arguments: tuple, shared, batch: int | None, asked: Callable):
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


def checked(result: Any) -> Restoration:
    """The result itself; raises TypeError where it is no `Restoration`."""
    if not isinstance(result, Restoration):
        raise TypeError(f"an ensemble is made of Restorations, not of {type(result).__name__}")
    return result


class Member(NamedTuple):
    """`fn` with all that is static in its call: equal ones share a compiled program."""

    fn: Fit
    data: int
    static: tuple[tuple[str, Any], ...]

    def __call__(self, key: Array, mapped: dict, shared: dict) -> Restoration:
        given = {**dict(self.static), **mapped, **shared}
        data = [given.pop(str(i)) for i in range(self.data)]
        return checked(self.fn(key, *data, **given))


def member(fn: Fit, data: tuple, settings: dict[str, Any], axes: Axes):
    """A `Member`, and what it takes by name: the members' own, and what all share.

    What can be hashed is a part of the program.
    """
    named = {str(i): datum for i, datum in enumerate(data)}
    mapped = {str(i): named[str(i)] for i, axis in enumerate(axes) if axis is not None}
    given = {name: value for name, value in (named | settings).items() if name not in mapped}
    static = tuple((name, value) for name, value in given.items() if _hashable(value))
    shared = {name: value for name, value in given.items() if name not in dict(static)}
    return Member(fn, len(data), static), mapped, shared


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


# --- which arguments hold a member each ------------------------------------------------------


def axes_of(in_axes: int | Axes | None, data: tuple) -> Axes:
    """For each of the data, along which axis it holds the members; None for what all share."""
    axes = tuple(in_axes) if isinstance(in_axes, tuple | list) else (in_axes,) * len(data)
    if len(axes) != len(data):
        raise ValueError(f"in_axes {in_axes}: one for each of the {len(data)} data is needed")
    return axes


def along(axes: Axes, data: tuple, change: Callable) -> tuple:
    """The data with `change(leaf, axis)` in place of every leaf that holds all members."""
    return tuple(
        datum if axis is None else jax.tree.map(partial(change, axis=axis), datum)
        for axis, datum in zip(axes, data, strict=True)
    )


def count_of(members: int | None, axes: Axes, data: tuple) -> int:
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
