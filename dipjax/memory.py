"""Memory: what a fit will need, what is free, and what to do where that is less.

    peak = compiler + members * (state + gradient + residuals + W * largest residual)

JAX traces the fit without compiling or computing anything, so state, gradient and residuals
(what the forward pass keeps for the backward pass) are exact, whatever the generator. What no
trace tells is measured by `scripts/memory.py` and stands here: the workspace `W` and what the
compiler keeps for itself.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from dipjax import codes, grids, stopping
from dipjax.codes import Code
from dipjax.generators.hourglass import or_hourglass
from dipjax.run import begin
from dipjax.settings import Settings, whole
from dipjax.step import ADAM

Array = jax.Array

# Measured by scripts/memory.py: with these its fourteen fits are forecast within 13 %.
WORKSPACE = 12.6  # copies of the largest residual that a backward pass works with
COMPILER = 210 * 2**20  # bytes that compiling a fit takes on the CPU, and does not give back

MARGIN = 0.85  # of what is free may be planned for
SIDES = (512, 384, 256, 192, 128, 96, 64)  # of tiles, in pixels of the image
PICTURES = 6  # float32 copies of the whole picture beside a tile: input, result, their scores

# Files of a control group: its limit, what it uses, and what of that is page cache.
VERSION_1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
VERSION_2 = "memory.max", "memory.current", "inactive_file"


def estimate_memory(
    shape: tuple[int, int, int],
    generator: Any = None,
    members: int = 1,
    dtype: DTypeLike | None = None,
    *,
    code: Code | Array = codes.uniform,
    optimizer: Any = ADAM,
) -> int:
    """The forecast of the peak memory of a fit, in bytes: nothing is compiled or computed.

    Args:
        shape: of the image, (H, W, C).
        generator: `f`, anything with `init(key, z)` and `apply(params, z)`; the paper's
            `Hourglass` by default.
        members: fits that run at the same time.
        dtype: of the convolutions, in place of the generator's.
        code: `z`, an array or a function `(key, shape) -> z`.
        optimizer: any optax transformation.

    Returns:
        Bytes on the device of the fit, beyond those of the process before; on a CPU with those
        of the compiler.

    Raises:
        ValueError: for a shape that is not (H, W, C), or that the generator does not make, and for
            no members.
        TypeError: for members that are no whole number.
    """
    members = whole(members, "members")
    generator = or_hourglass(generator, shape)
    generator = generator if dtype is None else generator.clone(dtype=dtype)
    z, *_ = jax.eval_shape(lambda key: codes.drawn(key, code, shape), jax.random.key(0))
    parts = account(tuple(shape), generator, z, optimizer)
    member = parts.state + parts.gradient + parts.residuals + WORKSPACE * parts.largest
    return int(members * member) + (COMPILER if jax.default_backend() == "cpu" else 0)


class Account(NamedTuple):
    """Bytes of a fit: its state, the gradient, the residuals and the largest of these."""

    state: int
    gradient: int
    residuals: int
    largest: int


@lru_cache
def account(
    shape: tuple[int, int, int], generator: Any, z: jax.ShapeDtypeStruct, optimizer: Any
) -> Account:
    """What a trace of a fit tells, see `estimate_memory`; `z` is the shape of the code."""
    settings = Settings.of(shape, generator, optimizer, 0, 0.99, stopping.never())

    def traced(key: Array, z: Array):
        run = begin(key, jnp.sum, z, settings, shape, 1, room=1)
        _, pull = jax.vjp(lambda params: generator.apply(params, z), run.fit.params)
        return run, pull

    run, pull = jax.eval_shape(traced, jax.random.key(0), z)
    residuals = [_bytes(leaf) for leaf in jax.tree.leaves(pull)]
    largest = max(residuals, default=0)
    return Account(_bytes(run), _bytes(run.fit.params), sum(residuals), largest)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


# --- what is free --------------------------------------------------------------------------


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that a fit may take before something breaks.

    On an accelerator what its allocator has left. On a CPU the least of the memory that the
    system has available, what the control groups of the process leave (containers, batch
    systems) and what its address space may still grow by (`ulimit -v`).

    Args:
        root: of the file system, to test with.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    if jax.default_backend() != "cpu" and "bytes_limit" in stats:
        return max(0, stats["bytes_limit"] - stats["bytes_in_use"])
    known = [*_available(root), *_control_groups(root), *_address_space(root)]
    return max(0, min(known, default=sys.maxsize))


def _available(root: Path) -> Iterator[int]:
    """What the system could hand out; elsewhere than on Linux all that it has."""
    if kib := _table(root / "proc/meminfo").get("MemAvailable:"):
        yield 1024 * int(kib)
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _control_groups(root: Path) -> Iterator[int]:
    """What the control groups leave, of both versions, from the process's own up to the root."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / "sys/fs/cgroup" / controllers
        files = VERSION_1 if controllers else VERSION_2
        folder = top / path.strip("/")
        for group in (folder, *folder.parents[: len(folder.parts) - len(top.parts)]):
            limit, used, cache = files
            numbers = [*_lines(group / limit), *_lines(group / used)]
            if len(numbers) == 2 and all(number.isdigit() for number in numbers):
                kept = int(_table(group / "memory.stat").get(cache, 0))  # given back when asked
                yield int(numbers[0]) - int(numbers[1]) + kept


