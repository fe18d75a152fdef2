"""`--profile slurm` finds the project's profile, unless the site has one of that name."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .conftest import REPOSITORY, Checkout


@pytest.fixture
def checkout(fresh: Callable[[], Checkout]) -> Checkout:
    return fresh()


def dry_run(checkout: Checkout, *profiles: str) -> str:
    """What the literal command prints, from the root of a checkout."""
    command = [
        arg for arg in checkout.command("--profile", *profiles, "--dry-run") if arg not in ("--cores", "2")
    ]
    done = subprocess.run(
        command, cwd=checkout.folder, env=checkout.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def write_profile(checkout: Checkout, name: str, **content: object) -> Path:
    path = checkout.folder / "home/.config/snakemake" / name / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_literal_command_takes_the_projects_profile(checkout: Checkout) -> None:
    output = dry_run(checkout, "slurm")
    assert "The profile slurm is profiles/slurm/config.yaml" in output
    assert "profiles/default" in output
    assert "provided remote nodes: 100" in output.lower()


def test_a_sites_own_profile_of_that_name_comes_first(checkout: Checkout) -> None:
    path = write_profile(checkout, "slurm", executor="slurm", jobs=7)
    output = dry_run(checkout, "slurm")
    assert f"The profile slurm is {path}" in output
    assert "provided remote nodes: 7" in output.lower()


def test_a_sites_own_profile_of_another_name_works_and_is_not_overridden(checkout: Checkout) -> None:
    write_profile(checkout, "site", executor="slurm", jobs=9)
    output = dry_run(checkout, "site")
    assert "provided remote nodes: 9" in output.lower()


def test_the_default_profile_sets_nothing_that_a_sites_profile_would_set() -> None:
    """It is read beside every other profile and wins over it, key by key."""
    default, slurm = (
        set(yaml.safe_load((REPOSITORY / "profiles" / name / "config.yaml").read_text()))
        for name in ("default", "slurm")
    )
    assert not default & slurm
    machine = {"executor", "jobs", "cores", "retries", "resources", "default-resources", "set-resources"}
    assert not default & machine
