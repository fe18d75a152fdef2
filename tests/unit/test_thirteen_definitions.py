"""The study's thirteen dataset files: they load, agree with themselves, and with the releases' own files."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from nullcrop.config.definitions import Definition, IsicSource, KaggleSource, MedMNISTSource, read_definition

ROOT = Path(__file__).parents[2]
METADATA = ROOT.parent / "shared" / "data" / "metadata"

TILES = ("pathmnist", "breakhis_40x", "breakhis_100x", "breakhis_200x", "breakhis_400x", "idc")
WHOLE = (
    "dermamnist",
    "breastmnist",
    "nodulemnist3d",
    "isic_2016",
    "isic_2017",
    "isic_2018",
    "isic_2019",
)
NAMES = TILES + WHOLE

COUNT = r"\d[\d,]*"

needs_metadata = pytest.mark.skipif(
    not METADATA.is_dir(), reason="the releases' own CSVs are not in ../shared/data/metadata"
)


@cache
def definition(name: str) -> Definition:
    return read_definition(ROOT / "config" / "datasets" / f"{name}.yaml")


def number(text: str) -> int:
    return int(text.replace(",", ""))


def positives(name: str, rule: str) -> int:
    """Images of target 1; where not all their classes are counted, all images less those of target 0."""
    this = definition(name)
    targets, counts = this.targets(rule), this.expected.classes
    by_target = {code: [label for label, target in targets.items() if target == code] for code in (0, 1)}
    if all(label in counts for label in by_target[1]):
        return sum(counts[label] for label in by_target[1])
    assert all(label in counts for label in by_target[0]), f"{name}: neither target of '{rule}' is counted"
    assert this.expected.images is not None
    return this.expected.images - sum(counts[label] for label in by_target[0])


# What stands in the files


def test_the_folder_holds_the_thirteen_datasets() -> None:
    found = {path.stem for path in (ROOT / "config" / "datasets").glob("*.yaml")}
    assert set(NAMES) <= found
    assert len(NAMES) == len(set(NAMES)) == 13


@pytest.mark.parametrize("name", NAMES)
def test_definition_loads_with_printed_as_its_default_rule(name: str) -> None:
    this = definition(name)
    assert this.default_rule == "printed"
    assert this.labels["printed"].positive
    assert this.field == ("tile" if name in TILES else "whole")
    assert this.homepage is not None
    assert this.homepage.startswith("https://")
    assert this.notes


def test_reconstructed_rules_differ_from_the_printed_ones_and_say_why() -> None:
    reconstructed = {name for name in NAMES if "reconstructed" in definition(name).labels}
    assert reconstructed == {"pathmnist", "dermamnist", "breastmnist", "isic_2018"}
    for name in reconstructed:
        assert definition(name).targets("reconstructed") != definition(name).targets("printed")
        assert re.search(COUNT, definition(name).labels["reconstructed"].evidence or "")


@pytest.mark.parametrize("name", NAMES)
def test_expected_counts_add_up(name: str) -> None:
    expected, classes = definition(name).expected, definition(name).classes
    assert expected.images is not None
    assert expected.classes or expected.splits
    if expected.splits:
        assert sum(expected.splits.values()) == expected.images
    for part, counts in expected.split_classes.items():
        if set(counts) == set(classes):
            assert sum(counts.values()) == expected.splits[part]
        else:
            assert sum(counts.values()) < expected.splits[part]
    if expected.split_classes and expected.split_classes.keys() == expected.splits.keys():
        for label, count in expected.classes.items():
            assert sum(counts[label] for counts in expected.split_classes.values()) == count
    if set(expected.classes) == set(classes):
        assert sum(expected.classes.values()) == expected.images
    else:
        assert sum(expected.classes.values()) < expected.images


def test_only_nodulemnist3d_leaves_classes_uncounted() -> None:
    partly = {
        name for name in NAMES if set(definition(name).expected.classes) != set(definition(name).classes)
    }
    assert partly == {"nodulemnist3d"}


def test_pathmnist_is_its_two_sources() -> None:
    """NCT-CRC-HE-100K in training and validation, CRC-VAL-HE-7K in test: the tiles of their folders."""
    parts = definition("pathmnist").expected.split_classes
    in_order = definition("pathmnist").classes
    crc_100k = [10_407, 10_566, 11_512, 11_557, 8_896, 13_536, 8_763, 10_446, 14_317]
    crc_7k = [1_338, 847, 339, 634, 1_035, 592, 741, 421, 1_233]
    assert [parts["train"][name] + parts["val"][name] for name in in_order] == crc_100k
    assert [parts["test"][name] for name in in_order] == crc_7k


@pytest.mark.parametrize(
    ("name", "rule", "count"),
    [
        ("pathmnist", "reconstructed", 95_435),
        ("dermamnist", "printed", 1_113 + 514),
        ("dermamnist", "reconstructed", 656),
        ("breastmnist", "printed", 210),
        ("breastmnist", "reconstructed", 570),
        ("breakhis_40x", "printed", 1_370),
        ("breakhis_100x", "printed", 1_437),
        ("breakhis_200x", "printed", 1_390),
        ("breakhis_400x", "printed", 1_232),
        ("isic_2016", "printed", 248),
        ("isic_2017", "printed", 374 + 30 + 117),
        ("isic_2018", "printed", 1_305 + 622),
        ("isic_2019", "printed", 4_522 + 3_323 + 867 + 628),
        ("idc", "printed", 78_786),
    ],
)
def test_rule_gives_the_number_of_positive_images(name: str, rule: str, count: int) -> None:
    assert positives(name, rule) == count


@pytest.mark.parametrize(
    ("name", "rule", "present", "absent"),
    [
        ("pathmnist", "reconstructed", 95_435, 11_745),
        ("dermamnist", "reconstructed", 656, 9_359),
        ("breastmnist", "reconstructed", 570, 210),
        ("breakhis_100x", "printed", 1_437, 644),
        ("breakhis_200x", "printed", 1_390, 623),
        ("breakhis_400x", "printed", 1_232, 588),
        ("isic_2016", "printed", 248, 1_031),
        ("idc", "printed", 78_786, 198_738),
    ],
)
def test_rule_gives_both_counts_of_the_study(name: str, rule: str, present: int, absent: int) -> None:
    images = definition(name).expected.images
    assert images is not None
    assert (positives(name, rule), images - positives(name, rule)) == (present, absent)


def test_breakhis_together_is_the_release() -> None:
    names = [name for name in NAMES if name.startswith("breakhis")]
    assert sum(definition(name).expected.images or 0 for name in names) == 7_909
    assert sum(positives(name, "printed") for name in names) == 5_429
    # 652 is printed; the release holds 625 benign images at 40×.
    assert (definition("breakhis_40x").expected.images or 0) - positives("breakhis_40x", "printed") == 625


@pytest.mark.parametrize("name", NAMES)
def test_arithmetic_in_the_text_is_right(name: str) -> None:
    this = definition(name)
    text = " ".join([this.notes or "", *(rule.evidence or "" for rule in this.labels.values())])
    sums = re.findall(rf"({COUNT}(?: [+-] {COUNT})+) = ({COUNT})", text)
    shares = re.findall(rf"({COUNT}) / ({COUNT}) = (\d+\.(\d+)) %", text)
    assert sums or shares
    for terms, total in sums:
        signed = terms.replace("- ", "-").replace("+ ", "").split(" ")
        assert sum(map(number, signed)) == number(total), terms
    for part, whole, percent, decimals in shares:
        assert f"{100 * number(part) / number(whole):.{len(decimals)}f}" == percent, f"{part} / {whole}"


@pytest.mark.parametrize("year", [2016, 2017, 2018, 2019])
def test_isic_files_are_of_their_year_and_come_in_pairs(year: int) -> None:
    source = definition(f"isic_{year}").source
    assert isinstance(source, IsicSource)
    assert source.year == year
    roles = {"train"} | set(definition(f"isic_{year}").expected.splits)
    wanted = {f"{part}_{kind}" for part in roles for kind in ("images", "labels")}
    assert set(source.files) == wanted | ({"train_groups"} if year >= 2018 else set())
    assert ("train_groups" in source.files) == (definition(f"isic_{year}").group is not None)
    assert len(set(source.files.values())) == len(source.files)
    for role, address in source.files.items():
        assert address.startswith(f"https://isic-challenge-data.s3.amazonaws.com/{year}/"), role
        assert {"train": "Training", "val": "Validation", "test": "Test"}[role.split("_")[0]] in address
        assert address.endswith(".zip") or not role.endswith("_images")


@pytest.mark.parametrize("name", ["pathmnist", "dermamnist", "breastmnist", "nodulemnist3d"])
def test_medmnist_source_is_the_largest_of_its_name(name: str) -> None:
    source = definition(name).source
    assert isinstance(source, MedMNISTSource)
    assert (source.flag, source.size) == (name, 64 if name == "nodulemnist3d" else 224)


@pytest.mark.parametrize("magnification", [40, 100, 200, 400])
def test_breakhis_source_keeps_its_magnification(magnification: int) -> None:
    source = definition(f"breakhis_{magnification}x").source
    assert isinstance(source, KaggleSource)
    assert (source.layout, source.magnification) == ("breakhis", magnification)


# Against the releases' own files

ISIC_PARTS = {
    2016: {"train": "ISBI2016_ISIC_Part3_Training", "test": "ISBI2016_ISIC_Part3_Test"},
    2017: {
        "train": "ISIC-2017_Training_Part3",
        "val": "ISIC-2017_Validation_Part3",
        "test": "ISIC-2017_Test_v2_Part3",
    },
    2018: {
        "train": "ISIC2018_Task3_Training",
        "val": "ISIC2018_Task3_Validation",
        "test": "ISIC2018_Task3_Test",
    },
    2019: {"train": "ISIC_2019_Training"},
}
BREAKHIS_TYPES = {
    "A": "adenosis",
    "F": "fibroadenoma",
    "PT": "phyllodes_tumor",
    "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma",
    "LC": "lobular_carcinoma",
    "MC": "mucinous_carcinoma",
    "PC": "papillary_carcinoma",
}
HAM_CODES = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
# Columns of the one-hot CSVs, in order, and the class each stands for.
ISIC_CODES = {
    "MEL": "melanoma",
    "NV": "melanocytic_nevus",
    "BCC": "basal_cell_carcinoma",
    "AKIEC": "actinic_keratosis_intraepithelial_carcinoma",
    "AK": "actinic_keratosis",
    "BKL": "benign_keratosis",
    "DF": "dermatofibroma",
    "VASC": "vascular_lesion",
    "SCC": "squamous_cell_carcinoma",
}


@cache
def isic_labels(year: int) -> pd.DataFrame:
    """Columns image, part and class, as the ground-truth CSVs of a year tell them."""
    read: Callable[[Path], pd.DataFrame] = {2016: one_column, 2017: two_columns}.get(year, one_hot)
    parts = [
        read(METADATA / f"{stem}_GroundTruth.csv").assign(part=part)
        for part, stem in ISIC_PARTS[year].items()
    ]
    return pd.concat(parts, ignore_index=True)


def one_column(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, header=None, names=["image", "class"], dtype=str)
    return table.replace({"class": {"0": "benign", "1": "malignant", "0.0": "benign", "1.0": "malignant"}})


def two_columns(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    assert list(table.columns[1:]) == definition("isic_2017").classes[:2]
    classes = [
        "melanoma" if melanoma else "seborrheic_keratosis" if keratosis else "nevus"
        for melanoma, keratosis in zip(table["melanoma"], table["seborrheic_keratosis"], strict=True)
    ]
    return pd.DataFrame({"image": table["image_id"], "class": classes})


def one_hot(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    columns = [column for column in table.columns[1:] if column != "UNK"]
    assert (table[columns].sum(axis=1) == 1).all()
    # The definition's order is that of the columns.
    year = 2019 if "2019" in path.name else 2018
    assert [ISIC_CODES[column] for column in columns] == definition(f"isic_{year}").classes
    return pd.DataFrame({"image": table["image"], "class": table[columns].idxmax(axis=1).map(ISIC_CODES)})


def counted(labels: Iterable[str]) -> dict[str, int]:
    return dict(Counter(labels))


def counted_by(parts: "pd.Series[str]", labels: "pd.Series[str]") -> dict[str, dict[str, int]]:
    return {part: counted(labels[parts == part]) for part in parts.unique()}


@needs_metadata
@pytest.mark.parametrize("year", ISIC_PARTS)
def test_isic_ground_truth_has_the_expected_counts(year: int) -> None:
    table, expected = isic_labels(year), definition(f"isic_{year}").expected
    assert table["image"].is_unique
    assert len(table) == expected.images
    assert counted(table["class"]) == expected.classes
    if expected.splits:
        assert counted(table["part"]) == expected.splits
        assert counted_by(table["part"], table["class"]) == expected.split_classes


@needs_metadata
def test_isic_2018_reconstructed_gives_the_numbers_of_training_and_test() -> None:
    table = isic_labels(2018)
    positive = table["class"].map(definition("isic_2018").targets("reconstructed")) == 1
    assert counted(table.loc[positive, "part"]) == {"train": 3_168, "val": 67, "test": 568}
    assert positives("isic_2018", "reconstructed") - 67 == 3_736


@needs_metadata
@pytest.mark.parametrize(
    ("year", "rule", "majority", "images"),
    [(2016, "printed", 304, 379), (2017, "printed", 483, 600), (2018, "reconstructed", 943 + 1, 1_512)],
)
def test_majority_share_of_the_official_test_part(year: int, rule: str, majority: int, images: int) -> None:
    table = isic_labels(year)
    test = table.loc[table["part"] == "test", "class"].map(definition(f"isic_{year}").targets(rule))
    assert (int((test == 0).sum()), len(test)) == (majority, images)


@needs_metadata
def test_lesions_of_isic_2018_and_2019() -> None:
    lesions = pd.read_csv(METADATA / "ISIC2018_Task3_Training_LesionGroupings.csv")
    assert set(lesions["image"]) == set(isic_labels(2018).query("part == 'train'")["image"])
    assert lesions["lesion_id"].nunique() == 7_470
    lesions = pd.read_csv(METADATA / "ISIC_2019_Training_Metadata.csv")
    assert set(lesions["image"]) == set(isic_labels(2019)["image"])
    assert lesions["lesion_id"].isna().sum() == 2_084


@needs_metadata
def test_images_shared_between_the_years() -> None:
    def ids(year: int, part: str) -> set[str]:
        return set(isic_labels(year).query("part == @part")["image"])

    later = ids(2019, "train")
    plain = {image.removesuffix("_downsampled") for image in later}
    assert len(later - plain) == 2_074
    assert len(ids(2016, "test") & ids(2017, "train")) == 305
    assert len(ids(2016, "test") & later) == 258
    assert len(ids(2016, "test") & plain) == 353
    assert len(ids(2016, "train") & ids(2017, "train")) == 746
    assert ids(2017, "train") <= plain
    assert ids(2018, "train") <= later


@needs_metadata
def test_dermamnist_has_the_expected_counts() -> None:
    this = definition("dermamnist")
    table = pd.read_csv(METADATA / "dermamnist_to_ham10000.csv")
    label = table["class"].map(dict(zip(HAM_CODES, this.classes, strict=True)))
    assert len(table) == this.expected.images
    assert counted(label) == this.expected.classes
    assert counted(table["split"]) == this.expected.splits
    assert counted_by(table["split"], label) == this.expected.split_classes
    target = label.map(this.targets("reconstructed"))
    test, train = table["split"] == "test", table["split"] == "train"
    assert (int((target[test] == 0).sum()), int(test.sum())) == (1_873, 2_005)
    assert int(target[train].sum()) == 359 + 99


@needs_metadata
def test_dermamnist_lesions_are_in_both_training_and_test() -> None:
    table = pd.read_csv(METADATA / "dermamnist_to_ham10000.csv")
    source = pd.read_csv(METADATA / "HAM10000_metadata.csv").set_index("image_id")
    lesion = table["isic_id"].map(source["lesion_id"])
    assert (table["isic_id"].map(source["dx"]) == table["class"]).all()
    assert lesion.nunique() == 7_470
    assert len(set(lesion[table["split"] == "train"]) & set(lesion[table["split"] == "test"])) == 641


@needs_metadata
def test_dermamnist_is_the_training_part_of_isic_2018() -> None:
    source = pd.read_csv(METADATA / "HAM10000_metadata.csv")
    table = pd.read_csv(METADATA / "dermamnist_to_ham10000.csv")
    train = isic_labels(2018).query("part == 'train'")
    assert set(source["image_id"]) == set(train["image"])
    # Matched by content: of four pairs of equal pictures both were matched to one name.
    assert len(set(train["image"]) - set(table["isic_id"])) == 4
    assert set(table["isic_id"]) < set(train["image"])
    assert counted(train["class"]) == definition("dermamnist").expected.classes


@needs_metadata
def test_breastmnist_has_the_expected_counts() -> None:
    this = definition("breastmnist")
    table = pd.read_csv(METADATA / "breastmnist_to_busi.csv")
    label = table["label"].map(dict(enumerate(this.classes)))
    assert len(table) == this.expected.images
    assert counted(label) == this.expected.classes
    assert counted(table["split"]) == this.expected.splits
    assert counted_by(table["split"], label) == this.expected.split_classes
    assert counted(label[table["split"] == "test"]) == {"malignant": 42, "normal_or_benign": 114}
    # Code 0 is malignant, as the source's own folders say (one of the 780 matches disagrees).
    malignant = table["path"].str.startswith("malignant/")
    assert (malignant == (label == "malignant")).sum() >= len(table) - 1


@needs_metadata
@pytest.mark.parametrize("magnification", [40, 100, 200, 400])
def test_breakhis_names_have_the_expected_counts(magnification: int) -> None:
    expected = definition(f"breakhis_{magnification}x").expected
    columns = ["name", "magnification", "fold", "part"]
    for fold in range(1, 6):
        table = pd.read_csv(METADATA / f"dsfold{fold}.txt", sep="|", header=None, names=columns)
        names = table.loc[table["magnification"] == magnification, "name"]
        assert names.is_unique
        parts = names.str.extract(rf"^SOB_([BM])_([A-Z]+)-(\d+-\d+)[A-Z]*-{magnification}-\d+\.png$")
        assert parts.notna().all(axis=None)
        assert len(names) == expected.images
        assert counted(parts[1].map(BREAKHIS_TYPES)) == expected.classes
        assert parts[2].nunique() == 70
        targets = definition(f"breakhis_{magnification}x").targets("printed")
        assert (parts[1].map(BREAKHIS_TYPES).map(targets) == (parts[0] == "M")).all()


@needs_metadata
def test_idc_names_hold_279_patients_and_both_classes() -> None:
    names = (METADATA / "idc_known_names.txt").read_text(encoding="utf-8").split()
    matches = [re.fullmatch(r"(\d+)_idx5_x\d+_y\d+_class([01])\.png", name) for name in names]
    assert None not in matches
    assert len({match[1] for match in matches if match}) == 279
    assert {int(match[2]) for match in matches if match} == set(range(len(definition("idc").classes)))
    # A sample: it cannot hold more of a class than the release does.
    held = Counter(definition("idc").classes[int(match[2])] for match in matches if match)
    assert all(count <= definition("idc").expected.classes[label] for label, count in held.items())
