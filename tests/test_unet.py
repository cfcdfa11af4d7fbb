"""The U-Net against its layers in PyTorch, and the published counts."""

import jax.numpy as jnp
import pytest

from dipjax.generators import UNet


def published(network):
    import in_torch as t

    def pair(params, name, x):
        for k in range(2):
            x = t.conv(params[f"{name}_conv_{k}"], x, network.padding)
            if name.startswith("down"):
                x = t.norm(params.get(f"{name}_norm_{k}"), x)
            x = t.F.relu(x)
        return x

    def enlarged(params, x):
        if network.upsample == "deconv":
            return t.deconv(params, x)
        return t.conv(params, t.double(x, network.upsample), network.padding)

    def apply(params, z):
        depth = len(network.widths)
        passed = [pair(params, "down_0", z)]
        for i in range(1, depth):
            passed.append(pair(params, f"down_{i}", t.F.max_pool2d(passed[-1], 2)))
        x = passed[-1]
        for i in reversed(range(depth - 1)):
            x = t.torch.cat([enlarged(params[f"enlarge_{i}"], x), passed[i]], 1)
            x = pair(params, f"up_{i}", x)
        return t.conv(params["head"], x)

    return apply


@pytest.mark.parametrize(
    "network",
    [
        UNet(widths=(4, 6, 6)),
        UNet(widths=(4, 6, 6), upsample="bilinear", affine=True),
        UNet(widths=(4, 6), upsample="nearest", padding="reflect", affine=True),
    ],
    ids=["deconv", "bilinear", "nearest"],
)
def test_equals_the_published_network(network, key):
    t = pytest.importorskip("in_torch")
    t.assert_equal(network, published(network), key)


# Counted of the authors' own modules: Fig. 8 (library), and their `get_net("UNet")`.
WIDER = UNet(widths=(16, 32, 64, 128, 256), affine=True, upsample="nearest")
PUBLISHED = {
    "library": (UNet(), 1, 1_616_315),
    "get_net": (
        UNet(widths=(16, 32, 64, 128, 256), affine=True, upsample="nearest"),
        32,
        2_164_899,
    ),
}


@pytest.mark.parametrize("network, channels, count", PUBLISHED.values(), ids=PUBLISHED)
def test_the_published_counts_of_params(network, channels, count, count_params):
    assert count_params(network, channels) == count


def test_bad_options():
    with pytest.raises(ValueError, match="upsample 'cubic': must be one of"):
        UNet(upsample="cubic")


def test_the_bias_of_a_deconv_is_drawn_as_pytorch_draws_it(key):
    params = UNet(widths=(8, 8)).init(key, jnp.zeros((4, 4, 1)))["params"]["enlarge_0"]
    bound = (16 * 8) ** -0.5  # of the kernel of the convolution whose adjoint it is
    for leaf in params.values():
        assert 0.8 * bound < jnp.abs(leaf).max() <= bound or leaf.size < 10
