import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import dipjax
from dipjax.generators import from_nnx


class Network(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 3, (3, 3), rngs=rngs)

    def __call__(self, z):
        return jax.nn.sigmoid(self.conv(z))


class Noisy(Network):
    def __init__(self, rngs):
        super().__init__(rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)


def test_an_nnx_module_is_a_generator(key):
    generator, z = from_nnx(Network), jax.random.uniform(key, (6, 5, 2))
    params = generator.init(key, z)
    np.testing.assert_allclose(generator.apply(params, z), Network(nnx.Rngs(key))(z), atol=1e-6)
    energy = lambda x: jnp.sum((x - 0.2) ** 2)  # noqa: E731
    result = dipjax.fit(key, energy, (6, 5, 3), generator=generator, code=z, steps=60)
    assert result.loss[-1] < 0.9 * result.loss[0]


def test_other_state_than_params_is_refused(key):
    with pytest.raises(ValueError):
        from_nnx(Noisy).init(key, jnp.ones((6, 5, 2)))
