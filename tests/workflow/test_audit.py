"""`nullcrop audit` up to its first step; a whole one is in tests/long."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[2]


def scans(root: Path) -> Path:
    """Two classes of 30 images whose corners differ in brightness, with masks beside some of them."""
    random = np.random.default_rng(0)
    for number, label in enumerate(("benign", "malignant")):
        (root / label).mkdir(parents=True)
        for scan in range(30):
            pixels = random.integers(0, 60, (44, 60)) + 120 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / label / f"{label} ({scan}).png")
            if scan < 5:
                Image.new("1", (60, 44)).save(root / label / f"{label} ({scan})_mask.png")
    return root


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nullcrop", "audit", *arguments]


def environment(home: Path) -> dict[str, str]:
    path = str(REPOSITORY / "workflow")
    return {**os.environ, "PYTHONPATH": path, "HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def nullcrop(here: Path, *arguments: str, fails: bool = False) -> str:
    done = subprocess.run(
        command(*arguments), cwd=here, env=environment(here), text=True, capture_output=True, timeout=600
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    return folder


def test_a_dry_run_writes_files_that_an_edit_outlives(here: Path, tmp_path: Path) -> None:
    root = scans(tmp_path / "my scans")
    said = nullcrop(here, str(root), "--dry-run", "--out", "elsewhere")
    assert "masks" in said
    # As a shell takes it, blanks in names or not.
    assert f"To run it: nullcrop audit '{root}' --out elsewhere" in " ".join(said.split())
    assert "An AUROC from" in said or "an AUROC from" in said
    assert not (here / "elsewhere/results").exists()
    definition = here / "elsewhere/datasets/my_scans.yaml"
    definition.write_text(definition.read_text().replace("field: whole", "field: tile"))
    nullcrop(here, str(root), "--dry-run", "--out", "elsewhere")
    assert "field: tile" in definition.read_text()


@pytest.mark.long
def test_a_step_that_fails_is_told_in_its_own_words(here: Path, tmp_path: Path) -> None:
    root = scans(tmp_path / "scans")
    nullcrop(here, str(root), "--dry-run")
    for path in root.rglob("*.png"):
        path.write_bytes(b"no image")
    said = nullcrop(here, str(root), fails=True)
    assert "nullcrop list-samples: error: dataset 'scans'" in said.splitlines()[-1]
