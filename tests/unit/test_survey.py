"""What a folder holds is told from names: against trees whose classes, groups and masks are known."""

import fcntl
import re
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.cli import main
from nullcrop.config.definitions import FolderSource, Masks, read_definition
from nullcrop.config.models import read_project
from nullcrop.datasets.samples import list_images
from nullcrop.images.masks import mask_files
from nullcrop.survey import masks
from nullcrop.survey.layout import Said, look
from nullcrop.survey.masks import masks_of
from nullcrop.survey.names import classes_of, group_pattern, groups_of, name_pattern, parts_level
from nullcrop.survey.plan import config_file, dataset_file, plan

IDC = [
    f"{patient}/{label}/{patient}_idx5_x{x}_y1_class{label}.png"
    for patient in range(8863, 8863 + 40)
    for label in "01"
    for x in range(3)
]
BREAKHIS = [
    f"histology/{label}/SOB/{kind}/SOB_{label[0].upper()}_A-14-{slide}/{zoom}X/SOB_B_A-14-{slide}-{zoom}-{n:03}.png"
    for label, kind, first in (("benign", "adenosis", 22549), ("malignant", "ductal", 4364))
    for slide in range(first, first + 8)
    for zoom in (40, 100)
    for n in range(3)
]
BUSI = [f"{label}/{label} ({n}).png" for label in ("benign", "malignant", "normal") for n in range(1, 30)]


