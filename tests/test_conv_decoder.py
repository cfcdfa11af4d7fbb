"""The ConvDecoder against its layers in PyTorch, the published count, and its sizes."""

import pytest

from dipjax.generators import ConvDecoder
from dipjax.generators.conv_decoder import sizes


def test_equals_the_published_network(key):
    t = pytest.importorskip("in_torch")

    def published(params, z):
        rows, columns = t.torch.arange(4) * 15 // 4, t.torch.arange(4) * 22 // 4
        x = z[:, :, rows][..., columns]
        for i in range(4):
            if i < 3:
                x = t.F.interpolate(x, [(7, 8), (10, 13), (15, 22)][i], mode="nearest")
            x = t.norm(params[f"norm_{i}"], t.F.relu(t.conv(params[f"conv_{i}"], x)))
        return t.conv(params["head"], x)

    network = ConvDecoder(width=6, depth=4, grid=(4, 4))
    t.assert_equal(network, published, key, size=(15, 22))


def test_the_published_count_of_params(count_params):
    """8 convolutions of 160 channels for 15 coils: kernels, norms, the last 1x1."""
    assert count_params(ConvDecoder(channels=30), 160) == 1_850_560


def test_sizes_grow_by_equal_factors():
    assert sizes(8, 64, 4) == [8, 16, 32, 64]
    assert sizes(4, 22, 4) == [4, 8, 13, 22]
    assert sizes(8, 3, 4) == [3, 3, 3, 3]
    assert sizes(8, 9, 2) == [8, 9]
