"""The layers of a generator in PyTorch, on the params of ours: the oracle of the generators' tests.

Images are (1, C, H, W) here, as PyTorch has them.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is the oracle here, and no dependency")
F = torch.nn.functional


def image(x):
    """(H, W, C) -> (1, C, H, W)."""
    return tensor(x).permute(2, 0, 1)[None]


def tensor(x):
    return torch.from_numpy(np.array(x))


def array(x):
    """(1, C, H, W) -> (H, W, C)."""
    return x[0].permute(1, 2, 0).detach().numpy()


def conv(params, x, padding="zero"):
    kernel = tensor(params["kernel"]).permute(3, 2, 0, 1)
    p = (kernel.shape[-1] - 1) // 2
    x = F.pad(x, (p, p, p, p), "reflect" if padding == "reflect" else "constant") if p else x
    return F.conv2d(x, kernel, tensor(params["bias"]) if "bias" in params else None)


def deconv(params, x):
    kernel = tensor(params["kernel"]).permute(3, 2, 0, 1)
    bias = tensor(params["bias"]) if "bias" in params else None
    return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def norm(params, x):
    """Batch norm of a batch of one; without params instance norm."""
    if not params:
        return F.instance_norm(x)
    scale, bias = tensor(params["scale"]), tensor(params["bias"])
    return F.batch_norm(x, None, None, scale, bias, training=True)


def block(params, x, padding="zero", activation=None):
    x = norm(params["norm"], conv(params["conv"], x, padding))
    return F.leaky_relu(x, 0.2) if activation is None else activation(x)


def double(x, mode):
    return F.interpolate(x, scale_factor=2, mode=mode)


def assert_equal(generator, published, key, *, size=(16, 24), channels=3):
    """The images of our generator and of a function of (params, code) in PyTorch are equal."""
    import jax

    z = jax.random.uniform(key, (*size, channels))
    params = jax.jit(generator.init)(key, z)
    # Norms that start as no change at all would hide that one is missing.
    shaken = jax.tree.map(lambda leaf: 1.1 * leaf + 0.05, params)
    x = jax.jit(generator.apply)(shaken, z)
    theirs = array(torch.sigmoid(published(shaken["params"], image(z))))
    np.testing.assert_allclose(x, theirs, atol=1e-4)