def tree(root: Path, names: list[str], size: tuple[int, int] = (48, 40)) -> Path:
    """Small images under these names."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, number % 256).save(path)
    return root


@pytest.mark.parametrize(
    ("paths", "level", "classes", "groups"),
    [
        (IDC, 1, ["0", "1"], (0, 40)),
        (BREAKHIS, 1, ["benign", "malignant"], (4, 16)),
        (BUSI, 0, ["benign", "malignant", "normal"], None),
        ([f"train/{c}/{n}.png" for c in "ab" for n in range(9)] + ["test/a/x.png"] * 2, 1, ["a", "b"], None),
        ([f"{c}.{n}.jpg" for c in ("cat", "dog") for n in range(9)], None, ["cat", "dog"], None),
        ([f"x_class{n % 2}_{n}.png" for n in range(9)], None, ["0", "1"], None),
        (
            [f"{c}/P{p}_{n}.png" for c in ("no", "yes") for p in range(9) for n in range(4)],
            0,
            ["no", "yes"],
            (None, 9),
        ),
    ],
)
def test_classes_and_groups_of_known_trees(
    paths: list[str], level: int | None, classes: list[str], groups: tuple[int | None, int] | None
) -> None:
    division = classes_of(paths)
    assert division is not None
    assert (division.level, division.names) == (level, classes)
    grouping = groups_of(paths, division)
    if groups is None or groups[1] < 10:
        assert grouping is None
    else:
        assert grouping is not None
        assert (grouping.level, grouping.groups) == groups


@pytest.mark.parametrize(
    "paths",
    [
        [f"ISIC_{n:07}.jpg" for n in range(50)],
        [f"patient_{n:03}/scan.png" for n in range(50)],
        [f"p{n // 4}/{n}.png" for n in range(80)],
        [f"{word}/{n}.png" for word in ("train", "test") for n in range(9)],
    ],
    ids=["names", "one a patient", "patients", "parts"],
)
def test_what_is_no_class_is_taken_for_none(paths: list[str]) -> None:
    assert classes_of(paths) is None


def test_parts_of_a_split_are_seen_whatever_they_are_called() -> None:
    paths = [
        f"{part}/{label}/{n}.png" for part in ("Training", "Testing") for label in "ab" for n in range(5)
    ]
    assert parts_level(paths) == 0
    assert parts_level(BUSI) is None


NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0\n", exclude_categories=("Cs", "Cc"))).filter(
        lambda name: name.strip() and name not in (".", "..") and name.lower() not in ("train", "val", "test")
    ),
    min_size=2,
    max_size=5,
    unique=True,
)


@given(NAMES, st.integers(0, 2), st.integers(0, 2))
def test_a_pattern_reads_the_class_of_every_image(classes: list[str], above: int, below: int) -> None:
    images = {
        "/".join([*["top"] * above, label, *["deep"] * below, f"scan {n}.PNG"]): label
        for label in classes
        for n in range(3)
    }
    division = classes_of(list(images), above)
    assert division is not None
    pattern = re.compile(name_pattern(division, None, None, [".png"]))
    assert {path: found["class"] for path in images if (found := pattern.search(path))} == images
    assert not pattern.search(next(iter(images)).replace(".PNG", ".txt"))


@given(st.integers(10, 30), st.integers(2, 4), st.sampled_from("_-. "))
def test_the_beginning_of_names_that_repeats_is_the_group(patients: int, images: int, separator: str) -> None:
    names = {f"a/P{p:02}{separator}{n}.png": f"P{p:02}" for p in range(patients) for n in range(images)}
    grouping = groups_of(list(names), None)
    assert grouping is not None
    assert (grouping.groups, grouping.word) == (patients, "patient")
    pattern = re.compile(group_pattern(grouping))
    assert {path: found[1] for path in names if (found := pattern.search(path))} == names


def test_masks_beside_images_are_left_out_and_said(tmp_path: Path) -> None:
    masks = [path.replace(".png", "_mask.png") for path in BUSI] + ["benign/benign (1)_mask_1.png"]
    layout = look(tree(tmp_path / "BUSI with GT", [*BUSI, *masks]))
    assert sorted(Path(path).name for path in layout.listing["path"]) == sorted(
        Path(path).name for path in BUSI
    )
    assert layout.counts == {"benign": 29, "malignant": 29, "normal": 29}
    assert set(layout.masks) == set(masks)
    assert any(one.what == "masks" and f"{len(masks)} files" in one.words for one in layout.findings)


MASKED = {
    "BUSI": lambda name: [f"{name}_mask", f"{name}_mask_1"],
    "first": lambda name: [re.sub("([^/]+)$", r"mask_\1", name)],
    "folder of the class": lambda name: [re.sub("([^/]+)$", r"masks/\1", name)],
    "folder beside": lambda name: [re.sub("^images", "masks", name)],
    "folder beside, named": lambda name: [re.sub("^images", "ground truth", name) + "_seg 2"],
}
"""How the masks of an image are called, without endings."""


def masked_tree(
    root: Path, called: str, same_names: bool, *, first_class: bool = True, first: str = "benign"
) -> dict[str, set[str]]:
    """Images of two classes with masks that show a lesion, and the masks of each; ``same_names`` in both."""
    of_image = {}
    for label in (first, "malignant"):
        for number in range(12):
            own = number if same_names else f"{label[0]}{number}"
            name = f"images/{label}/{own}"
            tree(root, [f"{name}.jpg"])
            masks = MASKED[called](name) if first_class or label != first else []
            for mask in masks:
                path = root / f"{mask}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture = Image.new("1", (48, 40))
                picture.paste(1, (20, 10, 30, 20))
                picture.save(path)
            of_image[str(root / f"{name}.jpg")] = {str(root / f"{mask}.png") for mask in masks}
    return of_image


@pytest.mark.parametrize("called", MASKED)
@pytest.mark.parametrize("same_names", [False, True])
def test_the_datasets_file_says_whose_each_mask_is(tmp_path: Path, called: str, same_names: bool) -> None:
    truth = masked_tree(tmp_path / "scans", called, same_names)
    layout = look(tmp_path / "scans")
    assert set(layout.listing["path"]) == set(truth)
    found = masks_of(layout)
    if same_names and called in ("first", "folder of the class"):
        # Class and number do not stand side by side, as a pattern needs them.
        assert (found.keys, found.doubt) == ({}, "no pattern of their names tells whose they are")
        assert "masks" not in yaml.safe_load(dataset_file(layout, 20, found))
        return
    assert found.doubt == ""
    (tmp_path / "scans.yaml").write_text(dataset_file(layout, 20, found))
    definition = read_definition(tmp_path / "scans.yaml")
    assert isinstance(definition.source, FolderSource)
    files = mask_files(definition.masks, list(truth), definition.source)
    assert [set(own) for own in files] == list(truth.values())


@pytest.mark.parametrize(
    ("first", "masked", "doubt"),
    [
        ("normal", False, ""),
        ("no finding", False, ""),
        ("benign", False, "12 images have none, also of benign: it is not known that these hold no lesion"),
        ("abnormal", False, "12 images have none, also of abnormal"),
        ("normal", True, "they show something in images of normal, so it may be an organ and no lesion"),
    ],
)
def test_only_what_is_called_normal_holds_no_lesion(
    tmp_path: Path, first: str, masked: bool, doubt: str
) -> None:
    masked_tree(tmp_path, "BUSI", same_names=False, first_class=masked, first=first)
    found = masks_of(look(tmp_path)).doubt
    assert found.startswith(doubt)
    assert bool(found) == bool(doubt)


def test_masks_of_organs_and_inverted_ones_are_no_lesions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked_tree(tmp_path, "BUSI", same_names=False)
    monkeypatch.setattr(masks, "MOST_READ", 23)
    assert masks_of(look(tmp_path)).doubt == "24 images have some, too many to look at each here"
    monkeypatch.setattr(masks, "MOST_READ", 24)
    assert masks_of(look(tmp_path)).sure
    for path in tmp_path.rglob("*_mask.png"):
        Image.open(path).point(lambda level: 255 - level).save(path)
    assert masks_of(look(tmp_path)).doubt == "24 of 24 cover most of their image: an organ, or inverted"


@pytest.mark.parametrize(("folder", "sure"), [("case{0:02d}_masks", True), ("{1}_masks", False)])
def test_folders_of_masks_that_follow_no_rule_tell_nothing(tmp_path: Path, folder: str, sure: bool) -> None:
    for number in range(24):
        label = ("benign", "malignant")[number % 2]
        tree(tmp_path, [f"{label}/{folder.format(number, 'abcdefghijklmnopqrstuvwx'[number])}/{number}.png"])
        own = folder.format(number, "abcdefghijklmnopqrstuvwx"[number]).replace("masks", "images")
        tree(tmp_path, [f"{label}/{own}/{number}.jpg"])
    found = masks_of(look(tmp_path))
    assert len(found.keys.get("name_pattern", "")) < 100
    assert bool(found.keys) == sure


def test_a_class_without_masks_may_be_written_so(tmp_path: Path) -> None:
    truth = masked_tree(tmp_path, "BUSI", same_names=False, first_class=False, first="normal")
    found = masks_of(look(tmp_path))
    assert (found.keys["lacking"], found.doubt) == ("empty", "")
    files = mask_files(Masks(**found.keys), list(truth))
    assert [set(own) for own in files] == list(truth.values())


def _none(path: Path) -> None:
    path.unlink()


def _small(path: Path) -> None:
    Image.new("1", (9, 9), 1).save(path)


def _no_picture(path: Path) -> None:
    path.write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("change", "which", "doubt"),
    [
        (_none, "b3_*", "1 images have none, also of benign: it is not known that these hold no lesion"),
        (_small, "b3_mask.png", "b3_mask.png is 9×9 pixels, its image 48×40"),
        (_no_picture, "m3_mask.png", "m3_mask.png cannot be read"),
        (lambda path: Image.new("1", (48, 40)).save(path), "*", "all of them are black"),
    ],
)
def test_masks_that_may_be_none_stand_there_as_a_comment(
    tmp_path: Path, change: Callable[[Path], None], which: str, doubt: str
) -> None:
    masked_tree(tmp_path / "scans", "BUSI", same_names=False)
    for path in (tmp_path / "scans").glob(f"images/*/{which}"):
        if "_mask" in path.name:
            change(path)
    layout = look(tmp_path / "scans")
    found = masks_of(layout)
    assert doubt in found.doubt
    text = dataset_file(layout, 20, found)
    assert "masks" not in yaml.safe_load(text)
    offered = text[text.index("# masks:") :].replace("# ", "")
    assert yaml.safe_load(offered) == {"masks": found.keys}


def test_masks_of_volumes_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = {}
    for number in range(12):
        name = f"{'ab'[number % 2]}/scan{number}"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        lesion = np.zeros((30, 24, 3), np.int16)
        lesion[8:12, 8:12] = 1
        for suffix, values in (("", rng.integers(0, 900, lesion.shape).astype(np.int16)), ("_seg", lesion)):
            path = tmp_path / f"{name}{suffix}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)  # type: ignore[no-untyped-call]
        images[str(tmp_path / f"{name}.nii.gz")] = [str(tmp_path / f"{name}_seg.nii.gz")]
    assert "no agreed range" in masks_of(look(tmp_path)).doubt
    layout = look(tmp_path, Said(window=(450, 900)))
    found = masks_of(layout)
    assert (sorted(layout.listing["path"]), found.doubt) == (sorted(images), "")
    assert mask_files(Masks(**found.keys), list(images)) == list(images.values())


def test_overlays_are_not_taken_for_masks(tmp_path: Path) -> None:
    images = [f"{label}/{label[0]}{n}.png" for label in ("benign", "malignant") for n in range(9)]
    tree(tmp_path, [*images, *(path.replace(".png", "_overlay.png") for path in images)])
    found = masks_of(look(tmp_path))
    assert found.doubt == "their names do not say that they show where the lesion is"
    assert found.keys["name_pattern"] == r"(?P<image>[^/]+?)_overlay\.png$"


def test_what_a_user_says_comes_before_what_names_tell(tmp_path: Path) -> None:
    paths = [
        f"{site}/{label}/{n}.png"
        for site in ("north", "south")
        for label in ("x", "y", "z")
        for n in range(4)
    ]
    root = tree(tmp_path, paths)
    assert look(root).classes == ["north", "south"]
    layout = look(root, Said(classes_at=2, positive=("z",), field="tile"))
    assert (layout.classes, layout.positive, layout.field) == (["x", "y", "z"], ("z",), "tile")
    named = look(root, Said(name_pattern=r"(?P<group>north|south)/(?P<class>[xyz])"))
    assert set(named.listing["group"]) == {"north", "south"}


@pytest.mark.parametrize(
    ("names", "said", "words"),
    [
        ([], Said(), "holds no image"),
        (["a/1.png", "a/2.png"], Said(), "--name-pattern"),
        (BUSI, Said(positive=("benig",)), "--positive must name some"),
        (BUSI, Said(classes_at=7), "--classes-at"),
        (BUSI, Said(name_pattern="(?P<class>benign)"), "of one class, 'benign'"),
        (BUSI, Said(name_pattern="(?P<class>cyst)"), "is found in none of the 87 files below"),
    ],
)
def test_what_cannot_be_told_names_the_flag(tmp_path: Path, names: list[str], said: Said, words: str) -> None:
    with pytest.raises(NullcropError, match=re.escape(words)):
        look(tree(tmp_path, names), said)


def test_a_table_beside_the_images_tells_what_names_do_not(tmp_path: Path) -> None:
    root = tree(tmp_path, [f"ISIC_{n:03}.png" for n in range(12)])
    rows = [f"ISIC_{n:03},{'mel' if n % 3 else 'nv'},L{n // 2},{50 + n}" for n in range(12)]
    (root / "meta.csv").write_text("image_id,dx,lesion_id,age\n" + "\n".join(rows))
    layout = look(root)
    assert layout.counts == {"mel": 8, "nv": 4}
    assert (layout.listing["group"].nunique(), layout.group) == (6, "lesion")
    (root / "again.csv").write_text((root / "meta.csv").read_text())
    with pytest.raises(NullcropError, match="2 tables list the images"):
        look(root)
    assert look(root, Said(table=str(root / "again.csv"))).counts == layout.counts


@pytest.mark.parametrize(
    ("columns", "said", "words"),
    [
        ("scan,kind", [], "no column of {table} names the images (scan, kind); name it: --columns path=NAME"),
        (
            "file,kind",
            [],
            "no column of {table} tells the classes (file, kind); name it: --columns class=NAME",
        ),
        (
            "file,kind",
            ["class=knid"],
            "no column of {table} tells the classes (file, kind); name it: --columns class=NAME",
        ),
        ("file,kind", ["class=kind"], ""),
        ("file,label", [], ""),
    ],
)
def test_a_table_that_tells_too_little_names_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], columns: str, said: list[str], words: str
) -> None:
    """The file's column is known by what it holds, that of the classes by what it is called."""
    root = tree(tmp_path / "images", [f"{n}.png" for n in range(40)])
    shown = "{}.png" if columns.startswith("file") else "scan {}"
    table = tmp_path / "meta.csv"
    table.write_text("\n".join([columns, *(f"{shown.format(n)},{'xy'[n % 2]}" for n in range(40))]))
    flags = ["--table", str(table), *(["--columns", *said] if said else [])]
    status = main(["audit", str(root), "--dry-run", "--out", str(tmp_path / "out"), *flags])
    error = f"nullcrop audit: error: {words.format(table=table)}\n" if words else ""
    assert (status, capsys.readouterr().err) == (int(bool(words)), error)
    assert (tmp_path / "out").exists() == (not words)


