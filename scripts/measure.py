"""What each piece of the benchmark measures, in a process of its own.

    python scripts/measure.py step paper 256

prints the result as JSON on the last line. `benchmark.py` calls it so and keeps the records.
"""

import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the GPU is shared with PyTorch
os.environ.setdefault("DIPJAX_CACHE", "off")

import jax
import jax.numpy as jnp
import numpy as np
import quality
import roofline
from race import REPEATS, Contestant, Turn, answer, race, reason

import dipjax
from dipjax import tasks

GPU = jax.default_backend() == "gpu"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
GIB = 2**30

# name -> options of `peer.Fit`
PEERS: dict[str, dict[str, Any]] = {
    "torch NCHW float32": {},
    "torch NHWC float32": {"channels_last": True},
    "torch NCHW bf16": {"bf16": True},
    "torch NHWC bf16": {"channels_last": True, "bf16": True},
}
COMPILED: dict[str, dict[str, Any]] = {
    "torch compiled NHWC bf16": {"channels_last": True, "bf16": True, "compiled": "default"},
    "torch graphs NHWC bf16": {"channels_last": True, "bf16": True, "compiled": "reduce-overhead"},
}
DTYPES = {"dipjax float32": jnp.float32, "dipjax bf16": jnp.bfloat16}


def forms() -> dict[str, dict[str, Any]]:
    return PEERS | (COMPILED if GPU else {})


# --- contestants ---------------------------------------------------------------------------


def ours(objective, shape, settings: dict[str, Any], n: int) -> Turn:
    """Chunks of `n` steps in one dispatch."""
    total = n * (REPEATS + 3)
    chunks = dipjax.iterate(
        jax.random.key(0), objective, shape, every=n, **settings | {"steps": total}
    )

    def turn(steps: int = n) -> float:
        start = time.perf_counter()  # a chunk is a chunk
        jax.block_until_ready(next(chunks))
        return (time.perf_counter() - start) / n

    return turn


def theirs(make: Callable[[], Any], n: int) -> Turn:
    """`n` steps of the peer, one after another."""
    import torch

    torch.set_num_threads(CORES)
    fit = make()

    def turn(steps: int = n) -> float:
        if GPU:  # what was handed back after the last turn
            fit.step()
            fit.wait()
        start = time.perf_counter()
        for _ in range(steps):
            fit.step()
        fit.wait()
        seconds = (time.perf_counter() - start) / steps
        if GPU:
            torch.cuda.empty_cache()
        return seconds

    return turn


def contestants(preset: str, size: int, n: int) -> list[Contestant]:
    """All forms of both libraries, denoising a picture (size, size, 3)."""
    settings = tasks.PRESETS["denoise"][preset]
    y = jax.random.uniform(jax.random.key(1), (size, size, 3))
    objective = dipjax.data_term(dipjax.operators.Identity(), y)
    result = []
    for name, dtype in DTYPES.items():
        own = settings | {"generator": settings["generator"].clone(dtype=dtype)}
        result.append(
            Contestant(name, partial(ours, objective, y.shape, own, n), _base(name, DTYPES))
        )
    for name, form in forms().items():
        make = partial(_peer, settings["generator"], np.asarray(y), _channels(settings, y), form)
        result.append(Contestant(name, partial(theirs, make, n), _base(name, PEERS)))
    return result


def _base(name: str, names) -> str | None:
    """The float32 form of a bf16 form that may be far slower; on a GPU none is."""
    base = name.replace("bf16", "float32")
    return base if base != name and base in names and not GPU else None


def _peer(generator, y: np.ndarray, channels: int, form: dict[str, Any]):
    import peer

    return peer.Fit(lambda: peer.like(generator, channels), y, channels=channels, **form)


def _channels(settings: dict[str, Any], y) -> int:
    """Of the preset's code."""
    return jax.eval_shape(lambda key: settings["code"](key, y.shape), jax.random.key(0)).shape[-1]


def _work(preset: str, size: int) -> list[roofline.Work]:
    settings = tasks.PRESETS["denoise"][preset]
    y = jax.ShapeDtypeStruct((size, size, 3), "float32")
    return roofline.convolutions(settings["generator"], y.shape, _channels(settings, y))


def _turn_steps(preset: str, size: int) -> int:
    """Steps of a turn of about two seconds on a CPU, half a second on a GPU."""
    work, least, most = (3e13, 5, 100) if GPU else (0.75e11 * CORES, 2, 40)
    return int(np.clip(work / roofline.flops(_work(preset, size)), least, most))


# --- the pieces ----------------------------------------------------------------------------


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

    return Contestant(name, lambda: turn, _base(name, [name.replace("bf16", "float32")]))


def step(preset: str, size: int) -> dict[str, Any]:
    """Seconds a step of all forms."""
    n, works = _turn_steps(preset, size), _work(preset, size)
    times = race(contestants(preset, size, n))
    return {"steps": n, "flops": roofline.flops(works), "convolutions": works, "forms": times}


