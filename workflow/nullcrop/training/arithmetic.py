"""The arithmetic that makes a result: device, precision, memory format, code path."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch

from nullcrop.basics.errors import NullcropError
from nullcrop.basics.progress import say
from nullcrop.training.gpus import granted_gpu, missing_gpu, take_gpu

Engine = Literal["auto", "plain", "captured_fp32", "captured_bf16"]
"""config/names.py says what they are."""

FUSED_NAME = "cuda_bf16_channels_last_fused_captured"

ENGINE_OF_NAME: dict[str, Engine] = {
    "cuda_fp32": "plain",
    "cuda_fp32_captured": "captured_fp32",
    "cuda_bf16_channels_last_captured": "captured_bf16",
    FUSED_NAME: "captured_bf16",
}
"""The arithmetics of a GPU by name, and the engine that each is of; a name says all that changes bits."""


MOST_THREADS = 64
"""CPU threads up to which a cell that was finished with another number of them is known and kept."""


class NoGpuError(NullcropError):
    """A GPU was granted or asked for, and torch sees none."""


class EngineError(NullcropError):
    """The captured engine cannot train a cell; the plain loop may."""


@dataclass(frozen=True)
class Arithmetic:
    """Where a cell is computed, and the name under which equal bits may be expected."""

    device: torch.device
    name: str
    engine: Engine = "plain"
    """What really runs, whatever was asked for."""
    fused: bool = False
    """Whether Triton's kernels do what stands between two convolutions (fused.py)."""
    taken_too: tuple[str, ...] = ()
    """Names of other arithmetics whose finished cells are kept."""

    @property
    def captured(self) -> bool:
        """Whether a training step is recorded as a CUDA graph and replayed."""
        return self.engine != "plain" and self.device.type == "cuda"

    @property
    def bfloat16(self) -> bool:
        """Whether convolutions and matrix products are rounded to bfloat16; weights and sums stay float32."""
        return self.engine == "captured_bf16"

    @property
    def channels_last(self) -> bool:
        """Whether weights lie in memory with the channels last, as a GPU's units for bfloat16 take them."""
        return self.engine == "captured_bf16"


def set_arithmetic(device: str, threads: int, engine: Engine = "plain", granted_gpus: int = 0) -> Arithmetic:
    """Make torch deterministic on ``device`` (auto, cpu or cuda) and name its arithmetic.

    On a CPU the instruction set and the number of threads change the order of additions and thus
    the bits; both are part of the name, and cells that were finished with other numbers of threads are kept.
    Of several GPUs one is taken for this process (gpus.py). An
    ``engine`` that cannot run there gives way to the plain loop, which is said and named; `auto` is the
    fastest that can, and takes cells that another one finished on a GPU.

    ``granted_gpus``: how many the workflow counted for this job. Raises NoGpuError where torch sees none
    although ``device`` is cuda, or auto in a job that was granted one (gpus.py): it would train on the CPU
    for days, under another name. Raises NullcropError when torch holds no code for the GPU.
    """
    if device != "cpu":
        take_gpu()
        grant = granted_gpu(granted_gpus)
        if torch.cuda.is_available():
            device = "cuda"
        elif grant or device == "cuda":
            raise NoGpuError(missing_gpu(grant))
        else:
            device = "cpu"
    # The same switch as torch.use_deterministic_algorithms, which imports torch's compiler as well, for two
    # seconds.
    torch.set_deterministic_debug_mode("error")
    # With it torch writes every new tensor twice, for programs that read what they never wrote; no network
    # here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(threads)
    if device == "cpu":
        engine_that_runs(engine, None)
        instructions = torch.backends.cpu.get_cpu_capability().lower().replace(" ", "")
        # How many threads a cell is given is no decision of its study: what is finished stays.
        numbers = (threads, *(number for number in range(1, MOST_THREADS + 1) if number != threads))
        name, *taken = (f"cpu_{instructions}_fp32_{number}threads" for number in numbers)
        return Arithmetic(torch.device("cpu"), name, taken_too=tuple(taken))
    check_gpu(torch.cuda.get_device_name(), torch.cuda.get_device_capability(), torch.cuda.get_arch_list())
    # cuBLAS is deterministic only with a fixed workspace; read when its first handle is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    taken_too = tuple(ENGINE_OF_NAME) if engine == "auto" else ()
    engine = engine_that_runs(engine, torch.cuda.get_device_capability())
    fused = engine == "captured_bf16" and triton_runs()
    # Of each engine's names the first is the one without Triton.
    name = FUSED_NAME if fused else next(name for name, of in ENGINE_OF_NAME.items() if of == engine)
    return Arithmetic(torch.device("cuda"), name, engine, fused, taken_too)