def test_a_folder_of_something_else_beside_the_classes_is_passed_over(tmp_path: Path) -> None:
    root = tree(tmp_path, [*BUSI, "benign.png"])
    (root / "docs").mkdir()
    (root / "docs/readme.txt").write_text("as released")
    layout = look(root)
    assert layout.counts == {"benign": 29, "malignant": 29, "normal": 29}
    assert any(one.what == "no images" and ".txt" in one.words for one in layout.findings)


def test_a_beginning_that_some_names_lack_is_no_group(tmp_path: Path) -> None:
    names = [f"{c}/P{p:02}_{n}.png" for c in ("no", "yes") for p in range(12) for n in range(4)]
    assert look(tree(tmp_path / "all", names)).group == "patient"
    layout = look(tree(tmp_path / "some", [*names, "no/extra.png"]))
    assert (layout.group, len(layout.listing)) == (None, len(names) + 1)


def test_columns_that_are_marked_with_1_are_the_classes(tmp_path: Path) -> None:
    root = tree(tmp_path, [f"{n}.png" for n in range(6)])
    (root / "truth.csv").write_text(
        "image,MEL,NV\n" + "\n".join(f"{n},{n % 2}.0,{1 - n % 2}.0" for n in range(6))
    )
    assert look(root).counts == {"MEL": 3, "NV": 3}


