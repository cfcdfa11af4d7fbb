"""Who is who: a word for a value that is the same in every process, as its address is not."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

# Of a module: its place in another, and whether it recomputes instead of storing.
LEFT_OUT = ("parent", "name", "remat")


def digest(*values: Any) -> str:
    """The same 64 hexadecimal digits for equal values, and for equal values only.

    Of a function count its name, its code, and what it holds and reads, such as the patience of a
    stop rule, or the measurement in another cell of a notebook; of a generator not whether it
    recomputes instead of storing, which follows the memory.
    """
    return hashlib.sha256(_Words().of(values).encode()).hexdigest()


class _Words:
    """Values in words; a function that is met again, or holds itself, is not told twice."""

    def __init__(self):
        self.told: dict[int, str] = {}  # of functions, which live as long as who holds them

    def all_of(self, values: Iterable[Any]) -> str:
        return ", ".join(map(self.of, values))

    def of(self, value: Any) -> str:
        match value:
            case jax.Array() if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
                return f"key({self.of(jax.random.key_data(value))})"
            case jax.Array() | np.ndarray() | np.generic():
                array = np.ascontiguousarray(value)
                content = hashlib.sha256(array.tobytes()).hexdigest()
                return f"{array.shape} {array.dtype} {content}"
            case Mapping():
                return f"{{{self.all_of(part for item in value.items() for part in item)}}}"
            case set() | frozenset():
                return f"{{{', '.join(sorted(map(self.of, value)))}}}"
            case tuple() | list():
                return f"({self.all_of(value)})"
            case partial():
                return f"partial({self.all_of((value.func, value.args, value.keywords))})"
            case MethodType():
                return f"{self.of(value.__func__)} of {self.of(value.__self__)}"
            case CodeType():
                constants = self.all_of((value.co_consts, value.co_names))
                return f"{value.co_code.hex()} {constants}"
            case type() | ModuleType():
                return f"{getattr(value, '__module__', '')}.{value.__name__}"
            case _:
                return self._object(value)

    def _object(self, value: Any) -> str:
        """What may hold itself: a function, or anything that has attributes."""
        if id(value) in self.told:
            return self.told[id(value)]
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, FunctionType):
            self.told[id(value)] = name = f"{value.__module__}.{value.__qualname__}"
            held = [cell.cell_contents for cell in value.__closure__ or ()]
            defaults = value.__defaults__, value.__kwdefaults__
            parts = held, defaults, value.__code__, self._read(value)
            return f"{name}({self.all_of(parts)})"
        if hasattr(value, "__wrapped__"):  # such as a function that is jitted
            return f"{kind}({self.of(value.__wrapped__)})"
        if dataclasses.is_dataclass(value):
            left_out = LEFT_OUT if isinstance(value, nn.Module) else ()
            names = (f.name for f in dataclasses.fields(value) if f.name not in left_out)
            return f"{kind}({self._parts(value, {n: getattr(value, n) for n in names})})"
        if getattr(value, "__dict__", None):
            return f"{kind}({self._parts(value, vars(value))})"
        return f"{kind} {re.sub(r' at 0x[0-9a-f]+', '', repr(value))}"

    def _parts(self, value: Any, parts: dict[str, Any]) -> str:
        self.told[id(value)] = "itself"
        words = self.of(parts)
        del self.told[id(value)]  # it may be gone, and its place taken, when another is told
        return words

    def _read(self, function: FunctionType) -> dict[str, Any]:
        """The globals that a function reads, but for modules, classes, and others' functions."""
        names = [function.__code__]
        for code in names:
            names.extend(c for c in code.co_consts if isinstance(c, CodeType))
        read = {name for code in names for name in code.co_names} & function.__globals__.keys()
        found = {name: function.__globals__[name] for name in sorted(read)}
        return {name: part for name, part in found.items() if _counts(part, function)}


def _counts(value: Any, reader: FunctionType) -> bool:
    if isinstance(value, type | ModuleType):
        return False
    return not callable(value) or getattr(value, "__module__", None) == reader.__module__