@cache
def triton_runs() -> bool:
    """Whether Triton can make its kernels here, for which it needs a C compiler and a folder of its own; if
    not, says so."""
    try:
        from nullcrop.training.fused_kernels import box

        box(torch.ones((1, 1, 2, 2), device="cuda"))
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # Triton's own errors, the compiler's, the file system's
        words = str(error).partition("\n")[0] or type(error).__name__
        say(
            f"Triton cannot make kernels here ({words}); torch's own are used, and the result is named by "
            "them. Triton needs a C compiler, Python's headers and a folder that it may write to "
            "(TRITON_CACHE_DIR)"
        )
        return False
    return True


def engine_that_runs(wanted: Engine, capability: tuple[int, int] | None) -> Engine:
    """``wanted``, or the plain loop where it cannot run, which is said in one line; ``capability`` None: no
    GPU.

    `auto` becomes the one that was found fastest (docs/performance.md), and the plain loop without a word.
    """
    if wanted == "auto":
        able = capability is not None and capability >= (8, 0) and hasattr(torch.cuda, "CUDAGraph")
        return "captured_bf16" if able else "plain"
    missing = None
    if wanted != "plain" and capability is None:
        missing = "a GPU"
    elif wanted == "captured_bf16" and capability is not None and capability < (8, 0):
        missing = f"a GPU of compute capability 8.0 or above, this one has {capability[0]}.{capability[1]}"
    elif wanted != "plain" and not hasattr(torch.cuda, "CUDAGraph"):
        missing = f"CUDA graphs, which torch {torch.__version__} lacks"
    if missing is None:
        return wanted
    say(f"`engine: {wanted}` needs {missing}; the plain loop trains instead, and the result is named by it")
    return "plain"


def check_gpu(name: str, capability: tuple[int, int], built_for: list[str]) -> None:
    """Raise NullcropError when torch holds no code for a GPU of this compute capability.

    ``built_for``: names such as `sm_80` (machine code, which newer GPUs of the same major number run
    as well) and `compute_90` (PTX, which every newer GPU compiles), as torch.cuda.get_arch_list gives them.
    """
    for entry in built_for:
        kind, _, digits = entry.rstrip("af").partition("_")
        major, minor = int(digits[:-1]), int(digits[-1])
        if kind == "compute" and (major, minor) <= capability:
            return
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return
    raise NullcropError(
        f"the GPU of this node, {name} (compute capability {capability[0]}.{capability[1]}), is not among "
        f"those that torch {torch.__version__} is built for ({', '.join(built_for)}): ask for another model "
        "(`gpu_model` in the profile), or install a torch that is built for this one"
    )


def check_demand(arithmetic: Arithmetic, demanded: str | None) -> None:
    """Raise NullcropError when a study demands another arithmetic than this machine's."""
    if demanded not in (None, arithmetic.name):
        raise NullcropError(
            f"the study demands the numerics {demanded} (`numerics` in the config), but this cell would be "
            f"trained under {arithmetic.name}: run it on such a machine, or remove `numerics` from the study"
        )


def check_deterministic(error: RuntimeError, architecture: str) -> None:
    """Raise NullcropError when ``error`` is torch's refusal of an operation that no two runs would do
    alike."""
    operation, refused, _ = str(error).partition(" does not have a deterministic implementation")
    if refused:
        raise NullcropError(
            f"{architecture} needs {operation.split()[-1]}, which gives other bits in each run on this "
            "device: train another network, or this one with `device: cpu`"
        ) from error


def device_name(device: torch.device) -> str:
    """The device in words, for cell.json."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {torch.backends.cpu.get_cpu_capability()}"
