"""Mutation testing with Cosmic Ray: `make mutants`, or `python -m tests.mutants ROOM…` for some rooms alone.

Of each room mutants are drawn at random, at most one a place in its code, and each is tried on a copy of the
repository, by the unit tests that import its module. Sessions lie in `.mutants`: what was interrupted goes
on.
"""

import argparse
import ast
import csv
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkItem, WorkResult

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
    parser.add_argument("--own", action="store_true", help="try by test files named after the module alone")
    parser.add_argument("--again", action="store_true", help="try survivors again: by more tests")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tree-", dir=FOLDER) as tree:
        copy_into(Path(tree))
        os.chdir(tree)  # paths and tests are those of the copy
        os.environ |= {"PYTHONPATH": f"{tree}/workflow", "OMP_NUM_THREADS": "1"}
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
        run(session, asked.own, asked.again)
        return told(room, asked.seed, session, FOLDER / f"{name}.md")


def copy_into(tree: Path) -> None:
    """Copy the repository's files as they are now into ``tree``, without what git ignores."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)


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


def tests_of(module: Path, own: bool) -> list[Path]:
    """The files of unit tests that are named after ``module``, where most mutants end, and without ``own``
    those that import it. Where none is named after it, also those that import a neighbour which does."""
    tests = sorted(Path("tests/unit").glob("test_*.py"))
    first = [path for path in tests if re.search(f"_{module.stem}(_|$)", path.stem)]
    if own and first:
        return first
    asked = {named(module)}
    if not first:
        asked |= {named(path) for path in module.parent.glob("*.py") if named(module) in imported(path)}
    return list(dict.fromkeys([*first, *(path for path in tests if asked & imported(path))]))


def named(module: Path) -> str:
    """The name by which ``module`` is imported."""
    return ".".join(module.relative_to("workflow").with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def run(session: WorkDB, own: bool, again: bool) -> None:
    """Try each mutant of ``session`` that has no result yet, and with ``again`` those that survived."""
    survived = {job for job, result in session.results if not result.is_killed} if again else set()
    done = {job for job, _ in session.results} - survived
    left = [item for item in session.work_items if item.job_id not in done]
    for number, item in enumerate(sorted(left, key=lambda one: one.mutations[0].start_pos)):
        (mutation,) = item.mutations
        tests = tests_of(mutation.module_path, own)
        limit = 30 + SLOWEST * sum(map(seconds, tests))
        result = mutate_and_test([mutation], shlex.join(pytest(tests)), limit)
        session.set_result(item.job_id, result)
        place = f"{mutation.module_path.name}:{mutation.start_pos[0]}"
        print(f"{number + 1} of {len(left)}: {place} {result.test_outcome}", flush=True)


def pytest(tests: Iterable[Path]) -> list[str]:
    """The command that runs ``tests`` until one fails; Hypothesis draws the same examples each time."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    return [sys.executable, "-m", "pytest", *options, *map(str, tests)]


@cache
def seconds(tests: Path) -> float:
    """How long a file of tests takes without a mutant; it must pass."""
    began = time.monotonic()
    done = subprocess.run(pytest([tests]), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"mutants: {tests} fails without a mutant; mend it first\n{done.stdout}")
    return time.monotonic() - began


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
