"""The map of ARCHITECTURE.md is that of the package: every room is on it, and imports go down."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "workflow" / "nullcrop"
MAP = """
| room | what it holds |
|---|---|
| `cli.py` | commands |
| `report/`, `terminal/` | pages |
| `images/` | pixels |
| `basics/` | errors |
"""


def floors(page: str) -> dict[str, int]:
    """Rooms of the map and their floors, counted from the top: one row of the table a floor."""
    table = page.split("| room |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {
        room: floor for floor, row in enumerate(rows) for room in re.findall(r"`([\w.]+?)(?:/|\.py)`", row)
    }


def rooms(package: Path) -> set[str]:
    """Folders and modules of ``package``, without what Python itself asks for."""
    inside = {path.stem for path in package.glob("*.py")} | {
        path.parent.name for path in package.glob("*/*.py")
    }
    return inside - {"__init__", "__main__", package.name}


def imports(package: Path) -> Iterator[tuple[str, str, str]]:
    """Room, file with line, and room imported, of each import of the package's own, wherever it stands."""
    known = rooms(package)
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{inside}:{node.lineno}: imports name the package"
                names = [f"{node.module}.{name}" for name in names]
            for name in names:
                root, _, rest = name.partition(".")
                if root == "nullcrop" and rest.partition(".")[0] in known:
                    yield (
                        inside.parts[0].removesuffix(".py"),
                        f"{inside}:{node.lineno}",
                        rest.partition(".")[0],
                    )


def against_the_order(package: Path, page: str) -> list[str]:
    """Imports that do not go down on the map."""
    floor = floors(page)
    return [
        f"{where} imports {other}"
        for room, where, other in imports(package)
        if room not in ("__init__", "__main__") and room != other and floor[room] >= floor[other]
    ]


def test_every_room_is_on_the_map_and_there() -> None:
    assert set(floors((REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8"))) == rooms(PACKAGE)


def test_a_room_imports_those_below_it_alone() -> None:
    page = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert against_the_order(PACKAGE, page) == []
    assert len(list(imports(PACKAGE))) > 500


@pytest.mark.parametrize(
    ("file", "line", "wrong"),
    [
        ("images/store.py", "from nullcrop.basics.errors import NullcropError", []),
        ("images/store.py", "import nullcrop.images.views", []),
        ("images/store.py", "from nullcrop import __version__", []),
        ("images/store.py", "import report", []),
        ("images/store.py", "from nullcrop.report.page import write", ["images/store.py:1 imports report"]),
        ("images/store.py", "from nullcrop import cli", ["images/store.py:1 imports cli"]),
        ("basics/errors.py", "import nullcrop.images", ["basics/errors.py:1 imports images"]),
        ("basics/errors.py", "def f():\n    import nullcrop.images.x", ["basics/errors.py:2 imports images"]),
        # Two rooms of one floor do not know each other.
        ("report/page.py", "from nullcrop.terminal import x", ["report/page.py:1 imports terminal"]),
    ],
)
def test_an_import_that_goes_up_is_found(tmp_path: Path, file: str, line: str, wrong: list[str]) -> None:
    package = tmp_path / "nullcrop"
    for name in ("cli.py", "report/page.py", "terminal/table.py", "images/store.py", "basics/errors.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(line if name == file else "", encoding="utf-8")
    assert rooms(package) == set(floors(MAP))
    assert against_the_order(package, MAP) == wrong


# Outputs appear whole or not at all

WRITES = {
    **dict.fromkeys(("write_text", "write_bytes"), None),
    **dict.fromkeys(("to_csv", "save", "savefig", "savez"), 0),
    **dict.fromkeys(("copyfile", "copy", "copy2"), 1),
}
"""Methods that write a file, and the place of its path among the arguments; None: they are the path's own."""

BESIDE = {
    "datasets/phantom.py": "images of a folder whose table, written last, says that it is whole",
    "datasets/download.py": "the partial file, which is renamed when it is verified, and a lock",
    "images/export.py": "a journal that grows by lines",
    "terminal/audit.py": "a lock, and the log of a run",
    "training/batch.py": "the log of a job",
    "training/gpus.py": "files that count what runs",
}
"""Modules that open a file for writing, or write one, beside its final name, and what it is."""


def written_in_place(path: Path) -> list[str]:
    """Calls that write a file which is not the temporary one of `written_whole`, nor opened or made in memory
    under a name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    with_items = [item for node in ast.walk(tree) if isinstance(node, ast.With) for item in node.items]
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and calls(node.value, "BytesIO")]
    known = {ast.unparse(item.optional_vars) for item in with_items if item.optional_vars}
    known |= {ast.unparse(target) for node in made for target in node.targets}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        own, _, name = function.rpartition(".")
        place = 1 if function == "torch.save" else WRITES.get(name, -1)
        if name == "open" and any(re.fullmatch(r"'([wax]b?|r\+b)'", ast.unparse(one)) for one in node.args):
            place = None if own else 0
        if place is None:
            found += [f"{path.name}:{node.lineno} {name}"] if own not in known else []
        elif 0 <= place < len(node.args) and ast.unparse(node.args[place]) not in known:
            found.append(f"{path.name}:{node.lineno} {name}")
    return found


def calls(node: ast.AST, name: str) -> bool:
    """Whether ``node`` is a call of ``name``."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name


def test_files_are_written_whole_or_not_at_all() -> None:
    """A process that is killed in the middle leaves no half file under the final name."""
    in_place = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (found := written_in_place(path))
    }
    assert {file: found for file, found in in_place.items() if file not in BESIDE} == {}
    assert set(in_place) == set(BESIDE)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("with written_whole(out) as aside:\n    table.to_csv(aside)", 0),
        ("with written_whole(out) as new, open(new, 'wb') as stream:\n    np.save(stream, 1)", 0),
        ("stream = io.BytesIO()\nimage.save(stream, 'PNG')", 0),
        ("text = table.to_csv()", 0),
        ("with open(path) as stream:\n    stream.read()", 0),
        ("with written_whole(out) as aside:\n    table.to_csv(out)", 1),
        ("out.write_text('x')", 1),
        ("(folder / 'x').write_bytes(b'')", 1),
        ("shutil.copyfile(source, out)", 1),
        ("torch.save({}, path)", 1),
        ("open(path, 'w')", 1),
        ("path.open('wb')", 1),
        ("np.save(path, 1)", 1),
    ],
)
def test_a_file_written_in_place_is_found(tmp_path: Path, lines: str, found: int) -> None:
    (tmp_path / "module.py").write_text(lines, encoding="utf-8")
    assert len(written_in_place(tmp_path / "module.py")) == found
