"""What a machine has and lacks for a run, one finding a line.

Nothing is imported above the standard library until the check that needs it, and torch in a process of its
own: what is missing or broken is what is to be told.
"""

import importlib.metadata
import importlib.util
import json
import locale
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nullcrop.basics.errors import NullcropError, explained, listed

if TYPE_CHECKING:
    from nullcrop.config.grid import Grid
    from nullcrop.config.models import Paths

Mark = Literal["ok", "warning", "problem"]

WORKFLOW_FOLDER = Path(__file__).parents[3]
"""As config/places.py has it, which needs pydantic."""

PYTHONS = ((3, 11), (3, 14))
"""The first version that is taken, and the first that is not."""

PACKAGES = {
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "PIL": "pillow",
    "pydantic": "pydantic",
    "requests": "requests",
    "rich": "rich",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "statsmodels": "statsmodels",
    "threadpoolctl": "threadpoolctl",
    "torchvision": "torchvision",
    "yaml": "pyyaml",
}
"""Modules that every audit imports, and the packages that bring them; torch and Snakemake apart."""

MAKE_ENV = f"run `make env` in {WORKFLOW_FOLDER}"

SECONDS = 120
"""What a program may take to answer: on a slow disk torch takes long to import."""

BUSY = 0.2
"""Share of a GPU's memory in use from which it is called busy."""

SCARCE = 2e9
"""Bytes below which a disk is called full: one large network with its checkpoint takes as much."""

ASK_TORCH = """
import json, sys, torch
from nullcrop.basics.errors import NullcropError
from nullcrop.training.arithmetic import check_gpu
cuda = torch.cuda.is_available()
found = {"version": torch.__version__, "cuda": torch.version.cuda, "threads": torch.get_num_threads(),
         "instructions": torch.backends.cpu.get_cpu_capability(), "gpus": [], "refused": []}
for number in range(torch.cuda.device_count() if cuda else 0):
    name = torch.cuda.get_device_name(number)
    found["gpus"].append(name)
    try:
        check_gpu(name, torch.cuda.get_device_capability(number), torch.cuda.get_arch_list())
    except NullcropError as error:
        found["refused"].append(str(error))
print(json.dumps(found))
"""

