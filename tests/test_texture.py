"""The texture network against its layers in PyTorch, and the published count."""

import pytest

from dipjax.generators import TextureNet


@pytest.mark.parametrize(
    "network",
    [TextureNet(width=4, depth=3), TextureNet(width=4, depth=2, padding="reflect")],
    ids=["three", "reflect"],
)
def test_equals_the_published_network(network, key):
    t = pytest.importorskip("in_torch")

    def three(params, name, x):
        for k in range(3):
            x = t.block(params[f"{name}_{k}"], x, network.padding)
        return x

    def published(params, z):
        x = None
        for i in reversed(range(network.depth)):
            own = three(params, f"own_{i}", t.F.avg_pool2d(z, 2**i))
            if x is None:
                x = own
                continue
            x = t.norm(params[f"deep_{i}"], t.double(x, "nearest"))
            x = t.torch.cat([x, t.norm(params[f"side_{i}"], own)], 1)
            x = three(params, f"mix_{i}", x)
        return t.conv(params["head"], x)

    t.assert_equal(network, published, key)


def test_the_published_count_of_params(count_params):
    """Counted of the authors' own modules: six scales of 8 channels each, a code of 3."""
    assert count_params(TextureNet(), 3) == 116_915
