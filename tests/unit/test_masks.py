"""Masks: which file belongs to which image, and what is told of those that do not fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Masks
from nullcrop.config.registry import implementation
from nullcrop.config.views import VIEWS, View
from nullcrop.images.masks import mask_files, read_mask
from nullcrop.images.store import write_store


def write_mask(path: Path, mask: object, scale: int = 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.asarray(mask) * scale).astype(np.uint8)).save(path)


def test_masks_are_found_by_their_images_names_and_united(tmp_path: Path) -> None:
    """As a public ultrasound dataset has them: beside the images, several of one image numbered."""
    for name in ("benign (1)_mask", "benign (1)_mask_1", "benign (10)_mask", "benign (1)", "benign (10)"):
        write_mask(tmp_path / "benign" / f"{name}.png", np.eye(3))
    masks = Masks(path=str(tmp_path), name_pattern=r"(?P<image>[^/]+)_mask(_\d+)?\.png$")
    images = [str(tmp_path / "benign" / f"benign ({number}).png") for number in (10, 1)]
    found = [[Path(path).name for path in paths] for paths in mask_files(masks, images)]
    assert found == [["benign (10)_mask.png"], ["benign (1)_mask.png", "benign (1)_mask_1.png"]]


def test_the_union_is_true_where_any_mask_is_above_black(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((3, 5, 4)) < 0.3
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, mask, scale in zip(paths, masks, (1, 128, 255), strict=True):
        write_mask(Path(path), mask, scale)
    np.testing.assert_array_equal(read_mask(paths, (5, 4)), masks.any(axis=0))
    assert not read_mask([], (5, 4)).any()


def test_an_image_without_a_mask_is_named_unless_it_may_lack_one(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.eye(3))
    images = ["x/a.jpg", "x/b.jpg"]
    with pytest.raises(
        NullcropError, match=r"1 of 2 images have no mask in .*: x/b\.jpg; .* `masks.lacking: empty`"
    ):
        mask_files(Masks(path=str(tmp_path)), images)
    found = mask_files(Masks(path=str(tmp_path), lacking="empty"), images)
    assert found == [[str(tmp_path / "a.png")], []]


def test_images_of_one_name_cannot_share_a_mask(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.eye(3))
    with pytest.raises(
        NullcropError, match=r"several images claim one mask \(.*a\.png\), .*: x/a\.png, y/a\.png; let the part"
    ):
        mask_files(Masks(path=str(tmp_path)), ["x/a.png", "y/a.png"])


def test_missing_folders_and_masks_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with pytest.raises(NullcropError, match=r"masks\.path: there is no folder"):
        mask_files(Masks(path=str(tmp_path / "none")), ["a.png"])
    with pytest.raises(NullcropError, match="name their folder under `masks:`"):
        mask_files(None, ["a.png"])
    write_mask(tmp_path / "a.png", np.eye(3))
    with pytest.raises(NullcropError, match="is 3×3 pixels, its image 4×5"):
        read_mask([str(tmp_path / "a.png")], (5, 4))
    (tmp_path / "b.png").write_bytes(b"\x89PNG, cut short")
    with pytest.raises(NullcropError, match=r"the mask .*b\.png cannot be read"):
        read_mask([str(tmp_path / "b.png")], (5, 4))


@pytest.mark.parametrize("pattern", ["(", "_mask", "(?P<image>a)(?P<class>b)"])
def test_a_pattern_names_the_image_alone(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is not a regular expression|must name the part \(\?P<image>…\)"):
        Masks(path="masks", name_pattern=pattern)


def test_a_view_that_gives_what_its_record_does_not_promise_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(tmp_path / "a.png")
    samples = pd.DataFrame({"id": ["a"], "path": [str(tmp_path / "a.png")], "width": [8], "height": [9]})
    whole = "nullcrop.images.views:original"
    assert callable(implementation(whole))
    monkeypatch.setattr(VIEWS, "_records", {**VIEWS._records, "own": View("own", "own", "all", whole)})
    with pytest.raises(
        NullcropError, match=r"the view 'own' gives uint8 of shape \(9, 8, 3\) .* shape \(4, 4, 3\)"
    ):
        write_store(samples, tmp_path / "views", ["own"], 4, 4, threads=1)
