"""Masks: which file belongs to which image, and what is told of those that do not fit."""

import json
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import sha256_of
from nullcrop.cli import main
from nullcrop.config.definitions import Definition, FolderSource, Masks, read_definition
from nullcrop.config.registry import implementation
from nullcrop.config.views import VIEWS, View, study_crops
from nullcrop.images.lesion_counts import count_touching, touching_sentence
from nullcrop.images.masks import mask_files, read_mask
from nullcrop.images.store import write_store
from tests.unit.dicom_files import write_dicom

REPOSITORY = Path(__file__).parents[2]


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


@pytest.mark.parametrize("kind", ["uint8", "int16", "float32"])
def test_a_mask_may_be_a_dicom_file_or_a_volume(tmp_path: Path, kind: str) -> None:
    """Whatever is above zero is lesion, however deep the values are."""
    mask = np.random.default_rng(1).random((6, 5)) < 0.3
    volume = np.zeros((5, 6, 3), kind)
    volume[:, :, 1] = mask.T  # the central slice; others show none
    image = nibabel.Nifti1Image(volume, np.eye(4))  # type: ignore[no-untyped-call]
    nibabel.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_mask([str(tmp_path / "a.nii.gz")], (6, 5)), mask)
    if kind != "float32":
        write_dicom(tmp_path / "a.dcm", mask.astype(kind))
        np.testing.assert_array_equal(read_mask([str(tmp_path / "a.dcm")], (6, 5)), mask)
        # A header that was copied from the scan says nothing of the mask.
        for header in (
            {"RescaleIntercept": -1024, "RescaleSlope": 1},
            {"RescaleIntercept": 1, "RescaleSlope": 2},
        ):
            write_dicom(tmp_path / "b.dcm", mask.astype(kind), **header)
            np.testing.assert_array_equal(read_mask([str(tmp_path / "b.dcm")], (6, 5)), mask)
        write_dicom(tmp_path / "b.dcm", mask.astype(kind), PhotometricInterpretation="MONOCHROME1")
        np.testing.assert_array_equal(read_mask([str(tmp_path / "b.dcm")], (6, 5)), mask)
    if kind == "uint8":
        green = np.zeros((6, 5, 3), np.uint8)
        green[mask, 1] = 200
        write_dicom(tmp_path / "b.dcm", green)
        np.testing.assert_array_equal(read_mask([str(tmp_path / "b.dcm")], (6, 5)), mask)
    (tmp_path / "b.dcm").write_bytes(b"no DICOM file")
    with pytest.raises(NullcropError, match=r"the mask .*b\.dcm cannot be read"):
        read_mask([str(tmp_path / "b.dcm")], (6, 5))
    with pytest.raises(NullcropError, match=r"a\.nii\.gz is 5×6 pixels, its image 4×6"):
        read_mask([str(tmp_path / "a.nii.gz")], (6, 4))


@pytest.mark.parametrize("pattern", [None, r"(?P<image>[^/]+)\.nii\.gz$"])
def test_masks_of_volumes_have_names_with_both_endings(tmp_path: Path, pattern: str | None) -> None:
    (tmp_path / "brain.1.nii.gz").touch()
    keys = {"path": str(tmp_path)} | ({} if pattern is None else {"name_pattern": pattern})
    found = mask_files(Masks.model_validate(keys), ["scans/brain.1.nii.gz"])
    assert found == [[str(tmp_path / "brain.1.nii.gz")]]


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
        NullcropError,
        match=r"several images claim one mask \(.*a\.png\), .*: x/a\.png, y/a\.png; let the part",
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


def test_folders_tell_images_of_one_name_apart(tmp_path: Path) -> None:
    for label in ("benign", "malignant"):
        write_mask(tmp_path / label / "1_mask.png", np.eye(3))
    images = ["x/malignant/1.png", "x/benign/1.png"]
    masks = Masks(path=str(tmp_path), name_pattern=r"(?P<image>[^/]+/[^/]+)_mask\.png$")
    found = [Path(path).parent.name for (path,) in mask_files(masks, images)]
    assert found == ["malignant", "benign"]


def test_an_image_is_no_mask_of_itself(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.eye(3))
    with pytest.raises(NullcropError, match="1 of 1 images have no mask"):
        mask_files(Masks(path=str(tmp_path)), [str(tmp_path / "a.png")])


def listed(folder: Path, *rows: str) -> FolderSource:
    (folder / "table.csv").write_text("path,class,mask\n" + "\n".join(rows))
    for name in ("a", "b"):
        write_mask(folder / f"{name}.png", np.eye(3))
    return FolderSource(kind="folder", path=str(folder), table=str(folder / "table.csv"))


