"""Decoding: every image mode against Pillow's own conversion, and files that are no images."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from nullcrop.basics.errors import NullcropError
from nullcrop.datasets.samples import image_facts
from nullcrop.decoding.rgb import decoded_image, locator, read_rgb
from nullcrop.decoding.values import Reading
from tests.unit.image_kinds import KINDS, TURNED, pillow_pixels, write_image, write_png16


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_read_as_pillow_reads_it(kind: str, tmp_path: Path) -> None:
    path = write_image(kind, tmp_path, 23, 17)
    with Image.open(path) as image:
        assert image.mode == KINDS[kind][1]
    pixels = read_rgb(path)
    assert pixels.dtype == np.uint8
    assert len(np.unique(pixels)) > 1
    np.testing.assert_array_equal(pixels, pillow_pixels(path))


def test_gray_values_stand_in_all_three_channels(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 100], [200, 255]], dtype=np.uint8)).save(tmp_path / "gray.png")
    pixels = read_rgb(tmp_path / "gray.png")
    assert pixels.tolist() == [[[0] * 3, [100] * 3], [[200] * 3, [255] * 3]]


def test_alpha_is_dropped_and_not_composed(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (10, 200, 30, 0)).save(tmp_path / "clear.png")
    assert (read_rgb(tmp_path / "clear.png") == (10, 200, 30)).all()


def test_a_transparent_palette_entry_keeps_its_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "palette.png", transparency=1)
    assert read_rgb(tmp_path / "palette.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]


@pytest.mark.filterwarnings("error", "default::ResourceWarning")
def test_dropping_transparency_warns_of_nothing(tmp_path: Path) -> None:
    path = write_image("palette with alpha", tmp_path, 20, 20)
    with Image.open(path) as image:
        assert len(image.info["transparency"]) == 256
    assert read_rgb(path).shape == (20, 20, 3)


def test_sixteen_bits_become_their_high_byte_whatever_else_is_in_the_image(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 1000, 65_535]], dtype=np.uint16)
    for name in ("gray.png", "gray.tif"):
        Image.fromarray(values).save(tmp_path / name)
        assert read_rgb(tmp_path / name)[0, :, 0].tolist() == [0, 0, 1, 3, 255]


def test_thirty_two_bit_files_are_read_while_their_values_fit_in_sixteen(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 256, 65_535]], dtype=np.int32)).save(tmp_path / "fits.tif")
    assert read_rgb(tmp_path / "fits.tif")[0, :, 0].tolist() == [0, 1, 255]
    Image.fromarray(np.array([[0, 65_536]], dtype=np.int32)).save(tmp_path / "too_large.tif")
    with pytest.raises(NullcropError, match=r"too_large\.tif.* 0 to 65536 do not fit in 16 bits"):
        read_rgb(tmp_path / "too_large.tif")


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.5]], dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(NullcropError, match=r"float\.tif: floating-point pixels have no agreed range"):
        read_rgb(tmp_path / "float.tif")


def test_an_exif_orientation_turns_nothing(tmp_path: Path) -> None:
    path = write_image("jpeg to be turned", tmp_path, 23, 17)
    with Image.open(path) as image:
        assert image.getexif()[ExifTags.Base.Orientation] == TURNED
        assert ImageOps.exif_transpose(image).size == (17, 23)
    assert read_rgb(path).shape == (17, 23, 3)


def test_of_several_frames_the_first_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "frames.gif", save_all=True, append_images=frames[1:])
    assert (read_rgb(tmp_path / "frames.gif") == (255, 0, 0)).all()


def test_a_file_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    whole = write_image("colour", tmp_path, 40, 40).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no image")
    for name in ("cut.png", "text.png", "absent.png"):
        with pytest.raises(NullcropError, match=rf"{name} cannot be read as an image: "):
            read_rgb(tmp_path / name)


def test_damaged_exif_data_damage_no_image(tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8))
    image.save(tmp_path / "a.webp", exif=b"Exif\0\0garbage!", lossless=True)
    image.save(tmp_path / "a.png", exif=b"Exif\0\0\0\0\x11\0\0\x01\x04\0")
    for name in ("a.webp", "a.png"):
        with Image.open(tmp_path / name) as opened, pytest.raises((SyntaxError, KeyError, OSError)):
            opened.getexif()
        facts = image_facts(str(tmp_path / name))
        assert (facts["problem"], facts["orientation"]) == (None, 1)
        np.testing.assert_array_equal(read_rgb(tmp_path / name), np.asarray(image))


def test_large_texts_in_a_png_are_no_fault(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("description", "x" * 3_000_000, zip=True)
    Image.new("RGB", (3, 2), (1, 2, 3)).save(tmp_path / "a.png", pnginfo=texts)
    assert (read_rgb(tmp_path / "a.png") == (1, 2, 3)).all()


def test_a_whole_slide_is_refused_in_words_that_name_tools(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "slide.png")
    (tmp_path / "slide.svs").touch()
    for name in ("slide.png", "slide.svs"):
        with pytest.raises(
            NullcropError, match=rf"{name} .*is a whole slide, .*cut it into tiles.*OpenSlide"
        ):
            read_rgb(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\n <!DOCTYPE HTML><html>", "it is a web page, so its download failed"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n",
            "it is a pointer of Git LFS",
        ),
        (b"BEGIN", "cannot identify image file"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(NullcropError, match=rf"a\.jpg cannot be read as an image: {words}"):
        read_rgb(tmp_path / "a.jpg")


# Values of more than 8 bits


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_declared_depth_keeps_its_highest_eight_bits(name: str, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 15, 16, 4095]], dtype=np.uint16)).save(tmp_path / name)
    assert read_rgb(tmp_path / name, Reading(bits=12))[0, :, 0].tolist() == [0, 0, 1, 255]
    assert read_rgb(tmp_path / name, Reading(window=(8, 16)))[0, :, 0].tolist() == [0, 240, 255, 255]
    with pytest.raises(
        NullcropError, match="0 to 4095 do not fit in 11 bits, which is the definition's `bits`"
    ):
        read_rgb(tmp_path / name, Reading(bits=11))


def test_a_window_reads_floating_point_pixels(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-1, 0, 0.25, 0.999, 1, np.nan]], dtype=np.float32)).save(tmp_path / "a.tif")
    assert read_rgb(tmp_path / "a.tif", Reading(window=(0.5, 1)))[0, :, 0].tolist() == [0, 0, 64, 255, 255, 0]


def test_images_of_eight_bits_know_no_rule(tmp_path: Path) -> None:
    for kind in ("gray", "colour", "palette", "cmyk jpeg"):
        path = write_image(kind, tmp_path, 9, 8)
        for reading in (Reading(bits=12), Reading(window=(3, 4))):
            np.testing.assert_array_equal(read_rgb(path, reading), read_rgb(path))


def test_pixels_of_sixteen_bits_in_all_have_no_deep_channels(tmp_path: Path) -> None:
    header = struct.pack("<2sIHHI", b"BM", 54 + 8, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 16, 0, 8, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(header + struct.pack("<4H", 0x7FFF, 0, 0, 0))
    image = decoded_image(tmp_path / "a.bmp", Reading(bits=12))
    assert (image.bits_used, image.pixels.max()) == (None, 255)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_sixteen_bits_are_their_high_byte(channels: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 3000, (5, 6, channels)).astype(np.uint16)
    write_png16(tmp_path / "a.png", values)
    image = decoded_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, values[:, :, :3] >> 8)
    # As deep as it may be: Pillow tells nothing of the low byte.
    assert image.bits_used == 12
    assert decoded_image(tmp_path / "a.png", Reading(bits=16)).bits_used is None
    with pytest.raises(
        NullcropError, match=r"a\.png: colours of 16 bits a channel are read as their high byte"
    ):
        read_rgb(tmp_path / "a.png", Reading(bits=12))


# Images in arrays


@pytest.mark.parametrize(
    ("shape", "index"), [((5, 12, 9, 3), (4,)), ((5, 12, 9), (0,)), ((5, 6, 12, 9), (2, 3))]
)
def test_a_locator_reads_one_image_of_an_array(
    shape: tuple[int, ...], index: tuple[int, ...], tmp_path: Path
) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "images.npy", values)
    pixels = read_rgb(locator(tmp_path / "images.npy", *index))
    wanted = values[index] if shape[-1] == 3 else np.stack([values[index]] * 3, axis=-1)
    np.testing.assert_array_equal(pixels, wanted)
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("images.npy::5", "index 5 is out of bounds for axis 0 with size 5"),
        ("images.npy::0,12", "index 12 is out of bounds for axis 1"),
        ("images.npy::0", r"is no image: its shape is \(12, 9, 4\) and its type uint8"),
        ("absent.npy::0", "No such file"),
        ("text.npy::0", "cannot be read as an image"),
        ("cut.npy::0", "cannot be read as an image"),
        ("floats.npy::0", r"is no image: its shape is \(4, 4\) and its type float64"),
        ("objects.npy::0", "cannot be read as an image"),
    ],
)
def test_a_locator_that_names_no_image(path: str, words: str, tmp_path: Path) -> None:
    values = np.zeros((5, 12, 9, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", values)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "images.npy").read_bytes()[:-1])
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "floats.npy", np.zeros((1, 4, 4)))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(NullcropError, match=words) as failure:
        read_rgb(tmp_path / path)
    assert path in str(failure.value)
    assert image_facts(str(tmp_path / path))["problem"]


def test_a_file_whose_name_looks_like_a_locator_to_nobody_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "images.npy::one.png"
    Image.new("RGB", (3, 2), (1, 2, 3)).save(path)
    assert (read_rgb(path) == (1, 2, 3)).all()
