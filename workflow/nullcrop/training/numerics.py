"""The arithmetic that makes a result: device, precision, memory format, code path."""

import os
from dataclasses import dataclass

import torch

from nullcrop.errors import NullcropError


@dataclass(frozen=True)
class Numerics:
    """Where a cell is computed, and the name under which equal bits may be expected."""

    device: torch.device
    name: str


def set_numerics(device: str, threads: int) -> Numerics:
    """Make torch deterministic on ``device`` (auto, cpu or cuda) and name its arithmetic.

    On a CPU the instruction set and the number of threads change the order of additions and thus
    the bits; both are part of the name. Raises NullcropError when a GPU is asked for and none is
    usable.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.use_deterministic_algorithms(True)
    if device == "cpu":
        torch.set_num_threads(threads)
        instructions = torch.backends.cpu.get_cpu_capability().lower().replace(" ", "")
        return Numerics(torch.device("cpu"), f"cpu_{instructions}_fp32_{threads}threads")
    if not torch.cuda.is_available():
        build = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is a CPU build"
        raise NullcropError(
            f"`device: cuda` asks for a GPU, but torch sees none here (torch {torch.__version__} {build}): "
            "run on a node with a GPU and its driver, or set `device: auto`"
        )
    # cuBLAS is deterministic only with a fixed workspace; read when its first handle is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return Numerics(torch.device("cuda"), "cuda_fp32")


def device_name(device: torch.device) -> str:
    """The device in words, for cell.json."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {torch.backends.cpu.get_cpu_capability()}"
