"""The ResNet against its layers in PyTorch, and the published count."""

import pytest

from dipjax.generators import ResNet


def test_equals_the_published_network(key):
    t = pytest.importorskip("in_torch")
    network = ResNet(width=6, depth=2)

    def layer(params, name, x):
        return t.norm(params[f"{name}_norm"], t.conv(params[f"{name}_conv"], x))

    def published(params, z):
        x = t.F.leaky_relu(t.conv(params["first"], z, "reflect"), 0.2)
        for i in range(network.depth):
            y = t.F.leaky_relu(layer(params, f"block_{i}_0", x), 0.2)
            x = x + layer(params, f"block_{i}_1", y)
        return t.conv(params["head"], layer(params, "last", x), "reflect")

    t.assert_equal(network, published, key)


def test_the_published_count_of_params(count_params):
    """Counted of the authors' own modules: Fig. 8 (library), 8 blocks of 32 channels."""
    assert count_params(ResNet(), 1) == 158_979
