"""`--profile slurm` finds the project's profile, unless the site has one of that name."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .conftest import REPOSITORY, Checkout


@pytest.fixture
def checkout(fresh: Callable[[], Checkout]) -> Checkout:
    return fresh()


SETTINGS = """
import json, sys
from snakemake.cli import parse_args
settings = vars(parse_args(sys.argv[1:])[1])
names = ("executor", "jobs", "rerun_triggers", "keep_going")
print(json.dumps({name: str(settings[name]) for name in names}))
"""


def settings_of(checkout: Checkout, *arguments: str) -> tuple[dict[str, str], str]:
    """What Snakemake makes of a command line in the root of a checkout, and what it says about it."""
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS, *arguments],
        cwd=checkout.folder,
        env=checkout.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def write_profile(checkout: Checkout, name: str, **content: object) -> Path:
    path = checkout.folder / "home/.config/snakemake" / name / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_literal_command_takes_the_projects_profile(checkout: Checkout) -> None:
    settings, said = settings_of(checkout, "--profile", "slurm")
    assert (settings["executor"], settings["jobs"]) == ("slurm", "100")
    assert settings["keep_going"] == "True"  # from the default profile, as without Slurm
    assert "INPUT" in settings["rerun_triggers"].upper()
    assert "CODE" not in settings["rerun_triggers"].upper()
    assert "The profile slurm is profiles/slurm/config.yaml" in said


def test_a_sites_own_profile_of_that_name_comes_first(checkout: Checkout) -> None:
    path = write_profile(checkout, "slurm", executor="slurm", jobs=7)
    settings, said = settings_of(checkout, "--profile", "slurm")
    assert settings["jobs"] == "7"
    assert f"The profile slurm is {path}" in said
    ours, _ = settings_of(checkout, "--profile", "profiles/slurm")
    assert ours["jobs"] == "100"


def test_a_sites_own_profile_of_another_name_works_and_is_not_overridden(checkout: Checkout) -> None:
    write_profile(checkout, "site", executor="slurm", jobs=9)
    settings, _ = settings_of(checkout, "--profile", "site")
    assert (settings["executor"], settings["jobs"]) == ("slurm", "9")


def test_the_literal_command_plans_the_study_without_a_slurm_at_hand(checkout: Checkout) -> None:
    command = [
        arg
        for arg in checkout.command("--profile", "slurm", "--dry-run", "--quiet", "host")
        if arg not in ("--cores", "2")
    ]
    done = subprocess.run(
        command, cwd=checkout.folder, env=checkout.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^Job \d+: training ", done.stdout, flags=re.MULTILINE)) == 4


def test_the_default_profile_sets_nothing_that_a_sites_profile_would_set() -> None:
    """It is read beside every other profile and wins over it, key by key."""
    default, slurm = (
        set(yaml.safe_load((REPOSITORY / "profiles" / name).read_text()))
        for name in ("default/config.v9+.yaml", "slurm/config.yaml")
    )
    assert not default & slurm
    machine = {"executor", "jobs", "cores", "retries", "resources", "default-resources", "set-resources"}
    assert not default & machine


@pytest.mark.parametrize("home", ["/dev/null/home", "/proc/home"])
def test_a_plan_needs_no_home_folder(checkout: Checkout, home: str) -> None:
    """Neither one whose path goes through a file, nor one that cannot be made."""
    environment = {**checkout.environment(), "HOME": home}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        environment.pop(name, None)
    command = checkout.command("--dry-run")
    done = subprocess.run(
        command, cwd=checkout.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "train_cell" in done.stdout


def test_an_old_snakemake_reads_no_option_that_it_does_not_know() -> None:
    """So it comes as far as the Snakefile, which says what to run in its place."""
    assert set(yaml.safe_load((REPOSITORY / "profiles/default/config.yaml").read_text())) == {
        "printshellcmds"
    }
