"""The hourglass: every option at any size, the published counts of params, how params start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from dipjax.generators import Hourglass

TINY = Hourglass(widths=(4, 6), skips=2)
VARIANTS = {
    "published": TINY,
    "no_skips": TINY.clone(skips=0),
    "some_skips": TINY.clone(skips=(0, 3)),
    "up_widths": TINY.clone(up_widths=(3, 5)),
    "kernels": TINY.clone(kernels_down=(7, 5), kernels_up=(5, 1), kernel_skip=3),
    "nearest": TINY.clone(upsample="nearest"),
    "mixed": TINY.clone(upsample=("nearest", "bilinear")),
    "average": TINY.clone(downsample="average"),
    "max": TINY.clone(downsample=("max", "stride")),
    "lanczos2": TINY.clone(downsample="lanczos2"),
    "lanczos3": TINY.clone(downsample="lanczos3"),
    "zero": TINY.clone(padding="zero"),
    "no_mix": TINY.clone(mix=False),
    "uniform_scale": TINY.clone(scale_init="uniform"),
    "activation": TINY.clone(activation=jax.nn.swish),
    "grey": TINY.clone(channels=1),
    "bands": TINY.clone(channels=7),
    "bfloat16": TINY.clone(dtype=jnp.bfloat16),
}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def generator(request):
    return request.param


@pytest.mark.parametrize("size", [(1, 1), pytest.param((2, 7), marks=pytest.mark.slow), (9, 8)])
def test_any_size_in_the_unit_interval(generator, size, key):
    z = jax.random.uniform(key, (*size, 3))
    x, params = jax.jit(generator.init_with_output)(key, z)
    assert x.shape == (*size, generator.channels)
    assert x.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    assert jnp.all((x >= 0) & (x <= 1))


def test_without_a_sigmoid_the_image_is_unbounded(key):
    z = 100 * jax.random.normal(key, (8, 8, 2))
    x, _ = jax.jit(TINY.clone(sigmoid=False).init_with_output)(key, z)
    assert x.min() < 0


# The notebooks of the paper's authors: network, channels of the code, number of params.
TAPER = (16, 32, 64, 128, 128)
PUBLISHED = {
    "denoise": (Hourglass(), 32, 2_217_831),
    "jpeg": (Hourglass(widths=(8, 16, 32, 64, 128), skips=(0, 0, 0, 4, 4)), 3, 572_827),
    "vase": (Hourglass(skips=0, upsample="nearest"), 2, 2_157_955),
    "kate": (Hourglass(skips=128, upsample="nearest"), 32, 3_002_627),
    "library": (Hourglass(widths=(*TAPER, 128), skips=0, kernels_down=5, mix=False), 1, 2_996_467),
    "kate_98": (Hourglass(widths=TAPER, skips=0, downsample="average"), 32, 1_027_379),
}


@pytest.mark.parametrize("network, channels, count", PUBLISHED.values(), ids=PUBLISHED)
def test_the_published_counts_of_params(network, channels, count, count_params):
    assert count_params(network, channels) == count


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(padding="reflection"), "padding 'reflection': must be one of"),
        (dict(upsample=("bilinear", "bicubic")), "upsample 'bicubic': must be one of"),
        (dict(downsample="avg"), "downsample 'avg': must be one of"),
        (dict(scale_init="Uniform"), "scale_init 'Uniform': must be one of"),
        (dict(skips=(4, 4, 4)), "needs a value for each of the 2 scales"),
        (dict(kernels_down=4), "kernels_down 4: must be odd"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        TINY.clone(**options)


def test_equal_generators_are_one_to_jit():
    assert Hourglass(widths=(4, 4)) == Hourglass(widths=(4, 4))
    assert hash(Hourglass(widths=(4, 4))) == hash(Hourglass(widths=(4, 4)))


def test_params_start_as_in_pytorch(key):
    params = jax.jit(Hourglass(widths=(64, 64)).init)(key, jnp.zeros((8, 8, 32)))["params"]
    for name, fan_in in (("down_0", 9 * 32), ("deep_0", 9 * 64), ("mix_0", 64)):
        for leaf in params[name]["conv"].values():
            assert jnp.abs(leaf).max() <= fan_in**-0.5
        np.testing.assert_allclose(
            params[name]["conv"]["kernel"].std(), (3 * fan_in) ** -0.5, rtol=0.05
        )
    np.testing.assert_array_equal(params["up_0"]["norm"]["scale"], 1)
    uniform = jax.jit(Hourglass(widths=(64, 64), scale_init="uniform").init)(
        key, jnp.zeros((8, 8, 32))
    )
    scale = uniform["params"]["up_0"]["norm"]["scale"]
    assert 0 <= scale.min() < 0.2 < 0.8 < scale.max() <= 1


def test_the_bias_before_a_norm_is_of_no_effect(key):
    """Which is why the convolution leaves it out: the norm would subtract it again."""
    z = jax.random.uniform(key, (8, 8, 3))
    params = jax.jit(TINY.init)(key, z)
    grad = jax.jit(jax.grad(lambda params: TINY.apply(params, z).sum()))(params)["params"]
    np.testing.assert_array_equal(grad["up_0"]["conv"]["bias"], 0)
    assert jnp.abs(grad["head"]["bias"]).min() > 0


def test_floats_where_doubles_are_allowed(key, x64):
    """The default network convolves in float32 whatever JAX allows, in a fit and for a gradient."""
    z = jax.random.uniform(key, (32, 32, 32))
    generator = Hourglass(widths=(16, 16))
    params = generator.init(key, z)
    grad = jax.grad(lambda params: generator.apply(params, z).sum())(params)
    assert z.dtype == jnp.float64
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(grad))


def test_gradient_of_the_generator(key, x64):
    network = Hourglass(widths=(3,), skips=1, activation=jax.nn.softplus)
    z = jax.random.uniform(key, (5, 6, 2))
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), jax.jit(network.init)(key, z))
    network = network.clone(dtype=jnp.float64)
    loss = jax.jit(lambda params: jnp.sum(network.apply(params, z) ** 2))
    check_grads(loss, (params,), order=1, modes=["rev"], rtol=1e-4)
