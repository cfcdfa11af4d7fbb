"""Who is who: a word for a value that is the same in every process, as its address is not."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dipjax.objectives import Objective
from dipjax.operators import Operator

# Of a module: its place in another, and whether it recomputes instead of storing.
LEFT_OUT = ("parent", "name", "remat")


def digest(*values: Any) -> str:
    """The same 64 hexadecimal digits for equal values, and for equal values only.

    Of a function count its name, its code, and what it holds, such as the patience of a stop rule;
    of a generator not whether it recomputes instead of storing, which follows the memory.
    """
    return hashlib.sha256(_named(values).encode()).hexdigest()


def _named(value: Any, within: tuple[int, ...] = ()) -> str:
    """A value in words."""
    if id(value) in within:  # a function that holds itself
        return "..."
    within = (*within, id(value))

    def all_of(values: Iterable[Any]) -> str:
        return ", ".join(_named(v, within) for v in values)

    match value:
        case jax.Array() if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return f"key({_named(jax.random.key_data(value))})"
        case jax.Array() | np.ndarray() | np.generic():
            array = np.ascontiguousarray(value)
            content = hashlib.sha256(array.tobytes()).hexdigest()
            return f"{array.shape} {array.dtype} {content}"
        case dict():
            return f"{{{all_of(part for item in value.items() for part in item)}}}"
        case set() | frozenset():
            return f"{{{', '.join(sorted(_named(v, within) for v in value))}}}"
        case tuple() | list():
            return f"({all_of(value)})"
        case partial():
            return f"partial({all_of((value.func, value.args, value.keywords))})"
        case FunctionType():
            held = [cell.cell_contents for cell in value.__closure__ or ()]
            defaults = value.__defaults__, value.__kwdefaults__
            parts = held, defaults, value.__code__
            return f"{value.__module__}.{value.__qualname__}({all_of(parts)})"
        case CodeType():
            return f"{value.co_code.hex()} {all_of((value.co_consts, value.co_names))}"
        case Operator() | Objective() | nn.Module() if dataclasses.is_dataclass(value):
            names = (f.name for f in dataclasses.fields(value) if f.name not in LEFT_OUT)
            fields = {name: getattr(value, name) for name in names}
            return f"{type(value).__qualname__}({_named(fields, within)})"
        case type():
            return f"{value.__module__}.{value.__qualname__}"
        case _:
            text, addresses = re.subn(r" at 0x[0-9a-f]+", "", repr(value))
            held = _named(vars(value), within) if addresses and hasattr(value, "__dict__") else ""
            return f"{type(value).__qualname__} {text}{held}"
