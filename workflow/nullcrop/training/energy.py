"""Energy that training took, where the machine tells: NVIDIA's counter of a GPU, RAPL of a CPU (Intel, AMD).

Both count everything that ran on the device meanwhile, not this process alone.
"""

from collections.abc import Callable
from pathlib import Path

import torch

JOULES_A_KWH = 3.6e6

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Counts the energy of ``device`` from one reading to the next."""

    def __init__(self, device: torch.device, powercap: Path = POWERCAP) -> None:
        read = _gpu_counters(device) if device.type == "cuda" else lambda: _cpu_counters(powercap)
        self._read: Callable[[], dict[str, tuple[float, float]]] = read
        self._last = read()

    def kwh(self) -> float | None:
        """Energy in kWh since the last call, or since the meter was made; None where no counter can be
        read."""
        last, self._last = self._last, self._read()
        if not last or last.keys() != self._last.keys():
            return None
        joules = sum(
            now - last[name][0] + (limit if now < last[name][0] else 0)
            for name, (now, limit) in self._last.items()
        )
        return joules / JOULES_A_KWH


def _cpu_counters(powercap: Path) -> dict[str, tuple[float, float]]:
    """Counter of each CPU package and the value at which it begins again, in joules; none if one may not be
    read."""
    try:
        return {
            zone.name: (_joules(zone / "energy_uj"), _joules(zone / "max_energy_range_uj"))
            for zone in sorted(powercap.glob("intel-rapl:*"))
            if zone.name.count(":") == 1
        }
    # Since 2020 the kernel lets none but root read them.
    except (OSError, ValueError):
        return {}


def _joules(path: Path) -> float:
    return int(path.read_text()) / 1e6


def _gpu_counters(device: torch.device) -> Callable[[], dict[str, tuple[float, float]]]:
    import pynvml

    def read() -> dict[str, tuple[float, float]]:
        try:
            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByUUID(_uuid(device))
            return {"gpu": (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3, 0.0)}
        # Before Volta, and on some slices of a GPU, there is no counter.
        except pynvml.NVMLError:
            return {}

    return read


def _uuid(device: torch.device) -> str:
    """NVML's name of ``device``, whose number differs from torch's where CUDA_VISIBLE_DEVICES hides some."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"
