"""Mutation testing with Cosmic Ray: `make mutants`, or `python -m tests.mutants ROOM…` for some rooms alone.

Of each room mutants are drawn at random, at most one a place in its code, and each is tried on a copy of the
repository, by the unit tests that run its line, the quickest first; which do is measured once. Sessions lie
in `.mutants`: what was interrupted goes on.
"""

import argparse
import ast
import compileall
import csv
import os
import py_compile
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, WorkItem, WorkResult
from coverage import CoverageData

from nullcrop.basics.files import sha256_of_lines

ROOT = Path(__file__).parents[1]
PACKAGE = "workflow/nullcrop"
FOLDER = ROOT / ".mutants"

ROOMS = {
    "statistics": ["statistics/*.py"],
    "splits": ["splits.py"],
    "images": ["images/*.py"],
    "duplicates": ["duplicates/*.py"],
    "datasets": ["datasets/download.py", "datasets/unpack.py", "datasets/folder.py"],
    "training": [f"training/{name}.py" for name in ("cells", "checkpoint", "schedule", "steps")],
    "grid": ["config/grid.py"],
    "published": ["published/*.py"],
}
"""The core: what is mutated, by the name of its session."""

EQUIVALENT = ROOT / "tests" / "equivalent_mutants.csv"
"""Mutants that change nothing which anybody could notice: module, the line before and after, and why."""

SLOWEST = 5
"""A mutant that takes so many times as long as its tests do without it hangs: it counts as killed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(ROOMS)}; all without")
    parser.add_argument("--mutants", type=int, default=60, help="drawn of each room")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--again", action="store_true", help="try survivors again")
    parser.add_argument("--by", action="append", metavar="FILE", help="try by these tests alone")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tree-", dir=FOLDER) as tree:
        copy_into(Path(tree))
        os.chdir(tree)  # paths and tests are those of the copy
        # Bytecode is checked by its source's hash: a mutant is written within the second, and is as long.
        compileall.compile_dir(tree, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        os.environ |= {
            "PYTHONPATH": f"{tree}/workflow",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        rows = [tried(room, asked) for room in asked.rooms or ROOMS]
        os.chdir(ROOT)
    print("\n| room | seed | mutants | killed | survived | equivalent |\n|---|---|---|---|---|---|")
    print(*rows, sep="\n")


def tried(room: str, asked: argparse.Namespace) -> str:
    """Try the mutants of ``room`` that have no result yet; return its row in the table of results."""
    paths = sorted(path for pattern in ROOMS[room] for path in Path(PACKAGE).glob(pattern))
    paths = [path for path in paths if path.name != "__init__.py"]
    content = sha256_of_lines([path.read_text(encoding="utf-8") for path in paths])
    name = f"{room}-{asked.mutants}-{asked.seed}-{content[:12]}"  # a change of the room begins anew
    with use_db(FOLDER / f"{name}.sqlite") as session:
        if not session.num_work_items:
            init(paths, session, {})  # all there are
            chosen = drawn(session.work_items, asked.mutants, random.Random(asked.seed))
            session.clear()
            session.add_work_items(chosen)
        run(session, asked)
        return told(room, asked.seed, session, FOLDER / f"{name}.md")


def copy_into(tree: Path) -> None:
    """Copy the repository's files as they are now into ``tree``, without what git ignores."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    # Some tests ask git for the project's files, and some look for data beside the project.
    subprocess.run(["git", "init", "--quiet"], cwd=tree, check=True)
    subprocess.run(["git", "add", "--all"], cwd=tree, check=True)
    shared = FOLDER / "shared"
    if not shared.exists():
        shared.symlink_to(ROOT.parent / "shared")


