"""The trained inverse network: its form, its files, and that training inverts."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dipjax import features, images, weights
from dipjax.features.inverse import inverse_table, loss
from dipjax.features.layers import UpConv
from dipjax.weights import WeightsError

SMALL = dict(activations=(3, 4, 6), convs=(5,), upconvs=(4, 3))


def test_each_up_convolution_doubles_the_size(key):
    network = features.inverse(key, **SMALL)
    a = jnp.ones((3, 4, 6))
    assert network(a).shape == (12, 16, 3)
    assert network(a, (13, 15)).shape == (13, 15, 3)
    assert [name for name, _ in network.table] == [
        "conv1", "relu1", "upconv1", "uprelu1", "upconv2"
    ]  # fmt: skip


def test_up_convolution_is_the_transpose_of_a_strided_one():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.random((4, 5, 2), np.float32), rng.random((5, 5, 2, 3), np.float32)
    ours = UpConv(3).apply({"params": {"conv": {"kernel": w, "bias": jnp.zeros(3)}}}, x)
    flipped = torch.from_numpy(w[::-1, ::-1].transpose(2, 3, 0, 1).copy())
    theirs = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x.transpose(2, 0, 1)[None].copy()), flipped, None, 2, 2, 1
    )
    np.testing.assert_allclose(ours, theirs[0].numpy().transpose(1, 2, 0), rtol=1e-4)


def test_written_and_read(key, tmp_path):
    network = features.inverse(key, **SMALL)
    weights.save(tmp_path / "inverse.npz", network.arrays())
    again = features.inverse(tmp_path / "inverse.npz")
    assert again.table == network.table
    a = jax.random.normal(key, (3, 4, 6))
    np.testing.assert_array_equal(again(a), network(a))


def test_it_learns_to_invert(key):
    """One picture and a linear layer of its own: the loss has to fall by a lot."""
    network = features.inverse(key, activations=(4, 4, 12), convs=(), upconvs=(16, 3))
    image = jax.random.uniform(key, (4, 4, 3)).repeat(4, 0).repeat(4, 1)
    a = image[::4, ::4].repeat(4, -1)
    optimizer = optax.adam(0.01)

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(lambda p: loss(network.replace(params=p), a, image))(
            params
        )
        updates, state = optimizer.update(grad, state)
        return optax.apply_updates(params, updates), state, value

    params, state = network.params, optimizer.init(network.params)
    params, state, first = step(params, state)
    for _ in range(150):
        params, state, last = step(params, state)
    assert last < 0.1 * first


def test_what_is_no_inverse_network(key):
    good = features.inverse(key, **SMALL).arrays()
    with pytest.raises(WeightsError, match="no weights of an inverse network"):
        features.inverse({"conv1_w": np.zeros((3, 3, 4, 4)), "conv1_b": np.zeros(4)})
    holed = {k: v for k, v in good.items() if not k.startswith("upconv1")}
    with pytest.raises(WeightsError, match="have a hole"):
        features.inverse(holed)
    with pytest.raises(WeightsError, match="no place for more"):
        features.inverse({**good, "more": np.zeros(1)})
    with pytest.raises(ValueError, match="need activations"):
        features.inverse(key)
    assert inverse_table((2,), (3,))[-1][0] == "upconv1"


@pytest.mark.slow
def test_the_script_trains_on_a_folder(tmp_path, key):
    script = Path(__file__).parents[1] / "scripts" / "train_inverse.py"
    phi = features.squeezenet(key, version="1.1")
    arrays = {k: v for k, v in phi.arrays().items() if k.startswith("conv1_")}
    weights.save(tmp_path / "phi.npz", arrays)
    rng = np.random.default_rng(0)
    for i in range(3):
        images.save(tmp_path / f"{i}.png", rng.random((40, 50, 3), np.float32))
    line = [sys.executable, script, tmp_path, "-o", tmp_path / "inverse.npz"]
    line += ["--network", "squeezenet1.1", "--weights", tmp_path / "phi.npz", "--layer", "conv1"]
    line += ["--size", "32", "--steps", "4", "--batch", "2", "--widths", "8", "8"]
    result = subprocess.run([*map(str, line)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    network = features.inverse(tmp_path / "inverse.npz")
    x = jnp.asarray(rng.random((32, 32, 3), np.float32))
    assert network(phi("conv1")(x), (32, 32)).shape == (32, 32, 3)
