"""Decoding: every image mode against Pillow's own conversion, and files that are no images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from nullcrop.errors import NullcropError
from nullcrop.images.decode import read_rgb
from tests.unit.image_kinds import KINDS, TURNED, pillow_pixels, write_image


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


@pytest.mark.filterwarnings("error")
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
