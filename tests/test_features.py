"""Pretrained networks: PyTorch as the oracle, laws of layers, and the real weights where there."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dipjax import features, images
from dipjax.features.layers import Conv, LocalResponseNorm, MaxPool, strided
from dipjax.features.loading import slots
from dipjax.features.vgg import table as vgg_table
from dipjax.operators import Operator
from dipjax.weights import WeightsError

RNG = np.random.default_rng(0)


def random_arrays(table, shape, seed=0):
    """He's initialisation of every slot of a table, with biases, by our names."""
    rng, result = np.random.default_rng(seed), {}
    for slot, shapes in slots(table, shape).items():
        stem = slot.replace("/", "_")
        scale = np.float32(np.sqrt(2 / np.prod(shapes["kernel"][:-1])))
        result[f"{stem}_w"] = scale * rng.standard_normal(shapes["kernel"], np.float32)
        result[f"{stem}_b"] = np.float32(0.1) * rng.standard_normal(shapes["bias"], np.float32)
    return result


@pytest.fixture(scope="module")
def squeeze():
    """SqueezeNet 1.1 with random weights: small and whole."""
    return features.squeezenet(jax.random.key(0), version="1.1")


@pytest.fixture(scope="module")
def alex():
    """AlexNet with random weights up to conv3."""
    shapes = [(11, 11, 3, 64), (5, 5, 64, 192), (3, 3, 192, 384)]
    arrays = {}
    for i, shape in enumerate(shapes, 1):
        scale = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        arrays[f"conv{i}_w"] = scale * RNG.standard_normal(shape, np.float32)
        arrays[f"conv{i}_b"] = np.zeros(shape[-1], np.float32)
    return features.alexnet(arrays)


# --- layers --------------------------------------------------------------------------------


@pytest.mark.parametrize("size, k, s", [(23, 11, 4), (24, 7, 2), (9, 3, 2), (12, 5, 1), (7, 3, 3)])
def test_strided_convolution_and_its_gradient(size, k, s):
    x = RNG.standard_normal((size, size + 3, 3), np.float32)
    w = RNG.standard_normal((k, k, 3, 5), np.float32)
    dims = ("NHWC", "HWIO", "NHWC")
    oracle = lambda x, w: lax.conv_general_dilated(  # noqa: E731
        x[None], w, (s, s), "VALID", dimension_numbers=dims
    )[0]
    y = oracle(x, w)
    np.testing.assert_allclose(strided(x, w, s), y, atol=1e-4)
    loss = lambda f: lambda x: jnp.sum(f(x) ** 2)  # noqa: E731
    grads = [jax.grad(loss(f))(x) for f in (lambda x: oracle(x, w), lambda x: strided(x, w, s))]
    np.testing.assert_allclose(grads[1], grads[0], atol=2e-2, rtol=1e-4)


def test_local_response_norm_in_one_pixel():
    x = jnp.array([3.0, 1.0, 2.0, 0.0, 5.0, 4.0])[None, None]
    y = LocalResponseNorm(alpha=0.5).apply({}, x)
    assert y[0, 0, 0] == pytest.approx(3 * (1 + 0.1 * (9 + 1 + 4)) ** -0.75)
    assert y[0, 0, 3] == 0
    assert y[0, 0, 5] == pytest.approx(4 * (1 + 0.1 * (0 + 25 + 16)) ** -0.75)


@pytest.mark.parametrize("size", [6, 7, 8])
def test_max_pool_with_ceil_keeps_the_edge(size):
    x = jnp.arange(size**2, dtype=float).reshape(size, size, 1)
    assert MaxPool(3, 2, ceil=True).apply({}, x)[-1, -1, 0] == x[-1, -1, 0]
    assert MaxPool(3, 2).apply({}, x).shape[0] == (size - 3) // 2 + 1


# --- PyTorch as the oracle -----------------------------------------------------------------


def to_torch(arrays, stem):
    """(weight, bias) of a slot in PyTorch's order."""
    w, b = arrays[f"{stem}_w"], arrays[f"{stem}_b"]
    return w.transpose(3, 2, 0, 1).copy(), b


def torch_image(network, x):
    import torch

    return torch.from_numpy(np.array(network.colour(x)).transpose(2, 0, 1)[None])


def like(ours, theirs):
    theirs = theirs.numpy()[0].transpose(1, 2, 0)
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * scale)


