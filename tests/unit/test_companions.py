"""The earlier study's datasets and PatchCamelyon: their files say what was printed, and official layouts are
read."""

import gzip
import io
import json
import re
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError, explained
from nullcrop.cli import main
from nullcrop.config.definitions import ArchiveSource, Definition, FolderSource, PcamSource, read_definition
from nullcrop.config.grid import Grid
from nullcrop.config.models import read_project
from nullcrop.datasets import pcam as pcam_module
from nullcrop.datasets.archive import fetch_archive
from nullcrop.datasets.samples import list_images, list_samples, read_samples

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config" / "companions"
YALE_A = ROOT.parent / "shared" / "data" / "yale_a"
PRINTED = pd.read_csv(ROOT / "resources" / "published" / "earlier_study.csv")

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
EARLIER = sorted(set(PRINTED["dataset"]))
# Of these whole images were trained on and tested; of the others patches, or some of the images.
WHOLE_IMAGES = ("covid_ct_2class", "covid_4class", "kvasir", "yale_a", "yale_b", "coil_20", "coil_100")

COUNT = r"\d[\d,]*"


@cache
def definition(name: str) -> Definition:
    return read_definition(FOLDER / f"{name}.yaml")


def small(name: str, path: Path | None = None, **changes: Any) -> Definition:
    """The definition itself without its counts, its images in ``path`` if they are the user's own."""
    content = definition(name).model_dump()
    if path is not None:
        content["source"]["path"] = str(path)
    return Definition.model_validate({**content, "expected": {}, **changes})


# What stands in the files


def test_every_dataset_of_the_earlier_study_is_defined() -> None:
    assert sorted([*EARLIER, "pcam"]) == NAMES


@pytest.mark.parametrize("name", EARLIER)
def test_classes_are_kept_and_as_many_as_printed(name: str) -> None:
    this = definition(name)
    assert this.default_rule == "printed"
    assert this.labels["printed"].positive is None
    assert set(PRINTED.loc[PRINTED["dataset"] == name, "classes"]) == {len(this.classes)}
    assert sorted(this.targets("printed").values()) == list(range(len(this.classes)))


@pytest.mark.parametrize("name", WHOLE_IMAGES)
def test_expected_images_are_the_printed_ones(name: str) -> None:
    rows = PRINTED[PRINTED["dataset"] == name]
    assert set(rows["n_train"] + rows["n_test"]) == {definition(name).expected.images}


@pytest.mark.parametrize("name", NAMES)
def test_expected_counts_add_up(name: str) -> None:
    expected = definition(name).expected
    if expected.classes:
        assert set(expected.classes) == set(definition(name).classes)
        assert sum(expected.classes.values()) == expected.images
    if expected.splits:
        assert sum(expected.splits.values()) == expected.images


@pytest.mark.parametrize("name", NAMES)
def test_arithmetic_in_the_text_is_right(name: str) -> None:
    this = definition(name)
    text = " ".join([this.notes or "", this.labels["printed"].evidence or ""])
    found = re.findall(rf"({COUNT}(?: [+×] {COUNT})+) = ({COUNT})", text)
    for terms, total in found:
        sides = [int(part) for part in terms.replace(",", "").replace("×", "+").split(" + ")]
        value = int(np.prod(sides)) if "×" in terms else sum(sides)
        assert value == int(total.replace(",", "")), terms
    assert found or name in ("c_elegans_age", "rnai_drosophila_cross_session")


@pytest.mark.parametrize("name", NAMES)
def test_a_local_folder_says_what_to_put_there_and_an_archive_is_fetched_encrypted(name: str) -> None:
    source = definition(name).source
    if isinstance(source, FolderSource):
        assert definition(name).how_to_get
        assert source.path == f"resources/archives/{name}"
    else:
        assert isinstance(source, ArchiveSource | PcamSource)
        assert all(address.startswith("https://") for address in source.files)


def test_the_companions_are_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    project = read_project("config/companions.yaml")
    grid = Grid(project)
    assert set(grid.datasets("companions")) == set(NAMES)
    assert {cell.architecture for cell in grid.all_cells} == {"lenet5"}


# Official layouts


