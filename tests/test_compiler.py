"""A program of its own gets the options, a part of another one works; there is room for many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax import compiler
from dipjax.compiler import compiled


def mappings():
    return compiler.MAPPINGS.read_bytes().count(b"\n")


def test_it_is_jit_alone_and_inside_of_anything(key):
    x = jax.random.normal(key, (3, 4))
    f = compiled(lambda x, power: jnp.sum(x**power), static_argnames="power")
    assert f(x, power=2) == pytest.approx(float((x**2).sum()), rel=1e-6)
    np.testing.assert_allclose(jax.vmap(lambda x: f(x, power=2))(x), (x**2).sum(1), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: f(x, power=2))(x), 2 * x, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x: f(x, power=2))(x), (x**2).sum(), rtol=1e-6)


def test_options_that_are_not_known_are_left_out(monkeypatch):
    monkeypatch.setattr(compiler, "CPU", {"xla_no_such_option": True})
    compiler._options.cache_clear()
    try:
        assert compiler._options() is None
        assert compiled(lambda x: 2 * x)(3) == 6
    finally:
        compiler._options.cache_clear()


@pytest.mark.skipif(jax.__version_info__ >= (0, 11), reason="a later XLA may not have them")
def test_this_xla_knows_them():
    if jax.default_backend() == "cpu":
        assert compiler._options() == compiler.CPU


@pytest.mark.skipif(not compiler.MAPPINGS.exists(), reason="no Linux")
def test_programs_are_forgotten_where_there_is_no_room(monkeypatch, tmp_path, compilations):
    f = compiled(lambda x: jnp.sin(x) + 1)
    limit = tmp_path / "max_map_count"
    monkeypatch.setattr(compiler, "LIMIT", limit)
    for room, forgotten in ((10, False), (1, True)):
        f(1.0)
        compilations.clear()
        limit.write_text(str(int(room * mappings())))
        f(2.0)
        assert bool(compilations) == forgotten


def test_another_system_has_other_limits(monkeypatch, tmp_path):
    monkeypatch.setattr(compiler, "LIMIT", tmp_path / "no such file")
    compiler.make_room(share=0)


def test_chosen_is_one_of_two_trees():
    same = jnp.arange(3.0)
    choose = lambda which: compiler.chosen(which, (same, jnp.ones(2)), (same, jnp.zeros(2)))  # noqa: E731
    assert choose(True)[0] is same
    np.testing.assert_array_equal(choose(jnp.array(True))[1], 1)
    np.testing.assert_array_equal(choose(jnp.array(False))[1], 0)


def test_when_changes_a_value_or_leaves_it_alone():
    """Alone, and for each member of a `vmap`."""
    double = lambda both: (2 * both[0], both[1])  # noqa: E731
    when = jax.jit(lambda condition, x: compiler.when(condition, double, (x, 1.0)))
    assert when(True, 3.0) == (6, 1) and when(False, 3.0) == (3, 1)
    several, _ = jax.vmap(when)(jnp.array([True, False, True]), jnp.arange(3.0))
    np.testing.assert_array_equal(several, [0, 1, 4])


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize(("length", "end", "expected"), [(5, 100, 5), (5, 3, 3), (0, 100, 0)])
def test_repeated_ends_by_itself_or_after_so_many_rounds(
    monkeypatch, backend, length, end, expected
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    going = lambda n: n < end  # noqa: E731
    count = lambda n: compiler.repeated(lambda n: n + 1, n, going, length)  # noqa: E731
    n = jnp.int32(0)
    assert jax.jit(count)(n) == expected
    np.testing.assert_array_equal(jax.vmap(count)(jnp.stack([n, n + end])), [expected, end])
    # An accelerator must not be asked whether to go on.
    assert ("while" in str(jax.make_jaxpr(count)(n))) == (backend == "cpu")
