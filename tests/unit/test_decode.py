"""Decoding: every image mode against Pillow's own conversion, and files that are no images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from nullcrop.basics.errors import NullcropError
from nullcrop.datasets.samples import image_facts
from nullcrop.decoding.rgb import locator, read_rgb
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
    assert path in str(image_facts(str(tmp_path / path))["problem"])


def test_a_file_whose_name_looks_like_a_locator_to_nobody_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "images.npy::one.png"
    Image.new("RGB", (3, 2), (1, 2, 3)).save(path)
    assert (read_rgb(path) == (1, 2, 3)).all()
