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
                if root == "nullcrop" and rest.partition(".")[0] in rooms(package):
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
