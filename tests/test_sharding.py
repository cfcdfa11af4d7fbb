"""Members over four devices are the members of one (trap 5 of the design)."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import dipjax
from dipjax.ensembles import spread

FIT = """
import json, jax, jax.numpy as jnp, dipjax

SHAPE = (8, 6, 3)
DOUBLE = dipjax.generators.Positional(width=4, depth=1, dtype=jnp.float64)

def fit(key, y):
    objective = dipjax.data_term(dipjax.operators.Identity(), y)
    return dipjax.fit(key, objective, SHAPE, generator=DOUBLE, steps=20)

def worst(many):
    errors = jax.tree.map(lambda a, b: jnp.abs(jax.device_get(a) - b).max(), many, one_by_one)
    return max(map(float, jax.tree.leaves(errors)))

assert jax.device_count() == 4
keys = jax.random.split(jax.random.key(0), 6)
ys = jax.random.uniform(jax.random.key(1), (6, *SHAPE))
fits = [fit(*member) for member in zip(keys, ys)]
one_by_one = jax.device_get(jax.tree.map(lambda *leaves: jnp.stack(leaves), *fits))
moved = float(jnp.abs(fits[0].image - jnp.mean(one_by_one.image, 0)).max())
error = worst(dipjax.spread(fit)(keys, ys))
print(json.dumps({"dtype": str(ys.dtype), "moved": moved, "error": error}))
"""


def test_four_devices_are_one_in_float64():
    """A process of its own, whose devices and precision are set before JAX starts."""
    settings = {"JAX_NUM_CPU_DEVICES": "4", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    environment = {**os.environ, **settings, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    environment["PYTHONPATH"] = str(Path(dipjax.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["dtype"] == "float64" and result["moved"] > 1e-3  # members do differ
    assert result["error"] < 1e-12


def square(key, y):
    return {"sum": y.sum() + jax.random.normal(key), "index": jax.lax.axis_index("members")}


@pytest.mark.parametrize("members", [1, 3, 4, 7])
def test_any_number_of_members(key, members):
    assert jax.device_count() == 4  # conftest.py
    keys, ys = jax.random.split(key, members), jax.random.uniform(key, (members, 5))
    result = spread(square)(keys, ys)
    expected = ys.sum(1) + jax.vmap(jax.random.normal)(keys)
    np.testing.assert_allclose(result["sum"], expected, rtol=1e-6)
    each = -(-members // 4)
    np.testing.assert_array_equal(result["index"], np.arange(members) // each)  # they do lie apart


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_inside_a_mesh_and_from_sharded_arrays(key, kind):
    mesh = jax.make_mesh((2, 2), ("batch", "more"), axis_types=(kind, kind))
    double = spread(lambda y: 2 * y, mesh)
    ys = jax.random.uniform(key, (4, 3))
    there = jax.device_put(ys, NamedSharding(mesh, PartitionSpec("batch")))
    np.testing.assert_array_equal(double(there), 2 * ys)
    with jax.set_mesh(mesh):
        np.testing.assert_array_equal(double(ys[:3]), 2 * np.asarray(ys)[:3])


def test_under_a_trace_and_two_devices(key):
    ys = jax.random.uniform(key, (3, 2))
    double = spread(lambda y: 2 * y, jax.make_mesh((2,), ("x",), devices=jax.devices()[:2]))
    np.testing.assert_array_equal(double(ys), 2 * ys)
    np.testing.assert_array_equal(jax.jit(double)(ys), 2 * ys)


@pytest.mark.parametrize("members", [3, 4])
def test_what_all_share_is_not_copied_for_each(key, members):
    """It comes as it is, without a leading axis; and once to each device, not to each member."""
    ys, table = jax.random.uniform(key, (members, 2)), {"a": jnp.arange(2.0), "b": jnp.ones(3)}
    seen = []

    def scaled(y, table):
        seen.append(type(table["b"]).__name__ == "BatchTracer")
        return y * table["a"] + table["b"].sum()

    result = spread(scaled, in_axes=(0, None))(ys, table)
    np.testing.assert_allclose(result, ys * jnp.arange(2.0)[None] + 3, rtol=1e-6)
    assert seen and not any(seen)


def test_leading_axes_have_to_agree(key):
    with pytest.raises(ValueError, match=r"they count \[2, 3\]"):
        spread(jnp.add)(jnp.ones((2, 1)), jnp.ones((3, 1)))


def test_which_axes_hold_members(key):
    ys, table = jax.random.uniform(key, (3, 2)), jnp.arange(2.0)
    np.testing.assert_array_equal(
        spread(jnp.multiply, in_axes=[0, None])(ys, table), ys * table[None]
    )
    for axes in (1, -1, None, (), (0, 1), (None, None)):
        with pytest.raises(ValueError, match="must be 0, or a tuple of 0"):
            spread(jnp.add, in_axes=axes)


def test_results_of_an_ensemble_come_home(key):
    y = jax.random.uniform(key, (8, 6, 3))
    tiny = dict(generator=dipjax.Hourglass(widths=(), sigmoid=False), steps=1)
    run = partial(dipjax.ensemble, dipjax.denoise, key, y, members=3, **tiny)
    result = run(how="devices", batch=1)
    assert len(result.members.devices()) == 1
    np.testing.assert_allclose(result.mean, run(how="map").mean, atol=1e-5)
