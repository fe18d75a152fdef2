"""The benchmarks run to their end in their small size; what they measure is not judged here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        (
            "out_of_core",
            r"^nullcrop +[\d.]+ +\d+ +\d+\nnumpy\.load +[\d.]+ +\d+ +\d+\nratio( +[\d.]+){3}\n\Z",
        ),
        ("cpu_training", r"^(?:\w+, \d+ px, \d+ images( +[\d.,]+ \([\d.,]+\)){2} +[\d.]+ \([\d.]+\)\n){3}\Z"),
        ("originals", r"^  ratio( +[\d.]+)( +[\d.]+ \([\d.]+\)){4}\n\Z"),
        ("leak_map", r"^(\|-+){6}\|\n\| 120 of 64×48 \| 13 (\| [\d,]+ ){4}\|\n\Z"),
        ("six_views", r"^ISIC-2019 \(25,331\)( +[\d.]+ \([\d.]+\)){5}\n\Z"),
    ],
)  # fmt: skip
def test_a_benchmark_prints_its_table_and_leaves_nothing(name: str, table: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--quick", "--folder", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(table, run.stdout, flags=re.MULTILINE), run.stdout
    assert list(tmp_path.iterdir()) == []


def test_error_rates_are_printed_in_three_tables() -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "error_rates.py"), "--quick"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    row = r"^\| {} \|( \d+\.\d ± \d+\.\d % \|){{3}}$"
    for name in ("780 images, 10 folds", "none"):
        assert re.search(row.format(name), run.stdout, flags=re.MULTILINE), run.stdout
    assert re.search(r"^\| 78 images, 21 positive \|.*\| – \|", run.stdout, flags=re.MULTILINE), run.stdout


def test_the_engines_benchmark_prints_its_tables_and_writes_its_section(tmp_path: Path) -> None:
    page, data = tmp_path / "page.md", tmp_path / "data"
    data.mkdir()
    page.write_text(
        "Before.\n\n<!-- engine.py on cpu: begin -->\nold\n<!-- engine.py on cpu: end -->\n\nAfter.\n"
    )
    run = subprocess.run(
        [
            *(sys.executable, str(ROOT / "benchmarks" / "engine.py"), "--quick", "--device", "cpu"),
            *("--folder", str(data), "--out", str(page)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"^ +together( +[\d.]+ \([\d.]+\)){3}$", run.stdout, flags=re.MULTILINE), run.stdout
    written = page.read_text()
    assert written.startswith("Before.")
    assert written.endswith("After.\n")
    assert "old" not in written
    for network in ("lenet5", "shufflenet_v2"):
        assert (
            len(
                re.findall(rf"^\| {network} \| (center|original) \|( [\d.]+ \|){{5}}$", written, re.MULTILINE)
            )
            == 2
        )
    assert "TFLOP" not in written  # its limit is known of one GPU alone
    assert list(data.iterdir()) == []