def _address_space(root: Path) -> Iterator[int]:
    """What `ulimit -v` leaves."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # Windows
        return
    limit, size = getrlimit(RLIMIT_AS)[0], _table(root / "proc/self/status").get("VmSize:")
    if limit != RLIM_INFINITY and size:
        yield limit - 1024 * int(size)


def _lines(path: Path) -> list[str]:
    """Of a file of the kernel; none where it is not there."""
    try:
        return path.read_text().split("\n")[:-1]
    except OSError:
        return []


def _table(path: Path) -> dict[str, str]:
    """First and second word of each line of a file of the kernel."""
    words = (line.split() for line in _lines(path))
    return {line[0]: line[1] for line in words if len(line) > 1}


# --- what to do ----------------------------------------------------------------------------


class Plan(NamedTuple):
    """How a picture is fitted.

    Attributes:
        generator: the one asked for, or one that does the same in less memory.
        tile: (h, w) of the tiles in pixels of the measurement, or None for the whole at once.
        text: the forecast and what follows from it, one line.
    """

    generator: Any
    tile: tuple[int, int] | None
    text: str


def needs(settings: dict[str, Any]) -> dict[str, Any]:
    """Those settings of a fit, as of `tasks.asked`, that `estimate_memory` and `plan` take."""
    names = ("generator", "code", "optimizer")
    return {name: settings[name] for name in names if name in settings}


def plan(
    shape: tuple[int, int, int],
    generator: Any = None,
    *,
    members: int = 1,
    factor: int = 1,
    margin: Sequence[int] = (0, 0),
    free: int | None = None,
    sides: Sequence[int] | None = None,
    **fit: Any,
) -> Plan:
    """The first way to fit a picture whose forecast is within what is free.

    As it was asked for; on an accelerator with convolutions in bfloat16 (a CPU gains nothing
    from them); with rematerialisation; in tiles, as large as they may be.

    Args:
        shape: of the image, (H, W, C).
        generator: see `estimate_memory`.
        members: fits that run at the same time.
        factor: pixels of the image for one of the measurement, along each side.
        margin: rows and columns by which a fit reaches beyond its image, as to deblur.
        free: bytes; `free_memory()` by default.
        sides: of tiles in pixels of the image, to be cut whether it is necessary or not; by
            default only where it is, as large as the memory allows, up to 512.
        **fit: `code` and `optimizer`, see `estimate_memory`.

    Raises:
        MemoryError: when not even the smallest tile fits.
    """
    generator = or_hourglass(generator, shape)
    free = free_memory() if free is None else free
    if (code := fit.get("code")) is not None and not callable(code):  # that of a tile is smaller
        fit["code"] = partial(_zeros, channels=code.shape[-1])
    h, w, c = shape

    def forecast(shape: tuple[int, int, int], way: Any) -> int:
        fitted = shape[0] + margin[0], shape[1] + margin[1], c
        return estimate_memory(fitted, way, members, **fit)

    text = f"{w} x {h} needs {gib(forecast(shape, generator))}, {gib(free)} are free"

    def first(shape: tuple[int, int, int], free: float) -> tuple[str, Any] | None:
        for name, way in _ways(generator):
            if forecast(shape, way) <= free:
                return name and f" with {name}", way
        return None

    if not sides and (found := first(shape, MARGIN * free)):
        return Plan(found[1], None, f"{text}: fitted{found[0]}" if found[0] else text)
    # A tile has as many pixels of the measurement as the factor, and as many as a kernel that
    # reaches beyond it.
    least = max(factor**2, 1 + max(margin[:2]))
    sides = tuple(sides or [side for side in SIDES if side >= least] or [least])
    for side in sides:
        tile = max(1, min(side, h) // factor), max(1, min(side, w) // factor)
        inside = (tile[0] * factor, tile[1] * factor, c)
        if found := first(inside, MARGIN * free - PICTURES * 4 * prod(shape)):
            count = len(grids.cut((h // factor, w // factor), tile))
            text += f": fitted in {count} tiles of {inside[1]} x {inside[0]}{found[0]}"
            return Plan(found[1], tile, text)
    raise MemoryError(f"{text}: too little even for tiles of {sides[-1]} x {sides[-1]}")


def _zeros(key: Array, shape: tuple[int, ...], channels: int) -> Array:
    return jnp.zeros((*shape[:2], channels))


def _ways(generator: Any) -> Iterator[tuple[str, Any]]:
    """The generator, and what saves memory with the same result, in the order of its cost."""
    yield "", generator
    names = []
    narrower = getattr(generator, "dtype", jnp.bfloat16) != jnp.bfloat16
    if narrower and jax.default_backend() != "cpu":
        names, generator = ["bfloat16"], generator.clone(dtype=jnp.bfloat16)
        yield names[0], generator
    if hasattr(generator, "remat"):
        yield " and ".join([*names, "rematerialisation"]), generator.clone(remat=True)


def gib(count: float) -> str:
    """Bytes in words."""
    return f"{count / 2**30:.{0 if count >= 10 * 2**30 else 1}f} GiB"
