"""What is written otherwise for accelerators is the same function as on the CPU.

No accelerator is needed: `jax.default_backend` is told to name one, and all runs where it can.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import dipjax
from dipjax.baselines import nonlocal_bayes
from dipjax.generators import Hourglass, convolution, functions
from dipjax.generators.convolution import convolve
from dipjax.presets import precision


def assert_equal(ours, plain):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def with_gradients(f, *args):
    """`f`, and its gradients against a fixed cotangent."""

    def both(*args):
        y, pull = jax.vjp(f, *args)
        return y, pull(jnp.cos(jnp.arange(float(y.size))).reshape(y.shape))

    return jax.jit(both)(*args)


@pytest.fixture(params=[1, 32 * 32], ids=["library", "patches"])
def patches(request, monkeypatch):
    """Either form of the convolution, whatever the size."""
    monkeypatch.setattr(convolution, "PATCHES", request.param)
    monkeypatch.setattr(convolution, "PATCHES_OF_MANY", 1)


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (5, 3)])
@pytest.mark.parametrize("channels", [2, 3])
def test_convolve(stride, k, channels, key, x64, patches, accelerator):
    """Also where channels are filled up to whole pieces: two numbers in float64."""
    x, w = jax.random.normal(key, (9, 10, channels)), jax.random.normal(key, (k, k, channels, 4))

    def plain(x, w):
        strides = stride, stride
        y = lax.conv_general_dilated(
            x[None], w, strides, "VALID", dimension_numbers=convolution.NHWC
        )
        return y[0]

    ours = with_gradients(lambda x, w: convolve(x, w, stride), x, w)
    assert_equal(ours, with_gradients(plain, x, w))


@pytest.mark.parametrize("many", [1, 32 * 32], ids=["one by one", "at once"])
@pytest.mark.parametrize("kernels", ["of their own", "shared"])
def test_several_images_at_once(kernels, many, key, x64, patches, accelerator, monkeypatch):
    monkeypatch.setattr(convolution, "PATCHES_OF_MANY", many)
    x, w = jax.random.normal(key, (2, 8, 7, 3)), jax.random.normal(key, (2, 3, 3, 3, 4))
    w = w if kernels == "of their own" else w[:1].repeat(2, 0)
    each = [with_gradients(convolve, x[i], w[i]) for i in range(2)]
    ours = jax.vmap(partial(with_gradients, convolve))(x, w)
    assert_equal(ours, jax.tree.map(lambda *parts: jnp.stack(parts), *each))
    if kernels == "shared":
        assert_equal(jax.vmap(convolve, (0, None))(x, w[0]), ours[0])
    one_image = jax.vmap(convolve, (None, 0))(x[0], w)
    assert_equal(one_image, jnp.stack([convolve(x[0], w[i]) for i in range(2)]))


def test_kernels_of_their_own_are_no_grouped_convolution(key, accelerator):
    x, w = jnp.zeros((2, 70, 70, 3)), jnp.zeros((2, 3, 3, 3, 4))
    text = str(jax.make_jaxpr(jax.vmap(convolve))(x, w))
    assert text.count("conv_general_dilated") == 2
    assert "feature_group_count=2" not in text


def test_kernels_of_small_images_are_one_product(key, accelerator):
    x, w = jnp.zeros((2, 50, 50, 3)), jnp.zeros((2, 3, 3, 3, 4))
    text = str(jax.make_jaxpr(jax.vmap(convolve))(x, w))
    assert "conv_general_dilated" not in text and text.count("dot_general") == 1
    assert "conv_general_dilated" in str(jax.make_jaxpr(convolve)(x[0], w[0]))


def test_channels_are_filled_up_to_pieces_of_16_bytes():
    x = jnp.ones((2, 2, 132))
    assert convolution._filled(x, -1).shape == (2, 2, 132)
    assert convolution._filled(x.astype(jnp.bfloat16), -1).shape == (2, 2, 136)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("size", [(3, 3), (6, 5), (1, 4)])
def test_pad(p, size, key, x64, accelerator):
    x = jax.random.normal(key, (*size, 2))

    def plain(x):
        return jnp.pad(x, ((p, p), (p, p), (0, 0)), mode="reflect")

    ours = with_gradients(lambda x: functions.pad(x, p, "reflect"), x)
    assert_equal(ours, with_gradients(plain, x))


@pytest.mark.parametrize("offset", [0, 1e3])
def test_normalise(offset, key, x64, accelerator):
    """Both moments in one pass, also where the mean is far from zero."""
    x, scale = offset + jax.random.normal(key, (7, 6, 3)), jnp.array([1.0, 2.0, 0.5])

    def plain(x, scale, bias):
        x_hat = (x - x.mean((0, 1))[None, None]) / jnp.sqrt(x.var((0, 1)) + 1e-5)[None, None]
        return functions.leaky_relu(scale[None, None] * x_hat + bias[None, None])

    ours = partial(functions.normalise, activation=functions.leaky_relu)
    args = x, scale, jnp.array([0.1, -0.2, 0.3])
    for a, b in zip(
        *(jax.tree.leaves(with_gradients(f, *args)) for f in (ours, plain)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_one_pass_is_as_exact_as_two_in_float32(key, accelerator):
    """A mean of 100 deviations: squares of the numbers themselves would lose two digits more."""
    x = 100 + jax.random.normal(key, (64, 64, 4), jnp.float32)
    _, variance = functions._moments(x, functions.identity)
    np.testing.assert_allclose(variance[0, 0], np.asarray(x, np.float64).var((0, 1)), rtol=1e-5)


@pytest.fixture
def cleared():
    yield
    jax.clear_caches()


def test_hourglass(key, x64, patches, cleared, monkeypatch):
    generator = Hourglass(widths=(6, 5), skips=(3, 0), dtype=jnp.float64)
    z = jax.random.uniform(key, (11, 12, 3))
    params = jax.tree.map(lambda x: x.astype(z.dtype), jax.jit(generator.init)(key, z))
    on_cpu = with_gradients(generator.apply, params, z)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jax.clear_caches()
    assert_equal(with_gradients(generator.apply, params, z), on_cpu)


def test_the_guard_works_without_branches(key, accelerator):
    """A NaN in a step is taken back, as on the CPU; a branch would wait for the host."""

    def jitter(step):
        return jnp.where(step == 7, jnp.nan, 0.0)

    objective = dipjax.data_term(dipjax.operators.Identity(), jax.random.uniform(key, (8, 8, 1)))
    generator = Hourglass(1, widths=(4,))
    fit = partial(dipjax.fit, generator=generator, jitter=jitter, steps=12)
    result = fit(key, objective, (8, 8, 1))
    assert result.setbacks == 1
    np.testing.assert_array_equal(np.isnan(result.loss), np.arange(12) == 7)
    assert jnp.isfinite(result.image).all()
    assert "cond[" not in str(jax.make_jaxpr(lambda key: fit(key, objective, (8, 8, 1)))(key))


def test_presets_convolve_in_bfloat16(accelerator):
    def driver(key, objective, shape, *, generator, **settings):
        assert generator.dtype == jnp.bfloat16
        return dipjax.Restoration(*[jnp.zeros(shape)] * 5, jnp.zeros(1), jnp.zeros((), int))

    dipjax.denoise(jax.random.key(0), jnp.full((16, 16, 3), 0.5), preset="paper", driver=driver)


def test_presets_convolve_in_float32_on_the_cpu():
    assert precision() == jnp.float32


def test_nonlocal_bayes(key, x64, cleared, monkeypatch):
    """All groups at once, instead of some that a CPU's cache holds."""
    y = jax.random.uniform(key, (24, 26, 1))
    on_cpu = nonlocal_bayes(y, sigma=0.1)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jax.clear_caches()
    assert_equal(nonlocal_bayes(y, sigma=0.1), on_cpu)
    text = str(jax.make_jaxpr(lambda y: nonlocal_bayes(y, sigma=0.1))(y))
    assert text.count("dot_general") * 2 == text.count("Precision.HIGHEST") > 0  # of both operands
