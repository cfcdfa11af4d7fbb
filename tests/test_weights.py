"""Files of weights: what loads is what was saved, and nothing in a file is ever run."""

import os
import pickle
import zipfile

import numpy as np
import pytest

from dipjax import features, weights
from dipjax.weights import WeightsError

RNG = np.random.default_rng(0)
ARRAYS = {
    "conv1.weight": RNG.standard_normal((4, 3, 2, 2), np.float32),
    "conv1.bias": RNG.standard_normal(4, np.float32),
}


def write_torch(path, state=None):
    """As torch.save does it, with PyTorch where it is there and by hand where not."""
    torch = pytest.importorskip("torch")
    state = ARRAYS if state is None else state
    torch.save({name: torch.from_numpy(a) for name, a in state.items()}, path)


def write_zip(path, data, storages=(), compression=zipfile.ZIP_STORED, **extra):
    """A file of PyTorch's form around any pickle."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in {**dict(storages), **extra}.items():
            archive.writestr(f"archive/{name}", content)


def write(path, arrays=ARRAYS):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    else:
        write_torch(path)


FORMATS = ["w.npz", "w.safetensors", "w.pth", "w.pt"]


@pytest.mark.parametrize("name", FORMATS)
def test_loads_what_was_saved(tmp_path, name):
    write(tmp_path / name)
    loaded = weights.load(tmp_path / name)
    assert set(loaded) == set(ARRAYS)
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[key], array)


def test_torch_views_parameters_halves_and_ordered_dicts(tmp_path):
    torch = pytest.importorskip("torch")
    base = torch.arange(24.0).reshape(2, 3, 4)
    network = torch.nn.BatchNorm1d(3)
    state = network.state_dict()  # an OrderedDict with an attribute of its own
    state["view"], state["half"] = base.transpose(0, 2)[1:], base.half()
    state["parameter"] = torch.nn.Parameter(base[1])
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.pth")
    loaded = weights.load(tmp_path / "w.pth")
    np.testing.assert_array_equal(loaded["view"], base.transpose(0, 2)[1:].numpy())
    np.testing.assert_array_equal(loaded["half"], base.numpy())
    assert loaded["half"].dtype == np.float32
    np.testing.assert_array_equal(loaded["parameter"], base[1].numpy())
    assert loaded["num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize("name", FORMATS)
def test_truncated_or_damaged_files_are_refused(tmp_path, name):
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    for part in (b"", whole[:4], whole[:40], whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(part)
        with pytest.raises(WeightsError, match=name) as error:
            weights.load(path)
        assert "\n" not in str(error.value)


# --- malice --------------------------------------------------------------------------------


class Evil:
    """What it asks for on loading leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "it-ran"


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_refused_and_never_run(tmp_path, mark, protocol):
    path = tmp_path / "evil.pth"
    write_zip(path, pickle.dumps({"conv1.weight": Evil(mark)}, protocol))
    with pytest.raises(WeightsError, match=r"asks for (posix|nt).system.*refused"):
        weights.load(path)
    with pytest.raises(WeightsError):
        features.alexnet(path)
    assert not mark.exists()


def test_the_malicious_file_of_this_test_is_malicious(mark):
    """Ordinary unpickling runs it: otherwise the test above would prove nothing."""
    pickle.loads(pickle.dumps(Evil(mark)))
    assert mark.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins getattr",
        "torch load",
        "torch._utils _rebuild_tensor",
        "torch.storage _load_from_bytes",
        "numpy.core.multiarray _reconstruct",
        "collections OrderedDict.fromkeys",
    ],
)
def test_only_three_names_are_known(tmp_path, name):
    module, attribute = name.split()
    program = f"c{module}\n{attribute}\n.".encode()
    write_zip(tmp_path / "w.pth", program)
    with pytest.raises(WeightsError, match="refused"):
        weights.load(tmp_path / "w.pth")


def test_a_pickle_cannot_change_the_reader(tmp_path):
    """The BUILD instruction sets attributes of what the unpickler handed out."""
    from dipjax import torch_files

    before = torch_files._tensor.__defaults__
    for state in (b"}U\x03abcK\x01s", b"(N}U\x0c__defaults__K\x01st"):
        program = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + state + b"b."
        write_zip(tmp_path / "w.pth", program)
        with pytest.raises(WeightsError):
            weights.load(tmp_path / "w.pth")
    assert torch_files._tensor.__defaults__ == before and not hasattr(torch_files._tensor, "abc")


