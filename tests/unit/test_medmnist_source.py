"""MedMNIST+: addresses, arrays inflated and listed, the central slice, and every kind of wrong file."""

import hashlib
import json
import os
import runpy
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import Definition, read_definition
from nullcrop.config.views import views_made_always
from nullcrop.datasets import medmnist_source as module
from nullcrop.datasets.archive import fetch_archive
from nullcrop.datasets.samples import list_images, list_samples, read_samples
from nullcrop.images.store import PackedView, write_store

VIEWS = tuple(views_made_always())

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
NAMES = ("pathmnist", "dermamnist", "breastmnist", "nodulemnist3d")
PARTS = {"train": 9, "val": 4, "test": 6}

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="no official files in ../shared/data beside the project"
)


def official(name: str) -> Definition:
    return read_definition(ROOT / "config" / "datasets" / f"{name}.yaml")


def small(name: str, **source: Any) -> Definition:
    """The official definition without its counts and groups, with keys of the source changed."""
    content = official(name).model_dump()
    content |= {"expected": {}, "groups": None, "source": content["source"] | source}
    return Definition.model_validate(content)


def arrays(name: str, size: int) -> dict[str, np.ndarray]:
    """Random images and labels in the layout of the release."""
    rng = np.random.default_rng(0)
    shape = (size,) * 3 if name.endswith("3d") else (size, size)
    if name in ("pathmnist", "dermamnist"):
        shape = (size, size, 3)
    made = {}
    for part, count in PARTS.items():
        made[f"{part}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        labels = np.arange(count) % len(official(name).classes)
        made[f"{part}_labels"] = labels.astype(np.uint8).reshape(-1, 1)
    return made


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Call it with a name, a size and arrays: writes the npz and makes its MD5 the published one."""

    def publish(name: str, size: int, members: dict[str, np.ndarray]) -> Path:
        path = tmp_path / "official" / (f"{name}.npz" if size == 28 else f"{name}_{size}.npz")
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, **members)  # type: ignore[arg-type]
        accept(path, monkeypatch)
        return path

    return publish


def accept(path: Path, monkeypatch: pytest.MonkeyPatch, address: str = "http://127.0.0.1:9") -> None:
    name, _, size = path.stem.partition("_")
    ending = f"_{size}" if size else ""
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    info = module.release_info()
    mine = info[name] | {f"MD5{ending}": md5, f"url{ending}": f"{address}/{path.name}?download=1"}
    monkeypatch.setattr(module, "release_info", lambda: info | {name: mine})


# What the medmnist package says


def test_info_is_what_the_package_defines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Run by itself, because importing the package loads torch; it makes its folder at home.
    monkeypatch.setenv("HOME", str(tmp_path))
    package = module.importlib.util.find_spec("medmnist")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "info.py"
    assert module.release_info() == runpy.run_path(str(path))["INFO"]
    assert (tmp_path / ".medmnist").is_dir()


def test_without_the_package_or_its_info_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "release_info", module.release_info.__wrapped__)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NullcropError, match=r"package medmnist, .* is missing: run `make env`"):
        module.release_info()
    (tmp_path / "info.py").write_text("HOMEPAGE = 1")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: found)
    with pytest.raises(NullcropError, match=rf"{tmp_path}/info\.py holds no INFO: install the version"):
        module.release_info()


def test_nothing_is_imported_and_nothing_made_at_home(tmp_path: Path) -> None:
    code = (
        "import sys, nullcrop.datasets.medmnist_source as m; m.release_info(); "
        "print({'medmnist', 'torch', 'skimage'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert run.stdout == "set()\n"
    assert list(tmp_path.iterdir()) == []


def test_flags_and_sizes_are_those_of_the_release(make_definition: Callable[..., Definition]) -> None:
    """Every flag a definition may name, in every size it may ask for, has its address."""
    refused = []
    for flag, info in module.release_info().items():
        for size, ending in {28: "", 64: "_64", 128: "_128", 224: "_224"}.items():
            offered = f"MD5{ending}" in info and "multi-label" not in info["task"]
            try:
                make_definition(source={"kind": "medmnist", "flag": flag, "size": size})
                assert offered
            except ValueError:
                refused.append(flag)
                assert not offered
    assert set(refused) == {"chestmnist", *(flag for flag in module.release_info() if flag.endswith("3d"))}


def test_a_size_that_is_not_offered_is_named(make_definition: Callable[..., Definition]) -> None:
    with pytest.raises(ValueError, match="nodulemnist3d is offered in the sizes 28 and 64, not 224"):
        make_definition(source={"kind": "medmnist", "flag": "nodulemnist3d"})


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_counted_as_the_package_says(name: str) -> None:
    assert official(name).expected.splits == module.release_info()[name]["n_samples"]


@pytest.mark.parametrize("name", NAMES)
def test_classes_stand_in_the_order_of_the_codes(name: str) -> None:
    """Each class has a word of its code's name; of DermaMNIST and PathMNIST no other code has it."""
    stems = {
        "pathmnist": "adipos backgr debri lymph mucus muscl mucosa stroma adenocarc",
        "dermamnist": "keratos.*carcinoma basal benign.*keratos fibroma melanoma nev vascul",
        "breastmnist": "malignant normal.*benign",
        "nodulemnist3d": "^benign malignant",
    }[name].split()
    labels = module.release_info()[name]["label"]
    assert list(labels) == [str(code) for code in range(len(stems))]
    for names in (pd.Series(list(labels.values())), pd.Series(official(name).classes)):
        for code, stem in enumerate(stems):
            assert names.index[names.str.contains(stem)].tolist() == [code], (stem, names.tolist())


def test_malignant_of_breastmnist_is_code_0_and_of_nodulemnist_code_1() -> None:
    info = module.release_info()
    assert (info["breastmnist"]["label"]["0"], info["nodulemnist3d"]["label"]["1"]) == ("malignant",) * 2
    assert official("breastmnist").targets("printed") == {"malignant": 1, "normal_or_benign": 0}
    assert official("nodulemnist3d").targets("printed") == {"benign": 0, "malignant": 1}


# Fetching and listing


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    folder = tmp_path / "official"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_an_npz_is_downloaded_verified_and_inflated(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = arrays("dermamnist", 64)
    path = tmp_path / "official" / "dermamnist_64.npz"
    np.savez_compressed(path, **made)  # type: ignore[arg-type]
    accept(path, monkeypatch, server)
    archive = tmp_path / "archive"
    files = fetch_archive(small("dermamnist", size=64).source, archive)
    assert files[0]["name"] == "dermamnist_64.npz"
    assert files[0]["checksum"] == "published"
    assert files[0]["labels"]["5"] == "melanocytic nevi"
    assert json.loads((archive / "archive.json").read_text())["files"] == files
    for name, wanted in made.items():
        np.testing.assert_array_equal(np.load(archive / "arrays" / f"{name}.npy"), wanted)
    # Again, from what is there.
    (tmp_path / "official" / path.name).unlink()
    assert fetch_archive(small("dermamnist", size=64).source, archive) == files


@pytest.mark.parametrize(
    ("name", "size", "mode"), [("pathmnist", 28, "RGB"), ("breastmnist", 64, "L"), ("nodulemnist3d", 28, "L")]
)
def test_samples_and_views_are_those_of_the_arrays(
    name: str, size: int, mode: str, release: Callable[..., Path], tmp_path: Path
) -> None:
    made = arrays(name, size)
    definition = small(name, size=size, data_dir=str(release(name, size, made).parent))
    archive, out = tmp_path / "archives" / name, tmp_path / "out"
    fetch_archive(definition.source, archive)
    assert not (archive / f"{name}.npz").exists()
    list_samples(name, definition, archive, out, threads=2)
    samples = read_samples(out / "samples.csv")
    assert samples["id"].tolist() == [
        f"{part}_{index:06}" for part in ("test", "train", "val") for index in range(PARTS[part])
    ]
    assert samples["official_split"].tolist() == [id_.split("_")[0] for id_ in samples["id"]]
    images, labels = (
        np.concatenate([made[f"{part}_{kind}"] for part in ("test", "train", "val")])
        for kind in ("images", "labels")
    )
    assert samples["class"].tolist() == [definition.classes[code] for code in labels[:, 0]]
    if name.endswith("3d"):
        images = images[:, size // 2]
    facts = {"width": size, "height": size, "mode": mode, "format": "NPY", "orientation": 1}
    facts["file_bytes"] = images[0].size
    assert (samples[list(facts)] == pd.Series(facts)).all(axis=None)
    write_store(samples, out / "views", list(VIEWS), 9, 7, threads=2)
    rgb = images if mode == "RGB" else np.stack([images] * 3, axis=-1)
    np.testing.assert_array_equal(PackedView(out / "views" / "original.json").pixels, rgb)
    np.testing.assert_array_equal(PackedView(out / "views" / "bottom_right.json").pixels, rgb[:, -7:, -9:])
    middle = ((size - 7) // 2, (size - 9) // 2)
    np.testing.assert_array_equal(
        PackedView(out / "views" / "center.json").pixels,
        rgb[:, middle[0] : middle[0] + 7, middle[1] : middle[1] + 9],
    )


def test_the_slice_is_said_in_the_manifest(release: Callable[..., Path], tmp_path: Path) -> None:
    path = release("nodulemnist3d", 64, arrays("nodulemnist3d", 64))
    definition = small("nodulemnist3d", data_dir=str(path.parent))
    fetch_archive(definition.source, tmp_path / "archive")
    samples = list_samples("nodulemnist3d", definition, tmp_path / "archive", tmp_path / "out", threads=1)
    assert samples["path"].str.endswith("_images.npy::0,32").any()
    assert "index 32" in json.loads((tmp_path / "out" / "dataset.json").read_text())["notes"]


def test_an_interrupted_inflation_goes_on_and_another_release_starts_afresh(
    release: Callable[..., Path], tmp_path: Path
) -> None:
    made = arrays("breastmnist", 28)
    definition = small("breastmnist", size=28, data_dir=str(release("breastmnist", 28, made).parent))
    folder = tmp_path / "archive" / "arrays"
    fetch_archive(definition.source, folder.parent)
    kept = (folder / "train_images.npy").stat()
    (folder / "val_images.npy").unlink()
    fetch_archive(definition.source, folder.parent)
    assert (folder / "train_images.npy").stat().st_mtime_ns == kept.st_mtime_ns
    np.testing.assert_array_equal(np.load(folder / "val_images.npy"), made["val_images"])
    made["train_images"] = 255 - made["train_images"]
    release("breastmnist", 28, made)
    fetch_archive(definition.source, folder.parent)
    np.testing.assert_array_equal(np.load(folder / "train_images.npy"), made["train_images"])


@needs_data
def test_the_official_breastmnist_counts_as_its_definition_says(tmp_path: Path) -> None:
    content = official("breastmnist").model_dump()
    content["source"] |= {"size": 28, "data_dir": str(DATA / "medmnist")}
    definition = Definition.model_validate(content)
    fetch_archive(definition.source, tmp_path / "archive")
    samples = list_samples("breastmnist", definition, tmp_path / "archive", tmp_path, threads=2)
    assert len(samples) == 780
    with np.load(DATA / "medmnist" / "breastmnist.npz") as npz:
        assert (
            samples["target"]
            == 1 - np.concatenate([npz[f"{p}_labels"][:, 0] for p in ("test", "train", "val")])
        ).all()
    # The label's meaning, against the folders of the images it was made from.
    source = pd.read_csv(DATA / "metadata" / "breastmnist_to_busi.csv")
    source["id"] = [
        f"{part}_{index:06}" for part, index in zip(source["split"], source["index"], strict=True)
    ]
    folder = source.set_index("id")["path"].str.split("/").str[0].reindex(samples["id"])
    agree = (folder == "malignant").to_numpy() == (samples["class"] == "malignant").to_numpy()
    assert agree.sum() >= 779


# Lesions of DermaMNIST


@needs_data
def test_the_table_of_lesions_is_what_its_sources_give() -> None:
    images = pd.read_csv(DATA / "metadata" / "dermamnist_to_ham10000.csv")
    lesions = pd.read_csv(DATA / "metadata" / "HAM10000_metadata.csv").set_index("image_id")["lesion_id"]
    ids = [f"{part}_{index:06}" for part, index in zip(images["split"], images["index"], strict=True)]
    table = pd.read_csv(ROOT / "resources" / "groups" / "dermamnist.csv").set_index("id")
    assert table["group"].to_dict() == dict(zip(ids, images["isic_id"].map(lesions), strict=True))


def test_lesions_of_dermamnist_cross_the_official_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    definition = official("dermamnist")
    table = pd.read_csv(str(definition.groups))
    assert len(table) == definition.expected.images
    assert table["class"].value_counts().to_dict() == definition.expected.classes
    part = table["id"].str.split("_").str[0]
    assert table["group"].nunique() == 7_470
    assert len(set(table["group"][part == "train"]) & set(table["group"][part == "test"])) == 641
    # One lesion has one diagnosis.
    assert (table.groupby("group")["class"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("id,group\ntrain_000000,a\n", "lacks 18 of the images: 'train_000001', 'train_000002'"),
        ("id,lesion\ntrain_000000,a\n", "has no column group; its columns are id, lesion"),
        ("id,group\ntrain_000000,a\ntrain_000000,b\n", "names 1 ids more than once: train_000000"),
        (None, "cannot read"),
        ("other class", "has another class for 1 images: train_000001"),
        ("whole", None),
    ],
)
def test_a_table_of_groups(
    rows: str | None, words: str | None, release: Callable[..., Path], tmp_path: Path
) -> None:
    definition = small(
        "dermamnist", size=28, data_dir=str(release("dermamnist", 28, arrays("dermamnist", 28)).parent)
    )
    fetch_archive(definition.source, tmp_path / "archive")
    listing = list_images(definition, tmp_path / "archive")
    path = tmp_path / "groups.csv"
    table = listing[["id", "class"]].assign(group=[f"lesion_{n // 2}" for n in range(len(listing))])
    if rows == "other class":
        table.loc[1, "class"] = "melanoma"
    if rows in ("other class", "whole"):
        table.sample(frac=1, random_state=0).to_csv(path, index=False)
    elif rows is not None:
        path.write_text(rows)
    named = definition.model_copy(update={"groups": str(path)})
    if words is not None:
        with pytest.raises(NullcropError, match=words) as failure:
            list_samples("dermamnist", named, tmp_path / "archive", tmp_path / "out", threads=1)
        assert str(failure.value).startswith("groups: ")
        assert str(path) in str(failure.value)
        return
    samples = list_samples("dermamnist", named, tmp_path / "archive", tmp_path / "out", threads=1)
    found = samples.set_index("id")["group"]
    assert found.to_dict() == table.set_index("id")["group"].to_dict()
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["groups"] == 10


def test_a_table_of_groups_needs_a_name_for_them(make_definition: Callable[..., Definition]) -> None:
    with pytest.raises(ValueError, match="groups names a table of groups: say under `group` what they are"):
        make_definition(groups="groups.csv")


# Files that are not what they should be


def fetch(name: str, size: int, path: Path, tmp_path: Path) -> str:
    """The message with which fetching ends."""
    definition = small(name, size=size, data_dir=str(path.parent))
    with pytest.raises(NullcropError) as failure:
        fetch_archive(definition.source, tmp_path / "archive")
    assert not (tmp_path / "archive" / "archive.json").exists()
    return str(failure.value)


def test_a_folder_or_npz_that_is_not_there(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert f"source.data_dir: there is no folder {nowhere}" in fetch(
        "breastmnist", 224, nowhere / "x", tmp_path
    )
    message = fetch("breastmnist", 224, tmp_path / "x", tmp_path)
    assert f"{tmp_path} lacks the file breastmnist_224.npz" in message
    assert "get it from https://zenodo.org/records/10519652/files/breastmnist_224.npz" in message


def test_another_md5_is_refused(release: Callable[..., Path], tmp_path: Path) -> None:
    path = release("breastmnist", 28, arrays("breastmnist", 28))
    path.write_bytes(path.read_bytes() + b"more")
    assert "breastmnist.npz is damaged or another file: its MD5 is" in fetch(
        "breastmnist", 28, path, tmp_path
    )


def test_a_truncated_npz_is_refused_even_if_its_md5_were_right(
    release: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = release("breastmnist", 28, arrays("breastmnist", 28))
    path.write_bytes(path.read_bytes()[:-1000])
    accept(path, monkeypatch)
    assert f"{path} is damaged or no archive" in fetch("breastmnist", 28, path, tmp_path)


def test_a_flipped_byte_is_found_by_the_members_crc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "breastmnist.npz"
    np.savez(path, **arrays("breastmnist", 28))  # type: ignore[arg-type]
    with zipfile.ZipFile(path) as content:
        inside = content.getinfo("train_images.npy").header_offset + 1000
    damaged = bytearray(path.read_bytes())
    damaged[inside] ^= 1
    path.write_bytes(damaged)
    accept(path, monkeypatch)
    message = fetch("breastmnist", 28, path, tmp_path)
    assert "the member 'train_images.npy' is damaged (Bad CRC-32" in message
    assert not (tmp_path / "archive" / "arrays" / "train_images.npy").exists()


@pytest.mark.parametrize(
    ("name", "size", "change", "words"),
    [
        ("breastmnist", 28, {"val_labels": None}, "it lacks val_labels.npy and holds "),
        (
            "breastmnist",
            28,
            {"train_images": np.zeros((9, 64, 64), np.uint8)},
            r"train_images has the shape \(9, 64, 64\), and each image must be \(28, 28\), "
            r"\(28, 28, 3\)",
        ),
        (
            "breastmnist",
            28,
            {"test_images": np.zeros((6, 28, 28, 4), np.uint8)},
            r"has the shape \(6, 28, 28, 4\)",
        ),
        (
            "nodulemnist3d",
            28,
            {"test_images": np.zeros((6, 28, 28), np.uint8)},
            r"each image must be \(28, 28, 28\)",
        ),
        (
            "breastmnist",
            28,
            {"val_images": np.zeros((4, 28, 28))},
            "val_images.npy is of the type float64, not uint8",
        ),
        (
            "breastmnist",
            28,
            {"val_images": np.array([{}] * 4, dtype=object)},
            "val_images.npy is of the type object",
        ),
        (
            "breastmnist",
            28,
            {"val_labels": np.zeros((5, 1), np.uint8)},
            r"val_labels has the shape \(5, 1\) for 4 images",
        ),
        (
            "breastmnist",
            28,
            {"val_labels": np.zeros((4, 14), np.uint8)},
            r"val_labels has the shape \(4, 14\) for 4 images",
        ),
    ],
)
def test_arrays_that_are_not_the_releases_are_named_before_anything_is_inflated(
    name: str, size: int, change: dict[str, Any], words: str, release: Callable[..., Path], tmp_path: Path
) -> None:
    members = {key: value for key, value in (arrays(name, size) | change).items() if value is not None}
    path = release(name, size, members)
    with pytest.raises(NullcropError, match=words) as failure:
        fetch_archive(small(name, size=size, data_dir=str(path.parent)).source, tmp_path / "archive")
    assert str(failure.value).startswith(f"{path} is not the file of the release: ")
    assert not (tmp_path / "archive" / "arrays").exists()


def test_a_member_that_is_no_array_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "breastmnist.npz"
    with zipfile.ZipFile(path, "w") as content:
        content.writestr("train_images.npy", b"no array at all")
    accept(path, monkeypatch)
    assert "is not the file of the release: the magic string is not correct" in fetch(
        "breastmnist", 28, path, tmp_path
    )


def test_labels_out_of_range_are_named(release: Callable[..., Path], tmp_path: Path) -> None:
    made = arrays("breastmnist", 28)
    made["val_labels"][[1, 3]] = [[2], [9]]
    definition = small("breastmnist", size=28, data_dir=str(release("breastmnist", 28, made).parent))
    fetch_archive(definition.source, tmp_path / "archive")
    with pytest.raises(NullcropError, match=r"2 labels are none of 0 to 1: 2 \(image 1\), 9 \(image 3\)"):
        list_images(definition, tmp_path / "archive")


def test_classes_must_be_as_many_as_the_releases_labels(release: Callable[..., Path], tmp_path: Path) -> None:
    path = release("breastmnist", 28, arrays("breastmnist", 28))
    definition = small("breastmnist", size=28, data_dir=str(path.parent))
    more = definition.model_copy(update={"classes": [*definition.classes, "third"]})
    with pytest.raises(
        NullcropError, match=r"breastmnist has 2 labels \(malignant, normal, benign\), the definition 3"
    ):
        list_images(more, tmp_path / "archive")


def test_listing_before_fetching_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        NullcropError, match=r"lacks train_images\.npy or train_labels\.npy: fetch the dataset"
    ):
        list_images(small("breastmnist"), tmp_path / "archive")


def test_a_disk_that_is_too_full_is_said_before_anything_is_written(
    release: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = release("breastmnist", 28, arrays("breastmnist", 28))
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert f"unpacking {path} takes 0.0 GB and the disk of" in fetch("breastmnist", 28, path, tmp_path)
    assert not list((tmp_path / "archive" / "arrays").glob("*.npy"))
