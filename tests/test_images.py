"""Laws of reading and writing pictures: nothing lost, nothing half-written, one clear line."""

import io
import os
import pathlib
import stat
import struct
import sys
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from dipjax import images

CHANNELS = [1, 2, 3, 4]
LOSSLESS = [".png", ".tif", ".tiff"]


def samples(channels, depth=8, shape=(5, 7), seed=0):
    """Random samples that include both ends."""
    white = 2**depth - 1
    s = np.random.default_rng(seed).integers(0, white, (*shape, channels), endpoint=True)
    s[0, 0], s[0, 1] = 0, white
    return s.astype(f"uint{depth}")


def unit(s):
    return s.astype(np.float32) / np.float32(np.iinfo(s.dtype).max)


def need_deep():
    pytest.importorskip("imagecodecs", reason="needs dipjax[io]")
    pytest.importorskip("tifffile", reason="needs dipjax[io]")


def png(s, orientation=None, transparent=None):
    """A PNG written from the specification: an oracle that shares nothing with the library."""
    height, width, channels = s.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    big = s.astype(s.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big)
    header = struct.pack(">IIBBBBB", width, height, 8 * s.dtype.itemsize, colour, 0, 0, 0)
    exif = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, orientation or 1, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    if orientation:
        chunks.insert(1, (b"eXIf", exif + b"\0\0\0\0"))
    if transparent is not None:
        chunks.insert(1, (b"tRNS", struct.pack(f">{channels}H", *transparent)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


# Round trips -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("depth", [8, 16])
def test_saving_what_was_loaded_is_the_identity(tmp_path, channels, depth, suffix):
    if depth == 16 and channels > 1:
        need_deep()
    path, s = tmp_path / f"a{suffix}", samples(channels, depth)
    images.save(path, unit(s), depth=depth)
    x = images.load(path)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, unit(s))
    picture = images.load_picture(path)
    assert picture.depth == depth
    assert (picture.alpha is None) == (channels % 2 == 1)
    again = tmp_path / f"b{suffix}"
    images.save(again, picture.colour, alpha=picture.alpha, depth=picture.depth)
    np.testing.assert_array_equal(images.load(again), unit(s))


@pytest.mark.parametrize("channels", CHANNELS)
def test_floats_survive_a_tiff_of_depth_32(tmp_path, channels):
    need_deep()
    x = np.random.default_rng(0).random((5, 7, channels), np.float32)
    images.save(tmp_path / "a.tif", x, depth=32)
    np.testing.assert_array_equal(images.load(tmp_path / "a.tif"), x)
    assert images.load_picture(tmp_path / "a.tif").depth == 32


def test_every_16_bit_level_survives(tmp_path):
    s = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    images.save(tmp_path / "a.png", unit(s), depth=16)
    np.testing.assert_array_equal(images.load(tmp_path / "a.png"), unit(s))


@pytest.mark.parametrize("suffix, channels", [(".webp", 3), (".webp", 4), (".bmp", 1), (".bmp", 3)])
def test_other_lossless_formats(tmp_path, suffix, channels):
    s = samples(channels)
    images.save(tmp_path / f"a{suffix}", unit(s))
    np.testing.assert_array_equal(images.load(tmp_path / f"a{suffix}"), unit(s))


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg_is_near(tmp_path, suffix):
    x = np.full((16, 16, 3), 0.3, np.float32)
    images.save(tmp_path / f"a{suffix}", x)
    np.testing.assert_allclose(images.load(tmp_path / f"a{suffix}"), x, atol=0.01)


# Reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("depth", [8, 16])
def test_png_against_the_specification(tmp_path, channels, depth):
    if depth == 16 and channels > 1:
        need_deep()
    s = samples(channels, depth)
    (tmp_path / "a.png").write_bytes(png(s))
    np.testing.assert_array_equal(images.load(tmp_path / "a.png"), unit(s))


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr"])
def test_other_modes_become_grey_or_rgb(tmp_path, mode):
    image = Image.fromarray(samples(3)).convert(mode)
    path = tmp_path / ("a.png" if mode in ("1", "P") else "a.tif")
    image.save(path)
    target = "L" if mode == "1" else "RGB"
    expected = unit(np.asarray(image.convert(target)).reshape(5, 7, -1))
    np.testing.assert_array_equal(images.load(path), expected)


def test_cmyk_and_rotated_jpeg(tmp_path):
    Image.fromarray(samples(4), "CMYK").save(tmp_path / "a.jpg")
    assert images.load(tmp_path / "a.jpg").shape == (5, 7, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(samples(3)).save(tmp_path / "b.jpg", exif=exif)
    assert images.load(tmp_path / "b.jpg").shape == (7, 5, 3)


def test_transparency_of_palette_grey_and_rgb(tmp_path):
    palette = Image.fromarray(samples(3)).convert("P")
    palette.save(tmp_path / "p.png", transparency=int(np.asarray(palette)[0, 0]))
    Image.fromarray(samples(1)[..., 0]).save(tmp_path / "l.png", transparency=0)
    Image.fromarray(samples(3)).save(tmp_path / "rgb.png", transparency=(0, 0, 0))
    for name, channels in (("p", 4), ("l", 2), ("rgb", 4)):
        x = images.load(tmp_path / f"{name}.png")
        assert x.shape == (5, 7, channels)
        assert x[0, 0, -1] == 0 and x[0, 1, -1] == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_colour_of_16_bits(tmp_path, channels):
    need_deep()
    s = samples(channels, 16)
    (tmp_path / "a.png").write_bytes(png(s, transparent=s[2, 3]))
    picture = images.load_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.colour, unit(s))
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.argwhere(picture.alpha[..., 0] == 0), [[2, 3]])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("depth", [8, 16])
def test_exif_orientation_is_applied(tmp_path, orientation, depth):
    if depth == 16:
        need_deep()
    (tmp_path / "a.png").write_bytes(png(samples(3, depth), orientation))
    with Image.open(io.BytesIO(png(samples(3), orientation))) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    x = images.load(tmp_path / "a.png")
    assert x.shape == expected.shape
    if depth == 8:
        np.testing.assert_array_equal(x, unit(expected))
    else:
        turned = [np.rot90(unit(samples(3, 16)), k) for k in range(4)]
        turned += [np.swapaxes(t, 0, 1) for t in turned]
        assert sum(np.array_equal(x, t) for t in turned) == 1


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("depth", [8, 16])
def test_tiff_orientation_is_applied_once(tmp_path, orientation, depth):
    tifffile = pytest.importorskip("tifffile")
    s, tags = samples(3, depth), [(0x0112, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", s, photometric="rgb", extratags=tags)
    expected = {1: s, 3: np.rot90(s, 2), 6: np.rot90(s, -1), 7: np.rot90(s.swapaxes(0, 1), 2)}
    np.testing.assert_array_equal(images.load(tmp_path / "a.tif"), unit(expected[orientation]))


def test_tiff_of_other_makers(tmp_path):
    """Compressed, planar, big-endian, big TIFF, several pages: the first page, every bit."""
    need_deep()
    import tifffile

    s, path = samples(3, 16), tmp_path / "a.tif"
    variants = [
        dict(compression="lzw"),
        dict(compression="zlib", predictor=True),
        dict(planarconfig="separate"),
        dict(byteorder=">"),
        dict(bigtiff=True),
    ]
    for options in variants:
        file = {key: options.pop(key) for key in ("byteorder", "bigtiff") if key in options}
        data = s.transpose(2, 0, 1) if "planarconfig" in options else s
        with tifffile.TiffWriter(path, **file) as writer:
            writer.write(data, photometric="rgb", **options)
            writer.write(1 - s[..., 0], photometric="minisblack")
        np.testing.assert_array_equal(images.load(path), unit(s))


def test_big_endian_grey_and_16_bit_pgm(tmp_path):
    s = samples(1, 16)
    big = s.astype(">u2")[..., 0]
    pytest.importorskip("tifffile").imwrite(tmp_path / "a.tif", big, byteorder=">")
    (tmp_path / "a.pgm").write_bytes(b"P5 7 5 65535\n" + big.tobytes())
    np.testing.assert_array_equal(images.load(tmp_path / "a.tif"), unit(s))
    np.testing.assert_array_equal(images.load(tmp_path / "a.pgm"), unit(s))
    assert images.load_picture(tmp_path / "a.pgm").depth == 16
    (tmp_path / "tiny.pgm").write_bytes(b"P5 1 1 255\n\x33")
    assert images.load(tmp_path / "tiny.pgm") == np.float32(0.2)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(samples(1, seed=seed)[..., 0]) for seed in range(2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(images.load(tmp_path / "a.gif")[..., :1], unit(samples(1)))
    assert images.load_picture(tmp_path / "a.gif").frames == 2


# Files that cannot be read -----------------------------------------------------------------------


def refused(path, *words):
    """The one line that `load` refuses a file with."""
    with pytest.raises(images.ImageError) as caught:
        images.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    for word in words:
        assert word in message
    return message


def test_missing_folder_empty_and_no_image(tmp_path):
    refused(tmp_path / "a.png", "No such file")
    refused(tmp_path, "directory")
    (tmp_path / "b.png").touch()
    refused(tmp_path / "b.png", "empty")
    (tmp_path / "c.png").write_text("no picture")
    refused(tmp_path / "c.png", "not an image")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".bmp", ".webp"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated(tmp_path, suffix, part):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(samples(3, shape=(40, 40))).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    refused(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_16_bit_colour(tmp_path, suffix, part):
    need_deep()
    path = tmp_path / f"a{suffix}"
    images.save(path, unit(samples(3, 16, shape=(40, 40))), depth=16)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    refused(path)


@pytest.mark.parametrize("limit", [34, 20, 10])  # Pillow warns above the limit, raises at twice
@pytest.mark.parametrize("name", ["l.png", "rgb.png", "rgb.tif"])
def test_decompression_bomb(tmp_path, monkeypatch, name, limit):
    if name != "l.png":
        need_deep()
    images.save(tmp_path / name, unit(samples(1 if name == "l.png" else 3, 16)), depth=16)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    refused(tmp_path / name, "bomb")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 35)
    assert images.load(tmp_path / name).shape[:2] == (5, 7)


@pytest.mark.parametrize("depth", [8, 16])
def test_no_pixels(tmp_path, depth):
    (tmp_path / "a.png").write_bytes(png(np.zeros((0, 4, 3), f"uint{depth}")))
    refused(tmp_path / "a.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_float_tiff_with_nan_or_another_scale(tmp_path, channels):
    tifffile = pytest.importorskip("tifffile")
    x = np.zeros((5, 7, channels), np.float32)
    photometric = "minisblack" if channels == 1 else "rgb"
    for value, word in ((np.nan, "NaN"), (np.inf, "infinite"), (255, "divide")):
        x[1, 2] = value
        tifffile.imwrite(tmp_path / "a.tif", x.squeeze(), photometric=photometric)
        refused(tmp_path / "a.tif", word)


def test_samples_without_a_clear_white(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for kind in ("int16", "int32", "uint32"):
        tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 7), kind), photometric="minisblack")
        refused(tmp_path / "a.tif", "convert it")
    tifffile.imwrite(tmp_path / "b.tif", samples(1, 16)[..., 0], photometric="miniswhite")
    refused(tmp_path / "b.tif", "MINISWHITE")
    tifffile.imwrite(tmp_path / "c.tif", samples(4, 16), photometric="separated")
    refused(tmp_path / "c.tif", "SEPARATED")
    options = dict(photometric="rgb", extrasamples=["assocalpha"])
    tifffile.imwrite(tmp_path / "d.tif", samples(4, 16), **options)
    refused(tmp_path / "d.tif", "premultiplied")


def test_16_bit_colour_names_the_extra_that_reads_it(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png(samples(3, 16)))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    refused(tmp_path / "a.png", 'pip install "dipjax[io]"')
    for suffix in LOSSLESS:
        with pytest.raises(images.ImageError, match=r'pip install "dipjax\[io\]"'):
            images.save(tmp_path / f"b{suffix}", unit(samples(3, 16)), depth=16)
        picture = images.Picture(unit(samples(3, 16)), None, 16)
        with pytest.raises(images.ImageError, match=r'pip install "dipjax\[io\]"'):
            images.check_target(tmp_path / f"b{suffix}", picture=picture)
        images.check_target(tmp_path / "b.png", picture=picture._replace(depth=8))
        images.save(tmp_path / f"c{suffix}", unit(samples(1, 16)), depth=16)  # grey needs nothing
        np.testing.assert_array_equal(images.load(tmp_path / f"c{suffix}"), unit(samples(1, 16)))


@pytest.mark.parametrize("suffix, most", [(".webp", 16383), (".jpg", 65500)])
def test_as_many_pixels_as_a_format_holds(tmp_path, suffix, most):
    picture = images.Picture(np.zeros((most, 1, 1), np.float32), None, 8)
    images.save(tmp_path / f"a{suffix}", picture.colour)
    images.check_target(tmp_path / f"a{suffix}", picture=picture)
    with pytest.raises(images.ImageError, match=f"cannot hold 2 x {2 * most} pixels"):
        images.check_target(tmp_path / f"a{suffix}", picture=picture, factor=2)


def test_a_name_with_a_newline_stays_one_line(tmp_path):
    with pytest.raises(images.ImageError) as caught:
        images.load(tmp_path / "a\nb.png")
    assert "\n" not in str(caught.value)


# Writing -----------------------------------------------------------------------------------------


def profile(space):
    """A profile of colours as far as it is looked at: its space stands at byte 16."""
    return b"\0" * 16 + space + b"\0" * 200


@pytest.mark.parametrize(
    "suffix, channels, depth",
    [(".jpg", 1, 8), (".jpg", 3, 8), (".webp", 3, 8), (".webp", 4, 8)]
    + [(".png", channels, depth) for channels in (1, 3, 4) for depth in (8, 16)]
    + [(".tif", channels, depth) for channels in (1, 3, 4) for depth in (8, 16, 32)],
)
def test_profile_and_resolution_are_kept(tmp_path, suffix, channels, depth):
    if depth > 8 and channels > 1:
        need_deep()
    space = b"GRAY" if channels == 1 else b"RGB "
    path, tags = tmp_path / f"a{suffix}", images.Tags(profile(space), (300, 150))
    images.save(path, np.full((5, 7, channels), 0.2, np.float32), depth=depth, tags=tags)
    found = images.load_picture(path).tags
    assert found.profile == tags.profile
    assert found.dpi == (None if suffix == ".webp" else pytest.approx(tags.dpi, abs=0.02))
    if suffix == ".png":  # of 16 bits and colour by hand
        with Image.open(path) as image:
            assert image.info["icc_profile"] == tags.profile


def test_a_profile_for_other_channels_is_left_out(tmp_path):
    for channels, space in ((1, b"RGB "), (2, b"RGB "), (3, b"GRAY"), (3, b"CMYK")):
        tags = images.Tags(profile(space))
        images.save(tmp_path / "a.png", unit(samples(channels)), tags=tags)
        assert images.load_picture(tmp_path / "a.png").tags == images.Tags()


def test_the_resolution_is_turned_with_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(samples(3)).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 150))
    assert images.load_picture(tmp_path / "a.jpg").tags.dpi == (150, 300)


