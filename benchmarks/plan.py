"""How long Snakemake plans a large study, and what that study needs: `python benchmarks/plan.py`.

The study is the published one with five seeds and two splits: 3,120 networks, and 2,600 baselines beside
them. It is planned with a job for each cell, and with six cells a job, each time in an empty copy of the
workflow. One cell of it is planned alone, too, as the job that trains it does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "workflow"))

from nullcrop.config.grid import Grid  # noqa: E402
from nullcrop.config.models import Project  # noqa: E402
from nullcrop.config.resources import minutes, training_seconds  # noqa: E402

COPIED = ("Snakefile", "workflow", "config", "profiles", "envs", "resources/published")


def large_study() -> dict[str, object]:
    """The default config with seeds 0 to 4 and each dataset split in two ways."""
    config: dict[str, object] = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    study = config["studies"]["main"]  # type: ignore[index]
    study["seeds"] = [0, 1, 2, 3, 4]
    for part in study["parts"]:
        part["splits"] = ["random", "random_balanced"]
    return config


def plan(config: dict[str, object], *targets: str) -> None:
    """Plan ``config`` in an empty folder, whole or for some targets; print what time and memory it took."""
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            source = REPOSITORY / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, Path(folder, name))
        Path(folder, "large.yaml").write_text(yaml.safe_dump(config))
        started = time.monotonic()
        done = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", *targets, "--dry-run", "--quiet", "all"),
                *("--configfile", "large.yaml"),
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, status, used = os.wait4(done.pid, 0)
        if status:
            sys.exit(f"the plan failed: {done.stderr.read().decode()}")  # type: ignore[union-attr]
        print(
            f"  {'one cell' if targets else 'all'} planned in {time.monotonic() - started:.1f} s "
            f"({used.ru_utime + used.ru_stime:.1f} s of CPU), at most {used.ru_maxrss * 1024 / 1e6:,.0f} MB"
        )


def needs(config: dict[str, object]) -> None:
    """Print what resources.py estimates for ``config``: these are guesses, not measurements."""
    os.chdir(REPOSITORY)
    project = Project(config)
    grid = Grid(project)
    hours: dict[str, float] = {}
    longest = 0
    for cells in grid.batches.values():
        seconds = [
            training_seconds(
                cell, project.config.all_recipes[cell.recipe], project.definition(cell.dataset), "cuda"
            )
            for cell in cells
        ]
        hours[cells[0].architecture] = hours.get(cells[0].architecture, 0) + sum(seconds) / 3600
        longest = max(longest, minutes(seconds, 1))
    by_network = ", ".join(f"{name} {value:,.0f}" for name, value in hours.items())
    networks = sum(map(len, grid.batches.values()))
    print(
        f"  {networks:,} networks in {len(grid.batches):,} jobs, {len(grid.all_cells) - networks:,} "
        f"baselines; estimated GPU hours on a GPU of 2017: {sum(hours.values()):,.0f} ({by_network}); "
        f"longest request {longest / 60:.1f} h"
    )


if __name__ == "__main__":
    for cells_per_job in (1, 6):
        print(f"{cells_per_job} cells a job")
        content = {**large_study(), "cells_per_job": cells_per_job}
        needs(content)
        plan(content)
    plan(large_study(), f"results/cells/{Grid(Project(large_study())).all_cells[0].path}/cell.json")
    print("the study as published")
    needs(yaml.safe_load((REPOSITORY / "config/config.yaml").read_text()))
