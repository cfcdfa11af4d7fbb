"""What others do on the same picture: laws of the baselines, and the trained network's files."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import baselines
from dipjax.baselines import DENOISERS, SRResNet, srresnet
from dipjax.metrics import psnr
from dipjax.weights import WeightsError

SMALL = SRResNet(factor=2, features=4, blocks=1)


@pytest.fixture(scope="module")
def pictures():
    """A smooth picture (24, 20, 3) with an edge, and the same with noise of 0.1."""
    i, j = np.mgrid[:24, :20] / 24
    x = np.stack([i, j, 0.25 + 0.5 * (i > j)], -1).astype(np.float32)
    noise = 0.1 * np.random.default_rng(0).normal(size=x.shape)
    return x, (x + noise).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def variables():
    """Random ones of the small network, all positive."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(SMALL.init, jax.random.key(0), jnp.zeros((4, 4, 3)))
    return jax.tree.map(lambda leaf: 0.1 + 0.1 * rng.random(leaf.shape, np.float32), shapes)


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_denoiser_removes_noise(pictures, name, channels):
    if name == "BM3D":
        pytest.importorskip("bm3d")
    x, y = (picture[..., -channels:] for picture in pictures)
    restored = DENOISERS[name](y, sigma=0.1)
    assert restored.shape == y.shape and restored.dtype == jnp.float32
    assert restored.min() >= 0 and restored.max() <= 1
    assert psnr(restored, x) > psnr(y, x) + 3


@pytest.mark.parametrize("name", ["total variation", "Chambolle", "non-local means"])
def test_the_noise_level_is_estimated(pictures, name):
    x, y = pictures
    assert psnr(DENOISERS[name](y), x) > psnr(y, x) + 2


def test_two_solvers_of_total_variation_agree(pictures):
    """Adam on pixels, and Chambolle's projections: the minimum of one convex energy."""
    _, y = pictures
    ours, theirs = baselines.total_variation(y, sigma=0.1), baselines.chambolle(y, sigma=0.1)
    assert psnr(ours, theirs) > 35


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_bicubic_keeps_what_is_flat_and_the_ramp(factor):
    flat = np.full((5, 4, 2), 0.3, np.float32)
    large = baselines.bicubic(flat, factor)
    assert large.shape == (5 * factor, 4 * factor, 2)
    np.testing.assert_allclose(large, 0.3, rtol=1e-5)
    ramp = np.linspace(0, 1, 12, dtype=np.float32)[:, None, None]
    inside = np.diff(baselines.bicubic(ramp, factor)[3 * factor : -3 * factor, 0, 0])
    np.testing.assert_allclose(inside, 1 / 11 / factor, rtol=1e-3)


@pytest.mark.parametrize("sigma", [0, -1, float("nan"), 25])
def test_bad_noise_levels(pictures, sigma):
    with pytest.raises(ValueError, match=f"sigma {sigma}: must be positive"):
        baselines.non_local_means(pictures[1], sigma=sigma)


def test_what_is_not_installed_is_said(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(baselines.Missing, match=r'pip install "dipjax\[bench\]"'):
        baselines.bm3d(pictures[1])
    with pytest.raises(baselines.Missing, match="needs scikit-image"):
        baselines.chambolle(pictures[1])


# --- the trained network -------------------------------------------------------------------


def test_params_of_the_published_srresnet():
    """Ledig et al. 2017: 64 features, 16 blocks; 1.54 million params at a factor of 4."""
    made = jax.eval_shape(SRResNet().init, jax.random.key(0), jnp.zeros((8, 8, 3)))
    conv = lambda k, c, n: k * k * c * n + n  # noqa: E731
    block = 2 * conv(3, 64, 64) + 4 * 64 + 1
    expected = conv(9, 3, 64) + 1 + 16 * block + conv(3, 64, 64) + 2 * 64
    expected += 2 * (conv(3, 64, 256) + 1) + conv(9, 64, 3)
    assert sum(leaf.size for leaf in jax.tree.leaves(made["params"])) == expected
    assert 1.5e6 < expected < 1.6e6


def test_shuffle_is_pytorch_s():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random((3, 5, 8), np.float32)
    # PyTorch counts (C, 2, 2) in the channels, ours (2, 2, C).
    theirs = torch.tensor(x.reshape(3, 5, 4, 2).transpose(3, 2, 0, 1).reshape(1, 8, 3, 5))
    expected = torch.nn.functional.pixel_shuffle(theirs, 2)[0].numpy().transpose(1, 2, 0)
    np.testing.assert_array_equal(srresnet.shuffle(jnp.asarray(x)), expected)


def test_a_batch_is_its_pictures_one_by_one(variables):
    ys = jax.random.uniform(jax.random.key(1), (2, 6, 5, 3))
    many = SMALL.apply(variables, ys)
    assert many.shape == (2, 12, 10, 3)
    for y, x in zip(ys, many, strict=True):
        np.testing.assert_allclose(SMALL.apply(variables, y), x, atol=1e-5)


def test_with_a_base_it_starts_as_bicubic_enlargement():
    network = SMALL.clone(base=True)
    y = jax.random.uniform(jax.random.key(1), (6, 5, 3))
    x = srresnet.enlarge(y, network, network.init(jax.random.key(0), y))
    np.testing.assert_allclose(x, baselines.bicubic(y, 2), atol=1e-6)


def test_a_grey_picture_is_enlarged_as_grey(variables):
    y = jax.random.uniform(jax.random.key(1), (6, 5, 1))
    assert srresnet.enlarge(y, SMALL, variables).shape == (12, 10, 1)
    with pytest.raises(ValueError, match="2 channels, the network has 3"):
        srresnet.enlarge(jnp.ones((6, 5, 2)), SMALL, variables)


@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_was_saved_is_loaded(tmp_path, variables, suffix, base):
    path = tmp_path / "net.npz"
    srresnet.save(path, SMALL.clone(base=base), variables)
    if suffix == ".safetensors":
        numpy = pytest.importorskip("safetensors.numpy")
        numpy.save_file(dipjax.weights.load(path), tmp_path / "net.safetensors")
    network, loaded = srresnet.load((tmp_path / "net").with_suffix(suffix))
    assert network == SMALL.clone(base=base)
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: {"w": np.ones(3)}, "not the weights of an SRResNet"),
        (lambda a: a.pop("params.tail.bias"), "params.tail.bias is missing"),
        (lambda a: a.update({"params.tail.bias": np.ones(4)}), r"shape \(4,\), expected \(3,\)"),
        (lambda a: a.pop("params.up_0.kernel") + a.pop("params.up_0.bias")[0], "factor 1"),
    ],
)
def test_bad_files_of_weights(tmp_path, variables, change, message):
    srresnet.save(tmp_path / "net.npz", SMALL, variables)
    arrays = dipjax.weights.load(tmp_path / "net.npz")
    changed = change(arrays)
    dipjax.weights.save(tmp_path / "bad.npz", changed if isinstance(changed, dict) else arrays)
    with pytest.raises(WeightsError, match=message):
        srresnet.load(tmp_path / "bad.npz")