def test_a_column_names_the_masks_of_each_image(tmp_path: Path) -> None:
    source = listed(tmp_path, "b.png,x,m\\one.png; m/two.png", "a,y,")
    for name in ("one", "two"):
        write_mask(tmp_path / "m" / f"{name}.png", np.eye(3))
    images = [str(tmp_path / name) for name in ("a.png", "b.png")]
    found = mask_files(Masks(column="mask", lacking="empty"), images, source)
    assert found == [[], [str(tmp_path / "m" / "one.png"), str(tmp_path / "m" / "two.png")]]
    with pytest.raises(NullcropError, match=r"1 of 2 images have no mask in column 'mask' .*; fill it in"):
        mask_files(Masks(column="mask"), images, source)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("a.png,x,none.png", "b.png,y,b.png"), r"names 1 masks that are not in .*: none\.png; mend these"),
        (("a.png,x,m.png", "b.png,y,m.png"), r"several images claim one mask .*; name each mask in one row"),
        (("a.png,x,m.png",), r"no longer has a row of 1 images: .*b\.png"),
    ],
)
def test_a_column_that_names_no_mask_of_its_own_is_told(
    tmp_path: Path, rows: tuple[str, ...], words: str
) -> None:
    source = listed(tmp_path, *rows)
    write_mask(tmp_path / "m.png", np.eye(3))
    images = [str(tmp_path / name) for name in ("a.png", "b.png")]
    with pytest.raises(NullcropError, match=words):
        mask_files(Masks(column="mask"), images, source)
    with pytest.raises(
        NullcropError, match=r"masks\.column: .*table\.csv has no column 'lesions'; its .* mask"
    ):
        mask_files(Masks(column="lesions"), images, source)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "say where they are: under path, column or files"),
        ({"path": "m", "files": {"https://a.org/m.zip": None}}, "leave out path and column"),
        ({"column": "m", "name_pattern": "(?P<image>a)"}, "both tell whose a mask is"),
        ({"files": {"https://a.org/m.rar": None}}, r"must end in \.zip"),
    ],
)
def test_masks_are_in_one_place(keys: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Masks(**keys)


def test_a_column_needs_a_table() -> None:
    folder = {"kind": "folder", "path": "images"}
    content = {"field": "whole", "source": folder, "classes": ["a", "b"], "masks": {"column": "mask"}}
    with pytest.raises(ValueError, match=r"masks\.column names a column of source\.table, but there is no"):
        Definition.model_validate(content)


def test_any_one_colour_is_the_lesion_and_several_are_refused(tmp_path: Path) -> None:
    lesion = np.random.default_rng(0).random((5, 4)) < 0.5
    # A blue so dark that its gray is black; a palette; gray in three channels; 16 bits; transparent white.
    colour = np.zeros((5, 4, 3), np.uint8)
    colour[lesion] = (0, 0, 1)
    palette = Image.fromarray(lesion.astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    grays = np.where(lesion, np.random.default_rng(1).integers(1, 256, (5, 4)), 0)
    pictures = {
        "blue": Image.fromarray(colour),
        "palette": palette,
        "gray": Image.fromarray(np.dstack([grays] * 3).astype(np.uint8)),
        "deep": Image.fromarray(grays.astype(np.uint16)),
        "bits": Image.fromarray(lesion),
        "clear": Image.fromarray(np.dstack([grays] * 3 + [grays * 0]).astype(np.uint8)),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_mask([str(tmp_path / f"{name}.png")], (5, 4)), lesion, name)
    colour[0] = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9))
    Image.fromarray(colour).save(tmp_path / "photo.png")
    with pytest.raises(NullcropError, match=r"the mask .*photo\.png is in several colours, .* lesion white"):
        read_mask([str(tmp_path / "photo.png")], (5, 4))


def counted(folder: Path, masks: dict[str, np.ndarray]) -> Path:
    """What count-lesions writes of these ``masks`` of images of their size; crops of 4×3 pixels."""
    rows = []
    for name, mask in masks.items():
        write_mask(folder / "masks" / f"{name}.png", mask)
        rows.append({"id": name, "path": f"x/{name}.jpg", "width": mask.shape[1], "height": mask.shape[0]})
    pd.DataFrame(rows).to_csv(folder / "samples.csv", index=False)
    asked = Masks(path=str(folder / "masks")).model_dump_json(exclude_defaults=True)
    flags = ["--samples", str(folder / "samples.csv"), "--out", str(folder), "--crop", "4x3"]
    assert main(["count-lesions", *flags, "--masks", asked, "--threads", "2"]) == 0
    return folder


