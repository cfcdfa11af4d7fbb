"""JPEG files: oracles are Pillow's own files, of any orientation, sampling and size."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import dipjax
from dipjax import grids, images, tiles
from dipjax.generators import Hourglass
from dipjax.images import codecs
from dipjax.metrics import psnr
from dipjax.operators import Jpeg
from dipjax.operators.jpeg import ROUNDING, light

TINY = {"generator": Hourglass(widths=(4,)), "steps": 2}


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Smooth shapes in 8 bits."""
    noise = np.random.default_rng(0).normal(size=(height, width, channels))
    x = gaussian_filter(noise, (4, 4, 0))
    return np.uint8(40 + 170 * (x - x.min()) / (x.max() - x.min()))


def file(x: np.ndarray, **options) -> bytes:
    """What Pillow writes."""
    data = io.BytesIO()
    Image.fromarray(x.squeeze()).save(data, "JPEG", **options)
    return data.getvalue()


def kept(A: Jpeg, x) -> np.ndarray:
    """Coefficients as a file has them, of a picture whose middle grey is zero."""
    x = images.check(x)
    return np.asarray(A(x) - A(jnp.full_like(x, 128 / 255)))


@pytest.mark.parametrize("size", [(16, 24), (13, 21), (8, 40)])
@pytest.mark.parametrize("quality", [10, 50])
def test_a_grey_file_has_whole_steps(size, quality):
    """And they are those of the picture, where blocks are whole."""
    h, w = (n // 8 for n in size)
    x = picture(*size, 1)
    data = file(x, quality=quality)
    A = codecs.compression(data)
    blocks = (-(-size[0] // 8), -(-size[1] // 8), 64)
    ours, theirs = (kept(A, y).reshape(blocks)[:h, :w] for y in (x, codecs.decode(data)))
    assert np.abs(theirs - np.round(theirs)).max() < 0.2
    off = np.abs(np.round(theirs) - ours)
    assert off.max() < 0.6 and off.std() < 1.5 * ROUNDING


@pytest.mark.parametrize("orientation", range(1, 9))
def test_light_of_a_file_has_whole_steps_however_it_is_turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(picture(16, 24), quality=40, exif=exif)
    A, y = codecs.compression(data), codecs.decode(data)
    assert y.shape == ((24, 16, 3) if orientation > 4 else (16, 24, 3))
    light = kept(A, y)[: 16 * 24]
    assert np.abs(light - np.round(light)).max() < 0.25


@pytest.mark.parametrize("subsampling, rows, columns", [(0, 1, 1), (1, 1, 2), (2, 2, 2)])
def test_colour_is_kept_in_means(subsampling, rows, columns):
    x = picture(32, 48)
    data = file(x, quality=75, subsampling=subsampling)
    A = codecs.compression(data)
    assert A.sampling == (rows, columns)
    ours, theirs = (kept(A, y) for y in (x, codecs.decode(data)))
    assert ours.size == x[..., 0].size * (1 + 2 / (rows * columns))
    assert np.std(ours - theirs) < 1.5 * ROUNDING


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_tiles_have_whole_steps(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(picture(40, 56, 1), quality=40, exif=exif)
    A, y = codecs.compression(data), codecs.decode(data)
    for part in grids.cut(y.shape, (20, 20), 2, block=A.block):
        coefficients = kept(A, part.of(y))
        assert np.abs(coefficients - np.round(coefficients)).max() < 0.25


@pytest.mark.slow
def test_tiles_agree_with_the_file(key):
    x = picture(40, 56, 1)
    data = file(x, quality=10)
    y, A = images.check(codecs.decode(data)), codecs.compression(data)
    settings = {**TINY, "generator": TINY["generator"].clone(channels=1)}
    image = tiles.tiled(dipjax.remove_jpeg_artifacts, key, y, jpeg=A, tile=(24, 24), **settings)
    assert psnr(image, images.check(x)) > psnr(y, images.check(x))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_edges_of_colour_are_measured_as_the_file_has_them(subsampling):
    """Though decoding has blurred them."""
    x = np.zeros((64, 64, 3), np.uint8) + 90
    x[11:37, 13:38] = 200, 60, 80
    data = file(x, quality=98, subsampling=subsampling)
    A, y = codecs.compression(data), images.check(codecs.decode(data))
    middle = A(jnp.full_like(y, 128 / 255))
    colour = slice(64 * 64, None)  # behind the light
    true = np.asarray(A(images.check(x)) - middle)[colour]
    found, blurred = (np.asarray(c - middle)[colour] for c in (A.measured(y), A(y)))
    assert np.sqrt(np.mean((found - true) ** 2)) < 2.5 * ROUNDING
    if subsampling:
        assert np.mean((blurred - true) ** 2) > 4 * np.mean((found - true) ** 2)


def test_a_file_whose_steps_are_unknown_is_read_all_the_same(tmp_path):
    data = bytearray(file(picture(8, 8)))
    table = data.index(b"\xff\xdb") + 5
    data[table : table + 64] = bytes(64)
    (tmp_path / "a.jpg").write_bytes(data)
    loaded = images.load_picture(tmp_path / "a.jpg")
    assert loaded.colour.shape == (8, 8, 3) and loaded.jpeg is None


def test_steps_are_those_of_the_file():
    data = file(picture(8, 8), quality=30)
    with Image.open(io.BytesIO(data)) as image:
        light, colour = (np.reshape(image.quantization[i], (8, 8)) for i in (0, 1))
    steps = 255 * np.asarray(codecs.compression(data).steps)
    np.testing.assert_allclose(steps, [light, colour, colour], rtol=1e-6)


def test_other_files_are_not_in_steps(tmp_path):
    x = picture(8, 8)
    images.save(tmp_path / "a.png", x)
    assert images.load_picture(tmp_path / "a.png").jpeg is None
    (tmp_path / "b.jpg").write_bytes(file(x))
    assert isinstance(images.load_picture(tmp_path / "b.jpg").jpeg, Jpeg)
    Image.new("CMYK", (8, 8)).save(tmp_path / "c.jpg")
    assert images.load_picture(tmp_path / "c.jpg").jpeg is None
    assert codecs.compression(file(x, keep_rgb=True)) is None


def test_a_known_compression_makes_a_fit_agree_with_the_file(key):
    x = picture(40, 32, 1)
    data = file(x, quality=10)
    y, A = images.check(codecs.decode(data)), codecs.compression(data)
    settings = {**TINY, "generator": TINY["generator"].clone(channels=1)}
    result = dipjax.remove_jpeg_artifacts(key, y, jpeg=A, **settings)
    assert psnr(result.image, images.check(x)) > psnr(y, images.check(x))
    assert np.std(kept(A, result.image) - kept(A, y)) < 2 * ROUNDING
    blind = dipjax.remove_jpeg_artifacts(key, y, jpeg=None, **settings)
    np.testing.assert_array_equal(result.average, blind.average)


def test_the_published_preset_is_blind(key):
    data = file(picture(16, 16))
    y, A = images.check(codecs.decode(data)), codecs.compression(data)
    settings = {**TINY, "preset": "paper"}
    known = dipjax.remove_jpeg_artifacts(key, y, jpeg=A, **settings)
    np.testing.assert_array_equal(
        known.image, dipjax.remove_jpeg_artifacts(key, y, jpeg=None, **settings).image
    )


def test_a_file_of_other_channels_is_refused_before_a_fit(key):
    A = codecs.compression(file(picture(16, 16, 1)))
    driver = lambda *_, **__: pytest.fail("fitted")  # noqa: E731
    with pytest.raises(ValueError, match="1 channels does not fit"):
        dipjax.remove_jpeg_artifacts(key, jnp.zeros((16, 16, 3)), jpeg=A, driver=driver)


def test_what_is_no_compression(key):
    for jpeg in (75, "75", np.ones((8, 8))):
        with pytest.raises(ValueError, match='jpeg must be a Jpeg, "auto" or None, not'):
            dipjax.remove_jpeg_artifacts(key, jnp.zeros((16, 16, 3)), jpeg=jpeg)


def test_light_is_what_a_grey_picture_shows(key):
    x = jax.random.uniform(key, (4, 5, 1))
    np.testing.assert_array_equal(light(x), x)
    np.testing.assert_allclose(light(jnp.repeat(x, 3, -1)), x, rtol=1e-6)
    colour = x * jnp.array([1.0, 0.5, 0.2])[None, None]
    pillow = np.asarray(Image.fromarray(np.uint8(255 * colour)).convert("L")) / 255
    np.testing.assert_allclose(light(colour)[..., 0], pillow, atol=1.5 / 255)