def test_object_arrays_in_an_npz_are_refused_and_never_run(tmp_path, mark):
    np.savez(tmp_path / "w.npz", conv1_w=np.array([Evil(mark)], dtype=object))
    with pytest.raises(WeightsError, match=r"w\.npz"):
        weights.load(tmp_path / "w.npz")
    assert not mark.exists()


def tensor_program(offset, shape, strides, size=4):
    """The pickle of one tensor over the storage of four floats."""

    def number(n):
        return b"J" + int(n).to_bytes(4, "little", signed=True)

    def numbers(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu" + number(size) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset)
    tensor += numbers(shape) + numbers(strides) + b"I00\nccollections\nOrderedDict\n(tRtR"
    return b"\x80\x02}U\x01a" + tensor + b"s."


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, (5,), (1,)), "beyond its storage"),
        ((1, (2, 2), (2, 1)), "beyond its storage"),
        ((-1, (2,), (1,)), "negative"),
        ((0, (2,), (-1,)), "negative"),
        ((0, (10**6, 10**6), (0, 0)), "beyond its storage"),
        ((0, (2, 2), (2,)), "damaged"),
        ((0, (2,), (1,), 5), "truncated"),
    ],
)
def test_tensors_stay_inside_their_storage(tmp_path, arguments, message):
    content = {"data/0": np.arange(4, dtype="<f4").tobytes()}
    write_zip(tmp_path / "good.pth", tensor_program(0, (2, 2), (2, 1)), content)
    np.testing.assert_array_equal(weights.load(tmp_path / "good.pth")["a"], [[0, 1], [2, 3]])
    write_zip(tmp_path / "w.pth", tensor_program(*arguments), content)
    with pytest.raises(WeightsError, match=message):
        weights.load(tmp_path / "w.pth")


def test_compressed_numbers_and_other_machines(tmp_path):
    program, content = tensor_program(0, (4,), (1,)), {"data/0": bytes(16)}
    write_zip(tmp_path / "w.pth", program, content, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="compressed"):
        weights.load(tmp_path / "w.pth")
    write_zip(tmp_path / "w.pth", program, content, byteorder="big")
    with pytest.raises(WeightsError, match="big-endian"):
        weights.load(tmp_path / "w.pth")


def test_what_is_no_state_dict(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.pth"
    torch.save(torch.nn.Linear(2, 2), path)  # a whole module, as the paper's code has them
    with pytest.raises(WeightsError, match=r"torch\.nn\.modules.*save\(network.state_dict"):
        weights.load(path)
    torch.save({"a": 1}, path)
    with pytest.raises(WeightsError, match="'a' of it is no tensor"):
        weights.load(path)
    torch.save({}, path)
    with pytest.raises(WeightsError, match="no state dict"):
        weights.load(path)
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"older than PyTorch 1.6"):
        weights.load(path)


@pytest.mark.parametrize(
    "name, message",
    [
        ("w.caffemodel", "convert it once to .npz"),
        ("w.h5", "unknown format '.h5'"),
        ("none.npz", "no such file"),
    ],
)
def test_other_files(tmp_path, name, message):
    if "none" not in name:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(WeightsError, match=message):
        weights.load(tmp_path / name)