ASK_CARDS = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,memory.used,utilization.gpu,driver_version",
    "--format=csv,noheader,nounits",
)


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do where it is not well."""

    topic: str
    mark: Mark
    words: str
    cure: str = ""


class Machine:
    """What several checks ask for."""

    def __init__(self, configfiles: Sequence[Path | str] | None) -> None:
        self.configfiles = configfiles

    @cached_property
    def grid(self) -> "Grid | None":
        """The cells of the config that was named; None where none was, or where it cannot be read."""
        with suppress(Exception):
            return self.read()
        return None

    def read(self) -> "Grid | None":
        """:attr:`grid`; raises what reading it raises."""
        from nullcrop.config.grid import Grid
        from nullcrop.config.models import read_project

        return Grid(read_project(*self.configfiles)) if self.configfiles else None

    @cached_property
    def paths(self) -> "Paths | None":
        """Where things lie; None where pydantic is missing."""
        with suppress(Exception):
            from nullcrop.config.models import Paths

            return self.grid.project.config.paths if self.grid else Paths()
        return None

    @cached_property
    def folders(self) -> dict[str, Path]:
        """The folders that a run writes to, by their names in the config."""
        names = ("results", "resources", "store", "work")
        return {name: Path(getattr(self.paths, name, name)) for name in names[: None if self.paths else 2]}

    @cached_property
    def torch(self) -> dict[str, Any] | str:
        """What torch says of itself, or why it cannot."""
        environment = {**os.environ, "PYTHONPATH": str(WORKFLOW_FOLDER / "workflow")}
        done = _asked([sys.executable, "-c", ASK_TORCH], environment)
        if isinstance(done, str):
            return done
        said = _last_line(done.stderr)
        try:
            return {**json.loads(_last_line(done.stdout)), "said": said}
        except ValueError:
            return said or f"it ended with status {done.returncode}"

    @cached_property
    def cards(self) -> list[list[str]]:
        """GPUs as the driver lists them: name, MiB of memory, MiB in use, load in percent, driver."""
        done = _asked(ASK_CARDS) if shutil.which(ASK_CARDS[0]) else ""
        if isinstance(done, str) or done.returncode:
            return []
        rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
        return [row for row in rows if len(row) == 5]


def examine(configfiles: Sequence[Path | str] | None) -> Iterator[Finding]:
    """Findings one by one, for the config of ``configfiles`` where there is one. Changes nothing, raises
    nothing."""
    machine = Machine(configfiles)
    for topic, check in CHECKS.items():
        try:
            yield from check(machine)
        except Exception as error:
            words = explained(error) or f"{type(error).__name__}: {error}"
            yield Finding(topic, "warning", f"could not be looked at ({words})")


def _python(machine: Machine) -> Iterator[Finding]:
    here = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} ({sys.executable})"
    if PYTHONS[0] <= sys.version_info < PYTHONS[1]:
        yield Finding("python", "ok", here)
    else:
        cure = "make the environment with a Python from 3.11 to 3.13 (make PYTHON=python3.12 env)"
        yield Finding("python", "problem", here, cure)


def _packages(machine: Machine) -> Iterator[Finding]:
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        yield Finding("packages", "problem", f"missing: {', '.join(missing)}", MAKE_ENV)
    else:
        yield Finding("packages", "ok", f"all {len(PACKAGES)} that an audit imports are there")


def _torch(machine: Machine) -> Iterator[Finding]:
    torch = machine.torch
    if isinstance(torch, str):
        yield Finding("torch", "problem", f"cannot be imported ({torch})", MAKE_ENV)
        return
    cores = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS")
    words = f"{torch['version']}, {torch['instructions']}, {cores} CPU core{'s' if cores > 1 else ''}"
    yield Finding("torch", "ok", words + (f" (OMP_NUM_THREADS={asked})" if asked else ""))


def _gpu(machine: Machine) -> Iterator[Finding]:
    torch, cards = machine.torch, machine.cards
    if isinstance(torch, str):
        words = f"{listed(card[0] for card in cards)}: not tried, without torch" if cards else "none is seen"
        yield Finding("gpu", "ok", words)
    elif torch["gpus"]:
        yield from (Finding("gpu", "problem", words) for words in torch["refused"])
        yield from map(_card, cards)
        if not cards:
            yield Finding("gpu", "ok", f"{listed(torch['gpus'])} (CUDA {torch['cuda']})")
    elif cards:
        name, *_, driver = cards[0]
        if torch["cuda"] is None:
            words = f"torch {torch['version']} is a build for the CPU, and there is a GPU: {name}"
            yield Finding("gpu", "problem", words, "install torch's build for CUDA")
        else:
            said = f": {torch['said']}" if torch["said"] else ""
            words = f"torch, built for CUDA {torch['cuda']}, cannot use {name} (driver {driver}){said}"
            yield Finding("gpu", "problem", words, "renew the driver, or install torch for an older CUDA")
    elif machine.grid and machine.grid.project.config.device == "cuda":
        words = "none is seen, and the config says `device: cuda`"
        yield Finding("gpu", "problem", words, "run where there is one, or say `device: auto`")
    else:
        yield Finding("gpu", "ok", "none is seen; networks are trained on the CPU")


def _card(card: list[str]) -> Finding:
    name, total, used, load, driver = card
    words = f"{name}, driver {driver}"
    try:
        memory, taken, busy = float(total), float(used), float(load)
    except ValueError:  # "[N/A]", as parts of a GPU answer
        return Finding("gpu", "ok", words)
    words += f", {taken / 1024:.0f} of {memory / 1024:.0f} GiB in use, load {busy:.0f} %"
    if taken > BUSY * memory or busy > 100 * BUSY:
        return Finding(
            "gpu", "warning", words, "others compute there: wait, or name one (CUDA_VISIBLE_DEVICES)"
        )
    return Finding("gpu", "ok", words)


def _slurm(machine: Machine) -> Iterator[Finding]:
    there = [name for name in ("sbatch", "sinfo") if shutil.which(name)]
    plugin = importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None
    if len(there) == 1:
        yield Finding("slurm", "warning", f"{there[0]} is here alone", "load the site's module of Slurm")
    elif there and not plugin:
        words = "is here; Snakemake's plugin for it is not"
        yield Finding("slurm", "warning", words, f"{MAKE_ENV} to use --profile slurm")
    elif there:
        done = _asked(["sinfo", "--noheader", "--format=%P"])
        if isinstance(done, str) or done.returncode:
            why = done if isinstance(done, str) else _last_line(done.stderr)
            yield Finding("slurm", "warning", f"does not answer ({why})", "ask the site")
        else:
            partitions = sorted(set(done.stdout.split()))
            yield Finding("slurm", "ok", f"is here, with its plugin; partitions {listed(partitions)}")
    else:
        yield Finding("slurm", "ok", "none here")


def _kaggle(machine: Machine) -> Iterator[Finding]:
    from nullcrop.datasets.kaggle_credentials import credentials

    place = credentials()
    asked = list(_undone_downloads(machine))
    if place is None:
        mark: Mark = "problem" if asked else "ok"
        yield Finding("kaggle", mark, *(asked[:1] or ["no credentials, and none are needed here"]))
    elif Path(place).is_file() and Path(place).stat().st_mode & 0o077:
        words = f"credentials in {place}, which others on this machine can read"
        yield Finding("kaggle", "warning", words, f"chmod 600 {place}")
    else:
        yield Finding("kaggle", "ok", f"credentials in {place}")


def _undone_downloads(machine: Machine) -> Iterator[str]:
    """Why downloads that are still to come cannot succeed."""
    from nullcrop.config.dataset_files import source_record
    from nullcrop.config.registry import implementation

    for dataset in machine.grid.listed_datasets if machine.grid else []:
        assert machine.grid is not None
        project, archive = machine.grid.project, machine.folders["resources"] / "archives" / dataset
        check = source_record(project, dataset).check
        if check and not (archive / "archive.json").is_file():
            try:
                implementation(check)(project.definition(dataset).source, archive)
            except NullcropError as error:
                yield str(error)


def _disk(machine: Machine) -> Iterator[Finding]:
    needs = _needs(machine)
    by_disk: dict[int, list[str]] = {}
    for name, folder in machine.folders.items():
        by_disk.setdefault(_standing(folder).stat().st_dev, []).append(name)
    for names in by_disk.values():
        free = shutil.disk_usage(_standing(machine.folders[names[0]])).free
        needed = sum(needs.get(name, 0) for name in names)
        words = f"{free / 1e9:,.1f} GB free for {', '.join(names)}"
        if needed:
            words += f"; downloads and packed images still to come take up to {needed / 1e9:,.1f} GB"
        if free < max(SCARCE, needed):
            cure = "make room, or name a larger disk under `paths` in the config"
            yield Finding("disk", "problem" if free < SCARCE else "warning", words, cure)
        else:
            yield Finding("disk", "ok", words)


def _needs(machine: Machine) -> dict[str, float]:
    """Bytes still to be written by folder, as far as the dataset files tell: at most, because smaller images
    are packed as they are."""
    from nullcrop.config.views import study_crops

    grid = machine.grid
    if grid is None:
        return {}
    needs = {"resources": 0.0, "store": 0.0}
    for dataset in grid.listed_datasets:
        if not (machine.folders["resources"] / "archives" / dataset / "archive.json").is_file():
            # Packed, and unpacked.
            needs["resources"] += 2 * (grid.project.definition(dataset).download_bytes or 0)
    for dataset in grid.values("dataset"):
        definition, crop = grid.project.definition(dataset), grid.project.crop(dataset)
        if not (machine.folders["store"] / dataset / "views" / "original.json").is_file():
            sides = [int(side) for side in grid.input_sides(dataset) if side.isdecimal()]
            pixels = len(study_crops()) * crop.width * crop.height + sum(side**2 for side in sides)
            needs["store"] += 3 * (definition.expected.images or 0) * pixels
    return needs


def _writing(machine: Machine) -> Iterator[Finding]:
    refused = {}
    for name, folder in {**machine.folders, "the working folder": Path()}.items():
        try:
            with tempfile.TemporaryFile(dir=_standing(folder)) as file:
                file.write(b"0")
        except OSError as error:
            refused[name] = f"{_standing(folder).absolute()} ({error.strerror})"
    for name, words in refused.items():
        cure = "start in a folder of your own, or name others under `paths` in the config"
        yield Finding("writing", "problem", f"not allowed for {name}: {words}", cure)
    if not refused:
        yield Finding("writing", "ok", f"allowed in {', '.join(map(str, machine.folders.values()))}")


def _snakemake(machine: Machine) -> Iterator[Finding]:
    own = Path(sys.executable).with_name("snakemake")
    needed = re.search(
        r'^min_version\("([\d.]+)"\)', (WORKFLOW_FOLDER / "Snakefile").read_text("utf-8"), re.M
    )
    try:
        version = importlib.metadata.version("snakemake")
    except importlib.metadata.PackageNotFoundError:
        yield Finding("snakemake", "problem", f"is not in the environment of {sys.executable}", MAKE_ENV)
        return
    if needed and _numbers(version) < _numbers(needed[1]):
        words = f"{version} in this environment is older than {needed[1]}, which the Snakefile asks for"
        yield Finding("snakemake", "problem", words, MAKE_ENV)
        return
    first = shutil.which("snakemake")
    if first is None or _is_same(Path(first), own):
        yield Finding("snakemake", "ok", f"{version} ({own})")
        return
    done = _asked([first, "--version"])
    foreign = done if isinstance(done, str) else _last_line(done.stdout) or _last_line(done.stderr)
    words = f"{version} ({own}), but the PATH finds another: {first} ({foreign})"
    yield Finding("snakemake", "warning", words, f"start {own}, or activate its environment")


def _names(machine: Machine) -> Iterator[Finding]:
    place = str(WORKFLOW_FOLDER)
    if ":" in place:
        words = f"the workflow's folder has a colon in its path ({place}), at which PYTHONPATH is cut"
        yield Finding("names", "problem", words, "move it")
    elif set("{}") & set(place):
        words = f"the workflow's folder has braces in its path ({place}), which Snakemake takes for wildcards"
        yield Finding("names", "problem", words, "move it")
    elif re.search(r"\s", place):
        words = (
            f"the workflow's folder has a blank in its path ({place}): Slurm jobs do not find their Python, "
            "and no container image is taken"
        )
        yield Finding("names", "warning", words, "move it if you need either; all else runs")
    else:
        writable = os.access(WORKFLOW_FOLDER, os.W_OK)
        words = f"{place}" + ("" if writable else ", which may not be written to, nor need it be")
        yield Finding("names", "ok", words)


def _text(machine: Machine) -> Iterator[Finding]:
    names, content = sys.getfilesystemencoding(), locale.getpreferredencoding(False)
    words = f"names of files {names}, content {content}"
    if all(name.lower().replace("-", "") == "utf8" for name in (names, content)):
        yield Finding("text", "ok", words)
    else:
        yield Finding(
            "text", "warning", words, "export LANG=C.UTF-8, else names with accents may not be read"
        )


def _config(machine: Machine) -> Iterator[Finding]:
    if not machine.configfiles:
        yield Finding("config", "ok", "none was named (--configfile)")
        return
    try:
        grid = machine.read()
    except (NullcropError, OSError) as error:
        yield Finding("config", "problem", explained(error) or str(error))
        return
    assert grid is not None
    networks = sum(not cell.is_baseline for cell in grid.all_cells)
    baselines = len(grid.all_cells) - networks
    words = f"{len(grid.values('dataset'))} datasets, {networks} networks, {baselines} baselines"
    yield Finding("config", "ok", words)


CHECKS: dict[str, Callable[[Machine], Iterator[Finding]]] = {
    "python": _python,
    "packages": _packages,
    "torch": _torch,
    "gpu": _gpu,
    "slurm": _slurm,
    "snakemake": _snakemake,
    "config": _config,
    "kaggle": _kaggle,
    "disk": _disk,
    "writing": _writing,
    "names": _names,
    "text": _text,
}
"""All checks, in the order of their lines."""


def _asked(
    command: Sequence[str], environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str] | str":
    """A program's answer, or why there is none."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS} s"
    except OSError as error:
        return str(error.strerror)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].strip()


def _standing(folder: Path) -> Path:
    """The nearest folder that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def _is_same(one: Path, other: Path) -> bool:
    # By folder, not by what links lead to: a virtual environment is links.
    return one.parent.resolve() / one.name == other.parent.resolve() / other.name


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
