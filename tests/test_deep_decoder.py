"""The Deep Decoder against its layers in PyTorch, and the published counts."""

import pytest

from dipjax.generators import DeepDecoder


def test_equals_the_published_network(key):
    t = pytest.importorskip("in_torch")

    def published(params, z):
        x = z[:, :, ::4, ::4]
        for i in range(3):
            x = t.conv(params[f"mix_{i}"], x)
            x = t.double(x, "bilinear") if i < 2 else x
            x = t.norm(params[f"norm_{i}"], t.F.relu(x))
        return t.conv(params["head"], x)

    t.assert_equal(DeepDecoder(width=6, depth=2), published, key)


@pytest.mark.parametrize("width, count", [(128, 100_224), (64, 25_536)])
def test_the_published_counts_of_params(width, count, count_params):
    assert count_params(DeepDecoder(width=width), width) == count
