"""Files about the project agree with one another and with what they describe."""

import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
import yte

import nullcrop
from nullcrop.config.models import Config

REPOSITORY = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "config/README.md",
    "results/README.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
    *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md")),
]
DECISIONS = sorted(path for path in (REPOSITORY / "docs/decisions").glob("*.md") if path.name != "README.md")
FORMS = sorted((REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def tracked(*patterns: str) -> list[str]:
    """Files that git knows, by their paths in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no git repository")
    return listed.stdout.split("\0")[:-1]


def yaml_of(name: str) -> Any:
    return yaml.safe_load(text_of(name))


def test_the_citation_says_what_the_package_says() -> None:
    citation, project = yaml_of("CITATION.cff"), PYPROJECT["project"]
    assert citation["version"] == nullcrop.__version__
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]
    assert citation["repository-code"] == project["urls"]["Repository"]
    assert all(url.startswith(citation["repository-code"]) for url in project["urls"].values())
    assert citation["keywords"] == project["keywords"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["status", "--help"], ["--version"], ["status", "--configfile", "x"]]
)
def test_the_command_is_what_the_module_is(arguments: list[str], tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "nullcrop"
    if not command.is_file():
        pytest.skip("the package is not installed in this environment")
    said = [
        subprocess.run([*start, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        for start in ([str(command)], [sys.executable, "-m", "nullcrop"])
    ]
    assert (said[0].returncode, said[0].stdout, said[0].stderr) == (
        said[1].returncode,
        said[1].stdout,
        said[1].stderr,
    )
    if "--help" in arguments:
        assert said[0].stdout.startswith(f"usage: {' '.join(['nullcrop', *arguments[:-1]])} [-h]")


def test_the_configs_page_names_every_key_and_every_file() -> None:
    page = text_of("config/README.md")
    tables = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("|"))
    files, keys = tables.split(" key ")
    assert set(re.findall(r"`(\w+)`", keys)) == set(Config.model_fields)
    named = {Path("config", name) for name in re.findall(r"`([\w/.]+)`", files)}
    assert all((REPOSITORY / name).exists() for name in named)
    there = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "config").rglob("*.yaml")}
    assert {path for path in there if path not in named and path.parent not in named} == set()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text_of(name))
    folder = (REPOSITORY / name).parent
    assert [target for target in targets if not (folder / target).exists()] == []


def test_the_sites_order_names_every_page() -> None:
    def pages(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part[key] for key in ("root", "file") if key in part]
            return own + [page for value in part.values() for page in pages(value)]
        return [page for item in part for page in pages(item)] if isinstance(part, list) else []

    order = [page for page in pages(yaml_of("docs/_toc.yml")) if not page.startswith("api/")]
    there = [str(path.relative_to(REPOSITORY / "docs")) for path in (REPOSITORY / "docs").rglob("*.md")]
    assert sorted(order) == sorted(name.removesuffix(".md") for name in there)


def test_the_first_page_counts_what_the_discrepancies_hold() -> None:
    rows = {
        heading: [line for line in text.splitlines() if line.startswith("|")][2:]
        for heading, _, text in (
            part.partition("\n") for part in text_of("docs/discrepancies.md").split("\n## ")[1:]
        )
    }
    (same,) = rows["Same rows"]
    counted = re.search(
        r"(\d+) of the (\d+) rows of Table 5 \(BreastMNIST\) .* of Table 8 \(ISIC-2018\)", same
    )
    elsewhere = re.search(r"(\d+) of them under another region", same)
    assert counted is not None
    assert counted[1] == counted[2]
    assert elsewhere is not None
    constant = {row.split(" | ")[0] for row in rows["Score of a constant answer"]}
    rates = [re.search(r"= ([\d.]+) % under `printed`", row) for row in rows["No-information rate"]]
    shares = [float(rate[1]) for rate in rates if rate is not None]
    assert len(shares) == len(rates) == 13
    exchanged = [row for row in rows["Columns"] if "headed Precision is the harmonic mean" in row]
    first_page = " ".join(text_of("README.md").split())
    for words in (
        f"All {counted[1]} rows printed for BreastMNIST are rows printed for ISIC-2018, {elsewhere[1]} of "
        "them under another region.",
        f"On {len(constant)} datasets an accuracy printed for crops is the larger class's share",
        f"Where 50 % is printed as chance, that share is {min(shares):.0f} to {max(shares):.0f} %.",
        f"In {len(exchanged)} of {len(rows['Columns'])} tables the column Precision holds F-1.",
    ):
        assert words in first_page


def test_of_results_git_sees_the_page_alone(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    git("init", "--quiet")
    (tmp_path / ".gitignore").write_text(text_of(".gitignore"), encoding="utf-8")
    for path in ("README.md", "discrepancies.csv", "cells/README.md", ".work/batches/x.json"):
        (tmp_path / "results" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / path).touch()
    seen = git("status", "--porcelain", "--untracked-files=all").split()
    assert [path for path in seen if path.startswith("results")] == ["results/README.md"]


def test_hooks_are_the_lints_own_tools_and_fetch_nothing() -> None:
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", text_of("Makefile"), flags=re.MULTILINE)
    assert lint is not None
    (repository,) = yaml_of(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        tool, *arguments = hook["entry"].split()
        wanted = " ".join([tool.replace(".venv/bin", "$(BIN)"), *arguments]).replace(" --force-exclude", "")
        assert wanted in lint[1], f"{hook['id']} is no part of make lint"


def test_the_workflow_on_github_runs_every_check() -> None:
    workflow = yaml_of(".github/workflows/checks.yml")
    assert [step["run"] for step in workflow["jobs"]["checks"]["steps"] if "run" in step] == ["bash .ci/run"]
    assert workflow["permissions"] == {"contents": "read"}
    oldest = re.search(r">=([\d.]+)", PYPROJECT["project"]["requires-python"])
    assert oldest is not None
    assert f"python:{oldest[1]}-" in workflow["jobs"]["checks"]["container"]


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form.name != "config.yml"], ids=lambda form: form.name
)
def test_issue_forms_have_what_github_asks_for(form: Path) -> None:
    """https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests"""
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(content)
    ids = [element["id"] for element in content["body"]]
    assert len(ids) == len(set(ids))
    for element in content["body"]:
        assert element["type"] in ("input", "textarea", "dropdown", "checkboxes")
        assert element["attributes"]["label"]
    assert any(element.get("validations", {}).get("required") for element in content["body"])


def decisions_of(page: Path) -> dict[str, str]:
    """Each decision's number, and the line below its heading."""
    headings = re.findall(r"^## (D.*)\n\n(.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = [(heading.split()[0], line) for heading, line in headings if re.match(r"D\d+ ", heading)]
    assert [number for number, _ in entries] == sorted({number for number, _ in entries}), page.name
    return dict(entries)


def test_decisions_are_numbered_once_and_have_a_date_and_a_status() -> None:
    pages = [decisions_of(page) for page in DECISIONS]
    numbers = sorted(number for page in pages for number in page)
    assert numbers == [f"D{place:03d}" for place in range(1, len(numbers) + 1)]
    for number, line in (entry for page in pages for entry in page.items()):
        form = re.fullmatch(r"(\d{4}-\d\d-\d\d), (?:accepted|replaced by (D\d{3}))", line)
        assert form is not None, f"{number}: {line}"
        date.fromisoformat(form[1])
        assert form[2] is None or (form[2] in numbers and form[2] != number), f"{number}: {line}"


def test_a_decision_that_is_named_exists() -> None:
    numbers = {number for page in DECISIONS for number in decisions_of(page)}
    named = {
        (name, number)
        for name in tracked("*.md", "*.py", "*.smk", "*.yaml", "Snakefile")
        for number in re.findall(r"\bD\d{3}\b", text_of(name))
    }
    assert named
    assert sorted((name, number) for name, number in named if number not in numbers) == []
    assert {page.name for page in DECISIONS} <= set(
        re.findall(r"\]\((\w+\.md)\)", text_of("docs/decisions/README.md"))
    )


def test_modules_that_the_decisions_name_are_there() -> None:
    pages = [*DECISIONS, REPOSITORY / "ARCHITECTURE.md", REPOSITORY / "docs/performance.md"]
    named = {
        (page.name, module)
        for page in pages
        for module in re.findall(r"\b[a-z_]+/[a-z_/]+\.py\b", page.read_text(encoding="utf-8"))
    }
    assert named
    packages = (REPOSITORY, REPOSITORY / "workflow/nullcrop")
    assert [name for name in sorted(named) if not any((root / name[1]).is_file() for root in packages)] == []


def test_lines_stay_within_the_width_that_ruff_asks_of_python() -> None:
    """Tables, tags and what holds no blank (addresses, checksums) cannot be broken."""
    width = PYPROJECT["tool"]["ruff"]["line-length"]
    long = [
        f"{name}:{number}"
        for name in tracked("*.md", "*.smk", "Snakefile", "*.yaml")
        for number, line in enumerate(text_of(name).splitlines(), start=1)
        if len(line) > width
        and not line.startswith(("|", "<"))
        and not re.fullmatch(r"\S+|https:\S+ \S+", line.strip())
    ]
    assert long == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cores", "2", "results/a.png", "--configfile", "my.yaml"], None),
        (["--configfile", "my.yaml", "other.yml", "--cores", "2"], None),
        (["--configfile", "unnamed", "-n"], None),
        (["-n"], None),
        (
            ["--configfile", "my.yaml", "results/a.png"],
            "there is no file 'results/a.png'; name targets before",
        ),
        (["--configfile", "my.yaml", "made.png"], "'made.png' is none; name targets before --configfile"),
        (["--configfiles", "my.yaml", "all"], "there is no file 'all'; name targets before --configfile"),
        (["--configfile", "mine.yaml"], "there is no file 'mine.yaml'; name targets before --configfile"),
        (["--configfile=my.yaml", "made.png"], None),
        (["--config=seeds=[0]", "made.png"], None),
        (["--configfile=mine.yaml"], "there is no file 'mine.yaml'; name targets before --configfile"),
        (["--config", "seeds=[0]", "recipes={toy: {epochs: 3}}", "--cores", "2"], None),
        (
            ["--config", "recipes.toy.epochs=3"],
            "of 'recipes.toy.epochs=3' write 'recipes={toy: {epochs: 3}}'",
        ),
        (["--config=crop.width=3"], "in place of 'crop.width=3' write 'crop={width: 3}'"),
        (["-C", "seeds=[0]", "a.csv"], "'a.csv' is none; name targets before --config"),
        (["--config", "seeds"], "'seeds' is none; name targets before --config"),
        (["--config", "1=2"], "--config: '1' in '1=2' is no key"),
        (["--config", "=2"], "--config: '' in '=2' is no key"),
        (["--configfile", "list.yaml"], "list.yaml: the config must be a mapping of keys"),
        (["--configfile", "empty.yaml"], "empty.yaml: the config must be a mapping of keys"),
        (["--configfile", "bytes.yaml"], "bytes.yaml is no YAML: 'utf-8' codec can't decode byte 0xff"),
        (["--configfile", "open.yaml"], "open.yaml is no YAML: while parsing a flow sequence"),
        (["--configfile", "tabs.json"], None),
    ],
)
def test_what_is_no_config_and_no_setting_is_named_before_snakemake_reads_it(
    words: list[str], said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile is read first, with what Snakemake itself reads it with."""
    monkeypatch.chdir(tmp_path)
    files = dict.fromkeys(("my.yaml", "other.yml", "unnamed", "made.png"), b"device: cpu")
    files |= {"list.yaml": b"[a]", "empty.yaml": b"", "bytes.yaml": b"\xff\xfe", "open.yaml": b"device: [cpu"}
    for name, content in {**files, "tabs.json": b'{\n\t"device": "cpu"\n}'}.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["snakemake", *words])
    profile = REPOSITORY / "profiles" / "default" / "config.v9+.yaml"
    if said is None:
        options = yte.process_yaml(profile.read_text(encoding="utf-8"), require_use_yte=True)
        assert options["rerun-triggers"] == ["mtime", "params", "input"]
        assert not any(key.startswith(("__", "?")) for key in options)
        assert options["quiet"] == (["rules", "progress"] if "-n" in words else ["host", "reason"])
    else:
        with pytest.raises(SystemExit, match=re.escape(said)):
            yte.process_yaml(profile.read_text(encoding="utf-8"), require_use_yte=True)