def drawn(items: Iterable[WorkItem], count: int, draw: random.Random) -> list[WorkItem]:
    """At most ``count`` of the mutants ``items``, each at a place of its own, annotations aside."""
    places: dict[tuple[Path, int, int], list[WorkItem]] = {}
    typed = cache(annotations)
    for item in sorted(items, key=lambda one: (one.mutations[0].operator_name, one.mutations[0].occurrence)):
        (mutation,) = item.mutations
        # Nobody writes `is` for `==` by mistake, and of constants it is the same.
        by_identity = re.search("Operator_(Eq|NotEq|Lt|LtE|Gt|GtE)_Is", mutation.operator_name)
        if not by_identity and mutation.start_pos not in typed(mutation.module_path):
            places.setdefault((mutation.module_path, *mutation.start_pos), []).append(item)
    chosen = draw.sample(sorted(places), min(count, len(places)))
    return [draw.choice(places[place]) for place in chosen]


def annotations(path: Path) -> set[tuple[int, int]]:
    """Lines and columns at which types are written."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types = [getattr(node, name, None) for node in ast.walk(tree) for name in ("annotation", "returns")]
    return {
        (line, column)
        for one in types
        if one is not None
        for line in range(one.lineno, one.end_lineno + 1)
        for column in range(one.col_offset if line == one.lineno else 0, 200)
        if line < one.end_lineno or column < one.end_col_offset
    }


class Tests:
    """Which unit tests run a line of the package, and how long they take: measured once, for as long as
    neither tests nor package change."""

    def __init__(self) -> None:
        files = sorted([*Path(PACKAGE).rglob("*.py"), *Path("tests").rglob("*.py")])
        content = sha256_of_lines([path.read_text(encoding="utf-8") for path in files])
        measured = FOLDER / f"tests-{content[:12]}"
        if not (measured / "seconds.xml").is_file():
            self._measure(measured)
        self._lines = CoverageData(str(measured / "lines.sqlite"))
        self._lines.read()
        self._seconds: dict[str, float] = {}
        # Paths of a copy that is gone.
        self._paths = {path.rpartition(PACKAGE)[2]: path for path in self._lines.measured_files()}
        for case in ElementTree.parse(measured / "seconds.xml").iter("testcase"):
            file = case.attrib["classname"].replace(".", "/") + ".py"
            test = f"{file}::{case.attrib['name'].partition('[')[0]}"
            self._seconds[test] = self._seconds.get(test, 0) + float(case.attrib["time"])

    def _measure(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        os.environ["COVERAGE_FILE"] = str(folder / "lines.sqlite")
        command = [*pytest(["tests/unit"]), "-m", "not long", "-n", str(len(os.sched_getaffinity(0)))]
        command.remove("-x")
        command += ["--dist", "loadfile", f"--cov={PACKAGE}", "--cov-context=test", "--cov-report="]
        if subprocess.run([*command, f"--junitxml={folder / 'aside.xml'}"], check=False).returncode:
            sys.exit("mutants: tests fail without a mutant; mend them first")
        (folder / "aside.xml").rename(folder / "seconds.xml")

    def chosen(self, mutation: MutationSpec) -> tuple[list[str], float]:
        """Tests of ``mutation``, and after how many seconds it hangs."""
        tests = self.of(mutation)
        return tests, 60 + SLOWEST * sum(map(self.seconds, tests))

    def of(self, mutation: MutationSpec) -> list[str]:
        """Tests that run the line of ``mutation``, the quickest first; where what prepares several runs it,
        all of their file. What runs at import alone is tried by the files named after the module and those
        that import it."""
        path = self._paths.get(str(mutation.module_path).removeprefix(PACKAGE), "")
        contexts = self._lines.contexts_by_lineno(path)
        first, last = statement(mutation.module_path, mutation.start_pos[0])
        running = {one for line in range(first, last + 1) for one in contexts.get(line, []) if one}
        if not running:
            return list(map(str, importing(mutation.module_path)))
        prepared = {one.partition("::")[0] for one in running if one.endswith("|setup")}
        tests = {one.rpartition("|")[0].partition("[")[0] for one in running}
        alone = [one for one in tests if one.partition("::")[0] not in prepared]
        return sorted([*alone, *prepared], key=self.seconds)

    def seconds(self, test: str) -> float:
        """How long a test, or a file of tests, takes without a mutant."""
        return sum(
            taken for name, taken in self._seconds.items() if name == test or name.startswith(f"{test}::")
        )


@cache
def known() -> Tests:
    """The tests of this state of the project."""
    return Tests()


@cache
def statement(module: Path, line: int) -> tuple[int, int]:
    """First and last line of the statement that holds ``line``; of a compound one those before its body, of a
    decorator all that it decorates."""
    found = line, line
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.stmt) or not node.end_lineno:
            continue
        if any(one.lineno <= line <= one.end_lineno for one in getattr(node, "decorator_list", [])):
            return line, node.end_lineno
        if node.lineno <= line <= node.end_lineno:
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            if line <= max(last, node.lineno):  # inner statements come after outer ones
                found = node.lineno, max(last, node.lineno)
    return found


def importing(module: Path) -> list[Path]:
    """The files of unit tests that are named after ``module``, then the others that import it; where there
    are none, those that import a neighbour which does."""
    tests = sorted(Path("tests/unit").glob("test_*.py"))
    own = [path for path in tests if re.search(f"_{module.stem}(_|$)", path.stem)]
    through = {named(path) for path in module.parent.glob("*.py") if named(module) in imported(path)}
    by = [[path for path in tests if names & imported(path)] for names in ({named(module)}, through)]
    return list(dict.fromkeys([*own, *by[0]])) or by[1]


def named(module: Path) -> str:
    """The name by which ``module`` is imported."""
    return ".".join(module.relative_to("workflow").with_suffix("").parts)


@cache
def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def run(session: WorkDB, asked: argparse.Namespace) -> None:
    """Try each mutant of ``session`` that has no result yet, and where it is asked those that survived."""
    survived = {job for job, result in session.results if not result.is_killed} if asked.again else set()
    done = {job for job, _ in session.results} - survived
    left = [item for item in session.work_items if item.job_id not in done]
    for number, item in enumerate(sorted(left, key=lambda one: one.mutations[0].start_pos)):
        (mutation,) = item.mutations
        tests, limit = (asked.by, 600.0) if asked.by else known().chosen(mutation)
        result = mutate_and_test([mutation], shlex.join(pytest(tests)), limit)
        session.set_result(item.job_id, result)
        place = f"{mutation.module_path.name}:{mutation.start_pos[0]}"
        print(f"{number + 1} of {len(left)}: {place} {result.test_outcome}", flush=True)


def pytest(tests: Iterable[str]) -> list[str]:
    """The command that runs ``tests`` until one fails; Hypothesis draws the same examples each time."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    return [sys.executable, "-m", "pytest", *options, *tests]


