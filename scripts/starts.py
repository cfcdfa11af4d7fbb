"""What needs a process for each contestant: memory, and compilation with and without a cache."""

import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
from contestants import CORES, DTYPES, GIB, GPU, PEERS, contestants, forms
from race import answer, reason

import dipjax
from dipjax import tasks

MEASURE = Path(__file__).with_name("measure.py")


def memory(preset: str, size: int) -> dict[str, Any]:
    """GiB that a fit takes at its peak, and what `dipjax.estimate_memory` says before."""
    names = [*DTYPES, *forms()] if GPU else [*DTYPES, *(k for k in PEERS if "float32" in k)]
    result = {name: alone("occupy", name, preset, size) for name in names}
    for name, dtype in DTYPES.items():
        try:
            generator = tasks.PRESETS["denoise"][preset]["generator"]
            forecast = dipjax.estimate_memory(
                (size, size, 3), generator=generator, members=1, dtype=dtype
            )
            result[name]["forecast"] = forecast / GIB
        except Exception as error:
            result[name]["forecast failed"] = reason(error)
    return {"forms": result}


def occupy(name: str, preset: str, size: int) -> dict[str, float]:
    """The memory of one contestant, less what the process had before.

    On a CPU `peak` is the high-water mark of the whole process, compilation included, and
    `running` that of a turn after it; on a GPU both are the allocator's.
    """
    n = 2 if not GPU else 10
    make = next(c.make for c in contestants(preset, size, n) if c.name == name)
    if name.startswith("torch"):
        import torch

        torch.set_num_threads(CORES)
    gc.collect()
    before = 0.0 if GPU else _status("VmRSS")
    turn = make()
    turn()
    if GPU:
        turn()
        peak = _gpu_peak(name)
        return {"peak": peak, "running": peak}
    peak = _status("VmHWM")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    turn()
    return {"before": before, "peak": peak - before, "running": _status("VmHWM") - before}


def _status(name: str) -> float:
    """GiB; not `ru_maxrss`, in which a child starts at the high-water mark of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(name)) * 1024 / GIB


def _gpu_peak(name: str) -> float:
    if name.startswith("torch"):
        import torch

        return torch.cuda.max_memory_allocated() / GIB
    return (jax.devices()[0].memory_stats() or {})["peak_bytes_in_use"] / GIB


def compile(preset: str, size: int, repeats: int) -> dict[str, Any]:
    """Seconds from the call to the end of the first step, with an empty cache and a filled one.

    Every start is a process of its own and every cold start has a cache of its own.
    """
    names = ["dipjax float32", "torch NHWC float32"]
    names += ["dipjax bf16", "torch compiled NHWC bf16"] if GPU else []
    result: dict[str, dict[str, Any]] = {name: {"cold": [], "warm": []} for name in names}
    for _ in range(repeats):
        for name in (name for name in names if "failed" not in result[name]):
            result[name] |= _cold_and_warm(result[name], name, preset, size)
    for times in result.values():
        if "failed" not in times:
            times |= {f"{kind} median": median(times[kind]) for kind in ("cold", "warm")}
    return {"forms": result}


def _cold_and_warm(times: dict[str, Any], *contestant) -> dict[str, Any]:
    """The times with those of two more starts, or the reason why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("cold", "warm"):
            found = alone("start", *contestant, time.time(), folder)
            if "failed" in found:
                return found
            times[kind].append(found["first step"])
    return {"import": found["import"]}


def start(name: str, preset: str, size: int, begun: str, folder: str) -> dict[str, float]:
    """Seconds of importing and to the end of the first step; the folder keeps programs."""
    imported = time.time() - float(begun)
    _keep_programs(folder)
    n = 10
    make = next(c.make for c in contestants(preset, size, n) if c.name == name)
    jax.block_until_ready(jnp.ones(3) + 1)  # the device is awake
    begin = time.perf_counter()
    turn = make()
    turn()
    first = time.perf_counter() - begin
    return {"import": imported, "first step": first - (n - 1) * turn()}


def _keep_programs(folder: str) -> None:
    """As the command line does."""
    os.environ["DIPJAX_CACHE"] = folder
    try:
        from dipjax import cache

        cache.enable()
    except ModuleNotFoundError:  # platformdirs
        pass
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def alone(*arguments) -> dict[str, Any]:
    """A piece of `measure.py` in a process of its own."""
    folder = str(arguments[-1])
    caches = {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": folder}
    run = subprocess.run(
        [sys.executable, str(MEASURE), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | (caches if arguments[0] == "start" else {}),
    )
    return answer(run.stdout, run.returncode).get("result", {"failed": "no answer"})
