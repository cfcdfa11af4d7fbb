"""The compilation cache: programs that JAX compiled once, kept in a user folder.

Compiling a fit takes seconds; with the cache the second run of a command line starts at once.
The library leaves JAX's configuration alone, only the command line turns the cache on.
"""

import os
from pathlib import Path
from typing import Any

import jax
import platformdirs

VARIABLE = "DIPJAX_CACHE"


def folder() -> Path | None:
    """Where compiled programs are kept: `$DIPJAX_CACHE`, or a user folder; None for "off"."""
    chosen = os.environ.get(VARIABLE) or platformdirs.user_cache_dir("dipjax", appauthor=False)
    return None if chosen == "off" else Path(chosen)


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def enable() -> None:
    """Keep programs that take a tenth of a second to compile, unless the user chose a cache."""
    chosen = folder()
    config: Any = jax.config
    if chosen is None or config.jax_compilation_cache_dir:
        return
    # XLA shares loops out to the cores that it finds when it compiles, and JAX's key of a program
    # does not name them: a fit compiled on one core would stay on one.
    path = chosen / f"cores-{cores()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only home is no reason not to restore a picture
        return
    config.update("jax_compilation_cache_dir", str(path))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
