"""What all rules have in common, asked of Snakemake's own reading of them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import REPOSITORY, Checkout

PROFILE = (REPOSITORY / "profiles/slurm/config.yaml").read_text(encoding="utf-8")

# What a job asks for at its first and second try, as far as that depends on no wildcard; a number is asked
# for at each.
READ_RULES = """
import json
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings


def asked(resource):
    if not resource.is_evaluable():
        return [resource.value] * 2
    try:
        return [resource._evaluator(None, attempt) for attempt in (1, 2)]
    except (AttributeError, TypeError):
        return None


with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(configfiles=[Path("toy.yaml")]),
        snakefile=Path("Snakefile"),
    )._workflow
    rules = {
        rule.name: {
            "local": rule.name in workflow._localrules,
            "threads": (asked(rule.resources["_cores"]) or [None])[0],
            **{name: asked(rule.resources[name]) for name in ("mem_mb", "runtime")},
        }
        for rule in workflow.rules
        if rule.name != "all"
    }
print(json.dumps(rules))
"""

Rules = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def rules(fresh: Callable[[], Checkout]) -> Rules:
    """Rules by name: whether they run beside Snakemake, their threads, and their memory and time at two
    tries."""
    found: Rules = {}
    for cells_per_job in (1, 2):
        checkout = fresh()
        checkout.write_config(cells_per_job=cells_per_job)
        done = subprocess.run(
            [sys.executable, "-c", READ_RULES],
            cwd=checkout.folder,
            env=checkout.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found |= json.loads(done.stdout.splitlines()[-1])
    assert {"train_cell", "train_batch", "crop_further_view", "plot_confusion"} <= set(found)
    return found


def test_every_rule_asks_for_more_at_its_second_try(rules: Rules) -> None:
    fixed = {
        (rule, name)
        for rule, facts in rules.items()
        for name in ("mem_mb", "runtime")
        if facts[name] is not None and not facts[name][0] < facts[name][1]
    }
    assert not fixed


def listed_in_the_profile() -> set[str]:
    """Rules that the profile's list names, one or several a line, in front of what they ask for."""
    start = PROFILE.index("# What single rules ask for instead")
    lines = PROFILE[start : PROFILE.index("#   all others")].splitlines()
    heads = [match[1] for line in lines if (match := re.match(r"#   ((?:\w+, )*\w+_\w+)  ", line))]
    return {rule for head in heads for rule in head.split(", ")}


def test_the_profiles_list_names_every_job_that_differs_from_the_others(rules: Rules) -> None:
    others = {"threads": 1, "mem_mb": [2000, 4000], "runtime": [20, 40]}
    differ = {
        rule
        for rule, facts in rules.items()
        if not facts["local"] and any(facts[name] != value for name, value in others.items())
    }
    assert listed_in_the_profile() == differ


def test_no_rule_counts_the_folders_above_its_output() -> None:
    """A number of folders is right for as long as a cell has as many coordinates as today."""
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "workflow/rules").iterdir()
    }
    assert not {name for name, text in texts.items() if re.search(r"ancestor=\d|parents\[\d", text)}


def test_the_snakefile_asks_for_the_version_that_the_package_asks_for() -> None:
    (needed,) = re.findall(
        r'^min_version\("([\d.]+)"\)', (REPOSITORY / "Snakefile").read_text(), re.MULTILINE
    )
    (declared,) = re.findall(r'"snakemake\[reports\]>=([\d.]+)"', (REPOSITORY / "pyproject.toml").read_text())
    assert needed == declared


def test_the_benchmarks_page_says_what_make_bench_runs() -> None:
    page = (REPOSITORY / "benchmarks/README.md").read_text(encoding="utf-8")
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    recipe = makefile[makefile.index("\nbench:") : makefile.index("# Apart from `make test`, because")]
    run = re.findall(r"benchmarks/(\w+\.py)", recipe)
    by_make, by_hand = page.split("It does not run these")
    assert re.findall(r"^    .*benchmarks/(\w+\.py)", by_make, re.MULTILINE) == run
    others = re.findall(r"^    .*benchmarks/(\w+\.py)", by_hand, re.MULTILINE)
    assert {*run, *others} == {path.name for path in Path(REPOSITORY, "benchmarks").glob("*.py")}


def test_a_dry_run_has_one_line_a_rule_and_one_a_dataset(fresh: Callable[[], Checkout]) -> None:
    checkout = fresh()
    said = checkout.snakemake("-n")
    table = re.findall(r"^([a-z_]+) +\d+$", said, flags=re.MULTILINE)
    assert {"all", "train_cell", "judge_dataset", "total"} <= set(table)
    assert len(table) == len(set(table))
    datasets = re.findall(r"^  toy, (\w+): ", said, flags=re.MULTILINE)
    assert datasets == list(dict.fromkeys(datasets)) != []
    assert not re.search(r"^(Job \d+:|Reason)", said, flags=re.MULTILINE)
    assert [line for line in said.splitlines() if len(line) > 80 and "profile" not in line] == []
    every = checkout.snakemake("-n", "--quiet", "host")
    assert re.search(r"^Job \d+: training .*\nReason: ", every, flags=re.MULTILINE)
