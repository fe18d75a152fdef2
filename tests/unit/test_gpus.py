"""Several jobs on one machine and its GPUs, which are pretended: real processes that take them at the same
time."""

import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nullcrop.training import gpus
from nullcrop.training.arithmetic import NoGpuError, set_arithmetic
from nullcrop.training.gpus import granted_gpu, missing_gpu, reserve, take_gpu, visible_gpus

PACKAGE = Path(__file__).parents[2] / "workflow"
NAMES = ["0", "1", "2"]

JOB = """
import sys
from pathlib import Path
from nullcrop.training.gpus import reserve

sys.stdin.readline()  # all begin at once
taken = reserve(sys.argv[2:], sys.argv[2:], Path(sys.argv[1]))
print(taken.name, taken.sharing, flush=True)
sys.stdin.read()
"""


class Jobs:
    """Processes that each take one of three GPUs, and hold it until they are killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, number: int) -> list[tuple[str, int]]:
        """Start so many at once; the GPU of each, and with how many others it is shared."""
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
        command = [sys.executable, "-c", JOB, str(self.folder), *NAMES]
        started = [
            subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(number)
        ]
        self.running += started
        for job in started:
            assert job.stdin is not None
            job.stdin.write("go\n")
            job.stdin.flush()
        words = [job.stdout.readline().split() for job in started if job.stdout is not None]
        return [(name, int(sharing)) for name, sharing in words]


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(tmp_path / "locks")
    yield jobs
    for job in jobs.running:
        job.kill()
        job.communicate()


@pytest.mark.long
def test_jobs_that_race_get_a_gpu_each_then_share_and_a_killed_one_leaves_its_own(jobs: Jobs) -> None:
    first = jobs.start(3)
    assert sorted(first) == [("0", 0), ("1", 0), ("2", 0)]
    second = jobs.start(2)
    assert len({name for name, _ in second}) == 2
    assert {sharing for _, sharing in second} == {1}
    # Both jobs of one GPU are killed, without a chance to clean up: the next two find it free, then least
    # used.
    (lonely,) = set(NAMES) - {name for name, _ in second}
    emptied = second[0][0]
    for job, (name, _) in zip(list(jobs.running), first + second, strict=True):
        if name == emptied:
            job.kill()
            job.wait()
    assert jobs.start(1) == [(emptied, 0)]
    assert sorted(jobs.start(2)) == sorted([(emptied, 1), (lonely, 1)])


def test_another_run_that_sees_fewer_gpus_knows_which_are_taken(tmp_path: Path) -> None:
    first = reserve(["0", "1"], ["GPU-a", "GPU-b"], tmp_path)
    assert first.name == "0"
    other = reserve(["GPU-a", "GPU-b"], ["GPU-a", "GPU-b"], tmp_path)
    assert (other.name, other.sharing) == ("GPU-b", 0)


def test_where_files_cannot_be_locked_one_is_taken_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    taken = reserve(NAMES, NAMES, tmp_path / "file" / "below")
    assert taken.name in NAMES
    assert "cannot be reserved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["0", "1", "2", "3"]),
        ("", []),
        ("-1", []),
        ("2", ["2"]),
        ("3, 1", ["3", "1"]),
        ("0,-1,2", ["0"]),
        ("1,1", []),
        ("NoDevFiles", []),
        ("GPU-8932f937-d72c,GPU-4f0", ["GPU-8932f937-d72c", "GPU-4f0"]),
        ("MIG-GPU-8932f937/1/2", ["MIG-GPU-8932f937/1/2"]),
    ],
)
def test_visible_gpus_are_those_of_cuda(visible: str | None, names: list[str]) -> None:
    assert visible_gpus(visible, 4) == names


def outside_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set first, so that what a test sets of them is undone.
    for name in ("CUDA_VISIBLE_DEVICES", *(name for name in os.environ if name.startswith("SLURM"))):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine of two GPUs, outside Slurm."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outside_slurm(monkeypatch)
    monkeypatch.setattr(
        torch.cuda, "device_count", lambda: len(visible_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), 2))
    )
    monkeypatch.setattr(gpus, "_lasting_name", lambda name: f"GPU-{name}")
    take_gpu.cache_clear()
    yield
    take_gpu.cache_clear()


@pytest.mark.usefixtures("machine")
def test_a_process_keeps_its_gpu_and_hides_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    take_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert "GPU 0 of 0, 1" in capsys.readouterr().err
    assert take_gpu() is take_gpu()  # a batch trains many cells


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("visible", "taken"),
    [("1", None), ("0,1", "0"), (None, "0"), ("", None)],
    ids=["1", "2", "unset", "none"],
)
def test_a_slurm_job_shares_out_its_gpus_only_where_it_has_several(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, taken: str | None
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    reserved = take_gpu()
    assert (reserved and reserved.name) == taken
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == (taken or visible)


def test_locks_are_counted_by_gpu_and_not_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    names = ["1", "11"]
    taken = [reserve(names, names, tmp_path) for _ in range(4)]
    assert Counter(one.name for one in taken) == {"1": 2, "11": 2}


BATCH_SCRIPT = {
    "CUDA_VISIBLE_DEVICES": "0",
    "SLURMD_NODENAME": "n1",
    "SLURM_JOB_ID": "7",
    "SLURM_GPUS": "1",
    "SLURM_GPUS_ON_NODE": "1",
    "SLURM_JOB_GPUS": "0",
}
"""What Slurm 22.05 sets of GPUs for `sbatch --gpus=1`."""

STEP = {**BATCH_SCRIPT, "SLURM_STEP_ID": "0", "SLURM_STEP_GPUS": "0"}


def without(environment: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}


@pytest.mark.parametrize(
    ("environment", "grant"),
    [
        (BATCH_SCRIPT, "Slurm gave job 7 GPU 0 of node n1"),
        (STEP, "Slurm gave job 7 GPU 0 of node n1"),
        ({**STEP, "SLURM_JOB_GPUS": "0,1"}, "Slurm gave job 7 GPU 0 of node n1"),
        ({**BATCH_SCRIPT, "SLURM_JOB_GPUS": "0,1"}, "Slurm gave job 7 GPU 0,1 of node n1"),
        # Snakemake's plugin starts its step without the variables of the job.
        (without(STEP, "SLURM_GPUS", "SLURM_JOB_GPUS"), "Slurm gave job 7 GPU 0 of node n1"),
        (
            without(BATCH_SCRIPT, "CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS"),
            "Slurm gave job 7 1 GPU(s) of node n1",
        ),
        # `srun --gres=none` in the same job.
        (without(STEP, "CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE"), None),
        ({"SLURMD_NODENAME": "n1", "SLURM_JOB_ID": "7"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "NoDevFiles", "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "0"}, None),
        # Set by hand, or where the job was submitted.
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "3"}, None),
        ({"CUDA_VISIBLE_DEVICES": "0"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_slurms_grant_is_read_from_its_own_variables(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], grant: str | None
) -> None:
    outside_slurm(monkeypatch)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert granted_gpu(0) == grant
    node = environment.get("SLURMD_NODENAME") or socket.gethostname()
    assert granted_gpu(2) == (grant or f"Snakemake counts 2 GPU(s) for this job on {node}")


@pytest.mark.parametrize(
    ("cuda", "visible", "cure"),
    [
        (None, "0", r"\(torch \S+ is a CPU build\): install a torch that is built for CUDA"),
        ("12.8", "", r"\(torch \S+ is built for CUDA 12.8\): unset CUDA_VISIBLE_DEVICES, which is ''"),
        ("12.8", "0", r"\(torch \S+ is built for CUDA 12.8\): see whether `nvidia-smi` answers there"),
        ("12.8", None, r"\(torch \S+ is built for CUDA 12.8\): see whether `nvidia-smi` answers there"),
    ],
)
def test_a_missing_gpu_is_named_with_torchs_build_and_a_cure(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, visible: str | None, cure: str
) -> None:
    outside_slurm(monkeypatch)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    said = missing_gpu("Slurm gave job 7 GPU 0 of node n1")
    assert re.fullmatch(
        rf"Slurm gave job 7 GPU 0 of node n1, but torch sees none there {cure}.*, or set `device: cpu` .*",
        said,
    )


@pytest.fixture
def no_gpu(machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU that torch sees."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("device", "granted", "trains"),
    [
        ("auto", False, True),
        ("auto", True, False),
        ("cuda", False, False),
        ("cuda", True, False),
        ("cpu", False, True),
        ("cpu", True, True),
    ],
)
@pytest.mark.parametrize("by", ["Slurm", "Snakemake"])
def test_without_a_gpu_a_job_trains_only_where_none_was_granted_or_the_cpu_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, device: str, granted: bool, trains: bool, by: str
) -> None:
    if by == "Slurm" and granted:
        for name, value in STEP.items():
            monkeypatch.setenv(name, value)
    counted = int(by == "Snakemake" and granted)
    if trains:
        assert set_arithmetic(device, 1, granted_gpus=counted) == set_arithmetic("cpu", 1)
    else:
        with pytest.raises(NoGpuError, match=by if granted else "`device: cuda` asks for a GPU"):
            set_arithmetic(device, 1, granted_gpus=counted)