def told(room: str, seed: int, session: WorkDB, out: Path) -> str:
    """The row of ``room`` in the table of results; its survivors are written to ``out``."""
    with EQUIVALENT.open(encoding="utf-8", newline="") as stream:
        known = {
            (row["module"], unfolded(row["before"]), unfolded(row["after"])): unfolded(row["reason"])
            for row in csv.DictReader(stream)
        }
    counts, texts = Counter[str](), []
    for item, result in session.completed_work_items:
        reason = known.get(changed(item, result))
        word = "killed" if result.is_killed else "equivalent" if reason else "survived"
        counts[word] += 1
        if not result.is_killed:
            texts.append(f"{word}{f': {reason}' if reason else ''}\n\n```diff\n{result.diff}\n```\n")
    out.write_text("\n".join(sorted(texts)), encoding="utf-8")
    print(f"\n{out}: survivors of {room}")
    numbers = [sum(counts.values()), *(counts[word] for word in ("killed", "survived", "equivalent"))]
    return f"| {room} | {seed} | {' | '.join(map(str, numbers))} |"


def unfolded(text: str) -> str:
    """A field of the list of equivalent mutants, which may be folded into several lines, in one."""
    return " ".join(text.split())


def changed(item: WorkItem, result: WorkResult) -> tuple[str, str, str]:
    """The module of a mutant, and the line that it changes before and after."""
    lines = (result.diff or "").splitlines()
    before, after = (
        " ".join(line[1:].strip() for line in lines if line[:1] == sign and line[:3] != sign * 3)
        for sign in "-+"
    )
    return str(item.mutations[0].module_path.relative_to(PACKAGE)), before, after


if __name__ == "__main__":
    main()