def test_a_crop_touches_a_lesion_where_it_holds_a_pixel_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = {name: np.zeros((10, 12), bool) for name in ("beside", "upper_left", "both", "none")}
    masks["beside"][3, 3] = masks["beside"][2, 4] = masks["beside"][6, 8] = True  # next to two crops
    masks["upper_left"][2, 3] = True
    masks["both"][:3, 8:] = masks["both"][9, 11] = True
    masks["whole"] = np.ones((30, 20), bool)
    folder = counted(tmp_path, masks)
    table = pd.read_csv(folder / "masks.csv").set_index("view")
    assert (table[["images", "lesions"]] == [5, 4]).all(axis=None)
    assert table["touching"].to_dict() == {
        "original": 4,
        "upper_left": 2,
        "upper_right": 2,
        "center": 1,
        "bottom_left": 1,
        "bottom_right": 2,
        "corners": 3,
    }
    assert table.loc["corners", "share"] == 3 / 4
    assert table["largest"].eq(1).all()
    shares = pd.read_csv(folder / "mask_shares.csv").set_index("id")
    assert shares.loc["upper_left", "upper_left"] == pytest.approx(1 / 12, abs=1e-6)
    assert shares.loc["both", ["upper_right", "bottom_right"]].tolist() == pytest.approx(
        [1, 1 / 12], abs=1e-6
    )
    assert shares.loc["none"].eq(0).all()
    assert "masks that cover their whole image: 1; look at them" in capsys.readouterr().err


def test_the_mean_mask_is_the_share_of_lesions_at_each_relative_place(tmp_path: Path) -> None:
    left, top = np.zeros((64, 128), bool), np.zeros((128, 64), bool)
    left[:, :64] = top[:64] = True
    folder = counted(tmp_path, {"left": left, "top": top, "none": np.zeros((50, 40), bool)})
    mean = np.load(folder / "masks.npy")
    assert mean.shape == (64, 64)
    assert (mean[:32, :32] == 1).all()
    assert (mean[:32, 32:] == 0.5).all()
    assert (mean[32:, :32] == 0.5).all()
    assert (mean[32:, 32:] == 0).all()


def test_masks_that_show_no_lesion_at_all_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        counted(tmp_path, {"a": np.zeros((9, 9), bool)})
    assert "masks: none of 1 masks of 1 images has a pixel above black" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("touching", "field", "words"),
    [
        (0, "whole", "By the masks no corner crop touches a lesion in any of 8 images that show one."),
        (
            3,
            "whole",
            "By the masks a corner crop touches a lesion in 3 of 8 images that show one (0 to 3 at a "
            "single corner), which covers up to 26% of such a crop: “field: whole” does not hold there.",
        ),
        (
            3,
            "tile",
            "By the masks a corner crop touches a lesion in 3 of 8 images that show one (0 to 3 at a "
            "single corner), which covers up to 26% of such a crop.",
        ),
    ],
)
def test_the_sentence_says_whether_corners_hold_none(touching: int, field: str, words: str) -> None:
    shares = pd.DataFrame(0.0, index=range(10), columns=["original", *study_crops()])
    shares.loc[:7, "original"] = 0.1
    shares.loc[: touching - 1, "upper_left"] = 0.252
    assert touching_sentence(count_touching(shares), field) == words


def test_masks_to_be_downloaded_are_verified_and_unpacked_beside_nothing_else(tmp_path: Path) -> None:
    write_mask(tmp_path / "ISIC_0000000_Segmentation.png", np.eye(3))
    folder = tmp_path / "resources"
    folder.mkdir()
    # As brought by hand, so that nothing is downloaded.
    with zipfile.ZipFile(folder / "Part1.zip", "w") as packed:
        packed.write(tmp_path / "ISIC_0000000_Segmentation.png", "Part1/ISIC_0000000_Segmentation.png")
    checksum = f"sha256:{sha256_of(folder / 'Part1.zip')}"
    files = json.dumps({"https://example.org/2016/Part1.zip": checksum})
    assert main(["fetch-masks", "--files", files, "--out", str(folder)]) == 0
    (entry,) = json.loads((folder / "masks.json").read_text())["files"]
    assert entry["sha256"] == checksum.removeprefix("sha256:")
    pattern = r"(?P<image>ISIC_[0-9]+)_[Ss]egmentation\.png$"
    found = mask_files(Masks(path=str(folder / "masks"), name_pattern=pattern), ["x/ISIC_0000000.jpg"])
    np.testing.assert_array_equal(read_mask(found[0], (3, 3)), np.eye(3, dtype=bool))


@pytest.mark.parametrize("name", ["isic_2016", "isic_2017"])
def test_masks_of_a_challenge_are_those_of_its_own_images_and_parts(name: str) -> None:
    definition = read_definition(REPOSITORY / "config" / "datasets" / f"{name}.yaml")
    assert definition.masks is not None
    images = [address for role, address in definition.source.files.items() if role.endswith("_images")]
    cut = "_Data.zip" if name == "isic_2017" else "_Part3_"
    for image, masks in zip(images, definition.masks.files, strict=True):
        assert masks.startswith(image.partition(cut)[0] + "_Part1_")
        assert masks.endswith("GroundTruth.zip")
