"""The positional network: a pixel's colour depends on its own code alone, through a norm."""

import jax
import numpy as np
import pytest

from dipjax import codes
from dipjax.generators import Positional


def test_equals_its_layers_in_pytorch(key):
    t = pytest.importorskip("in_torch")

    def published(params, z):
        return t.conv(params["head"], t.block(params["layer_1"], t.block(params["layer_0"], z)))

    t.assert_equal(Positional(width=6, depth=2), published, key)


def test_pixels_may_change_places(key):
    network, z = Positional(width=6, depth=2), codes.fourier(key, (6, 9))
    x, params = jax.jit(network.init_with_output)(key, z)
    order = jax.random.permutation(key, 54)

    def shuffled(x):
        return x.reshape(54, -1)[order].reshape(*x.shape)

    np.testing.assert_allclose(jax.jit(network.apply)(params, shuffled(z)), shuffled(x), atol=1e-5)


def test_the_count_of_params(count_params):
    assert count_params(Positional(), 32) == (33 * 128 + 256) + 4 * (129 * 128 + 256) + 3 * 129
