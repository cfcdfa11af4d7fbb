import jax
import pytest

from dipjax import cache


@pytest.fixture
def unset(monkeypatch):
    """JAX as it starts, and as it was afterwards."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield monkeypatch
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_folder_that_the_user_names(unset, tmp_path):
    unset.setenv("DIPJAX_CACHE", str(tmp_path / "a" / "b"))
    cache.enable()
    inside = tmp_path / "a" / "b" / f"cores-{cache.cores()}"
    assert inside.is_dir()
    assert jax.config.jax_compilation_cache_dir == str(inside)


def test_programs_for_another_number_of_cores_are_others(unset, tmp_path):
    unset.setenv("DIPJAX_CACHE", str(tmp_path))
    unset.setattr(cache, "cores", lambda: 64)
    cache.enable()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "cores-64")


def test_off(unset):
    unset.setenv("DIPJAX_CACHE", "off")
    cache.enable()
    assert cache.folder() is None and not jax.config.jax_compilation_cache_dir


def test_a_cache_that_the_user_chose_stays(unset, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    unset.setenv("DIPJAX_CACHE", str(tmp_path / "other"))
    cache.enable()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)


def test_a_folder_that_cannot_be_made_is_no_obstacle(unset, tmp_path):
    (tmp_path / "file").touch()
    unset.setenv("DIPJAX_CACHE", str(tmp_path / "file" / "cache"))
    cache.enable()
    assert not jax.config.jax_compilation_cache_dir
