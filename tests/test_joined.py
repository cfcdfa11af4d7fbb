"""A joined image is the image, in its norm, its convolution, the gradients, and the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax.generators import Hourglass, hourglass
from dipjax.generators.convolution import convolve
from dipjax.generators.functions import gram, normalise, pad, upsample
from dipjax.generators.joined import Joined, folds, join

METHODS = ["bilinear", "nearest"]


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def test_gram_tells_the_second_moment_of_the_upsampled_image(method, key, x64):
    x = jax.random.normal(key, (4, 5, 3))
    large = upsample(x, method, (8, 10))
    np.testing.assert_allclose((large**2).mean((0, 1)), (x * gram(x, method)).mean((0, 1)))
    np.testing.assert_allclose(large.mean((0, 1)), x.mean((0, 1)))


@pytest.mark.parametrize("channels", [0, 2])
@pytest.mark.parametrize("size", [(4, 4), (8, 12)])
def test_norm_and_convolution(method, channels, size, key, x64):
    keys = jax.random.split(key, 6)
    fine = jax.random.normal(keys[0], (*size, channels)) if channels else None
    coarse = jax.random.normal(keys[1], (size[0] // 2, size[1] // 2, 3)) + 1
    scale, bias = jax.random.normal(keys[2], (2, channels + 3))
    w, dy = (
        jax.random.normal(keys[3], (3, 3, channels + 3, 4)),
        jax.random.normal(keys[4], (*size, 4)),
    )

    def ours(fine, coarse, scale, bias, w):
        joined = Joined(fine, coarse, method)
        assert joined.shape == (*size, channels + 3)
        return joined.normalised(scale, bias).convolved(w)

    def plain(fine, coarse, scale, bias, w):
        image = normalise(join(fine, coarse, method, size), scale, bias)
        return convolve(pad(image, 1, "reflect"), w)

    def with_gradients(f):
        def both(*args):
            y, pull = jax.vjp(f, *args)
            return y, pull(dy)

        return jax.tree.leaves(jax.jit(both)(fine, coarse, scale, bias, w))

    for a, b in zip(with_gradients(ours), with_gradients(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    "size, options",
    [
        ((8, 16), dict(skips=2)),
        ((12, 8), dict(skips=(0, 2), upsample=("nearest", "bilinear"))),
        ((8, 8), dict(skips=(2, 0), remat=True)),
        ((9, 16), dict(skips=2)),
    ],
)
def test_the_hourglass(size, options, key, x64, everywhere, monkeypatch):
    network = Hourglass(widths=(3, 4), dtype=jnp.float64, **options)
    z = jax.random.normal(key, (*size, 2))
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), network.init(key, z))
    seen = []

    def gradient(folding):
        monkeypatch.setattr(hourglass, "folds", folding)
        energy = lambda *args: jnp.sum((network.apply(*args) - 0.3) ** 2)  # noqa: E731
        return jax.jit(jax.grad(energy, argnums=(0, 1)))(params, z)

    def recorded(*args):
        seen.append(folds(*args))
        return seen[-1]

    ours, plain = gradient(recorded), gradient(lambda *_: False)
    if jax.default_backend() == "cpu":
        assert seen[-1] == (size[0] % 4 == 0)  # the finest scale is the last
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)