def test_numbers_are_finite_numbers(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.array([1.0, np.nan]))
    with pytest.raises(WeightsError, match="a has NaN"):
        weights.load(tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", a=np.array(["text"]))
    with pytest.raises(WeightsError, match="not numbers"):
        weights.load(tmp_path / "w.npz")
    np.save(tmp_path / "a.npy", np.zeros(3))
    os.replace(tmp_path / "a.npy", tmp_path / "a.npz")
    with pytest.raises(WeightsError, match="single array"):
        weights.load(tmp_path / "a.npz")


# --- hashes and downloads ------------------------------------------------------------------


def named_by_hash(path):
    """Give a file the name that torchvision would give it."""
    import hashlib

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    target = path.with_name(f"net-{digest[:8]}.pth")
    os.replace(path, target)
    return target, digest


def test_a_wrong_hash_is_refused_before_anything_is_read(tmp_path, mark):
    write_zip(tmp_path / "w.pth", pickle.dumps(Evil(mark)))
    with pytest.raises(WeightsError, match=r"SHA-256 begins with .*, not with 7be5be79"):
        weights.load(tmp_path / "w.pth", sha256="7be5be79")
    os.replace(tmp_path / "w.pth", tmp_path / "alexnet-owt-7be5be79.pth")
    with pytest.raises(WeightsError, match="not with 7be5be79"):
        features.alexnet(tmp_path / "alexnet-owt-7be5be79.pth")
    assert not mark.exists()


def test_the_right_hash_passes(tmp_path):
    write_torch(tmp_path / "w.pth")
    path, digest = named_by_hash(tmp_path / "w.pth")
    assert set(weights.load(path)) == set(weights.load(path, sha256=digest)) == set(ARRAYS)
    with pytest.raises(WeightsError, match="hexadecimal"):
        weights.load(path, sha256="xyz")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Downloads come from a folder, and are counted; the user's folder is a new one."""
    pooch = pytest.importorskip("pooch")
    monkeypatch.setenv("DIPJAX_WEIGHTS", str(tmp_path / "user"))
    shop = tmp_path / "shop"
    shop.mkdir()
    asked = []

    class Downloader:
        def __init__(self, progressbar=False):
            assert progressbar

        def __call__(self, url, output, _):
            asked.append(url)
            file = shop / url.rpartition("/")[2]
            if not file.exists():
                raise OSError("no route to host")
            content = file.read_bytes()
            with open(output, "wb") as target:
                target.write(content)

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    return shop, asked, tmp_path / "user"


def test_a_download_happens_once_and_is_checked(server):
    shop, asked, user = server
    write_torch(shop / "w.pth")
    path, _ = named_by_hash(shop / "w.pth")
    assert weights.official(path.name) == user / path.name
    assert weights.official(path.name).read_bytes() == path.read_bytes()
    assert asked == [weights.OFFICIAL + path.name]
    assert [p.name for p in user.iterdir()] == [path.name]


def test_a_wrong_download_leaves_nothing(server):
    shop, _, user = server
    (shop / "net-01234567.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not with 01234567"):
        weights.official("net-01234567.pth")
    assert not list(user.iterdir())


@pytest.mark.parametrize(
    "build, file",
    [
        (features.alexnet, "alexnet-owt-7be5be79.pth"),
        (features.vgg16, "vgg16-397923af.pth"),
        (features.vgg19, "vgg19-dcbb9e9d.pth"),
        (features.squeezenet, "squeezenet1_0-b66bff10.pth"),
    ],
)
def test_offline_it_says_which_file_to_put_where(server, build, file):
    with pytest.raises(WeightsError) as error:
        build("auto")
    for part in (file, str(server[2]), "download.pytorch.org", "weights=PATH", "no route to host"):
        assert part in str(error.value)
    assert not list(server[2].iterdir())


def test_of_a_failed_download_only_what_the_system_says_is_told(server, monkeypatch):
    def wrapped(*_):
        try:
            raise OSError(-3, "Temporary failure in name resolution")
        except OSError as error:
            raise ValueError("HTTPSConnectionPool" * 20) from error

    monkeypatch.setattr(weights, "_download", wrapped)
    with pytest.raises(WeightsError, match=r"\(Temporary failure.*--weights PATH") as error:
        weights.official("net-01234567.pth")
    assert "HTTPS" not in str(error.value)


def test_nothing_official_of_the_paper_s_alexnet():
    with pytest.raises(WeightsError, match=r"no official download.*caffemodel is converted"):
        features.alexnet("auto", form="caffe")


def test_save_and_load(tmp_path):
    weights.save(tmp_path / "w.npz", ARRAYS)
    np.testing.assert_array_equal(
        weights.load(tmp_path / "w.npz")["conv1.bias"], ARRAYS["conv1.bias"]
    )
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]
    with pytest.raises(WeightsError, match=r"written as \.npz"):
        weights.save(tmp_path / "w.pth", ARRAYS)
