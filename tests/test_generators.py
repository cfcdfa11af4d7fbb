"""What every generator keeps, found from the package; and the layers that they are made of."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax import generators
from dipjax.generators.functions import (
    grids,
    halve,
    identity,
    leaky_relu,
    nearest,
    normalise,
    pad,
    upsample,
)

# --- the contract --------------------------------------------------------------------------

# What makes a generator small, for those that have the option.
SMALL = {"widths": (4, 6), "width": 4, "depth": 2, "skips": 2, "grid": (2, 3)}


def _small(cls, **options):
    known = inspect.signature(cls).parameters
    return cls(**{name: value for name, value in {**SMALL, **options}.items() if name in known})


def _is_generator(thing):
    """A class with `init` and `apply` that has a default for everything."""
    if not (inspect.isclass(thing) and hasattr(thing, "init") and hasattr(thing, "apply")):
        return False
    parameters = inspect.signature(thing).parameters.values()
    return all(parameter.default is not parameter.empty for parameter in parameters)


FOUND = {name: thing for name, thing in vars(generators).items() if _is_generator(thing)}


@pytest.fixture(params=FOUND.values(), ids=FOUND)
def cls(request):
    return request.param


def test_the_package_has_generators():
    assert {"Hourglass", "Pixels"} <= set(FOUND)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 3), (9, 8, 5)])
def test_images_of_any_size_in_the_unit_interval(cls, shape, key):
    generator = _small(cls, channels=shape[-1])
    z = jax.random.uniform(key, shape)
    x = jax.jit(lambda key, z: generator.apply(generator.init(key, z), z))(key, z)
    assert x.shape == shape and x.dtype == jnp.float32
    assert jnp.all((x >= 0) & (x <= 1))


def test_deterministic_by_key_and_the_gradient_is_finite(cls, key):
    generator, z = _small(cls), jax.random.uniform(key, (5, 7, 3))
    init, other = jax.jit(generator.init), jax.random.key(1)
    params, again, others = init(key, z), init(key, z), init(other, z)
    jax.tree.map(np.testing.assert_array_equal, params, again)
    if cls is not generators.Pixels:  # starts from the code, whatever the key
        assert any(
            jnp.any(a != b)
            for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(others), strict=True)
        )
    energy = lambda params: jnp.sum((generator.apply(params, z) - 0.3) ** 2)  # noqa: E731
    gradient = jax.tree.leaves(jax.jit(jax.grad(energy))(params))
    assert all(jnp.isfinite(leaf).all() for leaf in gradient)
    assert any(jnp.abs(leaf).max() > 0 for leaf in gradient)


def test_vmap_equals_a_loop(cls, key):
    generator, keys = _small(cls), jax.random.split(key, 2)
    z = jax.random.uniform(key, (2, 6, 5, 3))
    image = lambda key, z: generator.apply(generator.init(key, z), z)  # noqa: E731
    many = jax.jit(jax.vmap(image))(keys, z)
    one = jax.jit(image)
    for i in range(2):
        np.testing.assert_allclose(many[i], one(keys[i], z[i]), atol=2e-5)


def test_equal_generators_are_one_to_jit(cls):
    assert _small(cls) == _small(cls) and hash(_small(cls)) == hash(_small(cls))


# --- layers --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [identity, leaky_relu, jax.nn.swish])
def test_normalise_equals_the_plain_form(activation, key, x64):
    def plain(x, scale, bias):
        mean, var = x.mean((0, 1), keepdims=True), x.var((0, 1), keepdims=True)
        x_hat = (x - mean) / jnp.sqrt(var + 1e-5)
        return activation(x_hat * scale[None, None] + bias[None, None])

    x, scale, bias = jax.random.normal(key, (5, 7, 3)), jnp.arange(3.0), jnp.arange(3.0) - 1
    fused = lambda *args: normalise(*args, activation)  # noqa: E731
    y, pull = jax.vjp(fused, x, scale, bias)
    y_plain, pull_plain = jax.vjp(plain, x, scale, bias)
    np.testing.assert_allclose(y, y_plain, atol=1e-12)
    for grad, grad_plain in zip(pull(x), pull_plain(x), strict=True):
        np.testing.assert_allclose(grad, grad_plain, atol=1e-10)


def test_bilinear_upsampling_is_half_pixel_interpolation(key):
    x = jax.random.normal(key, (4, 5, 2))
    np.testing.assert_allclose(
        upsample(x, "bilinear", (8, 10)), jax.image.resize(x, (8, 10, 2), "linear"), atol=1e-6
    )
    np.testing.assert_array_equal(
        upsample(x, "nearest", (7, 9)), jax.image.resize(x, (8, 10, 2), "nearest")[:7, :9]
    )


@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 5, 1), (4, 3, 2)])
def test_the_gradient_of_upsampling_is_its_adjoint(shape, key, x64):
    """And both are those of a matrix of weights an axis."""
    h, w, c = shape

    def weights(n):
        return jax.image.resize(jnp.eye(n), (2 * n, n), "linear")

    def plain(x):
        return jnp.einsum("ih,jw,hwc->ijc", weights(h), weights(w), x)

    x, dy = jax.random.normal(key, shape), jax.random.normal(key, (2 * h, 2 * w, c))
    y, pull = jax.vjp(lambda x: upsample(x, "bilinear", (2 * h, 2 * w)), x)
    np.testing.assert_allclose(y, plain(x), atol=1e-12)
    np.testing.assert_allclose(pull(dy)[0], jax.vjp(plain, x)[1](dy)[0], atol=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("size", [(4, 5), (7, 4), (2, 3)])
def test_padding_equals_the_plain_form(p, size, key, x64):
    def plain(x):
        return jnp.pad(x, ((p, p), (p, p), (0, 0)), mode="reflect")

    x = jax.random.normal(key, (*size, 2))
    y, pull = jax.vjp(lambda x: pad(x, p, "reflect"), x)
    dy = jax.random.normal(key, y.shape)
    np.testing.assert_array_equal(y, plain(x))
    np.testing.assert_allclose(pull(dy)[0], jax.vjp(plain, x)[1](dy)[0], atol=1e-12)


@pytest.mark.parametrize("method, value", [("average", 2.5), ("max", 4.0)])
def test_halve_pools_cells(method, value):
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]])[..., None]
    np.testing.assert_allclose(halve(x, method), value)
    assert halve(jnp.ones((5, 3, 2)), method).shape == (3, 2, 2)


def test_grids_are_halved_and_rounded_up():
    assert grids((5, 8, 3), 3) == [(5, 8), (3, 4), (2, 2), (1, 1)]


@pytest.mark.parametrize("shape", [(4, 6), (7, 5), (2, 1)])
def test_nearest_takes_pixels_evenly(shape, key):
    x = jax.random.normal(key, (2, 3, 2))
    y = nearest(x, shape)
    for i, j in np.ndindex(*shape):
        np.testing.assert_array_equal(y[i, j], x[i * 2 // shape[0], j * 3 // shape[1]])