def dispatch(preset: str, size: int) -> dict[str, Any]:
    """Seconds a step in chunks of one dispatch and driven one by one from Python."""
    settings = tasks.PRESETS["denoise"][preset]
    key = jax.random.key(0)
    y = jax.random.uniform(key, (size, size, 3))
    objective = dipjax.data_term(dipjax.operators.Identity(), y)
    n = _turn_steps(preset, size)

    def driven() -> Turn:
        names = ("generator", "optimizer", "jitter")
        init, step = dipjax.fitter(objective, **{name: settings[name] for name in names})
        step = jax.jit(step, donate_argnums=1)
        state = jax.jit(init)(key, settings["code"](key, y.shape))

        def turn(steps: int = n) -> float:
            nonlocal state
            start = time.perf_counter()
            for i in range(steps):
                state, info = step(jax.random.fold_in(key, i), state)
            jax.block_until_ready(info.loss)
            return (time.perf_counter() - start) / steps

        return turn

    scanned = partial(ours, objective, y.shape, settings, n)
    times = race([Contestant("scanned", scanned), Contestant("driven", driven)])
    return {"steps": n, "forms": times}


def second(preset: str, size: int) -> dict[str, Any]:
    """Seconds from the call to the end of one step, for a first and a second picture."""
    result = {}
    for i, name in enumerate(("first", "second")):
        y = jax.random.uniform(jax.random.key(i), (size, size, 3))
        start = time.perf_counter()
        jax.block_until_ready(dipjax.denoise(jax.random.key(i), y, preset=preset, steps=1))
        result[name] = time.perf_counter() - start
    return result


def ensemble(members: int, preset: str, size: int) -> dict[str, Any]:
    """Seconds a step and member of an ensemble, and a step of a single fit."""
    n = max(_turn_steps(preset, size) * (4 if GPU else 2) // members, 5)
    key, y = jax.random.key(0), jax.random.uniform(jax.random.key(1), (size, size, 3))
    settings = {"preset": preset, "steps": n}

    def contestant(name: str, work: Callable[[], Any], count: int) -> Contestant:
        def turn(steps: int = n) -> float:
            start = time.perf_counter()
            jax.block_until_ready(work())
            return (time.perf_counter() - start) / count

        return Contestant(name, lambda: turn)

    # Arrays only: whatever else an ensemble tells is no leaf to wait for.
    many = partial(dipjax.ensemble, dipjax.denoise, key, y, members=members, **settings)
    times = race(
        [
            contestant("single", lambda: dipjax.denoise(key, y, **settings).image, n),
            contestant("ensemble", lambda: many().mean, n * members),
        ]
    )
    return {"steps": n, "forms": times}


# --- pieces whose contestants have a process each ------------------------------------------


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
            answer = alone("start", *contestant, time.time(), folder)
            if "failed" in answer:
                return answer
            times[kind].append(answer["first step"])
    return {"import": answer["import"]}


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
    """A function of this file in a process of its own."""
    folder = str(arguments[-1])
    caches = {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": folder}
    run = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | (caches if arguments[0] == "start" else {}),
    )
    return answer(run.stdout, run.returncode).get("result", {"failed": "no answer"})


# --- time to quality -----------------------------------------------------------------------


def trajectory(who: str, task: str, name: str, size: int, *rest) -> dict[str, Any]:
    """PSNR of every 25th step; `rest` is the number of steps, in place of the published."""
    steps = {"steps": int(rest[0])} if rest else {}
    begin = time.perf_counter()
    if who == "torch":
        import torch

        torch.set_num_threads(CORES)
    follow = quality.theirs if who == "torch" else quality.ours
    result = follow(task, name, size, **steps)
    return {"took": time.perf_counter() - begin, **result}


def pace(task: str, size: int) -> dict[str, Any]:
    """Seconds a step of dipjax's fast preset and of the peer's forms, on the same problem."""
    p = quality.problem(task, next(iter(quality.CROPS[task])), size)
    asked: list[Any] = []

    def driver(key, objective, shape, **settings):
        asked.extend((objective, shape, settings))
        return dipjax.Restoration(*[jnp.zeros(shape)] * 5, jnp.zeros(1), jnp.zeros((), int))

    p.task(jax.random.key(0), jnp.asarray(p.y), preset="fast", driver=driver)
    n = _turn_steps("fast", size)
    racers = [Contestant("dipjax", partial(ours, *asked, n))]
    for form, options in forms().items():
        make = partial(quality.peer_fit, task, p, options)
        racers.append(Contestant(form, partial(theirs, make, max(n // 8, 2)), _base(form, PEERS)))
    return {"forms": race(racers)}


# --- this file as a program ----------------------------------------------------------------

PIECES = {f.__name__: f for f in (machine, peak, step, dispatch, second, ensemble, memory)}
PIECES |= {f.__name__: f for f in (occupy, compile, start, trajectory, pace)}


def main(name: str, *arguments: str) -> None:
    try:
        values = [int(a) if a.isdecimal() else a for a in arguments]
        result = PIECES[name](*values)
    except Exception as error:
        result = {"failed": reason(error)}
    print("\n" + json.dumps({"result": result, "versions": versions()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