def official_paths(name: str) -> dict[str, tuple[str, str, str]]:
    """Class, group and part of the split by path of a small release: two images of each class."""
    classes = definition(name).classes
    match name:
        case "yale_a":
            return {f"yalefaces/{c}.{x}": (c, "", "") for c in classes for x in ("gif", "rightlight")}
        case "yale_b":
            ends = ("P00A+000E+00", "P03A-110E-20", "P03_Ambient")
            return {
                f"ExtendedYaleB/{c}/{c}_{end}.pgm": (c, f"{c}_{end[:3]}", "") for c in classes for end in ends
            }
        case "coil_20":
            return {f"coil-20-proc/{c}__{turn}.png": (c, "", "") for c in classes for turn in (0, 71)}
        case "coil_100":
            return {f"coil-100/{c}__{turn}.png": (c, "", "") for c in classes for turn in (0, 355)}
        case "kvasir":
            return {f"kvasir-dataset/{c}/{c[:4]}-{n}.jpg": (c, "", "") for c in classes for n in range(2)}
        case "rnai_drosophila":
            return {f"{c}/r07_{n}.tiff": (c, "", "") for c in classes for n in range(2)}
        case "rnai_drosophila_cross_session":
            return {f"{one}/{c}/a.TIF": (c, one, "") for c in classes for one in ("session_1", "session_2")}
        case _:
            return {f"{c}/{n}.png": (c, "", "") for c in classes for n in range(2)}


NO_IMAGES = {
    "yale_a": ["yalefaces/Readme.txt", "yalefaces/subject01.glasses.gif"],
    "yale_b": [
        "ExtendedYaleB/yaleB11/yaleB11_P00.info",
        "ExtendedYaleB/yaleB11/yaleB11_P00A+000E+00.pgm.bad",
    ],
    "coil_20": [],
    "coil_100": ["coil-100/convertGroupppm2png.pl", "coil-100/convertGroupppm2png.pl~"],
    "kvasir": [],
    "rnai_drosophila": ["readme.txt"],
    "rnai_drosophila_cross_session": ["CG10873/session_1.tif"],
}


def image_bytes(path: str) -> bytes:
    """A small image as the release stores it: palette GIFs without ending, 16-bit TIFFs, gray PGMs."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    out = io.BytesIO()
    match path.lower().rpartition(".")[2]:
        case "pgm":
            Image.fromarray(pixels[:, :, 0]).save(out, "PPM")
        case "tif" | "tiff":
            Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 256).save(out, "TIFF")
        case "jpg":
            Image.fromarray(pixels).save(out, "JPEG")
        case "png":
            Image.fromarray(pixels).save(out, "PNG")
        case _:
            Image.fromarray(pixels).quantize(64).save(out, "GIF")
    return out.getvalue()


def release(name: str) -> dict[str, bytes]:
    images = {path: image_bytes(path) for path in official_paths(name)}
    return images | dict.fromkeys(NO_IMAGES.get(name, []), b"no image")


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def pack(archive: Path, files: Mapping[str, bytes], folder: Path) -> None:
    """The release's archive, a zip or a tar as its name says."""
    write_tree(folder, files)
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as content:
            for path in files:
                content.write(folder / path, path)
    else:
        with tarfile.open(archive, "w:gz") as tarred:
            for child in sorted(folder.iterdir()):
                tarred.add(child, child.name)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Callable[[str], Definition]]:
    """Serve a small release as its archive; the definition returned downloads from there."""
    served = tmp_path / "served"
    served.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(served)))
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()

    def make(name: str) -> Definition:
        source = definition(name).source
        assert isinstance(source, ArchiveSource)
        (address,) = source.files
        file = address.rpartition("/")[2]
        pack(served / file, release(name), tmp_path / "tree")
        local = {"files": {f"http://127.0.0.1:{httpd.server_port}/{file}": None}}
        return small(name, source=source.model_dump() | local)

    yield make
    httpd.shutdown()
    httpd.server_close()


def check_listing(name: str, this: Definition, archive: Path, out: Path) -> None:
    list_samples(name, this, archive, out, threads=2)
    samples = read_samples(out / "samples.csv")
    wanted = official_paths(name)
    told = zip(samples["class"], samples["group"], samples["official_split"], strict=True)
    found = dict(zip(samples["id"], told, strict=True))
    if set(found) != set(wanted):
        # Below a folder of the archive's own name.
        found = {id_.partition("/")[2]: parts for id_, parts in found.items()}
    assert found == wanted


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(definition(n).source, ArchiveSource)])
def test_an_archive_is_fetched_unpacked_and_read(
    name: str, mirror: Callable[[str], Definition], tmp_path: Path
) -> None:
    this = mirror(name)
    (facts,) = fetch_archive(this.source, tmp_path / "archive")
    assert facts["checksum"] == "recorded at the first download"
    check_listing(name, this, tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(definition(n).source, FolderSource)])
