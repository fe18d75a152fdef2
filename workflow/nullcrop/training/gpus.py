"""Which of several GPUs a process takes, and whether it was granted one.

Snakemake counts GPUs (`--resources gpu=4`), but hands none out. Each process holds a lock on a small file for
its GPU until it ends; the kernel releases it, however the process ends. The files are a user's on one
machine, so that several runs of one user do not meet on a GPU while another is free.
"""

import fcntl
import os
import re
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO

import torch

from nullcrop.basics.progress import say


@dataclass(frozen=True)
class Reserved:
    """The GPU that a process took; as long as this lives, others see it taken."""

    name: str
    """As CUDA_VISIBLE_DEVICES names it."""
    sharing: int
    """Processes that had taken it before."""
    lock: IO[str] | None
    """The locked file; None on a file system without locks."""


@cache
def take_gpu() -> Reserved | None:
    """Take a GPU for the rest of this process, the least used one of those visible, and hide the others from
    CUDA.

    To be called before CUDA is first asked for anything, because it looks at CUDA_VISIBLE_DEVICES once. None
    where no GPU is visible, and where a Slurm job was given one of its own.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    # Counted by NVML, which leaves CUDA asleep, wherever that can be read.
    counted = torch.cuda.device_count()
    names = visible_gpus(visible, counted)[:counted]
    slurm_job = os.environ.get("SLURM_JOB_ID") if visible is not None else None
    if not names or (slurm_job and len(names) == 1):
        return None
    # In a Slurm job the numbers may be the job's own.
    mine = "-".join(["nullcrop-gpus", str(os.getuid()), *([slurm_job] if slurm_job else [])])
    taken = reserve(names, [_lasting_name(name) for name in names], Path(tempfile.gettempdir(), mine))
    if taken.sharing:
        say(
            f"GPU {taken.name} is shared with {taken.sharing} other process(es): there are more jobs than "
            "GPUs"
        )
    elif len(names) > 1:
        say(f"GPU {taken.name} of {', '.join(names)}")
    os.environ["CUDA_VISIBLE_DEVICES"] = taken.name
    if len(names) > 1 and torch.cuda.device_count() > 1:  # counted by CUDA itself, which then looks no more
        torch.cuda.set_device(names.index(taken.name))
    return taken


def granted_gpu(counted: int) -> str | None:
    """Who granted this process a GPU, and where, as the beginning of a sentence; None where nobody did.

    Slurm tells each job and step (sbatch(1), srun(1)); ``counted`` is what Snakemake counted for the job.
    CUDA_VISIBLE_DEVICES is no sign: users set it, and a job may inherit it.
    """
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    if job := os.environ.get("SLURM_JOB_ID"):
        # A step without a GPU inherits the SLURM_JOB_GPUS of its job. Older Slurms write NoDevFiles for none.
        names = os.environ.get("SLURM_STEP_GPUS" if "SLURM_STEP_ID" in os.environ else "SLURM_JOB_GPUS")
        if names and names != "NoDevFiles":
            return f"Slurm gave job {job} GPU {names} of node {node}"
        # GPUs without device files in gres.conf are counted only.
        if (number := os.environ.get("SLURM_GPUS_ON_NODE", "0")) != "0":
            return f"Slurm gave job {job} {number} GPU(s) of node {node}"
    if counted:
        return f"Snakemake counts {counted} GPU(s) for this job on {node}"
    return None


def missing_gpu(grant: str | None) -> str:
    """Why no GPU is there and what to do, in one sentence; ``grant`` as :func:`granted_gpu` gives it."""
    build = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is a CPU build"
    torch_here = f"torch {torch.__version__} {build}"
    if grant is None:
        return (
            f"`device: cuda` asks for a GPU, but torch sees none here ({torch_here}): run on a node with a "
            "GPU and its driver, or set `device: auto`"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not torch.version.cuda:
        cure = "install a torch that is built for CUDA"
    elif visible is not None and not visible_gpus(visible, 0):
        cure = f"unset CUDA_VISIBLE_DEVICES, which is '{visible}' and hides every GPU"
    else:
        cure = "see whether `nvidia-smi` answers there, and leave the node out if it does not"
    return (
        f"{grant}, but torch sees none there ({torch_here}): {cure}, or set `device: cpu` to train on the CPU"
    )


def visible_gpus(visible: str | None, counted: int) -> list[str]:
    """Names of the visible GPUs: numbers, or UUIDs of GPUs and their slices, by the rules of CUDA.

    ``visible`` is CUDA_VISIBLE_DEVICES, None if it is not set: then as many as are ``counted``. CUDA ends the
    list at the first entry that is none, and takes one with an entry twice for empty.
    """
    if visible is None:
        return [str(number) for number in range(counted)]
    names: list[str] = []
    for entry in map(str.strip, visible.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", entry):
            break
        if entry in names:
            return []
        names.append(entry)
    return names


def reserve(names: Sequence[str], lasting: Sequence[str], folder: Path) -> Reserved:
    """Take the one of ``names`` that the fewest processes have taken, the first of equals.

    ``lasting`` are their names for every process, whatever it sees; locks are files of these names in
    ``folder``.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One process at a time counts and takes.
        with open(folder / "counting", "a") as counting:
            fcntl.flock(counting, fcntl.LOCK_EX)
            users = [_users(folder, name) for name in lasting]
            place = users.index(min(users))
            files = (folder / f"{lasting[place]}.{number}" for number in count())
            lock = next(lock for path in files if (lock := _locked(path)) is not None)
            return Reserved(names[place], users[place], lock)
    except OSError as error:
        name = names[os.getpid() % len(names)]
        say(
            f"GPUs cannot be reserved in {folder} ({error}): taking {name}, which another job may take as "
            "well"
        )
        return Reserved(name, 0, None)


def _users(folder: Path, name: str) -> int:
    """Processes that have taken the GPU: locked ones of its files."""
    held = 0
    for path in folder.glob(f"{name}.*"):
        lock = _locked(path)
        if lock is None:
            held += 1
        else:
            lock.close()
    return held


def _locked(path: Path) -> IO[str] | None:
    """The file ``path``, open and locked; None where another process has locked it."""
    stream = open(path, "a")  # noqa: SIM115
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return None
    except OSError:
        stream.close()
        raise
    return stream


def _lasting_name(name: str) -> str:
    """The UUID of GPU ``name``, where NVML tells it; else the name itself."""
    with suppress(Exception):  # no NVML, no such GPU, or a slice of one: its own name will do
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(at) for at in range(pynvml.nvmlDeviceGetCount())]
        uuids = [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        # CUDA takes the beginning of a UUID for it.
        (uuid,) = [uuids[int(name)]] if name.isdigit() else [one for one in uuids if one.startswith(name)]
        return uuid
    return name.replace("/", "_")