def test_an_enlarged_picture_has_its_size_on_paper():
    tags = images.Tags(b"profile", (300, 150))
    assert tags.enlarged(4) == images.Tags(b"profile", (1200, 600))
    assert images.Tags().enlarged(4) == images.Tags()


@pytest.mark.parametrize("dpi", [1e9, "abc", 0.0, 1.0])
def test_a_resolution_that_is_none_is_left_out(tmp_path, dpi):
    """Of a tag with anything in it; no file is unreadable for it, and none cannot be written."""
    kind = 2 if isinstance(dpi, str) else 12  # text, or a double
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info.tagtype[282] = info.tagtype[283] = kind
    info[282] = info[283] = dpi
    Image.fromarray(samples(3)).save(tmp_path / "a.tif", tiffinfo=info)
    picture = images.load_picture(tmp_path / "a.tif")
    assert picture.tags.dpi is None
    images.save(tmp_path / "a.png", picture.colour, tags=picture.tags)


def test_rounds_to_nearest_and_clips(tmp_path):
    x = np.array([[-0.5, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.5]])
    images.save(tmp_path / "a.png", x)
    stored = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(stored, [[0, 0, 1, 255, 255]])


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_takes_any_array_of_one_to_four_channels(tmp_path, shape, kind):
    images.save(tmp_path / "a.png", kind(np.full(shape, 0.2, np.float32)))
    assert images.load(tmp_path / "a.png").shape == (*shape, 1)[:3]


