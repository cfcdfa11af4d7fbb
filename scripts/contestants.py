"""The contestants: dipjax and its peer in all their forms, denoising a random picture."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the GPU is shared with PyTorch
os.environ.setdefault("DIPJAX_CACHE", "off")

import jax
import jax.numpy as jnp
import numpy as np
import roofline
from race import REPEATS, Contestant, Turn

import dipjax
from dipjax import cache, tasks

GPU = jax.default_backend() == "gpu"
CORES = cache.cores()
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
            Contestant(name, partial(ours, objective, y.shape, own, n), base(name, DTYPES))
        )
    for name, form in forms().items():
        make = partial(_peer, settings["generator"], np.asarray(y), _channels(settings, y), form)
        result.append(Contestant(name, partial(theirs, make, n), base(name, PEERS)))
    return result


def base(name: str, names) -> str | None:
    """The float32 form of a bf16 form that may be far slower; on a GPU none is."""
    base = name.replace("bf16", "float32")
    return base if base != name and base in names and not GPU else None


def _peer(generator, y: np.ndarray, channels: int, form: dict[str, Any]):
    import peer

    return peer.Fit(lambda: peer.like(generator, channels), y, channels=channels, **form)


def _channels(settings: dict[str, Any], y) -> int:
    """Of the preset's code."""
    return jax.eval_shape(lambda key: settings["code"](key, y.shape), jax.random.key(0)).shape[-1]


def convolutions(preset: str, size: int) -> list[roofline.Work]:
    settings = tasks.PRESETS["denoise"][preset]
    y = jax.ShapeDtypeStruct((size, size, 3), "float32")
    return roofline.convolutions(settings["generator"], y.shape, _channels(settings, y))


def turn_steps(preset: str, size: int) -> int:
    """Steps of a turn of about two seconds on a CPU, a fifth of a second on a GPU."""
    work, least, most = (1e13, 5, 100) if GPU else (0.75e11 * CORES, 2, 40)
    return int(np.clip(work / roofline.flops(convolutions(preset, size)), least, most))
