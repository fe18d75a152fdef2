"""BreakHis and IDC: their trees, what a name tells, credentials, and the zip both ways."""

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.files import read_json, sha256_of
from nullcrop.config.definitions import Definition, KaggleSource, read_definition
from nullcrop.datasets.archive import fetch_archive
from nullcrop.datasets.kaggle_credentials import check_credentials, credentials
from nullcrop.datasets.kaggle_source import BREAKHIS_TYPES
from nullcrop.datasets.samples import list_images, list_samples, read_samples

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="no real images in ../shared/data beside the project"
)

BREAST = "BreaKHis_v1/BreaKHis_v1/histology_slides/breast"
BREAKHIS = [
    f"{BREAST}/malignant/SOB/ductal_carcinoma/SOB_M_DC_14-2523/40X/SOB_M_DC-14-2523-40-001.png",
    f"{BREAST}/malignant/SOB/ductal_carcinoma/SOB_M_DC_14-2523/100X/SOB_M_DC-14-2523-100-001.png",
    f"{BREAST}/malignant/SOB/lobular_carcinoma/SOB_M_LC_14-13412/40X/SOB_M_LC-14-13412-40-001.png",
    f"{BREAST}/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png",
    f"{BREAST}/benign/SOB/adenosis/SOB_B_A_14-22549G/40X/SOB_B_A-14-22549G-40-001.png",
]
IDC = [
    "8863/0/8863_idx5_x51_y1251_class0.png",
    "8863/1/8863_idx5_x101_y1251_class1.png",
    "10253/0/10253_idx5_x1351_y1101_class0.png",
]
DOUBLED = [*IDC, *(f"IDC_regular_ps50_idx5/{path}" for path in IDC)]


def official(name: str) -> Definition:
    return read_definition(ROOT / "config" / "datasets" / f"{name}.yaml")


def small(name: str, **changes: object) -> Definition:
    """The official definition without its counts, with keys of the source changed."""
    content = official(name).model_dump()
    content["expected"] = {}
    content["source"] |= changes
    return Definition.model_validate(content)