def test_both_files_are_read_back_as_they_were_planned(tmp_path: Path) -> None:
    layout = look(tree(tmp_path / "My: scans #1", [*BUSI, *(p.replace(".png", "_mask.png") for p in BUSI)]))
    planned = plan(layout)
    out = tmp_path / "a folder"
    (out / "datasets").mkdir(parents=True)
    (out / "datasets/scans.yaml").write_text(dataset_file(layout, planned.crop))
    (out / "audit.yaml").write_text(config_file(planned, "scans", out, "A title: with a colon", "cpu"))
    listed = list_images(read_definition(out / "datasets/scans.yaml"), tmp_path)
    assert listed["path"].tolist() == layout.listing["path"].tolist()
    project = read_project(out / "audit.yaml")
    (study,) = project.config.studies.values()
    assert (study.splits, study.architectures) == (["crossfit5"], ["lenet5"])
    assert yaml.safe_load((out / "audit.yaml").read_text())["paths"]["results"] == str(out / "results")


def test_more_images_are_seen_fewer_times_and_small_ones_get_small_crops(tmp_path: Path) -> None:
    few = plan(look(tree(tmp_path / "few", BUSI, (30, 30))))
    many = plan(look(tree(tmp_path / "many", [f"{c}/{n}.png" for c in "ab" for n in range(450)], (4, 4))))
    assert few.epochs > many.epochs
    assert few.crop == 10
    assert plan(look(tmp_path / "few"), thorough=True).epochs > few.epochs


