"""What is told of a run: a record in JSON, with scores and versions, and a few lines of it."""

import json
import platform
from dataclasses import fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np

import dipjax
from dipjax import cache, images, metrics
from dipjax.guard import Guard
from dipjax.objectives import Scaled
from dipjax.optimizers import Named
from dipjax.stopping import Tracker

Array = jax.Array


def scores(image: Array, reference: Array) -> dict[str, float | None]:
    """PSNR in dB and SSIM of a picture, as they stand in the record; None for what has none."""
    db = float(metrics.psnr(image, reference))
    ssim = None if min(image.shape[:2]) < 11 else float(metrics.ssim(image, reference))
    return {
        "psnr": round(db, 3) if np.isfinite(db) else None,  # of equal pictures
        "ssim": ssim and round(ssim, 4),
    }


def environment() -> dict[str, Any]:
    """Versions and devices, the part of a result that the key does not fix."""
    names = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow")
    return {
        "versions": {
            "python": platform.python_version(),
            "dipjax": dipjax.__version__,  # a checkout that is not installed has it, too
            **{name: version(name) for name in names},
        },
        "devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
        "cores": cache.cores(),
    }


def describe(settings: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a fit in words and numbers."""
    return {name: _describe(value) for name, value in settings.items()}


def _describe(value: Any) -> Any:
    if isinstance(value, int | float | str):
        return value
    if type(value) is tuple:  # and nothing with names
        return [_describe(part) for part in value]
    if isinstance(value, Tracker | Guard | Named):
        return repr(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Scaled):
        return f"{value.weight} * {_describe(value.objective)}"
    if isinstance(value, partial):
        options = ", ".join(f"{name}={option}" for name, option in value.keywords.items())
        return f"{value.func.__name__}({options})"
    if isinstance(value, jax.Array):  # such as a code that is a picture
        return f"array of shape {value.shape}"
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}({_changed(value)})"
    return getattr(value, "__name__", type(value).__name__)


def _changed(module: nn.Module) -> str:
    """The fields of a module that are not at their defaults."""
    pairs = ((f.name, getattr(module, f.name), f.default) for f in fields(module) if f.init)
    own = ((name, value) for name, value, default in pairs if value != default and name != "parent")
    return ", ".join(f"{name}={value!r}" for name, value in own)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """One record, written in whole or not at all; None for what is not finite, as JSON has it."""
    text = json.dumps(_finite(record), indent=2, allow_nan=False)
    images.write_bytes(path, (text + "\n").encode())


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(part) for name, part in value.items()}
        case list() | tuple():
            return [_finite(part) for part in value]
        case float():
            return value if np.isfinite(value) else None
        case _:
            return value


def summary(record: dict[str, Any]) -> str:
    """A record in a few lines, for a terminal."""
    seconds = record["seconds"]
    many = record.get("steps_of_members", [])
    ends = " to ".join(map(str, sorted({min(many), max(many)}))) if many else ""
    steps = f"{len(many)} x {ends}" if many else record["steps"]
    lines = [
        f"{record['output']}: {steps} steps in {seconds['run']:.1f} s, "
        f"and {seconds['compile']:.1f} s of compilation"
    ]
    if "polish" in seconds:
        lines[0] += f"; polished in {seconds['polish']:.1f} s"
    if many:
        lines.append(f"the mean of {record['members']}; their std is {record['std']['mean']:.4f}")
    if "after" in record:
        before, after = record["before"], record["after"]
        for name, form, unit in (("psnr", ".2f", " dB"), ("ssim", ".3f", "")):
            if before[name] is not None and after[name] is not None:
                change = f"{before[name]:{form}} -> {after[name]:{form}}{unit}"
                lines.append(f"{name.upper()} {change}")
    if record.get("stop_reason"):  # there is none where all tiles were kept ones
        lines.append(f"it stopped because {record['stop_reason']}")
    if record.get("resumed"):
        lines.append("it went on from an earlier run, whose seconds are not counted here")
    if record["interrupted"]:
        lines.append("interrupted: this is the result so far")
    return "\n".join(lines)