def write_tree(folder: Path, paths: list[str]) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        # Of a name the same picture, wherever it lies.
        rng = np.random.default_rng(list(Path(path).name.encode()))
        Image.fromarray(rng.integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(folder / path)
    return folder


def write_zip(path: Path, tree: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as content:
        for file in sorted(tree.rglob("*")):
            content.write(file, file.relative_to(tree).as_posix())
    return path


def listing(definition: Definition, tmp_path: Path) -> pd.DataFrame:
    return list_images(definition, tmp_path / "archives" / "it").set_index("id")


# What paths tell


def test_breakhis_tells_type_group_and_magnification(tmp_path: Path) -> None:
    definition = small("breakhis_40x", data_dir=str(write_tree(tmp_path / "tree", BREAKHIS)))
    images = listing(definition, tmp_path)
    assert images["class"].to_dict() == {
        "SOB_M_DC-14-2523-40-001": "ductal_carcinoma",
        "SOB_M_LC-14-13412-40-001": "lobular_carcinoma",
        "SOB_B_A-14-22549AB-40-001": "adenosis",
        "SOB_B_A-14-22549G-40-001": "adenosis",
    }
    # Blocks of one case (AB, G) are one group.
    assert images["group"].to_dict() == {
        "SOB_M_DC-14-2523-40-001": "14-2523",
        "SOB_M_LC-14-13412-40-001": "14-13412",
        "SOB_B_A-14-22549AB-40-001": "14-22549",
        "SOB_B_A-14-22549G-40-001": "14-22549",
    }
    assert (images["official_split"] == "").all()
    assert len(listing(small("breakhis_100x", data_dir=str(tmp_path / "tree")), tmp_path)) == 1


def test_types_are_the_definitions_classes() -> None:
    assert [label for _, label in BREAKHIS_TYPES.values()] == official("breakhis_40x").classes


@pytest.mark.parametrize("paths", [IDC, DOUBLED])
def test_idc_counts_each_patch_once(paths: list[str], tmp_path: Path) -> None:
    images = listing(small("idc", data_dir=str(write_tree(tmp_path / "tree", paths))), tmp_path)
    assert images["class"].to_dict() == {
        "8863_idx5_x51_y1251_class0": "idc_negative",
        "8863_idx5_x101_y1251_class1": "idc_positive",
        "10253_idx5_x1351_y1101_class0": "idc_negative",
    }
    assert set(images["group"]) == {"8863", "10253"}
    assert not images["path"].str.contains("IDC_regular").any()


def test_patches_of_any_size_are_listed(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", IDC)
    Image.new("RGB", (50, 31)).save(tree / IDC[0])
    list_samples("idc", small("idc", data_dir=str(tree)), tmp_path, tmp_path / "out", threads=2)
    assert sorted(read_samples(tmp_path / "out" / "samples.csv")["height"]) == [31, 50, 50]


def test_other_files_and_hidden_ones_are_no_images(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", IDC)
    for name in ("readme.txt", "8863/0/._8863_idx5_x51_y1251_class0.png", "__MACOSX/8863/0/x.png"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("no image")
    assert len(listing(small("idc", data_dir=str(tree)), tmp_path)) == 3


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("idc", "8863/1/8863_idx5_x51_y51_class0.png", "the name belongs into 8863/0"),
        ("idc", "8864/0/8863_idx5_x51_y51_class0.png", "the name belongs into 8863/0"),
        ("idc", "8863/0/overview.png", "the name is not of the form 8863_idx5"),
        (
            "breakhis_40x",
            BREAKHIS[0].replace("40X", "100X"),
            "belongs below malignant/SOB/ductal_carcinoma/…/40X",
        ),
        (
            "breakhis_40x",
            BREAKHIS[0].replace("ductal", "lobular"),
            "belongs below malignant/SOB/ductal_carcinoma/…/40X",
        ),
        ("breakhis_40x", BREAKHIS[0].replace("_M_DC-", "_B_DC-"), "DC is malignant, the name says B"),
        ("breakhis_40x", BREAKHIS[0].replace("_DC-", "_XX-"), "the name is not of the form SOB_M_DC"),
        # Of another magnification, and yet in the wrong place.
        ("breakhis_40x", BREAKHIS[1].replace("100X", "40X"), "…/100X"),
    ],
)
def test_a_name_that_is_not_the_layouts_is_an_error(name: str, path: str, words: str, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", [*(IDC if name == "idc" else BREAKHIS[2:]), path])
    with pytest.raises(NullcropError) as failure:
        listing(small(name, data_dir=str(tree)), tmp_path)
    assert words in str(failure.value)
    assert path in str(failure.value)
    assert "1 images do not fit the layout" in str(failure.value)


def test_two_different_files_of_one_name_are_an_error(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", DOUBLED)
    (tree / "IDC_regular_ps50_idx5" / IDC[0]).write_bytes(b"other")
    with pytest.raises(NullcropError, match=f"{IDC[0]} and IDC_regular_ps50_idx5/{IDC[0]}"):
        listing(small("idc", data_dir=str(tree)), tmp_path)


# Real files


@needs_data
def test_the_real_breakhis_sample(tmp_path: Path) -> None:
    folder = DATA / "breakhis_sample"
    found = 0
    for magnification in (40, 100, 200, 400):
        definition = small(f"breakhis_{magnification}x", data_dir=str(folder))
        images = listing(definition, tmp_path)
        found += len(images)
        assert images.index.str.contains(f"-{magnification}-").all()
        for id_, row in images.iterrows():
            assert f"/{row['class']}/" in row["path"]
            assert f"-{row['group']}" in str(id_)
        assert not images["group"].str.contains("[A-Z]").any()
    assert found == len(list(folder.rglob("*.png"))) == 36


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.mark.long
@needs_data
def test_the_real_idc_sample(tmp_path: Path) -> None:
    folder = DATA / "idc_sample"
    definition = small("idc", data_dir=str(folder))
    pngs = list(folder.rglob("*.png"))
    files = fetch_archive(definition.source, tmp_path / "archives" / "it")
    assert files[0]["files"] == len(pngs) > 4_000
    list_samples("idc", definition, tmp_path / "archives" / "it", tmp_path / "out", threads=2)
    samples = read_samples(tmp_path / "out" / "samples.csv")
    # Patches at the edge of a slide are smaller; those smaller than a crop are left out by name.
    sizes = {path: size_of(path) for path in pngs}
    kept = [path for path, size in sizes.items() if min(size) >= 20]
    assert set(samples["path"]) == set(map(str, kept))
    assert set(samples["group"]) == {path.parts[-3] for path in kept}
    assert Counter(samples["target"]) == Counter(int(path.parent.name) for path in kept)
    assert (samples["width"].max(), samples["height"].max()) == (50, 50)
    facts = read_json(tmp_path / "out" / "dataset.json")
    left_out = {
        str(path): f"{size[0]}×{size[1]} pixels, smaller than 20"
        for path, size in sizes.items()
        if path not in kept
    }
    assert {entry["path"]: entry["problem"] for entry in facts["left_out"]} == left_out
    assert (len(left_out), facts["counted"]["images"]) == (9, len(pngs))


@needs_data
@pytest.mark.parametrize("magnification", [40, 100, 200, 400])
def test_the_official_names_give_the_expected_counts(magnification: int, tmp_path: Path) -> None:
    for line in (DATA / "metadata" / "dsfold1.txt").read_text().split():
        name, level, *_ = line.split("|")
        if level != str(magnification):
            continue
        kind, label = BREAKHIS_TYPES[name.split("-")[0].split("_")[2]]
        slide = "-".join(name.split("-")[:3]).replace("-", "_", 1)
        path = tmp_path / BREAST / kind / "SOB" / label / slide / f"{level}X" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    definition = official(f"breakhis_{magnification}x")
    content = definition.model_dump()
    content["source"] |= {"data_dir": str(tmp_path)}
    images = listing(Definition.model_validate(content), tmp_path)
    assert len(images) == definition.expected.images
    assert Counter(images["class"]) == definition.expected.classes
    assert images["group"].nunique() == 70


# Credentials


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and nothing of Kaggle's in the environment."""
    for name in list(os.environ):
        if name.startswith("KAGGLE_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def test_without_credentials_nothing_starts(no_credentials: Path, tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    with pytest.raises(NullcropError) as failure:
        fetch_archive(official("breakhis_40x").source, archives / "breakhis_40x")
    message = str(failure.value)
    assert "ambarish/breakhis needs a Kaggle account" in message
    assert "https://www.kaggle.com/datasets/ambarish/breakhis" in message
    assert f"put it at {archives / '_kaggle' / 'ambarish' / 'breakhis.zip'}" in message
    assert not (archives / "_kaggle").exists()
    assert list(no_credentials.iterdir()) == []


def test_without_a_download_no_credentials_are_asked_for(no_credentials: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archives" / "breakhis_40x"
    source = official("breakhis_40x").source
    assert isinstance(source, KaggleSource)
    with pytest.raises(NullcropError, match="ambarish/breakhis needs a Kaggle account"):
        check_credentials(source, archive)
    check_credentials(source.model_copy(update={"data_dir": "anywhere"}), archive)
    zipped = tmp_path / "archives" / "_kaggle" / "ambarish" / "breakhis.zip"
    zipped.parent.mkdir(parents=True)
    zipped.touch()
    check_credentials(source, archive)


@pytest.mark.parametrize(
    "place",
    [
        ".kaggle/access_token",
        ".kaggle/access_token.txt",
        ".kaggle/kaggle.json",
        ".config/kaggle/kaggle.json",
        ".kaggle/credentials.json",
    ],
)
def test_credentials_are_found_in_kaggles_own_places(place: str, no_credentials: Path) -> None:
    (no_credentials / place).parent.mkdir(parents=True)
    (no_credentials / place).write_text("secret")
    assert credentials() == str(no_credentials / place)


def test_credentials_in_the_environment(
    no_credentials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert credentials() is None
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    assert credentials() is None
    (tmp_path / "kaggle.json").write_text("{}")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    assert credentials() == str(tmp_path / "kaggle.json")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    assert credentials() == "KAGGLE_USERNAME and KAGGLE_KEY"
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    assert credentials() == "KAGGLE_API_TOKEN"


def test_a_home_that_may_not_be_looked_into_holds_no_credentials(
    no_credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # As pathlib and the system ask for a file; nobody is refused anything as root.
    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setattr(os, "stat", refused)
    assert credentials() is None


def test_the_package_is_imported_only_to_download() -> None:
    # Its import alone looks for credentials and prints.
    code = "import sys, nullcrop.datasets.samples, nullcrop.datasets.archive; print('kaggle' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        check=True,
    )
    assert run.stdout == "False\n"


# Fetching, with Kaggle's own package against a local server


@dataclass
class Kaggle:
    """A server that answers every request with one zip, or with a status."""

    content: bytes = b""
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def kaggle(no_credentials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    state = Kaggle()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.asked.append(json.loads(body))
            self.send_response(state.status)
            content = state.content if state.status == 200 else b"{}"
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    for name, value in {
        "KAGGLE_USERNAME": "somebody",
        "KAGGLE_KEY": "very-secret",
        "KAGGLE_CONFIG_DIR": str(tmp_path / "config"),
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
    }.items():
        monkeypatch.setenv(name, value)
    from kagglesdk import kaggle_env

    endpoints = {kaggle_env.KaggleEnv.LOCAL: f"http://127.0.0.1:{httpd.server_port}"}
    monkeypatch.setattr(kaggle_env, "_env_to_endpoint", endpoints)
    yield state
    httpd.shutdown()
    httpd.server_close()


def test_one_download_serves_all_four_magnifications(
    kaggle: Kaggle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    zipped = write_zip(tmp_path / "made.zip", write_tree(tmp_path / "tree", BREAKHIS))
    kaggle.content = zipped.read_bytes()
    archives = tmp_path / "archives"
    for name, count in {"breakhis_40x": 4, "breakhis_100x": 1}.items():
        files = fetch_archive(official(name).source, archives / name)
        assert files == [
            {
                "name": "breakhis.zip",
                "bytes": zipped.stat().st_size,
                "sha256": sha256_of(zipped),
                "checksum": "recorded at the first download",
            }
        ]
        images = list_images(small(name), archives / name)
        assert len(images) == len(list((archives / name / "images").rglob("*.png"))) == count
    assert kaggle.asked == [{"ownerSlug": "ambarish", "datasetSlug": "breakhis"}]
    assert sorted(path.name for path in (archives / "_kaggle" / "ambarish").iterdir()) == [
        ".lock",
        "breakhis.zip",
    ]
    out, err = capfd.readouterr()
    assert "with the credentials in KAGGLE_USERNAME and KAGGLE_KEY" in err
    assert "very-secret" not in out + err


def test_a_download_needs_no_home_folder(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package makes its folder of settings when it is imported, so it is imported anew."""
    monkeypatch.delenv("KAGGLE_CONFIG_DIR")
    monkeypatch.setenv("HOME", "/dev/null/home")
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    kaggle.content = write_zip(tmp_path / "made.zip", write_tree(tmp_path / "tree", BREAKHIS)).read_bytes()
    archives = tmp_path / "archives"
    fetch_archive(official("breakhis_40x").source, archives / "breakhis_40x")
    zips = sorted(path.name for path in (archives / "_kaggle" / "ambarish").iterdir())
    assert zips == [".lock", "breakhis.zip"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "Kaggle does not accept the credentials in KAGGLE_USERNAME and KAGGLE_KEY"),
        (403, "HTTP status 403: the account may not read it"),
        (404, "HTTP status 404: there is no such dataset"),
    ],
)
def test_a_refused_download_says_which_file_to_put_where(
    status: int, words: str, kaggle: Kaggle, tmp_path: Path
) -> None:
    kaggle.status = status
    with pytest.raises(NullcropError) as failure:
        fetch_archive(official("idc").source, tmp_path / "archives" / "idc")
    place = tmp_path / "archives" / "_kaggle" / "paultimothymooney" / "breast-histopathology-images.zip"
    assert f"({words})" in str(failure.value)
    assert str(failure.value).endswith(f"put it at {place}")
    assert "very-secret" not in str(failure.value)
    assert not (tmp_path / "archives" / "idc" / "archive.json").exists()


@pytest.fixture
def idc_zip(tmp_path: Path) -> Callable[[Path], Path]:
    return lambda place: write_zip(place, write_tree(tmp_path / "tree", DOUBLED))


NAME = "breast-histopathology-images.zip"


def test_a_zip_put_there_by_hand_needs_no_credentials(
    no_credentials: Path, idc_zip: Callable[[Path], Path], tmp_path: Path
) -> None:
    archives = tmp_path / "archives"
    idc_zip(archives / "_kaggle" / "paultimothymooney" / NAME)
    fetch_archive(official("idc").source, archives / "it")
    # Each patch is unpacked once.
    found = {
        path.relative_to(archives / "it/images").as_posix()
        for path in (archives / "it/images").rglob("*.png")
    }
    assert found == set(IDC)
    assert len(listing(small("idc"), tmp_path)) == 3


def test_a_zip_in_data_dir_is_unpacked_into_the_archive(
    idc_zip: Callable[[Path], Path], tmp_path: Path
) -> None:
    idc_zip(tmp_path / "mine" / NAME)
    definition = small("idc", data_dir=str(tmp_path / "mine"))
    fetch_archive(definition.source, tmp_path / "archives" / "it")
    assert len(listing(definition, tmp_path)) == 3
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [NAME]


def test_a_zip_that_is_another_than_recorded_is_refused(
    idc_zip: Callable[[Path], Path], tmp_path: Path
) -> None:
    idc_zip(tmp_path / "mine" / NAME)
    source = small("idc", data_dir=str(tmp_path / "mine")).source
    fetch_archive(source, tmp_path / "archives" / "it")
    write_zip(tmp_path / "mine" / NAME, write_tree(tmp_path / "other", IDC[:2]))
    with pytest.raises(NullcropError, match="is not the file of the first download"):
        fetch_archive(source, tmp_path / "archives" / "it")


@pytest.mark.parametrize("content", ["nothing", "other pictures", "other zip"])
def test_a_data_dir_without_the_dataset_is_named(content: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    if content == "other pictures":
        (mine / "documents").mkdir()
    if content == "other zip":
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "text.txt").write_text("no image")
        write_zip(mine / NAME, tmp_path / "tree")
    words = {
        "nothing": f"holds neither the folders of .* nor {NAME}",
        "other pictures": "holds no image of paultimothymooney",
        "other zip": "holds no image of paultimothymooney",
    }[content]
    with pytest.raises(NullcropError, match=words):
        fetch_archive(small("idc", data_dir=str(mine)).source, tmp_path / "archives" / "it")


@pytest.mark.parametrize("handle", ["breakhis", "../../x", "a/b/c", "a/.."])
def test_a_handle_that_is_no_handle_is_refused(handle: str) -> None:
    with pytest.raises(ValueError, match="is not of the form owner/name"):
        KaggleSource(kind="kaggle", handle=handle, layout="idc")