def torchvision_alexnet(torch, arrays, x):
    """The activations of torchvision's `models.alexnet` features, by name."""
    F, found = torch.nn.functional, {}
    for i, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], 1):
        if f"conv{i}_w" not in arrays:
            break
        x = found[f"conv{i}"] = F.conv2d(
            x, *map(torch.from_numpy, to_torch(arrays, f"conv{i}")), stride, padding
        )
        x = F.relu(x)
        if i in (1, 2, 5):
            x = found[f"pool{i}"] = F.max_pool2d(x, 3, 2)
    return found


def test_alexnet_of_the_weights_at_hand_is_torchvisions(data):
    torch = pytest.importorskip("torch")
    path = data / "weights/alexnet_torchvision_conv.npz"
    phi = features.alexnet(path)
    monkey = jnp.asarray(images.load(data / "demo/feature_inversion/monkey.jpg"))
    for x in (features.centred(monkey, 224), jnp.asarray(RNG.random((97, 130, 3), np.float32))):
        mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
        image = (torch.from_numpy(np.array(x).transpose(2, 0, 1)) - mean) / std
        theirs = torchvision_alexnet(torch, dict(np.load(path)), image[None])
        ours = phi.activations(x, theirs)
        for name, a in theirs.items():
            a = a.numpy()[0].transpose(1, 2, 0)
            np.testing.assert_allclose(ours[name], a, rtol=1e-5, atol=1e-4)


MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def test_the_paper_s_alexnet():
    """Groups, local response normalisation and the rounding of Caffe's pools."""
    torch = pytest.importorskip("torch")
    from dipjax.features.alexnet import CAFFE

    arrays = random_arrays(CAFFE[:15], (227, 227, 3))
    phi = features.alexnet(arrays, form="caffe")
    F, names = torch.nn.functional, []
    image = jnp.asarray(RNG.random((115, 227, 3), np.float32))
    x, ours = torch_image(phi, image), phi.activations(image, phi.layers)
    for i, (s, p, g) in enumerate([(4, 0, 1), (1, 2, 2), (1, 1, 1), (1, 1, 2), (1, 1, 2)], 1):
        x = F.conv2d(x, *map(torch.from_numpy, to_torch(arrays, f"conv{i}")), s, p, 1, g)
        like(ours[f"conv{i}"], x)
        x = F.relu(x)
        if i < 3:
            x = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
        if i in (1, 2, 5):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            names.append(f"pool{i}")
            like(ours[f"pool{i}"], x)
    assert names == ["pool1", "pool2", "pool5"]


