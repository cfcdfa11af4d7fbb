"""What the machine is, and what it can: its hardware, and its measured peaks."""

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from contestants import CORES, GIB, GPU, base
from race import Contestant, race

import dipjax


def machine() -> dict[str, Any]:
    """The hardware."""
    cpu = _cpuinfo()
    isa = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
    flags = cpu.get("flags", "").split()
    return {
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind if GPU else cpu.get("model name", "cpu"),
        "cpu": cpu.get("model name", platform.processor()),
        "family": f"{cpu.get('cpu family')}.{cpu.get('model')}",
        "arithmetic": next((name for name in isa if name in flags), platform.machine()),
        "flags": [f for f in flags if f.startswith(("avx", "amx", "fma"))],
        "cores": CORES,
        "memory GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
    }


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().split("\n\n")[0].splitlines() if path.exists() else []
    return {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "dipjax": dipjax.__version__}
    for name in ("jax", "jaxlib", "flax", "optax", "numpy", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def peak() -> dict[str, Any]:
    """A large matrix product and a large copy, by either library: operations and bytes a second.

    float32 is what both compute convolutions in by default, TF32 on a GPU; `highest` is all of
    float32.
    """
    n, entries = (8192, 2**29) if GPU else (2048, 2**26)
    a = jax.random.normal(jax.random.key(0), (n, n))
    dot = jax.jit(jnp.dot, static_argnames=("precision", "preferred_element_type"))
    negate = jax.jit(jnp.negative, donate_argnums=0)
    line = jnp.ones(entries)

    def stream():
        nonlocal line
        line = negate(line)
        return line

    b = a.astype(jnp.bfloat16)
    works = {
        "jax highest": lambda: dot(a, a, precision="highest"),
        "jax float32": lambda: dot(a, a),
        "jax bf16": lambda: dot(b, b, preferred_element_type=jnp.float32),
        "jax copy": stream,
    }
    racers = [_rater(name, work, jax.block_until_ready) for name, work in works.items()]
    times = race([*racers, *_torch_rates(n, entries)])
    counts = {"copy": 8 * entries}
    rates = {
        name: counts.get(name.split()[1], 2 * n**3) / min([*result["warm"], *result.get("all", [])])
        for name, result in times.items()
        if result.get("warm")
    }
    kinds = ("highest", "float32", "bf16", "copy")
    best = {
        kind: max((rate for name, rate in rates.items() if name.endswith(kind)), default=None)
        for kind in kinds
    }
    return {"best": best, "rates": rates, "size": n, "copied entries": entries, "forms": times}


def _torch_rates(n: int, entries: int) -> list[Contestant]:
    try:
        import torch
    except ModuleNotFoundError:
        return []
    torch.set_num_threads(CORES)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a = torch.randn(n, n, device=device)
    b, line = a.bfloat16(), torch.ones(entries, device=device)
    other = torch.empty_like(line)

    def tf32():
        torch.backends.cuda.matmul.allow_tf32 = True
        result = a @ a
        torch.backends.cuda.matmul.allow_tf32 = False
        return result

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    works = {
        "torch highest": lambda: a @ a,
        "torch float32": tf32,
        "torch bf16": lambda: b @ b,
        "torch copy": lambda: other.copy_(line),
    }
    return [_rater(name, work, lambda _: wait()) for name, work in works.items()]


def _rater(name: str, work: Callable[[], Any], wait: Callable[[Any], Any]) -> Contestant:
    def turn(steps: int = 10 if GPU else 2) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            last = work()
        wait(last)
        return (time.perf_counter() - start) / steps

    return Contestant(name, lambda: turn, base(name, [name.replace("bf16", "float32")]))
