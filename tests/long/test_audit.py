"""`nullcrop audit`, killed and gone on with: from a folder of images to a verdict."""

import os
import signal
import subprocess
import time
from pathlib import Path

from ..workflow.test_audit import command, environment, here, nullcrop, scans

__all__ = ["here"]


def test_a_folder_is_audited_and_a_killed_audit_goes_on(here: Path, tmp_path: Path) -> None:
    root = scans(tmp_path / "my scans")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    process = subprocess.Popen(
        command(str(root), "--epochs", "1", "--cores", "2"),
        cwd=here,
        env=environment(here),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    cells = here / "nullcrop-audit/results/cells"
    deadline = time.monotonic() + 300
    while not any(cells.rglob("cell.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {path: path.read_bytes() for path in cells.rglob("predictions.csv")}

    said = nullcrop(here, str(root), "--cores", "2")
    assert "Going on with" in said
    assert "readable, at least" in said
    kept = {path: path.read_bytes() for path in cells.rglob("predictions.csv")}
    assert len(kept) > len(finished)
    assert {path: kept[path] for path in finished} == finished
    report = here / "nullcrop-audit/results/report/index.html"
    assert str(report) in said
    assert report.is_file()
    samples = (here / "nullcrop-audit/results/datasets/my_scans/samples.csv").read_text().splitlines()
    assert len(samples) == 1 + 60
    # Nothing but its own folder was made, and nothing of the user's was touched.
    assert {path.name for path in here.iterdir()} <= {"nullcrop-audit", ".cache", ".config"}
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before

    assert "is an audit of" in nullcrop(here, str(here), fails=True)
    assert "says what flags would say" in nullcrop(here, str(root), "--thorough", fails=True)
