"""Energy counters of CPUs, as the kernel's powercap folder shows them."""

from pathlib import Path

import pytest
import torch

from nullcrop.training.energy import EnergyMeter

CPU = torch.device("cpu")


def write_package(powercap: Path, number: int, joules: float, limit: float = 1000.0) -> None:
    """A package, and a zone inside it, whose energy the package's counter holds already."""
    for name in (f"intel-rapl:{number}", f"intel-rapl:{number}:0"):
        (powercap / name).mkdir(parents=True, exist_ok=True)
        (powercap / name / "energy_uj").write_text(f"{round(joules * 1e6)}\n")
        (powercap / name / "max_energy_range_uj").write_text(f"{round(limit * 1e6)}\n")


def test_energy_is_the_sum_over_packages_since_the_last_reading(tmp_path: Path) -> None:
    write_package(tmp_path, 0, 100)
    write_package(tmp_path, 1, 10)
    meter = EnergyMeter(CPU, tmp_path)
    write_package(tmp_path, 0, 136)
    write_package(tmp_path, 1, 46)
    assert meter.kwh() == pytest.approx(72 / 3.6e6)
    assert meter.kwh() == 0


def test_a_counter_that_began_again_is_followed(tmp_path: Path) -> None:
    write_package(tmp_path, 0, 990)
    meter = EnergyMeter(CPU, tmp_path)
    write_package(tmp_path, 0, 26)
    assert meter.kwh() == pytest.approx(36 / 3.6e6)


def test_where_nothing_can_be_read_nothing_is_said(tmp_path: Path) -> None:
    assert EnergyMeter(CPU, tmp_path / "none").kwh() is None
    write_package(tmp_path, 0, 1)
    meter = EnergyMeter(CPU, tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    assert meter.kwh() is None