def test_fully_connected_layers_read_pytorch_s_order():
    """fc6 of torchvision flattens channels first; as a 6 x 6 convolution it says the same."""
    torch = pytest.importorskip("torch")
    from dipjax.features.loading import assemble

    table = (("fc6", Conv(7, 6)), ("fc7", Conv(4, 1)))
    state = {
        "classifier.1.weight": RNG.standard_normal((7, 5 * 36), np.float32),
        "classifier.1.bias": RNG.standard_normal(7, np.float32),
        "classifier.4.weight": RNG.standard_normal((4, 7), np.float32),
        "classifier.4.bias": RNG.standard_normal(4, np.float32),
    }
    names = {"fc6": "classifier.1", "fc7": "classifier.4"}
    params, _ = assemble("test", table, state, (6, 6, 5), names)
    x = RNG.standard_normal((6, 6, 5), np.float32)
    y = jnp.asarray(x)
    for name, layer in table:
        y = layer.apply({"params": params[name]}, y)
    z = torch.from_numpy(x.transpose(2, 0, 1).reshape(-1).copy())
    for name in names.values():
        w, b = (torch.from_numpy(state[f"{name}.{kind}"]) for kind in ("weight", "bias"))
        z = w @ z + b
    np.testing.assert_allclose(y[0, 0], z.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_squeezenet_with_torchvision_s_names(version):
    """The published Sequential, with its state dict as torch.save would write it."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Fire(nn.Module):
        def __init__(self, c, s, e):
            super().__init__()
            self.squeeze, self.expand1x1 = nn.Conv2d(c, s, 1), nn.Conv2d(s, e, 1)
            self.expand3x3 = nn.Conv2d(s, e, 3, padding=1)

        def forward(self, x):
            x = self.squeeze(x).relu()
            return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()

    pool, c = partial(nn.MaxPool2d, 3, 2, ceil_mode=True), 96 if version == "1.0" else 64
    fires = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
    rows = [nn.Conv2d(3, c, 7 if version == "1.0" else 3, 2), nn.ReLU(), pool()]
    for i, (s, e) in enumerate(fires, 2):
        rows.append(Fire(c, s, e))
        c = 2 * e
        if i in ((4, 8) if version == "1.0" else (3, 5)):
            rows.append(pool())
    network = nn.Module()
    network.features = nn.Sequential(*rows)
    network.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, 1000, 1))
    torch.manual_seed(0)
    for p in network.parameters():
        nn.init.normal_(p, 0, 0.05)

    state = {name: p.detach().numpy() for name, p in network.state_dict().items()}
    phi = features.squeezenet(state, version=version)
    assert phi.name == f"SqueezeNet {version} (torchvision)"
    image = jnp.asarray(RNG.random((70, 81, 3), np.float32))
    with torch.no_grad():
        a = network.features(torch_image(phi, image))
        logits = network.classifier[1](a)
    ours = phi.activations(image, ("fire9", "conv10", "prob"))
    like(ours["fire9"], a)
    like(ours["conv10"], logits)
    like(ours["prob"], logits.relu().mean((2, 3), keepdim=True).softmax(1))


@pytest.mark.parametrize("depth", [16, 19])
def test_vgg_with_torchvision_s_names(depth):
    """The first three blocks; the numbering of the rest against the published tables."""
    torch = pytest.importorskip("torch")
    F, arrays, x = torch.nn.functional, {}, None
    numbers = {16: (0, 2, 5, 7, 10, 12, 14), 19: (0, 2, 5, 7, 10, 12, 14, 16)}[depth]
    widths = (64, 64, 128, 128, *(256,) * (len(numbers) - 4))
    c = 3
    for n, d in zip(numbers, widths, strict=True):
        arrays[f"features.{n}.weight"] = np.float32(0.1) * RNG.standard_normal(
            (d, c, 3, 3), np.float32
        )
        arrays[f"features.{n}.bias"] = RNG.standard_normal(d, np.float32)
        c = d
    phi = getattr(features, f"vgg{depth}")(arrays)
    image = jnp.asarray(RNG.random((21, 16, 3), np.float32))
    x = torch_image(phi, image)
    for n in numbers:
        x = x if n in (0, 2, 7, 12, 14, 16) else F.max_pool2d(x, 2)
        weight, bias = (torch.from_numpy(arrays[f"features.{n}.{k}"]) for k in ("weight", "bias"))
        x = F.relu(F.conv2d(x, weight, bias, padding=1))
    last = f"relu3_{depth // 4 - 1 if depth == 16 else 4}"
    like(phi(last)(image), x)
    assert phi.layers[-1] == "pool3"
    from dipjax.features.vgg import _torch_names

    names = _torch_names(vgg_table(depth))
    assert names["conv5_1"] == {16: "features.24", 19: "features.28"}[depth]
    assert (names["fc6"], names["fc8"]) == ("classifier.0", "classifier.6")


# --- the weights at hand -------------------------------------------------------------------


PICTURES = {
    "demo/feature_inversion/monkey.jpg": "guenon",
    "sr/Set14/x4/zebra_GT.png": "zebra",
    "sr/Set14/x4/monarch_GT.png": "monarch",
    "sr/Set14/x4/pepper_GT.png": "bell pepper",
    "coffee": "espresso",
    "camera": "tripod",
    "chelsea": "Egyptian cat",
}


@pytest.fixture(scope="module")
def squeezenet():
    from conftest import DATA

    path = DATA / "weights/squeezenet_v1_0_caffe_deepcompressed_full.npz"
    if not path.is_file():
        pytest.skip("../shared/data is not there")
    return features.squeezenet(path)


@pytest.mark.parametrize("path", PICTURES)
def test_squeezenet_says_what_is_in_the_picture(data, squeezenet, path):
    if "." in path:
        picture = images.load(data / path)[..., :3]
    else:
        picture = getattr(pytest.importorskip("skimage.data"), path)()
        picture = np.stack([picture] * 3, -1) if picture.ndim == 2 else picture
    names = squeezenet.classify(picture)
    assert names[0][0] == PICTURES[path]
    assert names[0][1] > (0.95 if "monkey" in path else 0.3)
    assert [p for _, p in names] == sorted((p for _, p in names), reverse=True)


def test_vgg_19_normalised_has_activations_of_one(data):
    """Its layers were scaled so that rectified activations are 1 on average over many images."""
    phi = features.vgg19(data / "weights/vgg19_normalised_conv1_1-conv3_1.npz")
    assert phi.layers[-1] == "relu3_1" and phi.name == "VGG-19 (normalised)"
    x = features.centred(jnp.asarray(images.load(data / "denoise/25/house_GT.png"))[..., :3], 128)
    for layer, a in phi.activations(x, [n for n in phi.layers if n.startswith("relu")]).items():
        assert 0.5 < a.mean() < 2, layer
    # Mirrored borders: a constant image has constant activations up to its edges.
    a = phi("conv2_1")(jnp.full((20, 20, 3), 0.3))
    np.testing.assert_allclose(a, jnp.broadcast_to(a[10, 10], a.shape), atol=1e-3)


def test_alexnet_at_hand_ends_with_its_weights(data):
    phi = features.alexnet(data / "weights/alexnet_torchvision_conv.npz")
    assert phi.layers[-1] == "pool5"
    with pytest.raises(ValueError, match=r"fc6: the weights at hand end before it"):
        phi("fc6")
    with pytest.raises(ValueError, match=r"fc8: the weights at hand end before it"):
        phi.classify(jnp.zeros((8, 8, 3)))


# --- laws ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["conv1", "pool1", "conv2", "conv3"])
def test_the_receptive_field_is_what_has_a_gradient(alex, layer, plainly):
    size, stride, start = alex.receptive(layer)
    x = jnp.asarray(RNG.random((120, 120, 3), np.float32))
    i = 4
    grad = jax.grad(lambda x: jnp.abs(alex(layer)(x)[i, i]).sum())(x)
    rows = np.flatnonzero(np.abs(grad).sum((1, 2)))
    first, last = max(0, start + i * stride), start + i * stride + size - 1
    assert (rows[0], rows[-1]) == (first, min(last, 119))


def test_the_published_receptive_fields(alex):
    full = features.vgg16({"conv1_1_w": np.zeros((3, 3, 3, 64)), "conv1_1_b": np.zeros(64)})
    assert full.receptive("conv1_1") == (3, 1, -1)
    assert alex.receptive("conv1") == (11, 4, -2)
    assert alex.receptive("conv3") == (99, 16, -34)


def test_an_operator_that_vmaps_and_compiles_once(squeeze):
    phi = squeeze("fire3")
    assert isinstance(phi, Operator)
    xs = jnp.asarray(RNG.random((2, 35, 40, 3), np.float32))
    for one, x in zip(jax.vmap(phi.forward)(xs), xs, strict=True):
        np.testing.assert_allclose(one, phi(x), atol=1e-5)
    apply = jax.jit(lambda phi, x: phi(x))
    apply(phi, xs[0])
    apply(features.squeezenet(jax.random.key(1), version="1.1")("fire3"), xs[1])
    assert apply._cache_size() == 1


def test_several_layers_in_one_pass(squeeze):
    x = jnp.asarray(RNG.random((40, 40, 3), np.float32))
    for name, a in squeeze.activations(x, ("conv1", "fire3")).items():
        np.testing.assert_array_equal(a, squeeze(name)(x))


def test_the_operator_holds_no_more_than_it_needs(squeeze):
    assert set(squeeze("fire2").network.params) == {"conv1", "fire2"}


def test_other_names_of_squeezenet_s_stages(squeeze):
    assert squeeze("conv4").layer == "fire4"
    assert squeeze.receptive("conv4") == squeeze.receptive("fire4")
    assert squeeze.receptive("pool10").size == np.inf


def test_colours(squeeze):
    red = jnp.array([1.0, 0.0, 0.0])[None, None]
    np.testing.assert_allclose(
        squeeze.colour(red)[0, 0],
        (np.array([1, 0, 0]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        rtol=1e-5,
    )
    caffe = features.squeezenet(jax.random.key(0), form="caffe")
    np.testing.assert_allclose(caffe.colour(red)[0, 0], [-104, -117, 255 - 123])


def test_centred():
    x = jnp.arange(6.0 * 4).reshape(6, 4, 1) / 24
    np.testing.assert_array_equal(features.centred(x, 4), x[1:5])
    assert features.centred(jnp.zeros((50, 31, 3)), 16).shape == (16, 16, 3)
    assert features.centred(jnp.zeros((5, 31, 3)), 16).shape == (16, 16, 3)


def test_classify_gives_probabilities_of_names(squeeze):
    found = squeeze.classify(jnp.asarray(RNG.random((40, 50, 3), np.float32)), top=1000)
    assert {name for name, _ in found} == set(features.classes())
    assert sum(p for _, p in found) == pytest.approx(1, abs=1e-4)


def test_a_part_of_a_network_has_no_classes(squeeze):
    with pytest.raises(ValueError, match="ask the whole network"):
        squeeze.upto("conv10").classify(jnp.zeros((40, 50, 3)))


# --- classes and mistakes ------------------------------------------------------------------


def test_class_names():
    assert len(features.classes()) == 1000
    assert features.class_index("black swan") == features.class_index("Black Swan") == 100
    assert features.class_index("guenon") == 370 and features.class_index("370") == 370
    assert features.class_index("Cardigan") != features.class_index("cardigan")
    with pytest.raises(ValueError, match="ambiguous"):
        features.class_index("CARDIGAN")
    with pytest.raises(ValueError, match="did you mean 'black swan'"):
        features.class_index("black swans")
    with pytest.raises(ValueError, match="goldfish"):
        features.class_index("fish")
    with pytest.raises(ValueError, match="from 0 to 999"):
        features.class_index(1000)


def test_class_names_are_those_of_the_published_list(data):
    import ast

    names = ast.literal_eval((data / "demo/imagenet1000_clsid_to_human.txt").read_text())
    differ = [
        i
        for i, name in enumerate(features.classes())
        if name not in [part.strip() for part in names[str(i)].split(",")]
    ]
    assert differ == [134, 639]  # "crane bird" and "maillot tank suit", told apart here


def test_unknown_layers_and_small_images(alex, squeeze):
    with pytest.raises(ValueError, match=r"'conv7' is no layer of .*did you mean conv"):
        alex("conv7")
    with pytest.raises(ValueError, match=r"no layer of SqueezeNet 1.1 \(torchvision\); it has"):
        squeeze("bn")
    with pytest.raises(ValueError, match="image of 8 x 9 pixels is too small"):
        alex("conv2")(jnp.zeros((8, 9, 3)))
    with pytest.raises(ValueError, match="takes RGB images"):
        alex("conv2")(jnp.zeros((64, 64, 1)))
    for bad in (dict(form="onnx"), dict(version="2.0")):
        with pytest.raises(ValueError, match="must be one of"):
            features.squeezenet(jax.random.key(0), **bad)
    with pytest.raises(ValueError, match="must be one of"):
        features.alexnet(jax.random.key(0), form="onnx")


CONV1 = {
    "conv1_w": np.zeros((11, 11, 3, 64), np.float32),
    "conv1_b": np.zeros(64, np.float32),
}
CONV3 = {
    "conv3_w": np.zeros((3, 3, 192, 384), np.float32),
    "conv3_b": np.zeros(384, np.float32),
}


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({}, "no weights of AlexNet"),
        ({"fire2.weight": CONV1["conv1_w"]}, "no weights of AlexNet"),
        ({**CONV1, **CONV3}, "have a hole: conv2 is missing, conv3 is there"),
        ({**CONV1, "mystery": CONV1["conv1_b"]}, "no place for mystery"),
        ({"conv1_w": CONV1["conv1_w"]}, "conv1_w is there, but not conv1_b"),
        ({**CONV1, "conv1_w": np.zeros((11, 11, 3, 96))}, "needs .11, 11, 3, 64.*another form"),
        ({**CONV1, "conv1_b": np.zeros(3)}, "the bias has shape .3,"),
    ],
)
def test_weights_that_do_not_fit(arrays, message):
    with pytest.raises(WeightsError, match=message):
        features.alexnet(arrays)


def test_a_fire_module_is_there_or_not(squeeze):
    arrays = {k: v for k, v in squeeze.arrays().items() if k.startswith(("conv1_", "fire2"))}
    assert features.squeezenet(arrays, version="1.1").layers[-1] == "fire2"
    half = {k: v for k, v in arrays.items() if "expand3x3" not in k}
    with pytest.raises(WeightsError, match="hole: fire2/expand3x3 is missing"):
        features.squeezenet(half, version="1.1")