def test_a_local_folder_is_read_in_the_official_layout(name: str, tmp_path: Path) -> None:
    write_tree(tmp_path / "images", release(name))
    check_listing(name, small(name, tmp_path / "images"), tmp_path, tmp_path / "out")


def test_an_archive_that_is_not_the_release_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "archive" / "coil-100.zip", {"a.png": b"a"}, tmp_path / "tree")
    with pytest.raises(NullcropError, match=r"coil-100\.zip is damaged or another file: its SHA256 is"):
        fetch_archive(definition("coil_100").source, tmp_path / "archive")


def test_another_number_of_images_stops_the_step(tmp_path: Path) -> None:
    write_tree(tmp_path / "images", release("yale_a"))
    content = definition("yale_a").model_dump()
    content["source"]["path"] = str(tmp_path / "images")
    with pytest.raises(NullcropError, match="images: expected 165, found 30; class subject01: expected 11"):
        list_samples("yale_a", Definition.model_validate(content), tmp_path, tmp_path / "out", threads=1)


def test_counts_of_an_uncertain_set_are_reported(tmp_path: Path) -> None:
    write_tree(tmp_path / "images", release("covid_4class"))
    content = definition("covid_4class").model_dump()
    content["source"]["path"] = str(tmp_path / "images")
    list_samples("covid_4class", Definition.model_validate(content), tmp_path, tmp_path / "out", threads=1)
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert facts["discrepancies"] == ["images: expected 1200, found 8"]


def test_a_missing_folder_says_what_to_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--dataset", "yale_a", "--definition", str(FOLDER / "yale_a.yaml"), "--threads", "1"]
    assert main(["list-samples", *arguments, "--archive", "archive", "--out", "out"]) == 1
    shown = capsys.readouterr().err
    assert f"there is no folder resources/archives/yale_a (seen from {tmp_path} or from {ROOT})" in shown
    assert "Put the files of the Yale Face Database there as released" in shown


# Yale Faces A itself


@pytest.mark.skipif(not YALE_A.is_dir(), reason="the images are not in ../shared/data/yale_a")
def test_yale_a_as_it_is(tmp_path: Path) -> None:
    content = {**definition("yale_a").model_dump(), "on_mismatch": "report"}
    content["source"]["path"] = str(YALE_A)
    list_samples("yale_a", Definition.model_validate(content), tmp_path, tmp_path, threads=2)
    samples = read_samples(tmp_path / "samples.csv")
    # This copy lacks the one image that the release calls subject01.gif.
    assert Counter(samples["class"]) == definition("yale_a").expected.classes | {"subject01": 10}
    assert set(zip(samples["format"], samples["width"], samples["height"], strict=True)) == {
        ("GIF", 320, 243)
    }
    discrepancies = json.loads((tmp_path / "dataset.json").read_text())["discrepancies"]
    assert discrepancies == ["images: expected 165, found 164", "class subject01: expected 11, found 10"]


@pytest.mark.skipif(not YALE_A.is_dir(), reason="the images are not in ../shared/data/yale_a")
def test_yale_a_holds_the_nine_pairs_its_notes_speak_of() -> None:
    equal: dict[bytes, list[str]] = {}
    for path in sorted(YALE_A.iterdir()):
        if path.name.startswith("subject"):
            with Image.open(path) as image:
                equal.setdefault(image.convert("RGB").tobytes(), []).append(path.name)
    pairs = sorted(tuple(names) for names in equal.values() if len(names) > 1)
    plain = [(f"subject{n:02d}.noglasses", f"subject{n:02d}.normal") for n in (2, 3, 6, 7, 9, 12, 14)]
    others = [("subject04.normal", "subject04.sad"), ("subject08.glasses", "subject08.normal")]
    assert pairs == sorted([*plain, *others])


# PatchCamelyon

NOISE = np.random.default_rng(1).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)


def write_pcam(folder: Path, patches: int = 5, **strange: bytes) -> None:
    """Nine small files as the release has them; ``strange`` replaces some, by `part_kind`."""
    rng = np.random.default_rng(0)
    for part in ("train", "valid", "test"):
        pixels = rng.integers(0, 256, (patches, 96, 96, 3), dtype=np.uint8)
        codes = np.arange(patches, dtype=np.uint8).reshape(-1, 1, 1, 1) % 2
        table = ",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi\n" + "".join(
            f"{n},{n},{n},{n % 2 == 1},{n % 2 == 1},camelyon16_{part}_{n // 2:03d}\n" for n in range(patches)
        )
        contents = {"x": h5_of("x", pixels), "y": h5_of("y", codes), "meta": table.encode()}
        for kind, content in contents.items():
            name = f"camelyonpatch_level_2_split_{part}_" + {"meta": "meta.csv"}.get(kind, f"{kind}.h5.gz")
            data = content if kind == "meta" else gzip.compress(content)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(strange.get(f"{part}_{kind}", data))


