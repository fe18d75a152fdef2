"""What a network's training took of its machine, for cell.json; none of it belongs to the cell's identity."""

import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

MB = 1e6


def begin_measuring(device: torch.device) -> None:
    """Forget the peak of earlier cells of this process in the memory of ``device``."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """Most that torch had allocated on ``device`` at once since a cell was last begun; 0 on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def measured_cost(
    history: Sequence[Mapping[str, Any]], images: int, device: torch.device, captured_bytes: int
) -> dict[str, Any]:
    """Speed and peaks of memory of a cell that trained on ``images`` images in each epoch of ``history``.

    ``captured_bytes``: the peak until its step was captured, maybe for an earlier cell, 0 if it was not
    captured.

    images_a_second   training images a second of the epochs, which hold the validation, but not start-up and
                      checkpoints
    peak_device_mb    most that torch had allocated on the device at once, in 10⁶ bytes, since a cell was last
                      begun in this process: what other cells keep there counts, what torch's allocator holds
                      in reserve does not. None on a CPU.
    peak_host_mb      largest resident memory of the process so far, in 10⁶ bytes. Where cells share a process
                      it is that of all cells up to this one. Of a resumed cell the earlier process is not
                      counted.
    """
    seconds = sum(row["seconds"] for row in history)
    return {
        "images_a_second": images * len(history) / seconds if seconds else None,
        "peak_device_mb": max(peak_bytes(device), captured_bytes) / MB if device.type == "cuda" else None,
        "peak_host_mb": _peak_resident() / MB,
    }


def _peak_resident() -> int:
    """Largest resident memory of this process, in bytes."""
    # getrusage counts the process that started this one too, if it was the larger.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
