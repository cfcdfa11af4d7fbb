"""How fits are compiled: with what suits the backend, and with room for many programs."""

from collections.abc import Callable
from functools import lru_cache, partial, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

# The older emitters make one piece of code for each fusion's share of the program instead of one
# for each fusion: a fit compiles in three quarters of the time, runs as fast, and lies in 300
# mappings of memory instead of 2800. Vectors as wide as the machine has them are 3 % of a step.
CPU = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_prefer_vector_width": 512}

P = ParamSpec("P")
R = TypeVar("R")

LIMIT = Path("/proc/sys/vm/max_map_count")
MAPPINGS = Path("/proc/self/maps")


def compiled(fn: Callable, *, clears: bool = True, **settings) -> Any:
    """`jax.jit(fn, **settings)` with the options of the backend.

    JAX allows options for whole programs only: as a part of another one, which is the caller's,
    it is plain `jax.jit`. `.program()` is the jitted function of the whole program. Each call makes
    room first where there is little, and looking for that takes milliseconds; `clears=False` is for
    what is called again and again.
    """
    part = jax.jit(fn, **settings)
    whole = lru_cache(maxsize=1)(lambda: jax.jit(fn, **settings, compiler_options=_options()))

    @wraps(fn)
    def call(*args, **kwargs):
        if traced((args, kwargs)):
            return part(*args, **kwargs)
        if clears:
            make_room()
        return whole()(*args, **kwargs)

    call.program = whole  # pyright: ignore[reportAttributeAccessIssue]
    return call


def traced(tree: Any) -> bool:
    """Whether any leaf stands for values that are not known yet, inside `jit`, `vmap` or `grad`."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def looks(fn: Callable[P, R]) -> Callable[P, R]:
    """Decorates what reads a word or a number off data: it is done at once, within `jit`, too.

    There even what is known becomes traced by the first operation on it. Of what is traced itself
    nothing can be read: `fn` asks for that first.
    """

    @wraps(fn)
    def look(*args: P.args, **kwargs: P.kwargs) -> R:
        if traced((args, kwargs)):
            return fn(*args, **kwargs)
        with jax.ensure_compile_time_eval():
            return fn(*args, **kwargs)

    return look


def once(*static: str) -> Callable:
    """Decorates parts of a network: traced once for each shape, and inlined where they are used.

    A fit traces its network three times, for the shapes of params and image and for its steps, and
    layers alike in each. A call that stays one in the program costs a tenth of a step on a CPU.

    Args:
        static: names of arguments that are no arrays.
    """
    return partial(jax.jit, static_argnames=static, inline=True)


def chosen(condition: jax.Array, true: Any, false: Any) -> Any:
    """One of two trees of arrays; leaves that are the same in both are not touched.

    In place of `lax.cond`, which copies all that comes out of it, and waits for the host on an
    accelerator.
    """

    def leaf(a: Any, b: Any) -> Any:
        return a if a is b else jnp.where(condition, a, b)

    return jax.tree.map(leaf, true, false)


def when(condition: jax.Array, fn: Callable[[Any], Any], value: Any) -> Any:
    """`fn(value)` where the condition holds, else `value`.

    A loop of one round or none: it works in place, and is small to compile.
    """

    def only(carry: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
        return jnp.zeros_like(carry[0]), fn(carry[1])

    return lax.while_loop(lambda carry: carry[0], only, (condition, value))[1]


def repeated(
    fn: Callable[[Any], Any], value: Any, going: Callable[[Any], jax.Array], length: int
) -> Any:
    """`value = fn(value)` while `going(value)`, at most so many times.

    On accelerators, where a loop that ends by itself waits for the host in each round, all rounds
    are made, and those behind the end change nothing.
    """
    if jax.default_backend() != "cpu":
        rounds = lambda value, _: (chosen(going(value), fn(value), value), None)  # noqa: E731
        return lax.scan(rounds, value, length=length)[0]
    return lax.while_loop(
        lambda carry: (carry[0] < length) & going(carry[1]),
        lambda carry: (carry[0] + 1, fn(carry[1])),
        (jnp.int32(0), value),
    )[1]


@lru_cache(maxsize=1)
def _options() -> dict[str, Any] | None:
    """Those of a CPU, where this version of XLA knows them."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda: 0, compiler_options=CPU)()
    except (jax.errors.JaxRuntimeError, ValueError):
        return None
    return CPU


def make_room(share: float = 0.5) -> None:
    """Forget all compiled programs when they fill this share of what the system allows.

    Linux gives a process 65530 mappings of memory. With one more LLVM fails and the process dies
    of a segmentation fault: after 23 fits of different shapes with today's emitters of XLA.
    """
    try:
        limit, used = int(LIMIT.read_text()), MAPPINGS.read_bytes().count(b"\n")
    except OSError:  # another system, with other limits
        return
    if used > share * limit:
        jax.clear_caches()