def h5_of(name: str, values: "np.ndarray[Any, Any]") -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as content:
        content.create_dataset(name, data=values, chunks=True, compression="gzip")
    return out.getvalue()


def damaged(content: bytes) -> bytes:
    """An HDF5 file whose compressed pixels are damaged."""
    middle = len(content) // 2
    return content[:middle] + bytes(4000) + content[middle + 4000 :]


def small_pcam() -> Definition:
    source = definition("pcam").source
    assert isinstance(source, PcamSource)
    return small("pcam", source={"kind": "pcam", "files": dict.fromkeys(source.files)})


def fetched_and_listed(archive: Path) -> pd.DataFrame:
    fetch_archive(small_pcam().source, archive)
    return list_images(small_pcam(), archive)


def test_pcam_is_converted_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcam_module, "BLOCK", 2)
    write_pcam(tmp_path)
    facts = fetch_archive(small_pcam().source, tmp_path)
    assert len(facts) == 9
    images = list_images(small_pcam(), tmp_path)
    assert images["official_split"].value_counts().to_dict() == {"train": 5, "val": 5, "test": 5}
    first = images.iloc[5]
    assert (first["id"], first["class"], first["group"]) == ("valid_000000", "normal", "camelyon16_valid_000")
    assert images["class"].tolist() == ["normal", "tumor", "normal", "tumor", "normal"] * 3
    for row in images.itertuples():
        array, _, index = str(row.path).partition("::")
        part = str(row.id).partition("_")[0]
        packed = gzip.decompress((tmp_path / f"camelyonpatch_level_2_split_{part}_x.h5.gz").read_bytes())
        with h5py.File(io.BytesIO(packed)) as content:
            assert (np.load(array, mmap_mode="r")[int(index)] == content["x"][int(index)]).all()
    # The unpacked HDF5 is gone, and what is converted is not converted again.
    assert sorted(path.suffix for path in (tmp_path / "arrays").iterdir()) == [".json"] * 3 + [".npy"] * 3
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "arrays").iterdir()}
    fetch_archive(small_pcam().source, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "arrays").iterdir()} == before


@pytest.mark.parametrize(
    ("strange", "words"),
    [
        ({"valid_x": b"\x1f\x8b"}, r"valid_x\.h5\.gz is damaged"),
        ({"valid_x": gzip.compress(b"text")}, r"valid_x\.h5\.gz holds no HDF5"),
        ({"valid_x": gzip.compress(damaged(h5_of("x", NOISE)))}, r"valid_x\.h5\.gz is damaged \(Can't"),
        ({"test_x": gzip.compress(h5_of("y", np.zeros(3)))}, r"test_x\.h5\.gz holds no dataset 'x'"),
        ({"test_x": gzip.compress(h5_of("x", np.zeros((3, 96))))}, "no RGB patches"),
        ({"test_y": gzip.compress(h5_of("y", np.full(5, 2)))}, "other labels than 0 and 1"),
        ({"test_y": gzip.compress(h5_of("y", np.zeros(4)))}, "'test' has 5 patches, 4 labels and 5 slides"),
        ({"train_meta": b"coord_y\n1\n"}, "has no column 'wsi'"),
    ],
)
def test_pcam_files_that_are_not_the_releases_are_named(
    tmp_path: Path, strange: dict[str, bytes], words: str
) -> None:
    write_pcam(tmp_path, **strange)
    with pytest.raises(NullcropError, match=words):
        fetched_and_listed(tmp_path)
    assert not list(tmp_path.rglob(".*.h5"))


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    write_pcam(tmp_path)
    packed = tmp_path / "camelyonpatch_level_2_split_train_x.h5.gz"
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space left") as failure:
        pcam_module._gunzip(packed, full)
    assert explained(failure.value) == f"No space left on device: unpacking {packed}"


def test_a_definition_of_pcam_must_name_all_files() -> None:
    content = definition("pcam").model_dump()
    content["source"]["files"].popitem()
    with pytest.raises(
        ValueError, match=r"camelyonpatch_level_2_split_test_meta\.csv is missing, none is too many"
    ):
        Definition.model_validate(content)