def test_integers_are_taken_by_their_white(tmp_path):
    images.save(tmp_path / "a.png", samples(3))
    np.testing.assert_array_equal(images.load(tmp_path / "a.png"), unit(samples(3)))


def test_leaves_one_file_with_ordinary_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        images.save(str(tmp_path / "a.png"), unit(samples(3)))
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == ["a.png"]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


def test_writes_through_a_link(tmp_path):
    images.save(tmp_path / "a.png", unit(samples(1)))
    (tmp_path / "link.png").symlink_to("a.png")
    images.save(tmp_path / "link.png", unit(samples(3)))
    assert (tmp_path / "link.png").is_symlink()
    assert images.load(tmp_path / "a.png").shape == (5, 7, 3)


@pytest.mark.parametrize("broken", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch, broken, error):
    path = tmp_path / "a.png"
    images.save(path, unit(samples(3)))
    old = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises((images.ImageError, KeyboardInterrupt)):
        images.save(path, unit(samples(3, seed=1)))
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["a.png"]


IMAGE = np.zeros((5, 7, 3), np.float32)
PLANE = np.zeros((5, 7, 1), np.float32)


@pytest.mark.parametrize(
    "name, image, options, words",
    [
        ("a.jpg", np.zeros((5, 7, 4)), {}, r"transparency: save as .png, .tif, .tiff or .webp$"),
        ("a.jpg", IMAGE, {"alpha": PLANE}, "transparency"),
        ("a.bmp", IMAGE, {"alpha": PLANE}, "transparency"),
        ("a.xyz", IMAGE, {}, r"\.png, \.tif"),
        ("a", IMAGE, {}, r"\.png, \.tif"),
        ("a.jpg", IMAGE, {"depth": 16}, "JPEG cannot hold 16 bits: save as .png, .tif or .tiff$"),
        ("a.jpg", np.zeros((5, 7, 2)), {"depth": 16}, "16 bits and transparency: save as .png"),
        ("a.webp", IMAGE, {"depth": 16}, "WEBP cannot hold 16 bits"),
        ("a.png", IMAGE, {"depth": 32}, "PNG cannot hold floats: save as .tif or .tiff$"),
        ("a.png", IMAGE, {"depth": 12}, "must be 8, 16 or 32"),
        ("no/a.png", IMAGE, {}, "no folder"),
        ("old.png/a.png", IMAGE, {}, "no folder"),
        ("folder.png", IMAGE, {}, "is a folder"),
        ("old.png", IMAGE, {"overwrite": False}, "exists already"),
        ("a.png", np.zeros((5, 7, 5)), {}, "1 to 4 channels"),
        ("a.png", np.zeros(5), {}, "expected"),
        ("a.png", np.zeros((0, 7)), {}, "no pixels"),
        ("a.png", np.full((5, 7), np.nan), {}, "35 NaN"),
        ("a.png", np.full((5, 7), np.inf), {}, "infinite"),
        ("a.png", np.full((5, 7), 255.0), {}, "divide"),
        ("a.png", IMAGE, {"alpha": PLANE[1:]}, "alpha of shape"),
        ("a.png", np.zeros((5, 7, 4)), {"alpha": PLANE}, "alpha of shape"),
        ("a.webp", np.zeros((1, 16384)), {}, "WEBP cannot hold 16384 x 1 pixels: save as .png"),
        ("a.jpg", np.zeros((65501, 1)), {}, "hold 1 x 65501 pixels: save as .png, .tif, .tiff or"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, image, options, words):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "old.png").write_text("old")
    with pytest.raises(images.ImageError, match=words) as caught:
        images.save(tmp_path / name, image, **options)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["folder.png", "old.png"]
    assert (tmp_path / "old.png").read_text() == "old"


# Arrays ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (1, 1, 3), (5, 7, 8)])
def test_check_gives_height_width_channels(shape):
    x = images.check(np.zeros(shape, np.float32))
    assert isinstance(x, jax.Array)
    assert x.shape == (*shape, 1)[:3] and x.dtype == jnp.float32


@pytest.mark.parametrize("depth", [8, 16])
def test_check_divides_by_white(depth):
    s = samples(3, depth)
    np.testing.assert_allclose(images.check(s), unit(s), rtol=2e-7)  # XLA's division is 1 ulp off


def test_check_takes_lists_pillow_and_other_floats():
    nested: Any = [[0.0, 1.0]]
    pillow: Any = Image.fromarray(samples(3))
    assert images.check(nested).shape == (1, 2, 1)
    assert images.check(pillow).shape == (5, 7, 3)
    assert images.check(jnp.zeros((5, 7), jnp.bfloat16)).dtype == jnp.float32
    for kind in (np.float16, np.longdouble):
        assert images.check(np.zeros((5, 7), kind)).dtype == jnp.float32
    for kind in (">f4", ">f8", ">u2"):  # as FITS has them
        x = images.check(np.ones((5, 7), kind))
        np.testing.assert_allclose(x, 1 / 65535 if kind == ">u2" else 1, rtol=1e-6)
    for x64, kind in ((False, jnp.float32), (True, jnp.float64)):
        with jax.enable_x64(x64):
            assert images.check(np.zeros((5, 7))).dtype == kind


def test_check_lets_noise_leave_the_range():
    images.check(np.random.default_rng(0).normal(0.5, 1.0, (64, 64)))


@pytest.mark.parametrize(
    "image, words",
    [
        (np.zeros(3), r"\(H, W\) or \(H, W, C\)"),
        (np.zeros((2, 5, 7, 3)), "jax.vmap"),
        (np.zeros((5, 0, 3)), "no pixels"),
        (np.zeros((5, 7), bool), "mask"),
        (np.zeros((5, 7), np.int64), "divide"),
        (np.zeros((5, 7), complex), "complex"),
        (np.full((5, 7), "a"), "not an array of numbers"),
        ([[1.0], [1.0, 2.0]], "parts that differ in shape"),
        (None, "photo is None, not an array"),
        (np.array([[None, None]]), "photo is a ndarray of object_, not an array of numbers"),
        (np.array(["a", "b"]), "photo is a ndarray of str_"),
        (b"photo", "not an array of numbers"),
        ("photo.png", r"photo is 'photo.png', not an array; dipjax.images.load reads a file"),
        (pathlib.Path("photo.png"), r"dipjax.images.load"),
        (images.Picture(np.zeros((5, 7, 3), np.float32), None, 8), "a Picture: give its .colour"),
        (np.full((5, 7), np.nan), "35 NaN or infinite values of 35"),
        (np.full((5, 7), 200.0), "divide"),
        (np.full((5, 7), -100.0), "divide"),
    ],
)
def test_check_refuses(image, words):
    with pytest.raises(images.ImageError, match=words) as caught:
        images.check(image, "photo")
    assert str(caught.value).startswith("photo") and "\n" not in str(caught.value)


def test_check_under_jit_and_vmap_looks_at_shapes_and_types_only():
    x = np.full((2, 5, 7), np.nan, np.float32)
    assert jax.jit(images.check)(x[0]).shape == (5, 7, 1)
    assert jax.vmap(images.check)(x).shape == (2, 5, 7, 1)
    assert jax.jit(images.check)(samples(3)).dtype == jnp.float32
    for wrong in (np.zeros((2, 5, 7, 3)), np.zeros((5, 7), np.int32), np.zeros((5, 7), bool)):
        with pytest.raises(images.ImageError):
            jax.jit(images.check)(wrong)
    with pytest.raises(images.ImageError, match="NaN"):  # a constant inside a jit has values
        jax.jit(lambda: images.check(x[0]))()
