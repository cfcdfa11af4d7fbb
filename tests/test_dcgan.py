"""The decoder of a DCGAN against its layers in PyTorch, and its count."""

import itertools

import pytest

from dipjax.generators import DCGAN


def test_equals_its_layers_in_pytorch(key):
    t = pytest.importorskip("in_torch")

    def published(params, z):
        x = t.conv(params["first"], z[:, :, ::4, ::4])
        for i in range(2):
            x = t.deconv(params[f"double_{i}"], t.F.relu(t.norm(params[f"norm_{i}"], x)))
        return x

    t.assert_equal(DCGAN(widths=(6, 4)), published, key)


def test_the_count_of_params(count_params):
    """Kernels and norms of the figure; its projection of the code is a convolution here."""
    widths = (1024, 512, 256, 128, 3)
    kernels = sum(16 * c * d for c, d in itertools.pairwise(widths))
    assert count_params(DCGAN(), 100) == 9 * 100 * 1024 + kernels + 2 * sum(widths[:-1])
