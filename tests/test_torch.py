"""Oracle: the published network in PyTorch, with its module names, on the same params."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax.generators import Hourglass, params_from_torch

torch = pytest.importorskip("torch", reason="PyTorch is the oracle here, and no dependency")
nn = torch.nn


def sequence(*modules):
    """Named from 1, as the published code names them."""
    result = nn.Sequential()
    for module in modules:
        result.add_module(str(len(result) + 1), module)
    return result


class Concat(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(str(i), branch)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.children()], 1)


def conv(c, d, k, stride=1, padding="reflect"):
    p = (k - 1) // 2
    if padding == "zero":
        return nn.Sequential(nn.Conv2d(c, d, k, stride, p))
    return nn.Sequential(nn.ReflectionPad2d(p), nn.Conv2d(c, d, k, stride))


def block(*args, **kwargs):
    return conv(*args, **kwargs), nn.BatchNorm2d(args[1]), nn.LeakyReLU(0.2)


def scale(c, widths, skips, up, mix, padding):
    (n, *widths), (s, *skips) = widths, skips
    deeper = [*block(c, n, 3, 2, padding=padding), *block(n, n, 3, padding=padding)]
    if widths:
        deeper.append(sequence(*scale(n, widths, skips, up, mix, padding)))
    deeper.append(nn.Upsample(scale_factor=2, mode=up))
    deeper = sequence(*deeper)
    k = s + (widths[0] if widths else n)
    skip = sequence(*block(c, s, 1, padding=padding)) if s else None
    layers = [Concat(skip, deeper) if s else deeper, nn.BatchNorm2d(k)]
    layers += block(k, n, 3, padding=padding)
    return layers + (list(block(n, n, 1, padding=padding)) if mix else [])


def published(c, widths, skips, up="bilinear", mix=True, padding="reflect"):
    head = conv(widths[0], 3, 1, padding=padding)
    return sequence(*scale(c, widths, skips, up, mix, padding), head, nn.Sigmoid())


SETTINGS = {
    "default": dict(widths=(8, 8, 8), skips=(4, 4, 4)),
    "tapered": dict(widths=(4, 8, 6), skips=(0, 3, 0)),
    "no_skips": dict(widths=(8, 4), skips=(0, 0), up="nearest"),
    "no_mix": dict(widths=(8, 4), skips=(2, 0), mix=False, padding="zero"),
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
def pair(request):
    torch.manual_seed(0)
    settings = dict(request.param)
    network = published(3, **settings)
    settings["upsample"] = settings.pop("up", "bilinear")
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    return network, Hourglass(**settings), state


def test_same_output_and_same_gradients(pair):
    network, generator, state = pair
    z = np.random.default_rng(0).random((16, 24, 3), np.float32)
    x_torch = network(torch.from_numpy(z.transpose(2, 0, 1)[None]))
    (x_torch**2).sum().backward()

    params = params_from_torch(state)
    x = jax.jit(generator.apply)(params, jnp.asarray(z))
    np.testing.assert_allclose(x, x_torch.detach().numpy()[0].transpose(1, 2, 0), atol=1e-4)

    energy = lambda params: jnp.sum(generator.apply(params, jnp.asarray(z)) ** 2)  # noqa: E731
    grad = jax.jit(jax.grad(energy))(params)
    theirs = params_from_torch({name: p.grad.numpy() for name, p in network.named_parameters()})
    # PyTorch's gradient of a bias that the norm cancels is rounding, ours is 0.
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(theirs))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3 * scale), grad, theirs)


def test_params_have_the_structure_of_init(pair, key):
    _, generator, state = pair
    expected = jax.eval_shape(generator.init, key, jnp.zeros((8, 8, 3)))
    given = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params_from_torch(state)
    )
    assert given == expected


def test_the_published_network_has_the_published_count():
    network = published(32, (128,) * 5, (4,) * 5)
    assert sum(p.numel() for p in network.parameters()) == 2_217_831
