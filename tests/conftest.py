import gc
import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["DIPJAX_CACHE"] = "off"  # tests compile for themselves
# As `dipjax.compiler` has it for fits: all else compiles in half of the time, too.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false"

import jax
import jax.numpy as jnp
import pytest

from dipjax import compiler
from dipjax.generators import convolution

jax.config.update("jax_numpy_rank_promotion", "raise")
# The programs are tiny: compiling them is nearly all of the time, and a third of it is to make them
# fast. What is measured of a program (tests/test_memory.py) is of the same kind either way.
jax.config.update("jax_disable_most_optimizations", True)
jax.config.update("jax_num_cpu_devices", 4)

PROGRAMS = TemporaryDirectory(prefix="dipjax-tests-")  # what is forgotten is not compiled again
jax.config.update("jax_compilation_cache_dir", PROGRAMS.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

gc.freeze()  # no collection looks through all of JAX
gc.set_threshold(20_000, 20, 50)  # tracing makes and drops many small things
jax.config.update("jax_traceback_in_locations_limit", 0)  # nobody reads where an operation is from

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in the background of a script
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests press Ctrl-C

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def optimized():
    """Programs are made fast, for a test that runs them for long."""
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()
    yield
    jax.config.update("jax_disable_most_optimizations", True)
    jax.clear_caches()


@pytest.fixture
def data():
    """The folder of real pictures, masks and weights, which is not a part of the project."""
    if not DATA.is_dir():
        pytest.skip("../shared/data is not there")
    return DATA


@pytest.fixture
def count_params(key):
    """(generator, channels of its code) -> the number of its params."""

    def count(generator, channels):
        params = jax.eval_shape(generator.init, key, jnp.zeros((64, 64, channels)))
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    return count


@pytest.fixture
def everywhere(monkeypatch):
    """Winograd's form for images of any size and number of channels."""
    monkeypatch.setattr(convolution, "WINOGRAD_PIXELS", 0)
    monkeypatch.setattr(convolution, "WINOGRAD_CHANNELS", 1)
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.fixture
def plainly(monkeypatch):
    """No convolution in Winograd's form, whose tiles leave rounding errors beside a kernel."""
    monkeypatch.setattr(convolution, "WINOGRAD_PIXELS", 10**9)
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.fixture
def accelerator(monkeypatch):
    """The forms for accelerators, on whatever is there."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.fixture
def compilations():
    """The programs that are compiled while the test runs, by duration; clear it before you look."""
    seconds = []

    def listener(name, duration, **_):
        if "backend_compile" in name:
            seconds.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listener)
    yield seconds
    jax.monitoring.unregister_event_duration_listener(listener)


@pytest.fixture(autouse=True)
def room():
    """So that no test is the one in which the programs of all before it are forgotten."""
    compiler.make_room(share=0.4)