def test_a_folder_that_is_too_small_to_tell_is_known_beforehand(tmp_path: Path) -> None:
    planned = plan(look(tree(tmp_path, ["a/1.png", "a/2.png", "b/3.png", "b/4.png"])))
    assert not planned.can_tell
    assert "too few" in planned.words


def audit(*arguments: object) -> int:
    return main(["audit", *map(str, arguments)])


def test_a_flag_that_stands_twice_is_followed_twice(tmp_path: Path) -> None:
    root = tree(tmp_path / "scans", [f"{n}.png" for n in range(60)])
    (tmp_path / "meta.csv").write_text("a,b\n" + "".join(f"{n}.png,{'xyz'[n % 3]}\n" for n in range(60)))
    flags = ["--table", tmp_path / "meta.csv", "--columns", "path=a", "--columns", "class=b"]
    out = tmp_path / "out"
    assert audit(root, *flags, "--positive", "x", "--positive", "y", "--dry-run", "--out", out) == 0
    (definition,) = (read_definition(path) for path in out.glob("datasets/*.yaml"))
    source = definition.source.model_dump()
    assert {key: name for key, name in source["columns"].items() if name} == {"path": "a", "class": "b"}
    assert definition.labels["classes"].positive == ["x", "y"]


def test_an_audit_of_too_few_images_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path / "scans", ["a/1.png", "a/2.png", "b/3.png", "b/4.png"])
    assert audit(root, "--out", tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("(a 2, b 2 images); more images of more patients are needed")
    assert "too few" in line
    assert not (tmp_path / "out").exists()


def test_an_audit_goes_on_only_as_it_was_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, other = tree(tmp_path / "scans", BUSI), tree(tmp_path / "other", BUSI)
    out = ["--dry-run", "--out", tmp_path / "out"]
    assert audit(root, *out, "--epochs", 1) == 0
    config = tmp_path / "out" / "audit.yaml"
    before = config.read_text()
    capsys.readouterr()
    assert audit(root, *out) == 0
    assert audit(other, *out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    words = f"{config} is an audit of {root}; name another place for this one with --out"
    assert line == f"nullcrop audit: error: {words}"
    for flags in (["--epochs", 1], ["--thorough"], ["--device", "cpu"], ["--positive", "benign"]):
        assert audit(root, *out, *flags) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"nullcrop audit: error: {config} is there already, ")
        assert line.endswith("or begin another audit with --out")
    assert config.read_text() == before


def test_two_audits_do_not_run_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tree(tmp_path / "scans", BUSI), tmp_path / "out"
    assert audit(root, "--dry-run", "--out", out) == 0
    with open(out / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert audit(root, "--out", out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    words = f"an audit runs in {out} already; wait for it, or take another --out"
    assert line == f"nullcrop audit: error: {words}"
