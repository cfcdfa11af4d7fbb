"""Every form of the convolution equals the library's, in value and in both gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dipjax.generators import convolution
from dipjax.generators.convolution import NHWC, convolve, deconvolve, pays
from dipjax.generators.winograd import winograd


def library(x, w, stride=1):
    return lax.conv_general_dilated(x[None], w, (stride, stride), "VALID", dimension_numbers=NHWC)[
        0
    ]


def assert_equal_with_gradients(ours, plain, key, *args):
    dy = jax.random.normal(key, jax.eval_shape(plain, *args).shape)
    both = [jax.jit(lambda *args, f=f: (f(*args), jax.vjp(f, *args)[1](dy))) for f in (ours, plain)]
    for a, b in zip(*(jax.tree.leaves(f(*args)) for f in both), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("size", [(9, 10), (5, 6), (12, 7)])
def test_convolve(stride, k, size, key, x64):
    x, w = jax.random.normal(key, (*size, 3)), jax.random.normal(key, (k, k, 3, 4))
    ours, plain = (lambda x, w, f=f: f(x, w, stride) for f in (convolve, library))
    assert_equal_with_gradients(ours, plain, key, x, w)


@pytest.mark.parametrize("size", [(3, 3), (4, 5), (9, 8), (6, 11), (6, 15), (10, 10)])
def test_winograd(size, key, x64, everywhere):
    x, w = jax.random.normal(key, (*size, 3)), jax.random.normal(key, (3, 3, 3, 4))
    assert_equal_with_gradients(winograd, library, key, x, w)
    assert_equal_with_gradients(convolve, library, key, x, w)


def test_winograd_is_as_exact_as_the_plain_form_in_float32(key, x64):
    x, w = jax.random.normal(key, (34, 34, 64)), jax.random.normal(key, (3, 3, 64, 8))
    exact, x, w = library(x, w), x.astype(jnp.float32), w.astype(jnp.float32)
    error, error_plain = (float(jnp.abs(f(x, w) - exact).max()) for f in (winograd, library))
    assert error < 4 * error_plain


def test_its_kernel_gradient_is_as_exact_as_the_plain_form_in_float32(key, x64):
    x, dy = jax.random.normal(key, (34, 34, 8)), jax.random.normal(key, (32, 32, 8))
    exact = convolution._kernel_gradient(x, dy, 1, 3)
    x, dy = x.astype(jnp.float32), dy.astype(jnp.float32)
    ours = jax.vjp(partial(winograd, x), jnp.zeros((3, 3, 8, 8), jnp.float32))[1](dy)[0]
    plain = convolution._kernel_gradient(x, dy, 1, 3)
    error, error_plain = (float(jnp.abs(dw - exact).max()) for dw in (ours, plain))
    assert error < 4 * error_plain


def test_winograd_is_not_for_half_precision():
    assert pays(10**4, (3, 3, 64, 64), jnp.float32)
    assert not pays(10**4, (3, 3, 64, 64), jnp.bfloat16)


def test_several_images_and_kernels_at_once(key, x64, everywhere):
    """`vmap` over kernels of their own: on the CPU batched products, no grouped convolution."""
    x, w = jax.random.normal(key, (2, 8, 7, 3)), jax.random.normal(key, (2, 3, 3, 3, 4))
    each = [convolve(x[i], w[i]) for i in range(2)]
    np.testing.assert_allclose(jax.vmap(convolve)(x, w), jnp.stack(each), atol=1e-12)


def test_the_form_for_accelerators(key, x64):
    """It is not run on this backend, so it is called by name."""
    x, w = jax.random.normal(key, (9, 8, 3)), jax.random.normal(key, (3, 3, 3, 4))
    dy = jax.random.normal(key, (4, 3, 4))
    ours = convolution._library_backward(x, w, dy, 2)
    on_cpu = convolution._products_backward(x, w, dy, 2)
    for a, b in zip(ours, on_cpu, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (5, 6)])
def test_deconvolve_is_the_adjoint_of_a_strided_convolution(size, key, x64):
    def plain(x, w):
        shape = jax.ShapeDtypeStruct((2 * size[0], 2 * size[1], 2), x.dtype)
        strided = lambda u: library(jnp.pad(u, ((1, 1), (1, 1), (0, 0))), w, 2)  # noqa: E731
        return jax.linear_transpose(strided, shape)(x)[0]

    x, w = jax.random.normal(key, (*size, 3)), jax.random.normal(key, (4, 4, 2, 3))
    assert_equal_with_gradients(deconvolve, plain, key, x, w)
