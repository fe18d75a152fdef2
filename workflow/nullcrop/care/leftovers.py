"""What of nullcrop's own files may go, and how it goes.

A file is nullcrop's own where its name and its place are those that a step writes to, and where what it holds
says so, too, if that is quick to read. Everything else stays. No symbolic link is followed or removed.
"""

import copy
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from nullcrop.basics.errors import NullcropError, listed
from nullcrop.basics.files import read_json
from nullcrop.config.cell import AGAIN, CELL_COLUMNS, CELL_FILES, KEPT, Cell
from nullcrop.config.figures import FIGURES
from nullcrop.config.grid import Grid
from nullcrop.config.models import Project
from nullcrop.config.views import view_names
from nullcrop.datasets.samples import read_samples
from nullcrop.decoding.rgb import LOCATOR
from nullcrop.training.cells import CHECKPOINT, kept_folder
from nullcrop.training.finished import is_whole
from nullcrop.training.heartbeat import HEARTBEAT, SILENT_SECONDS, read_state

LOGGED: dict[int, tuple[str, ...]] = {
    0: (
        *("compare_datasets", "count_alarms", "list_discrepancies", "plot_calibration"),
        "write_report_index",
    ),
    1: (
        *("audit_phantoms", "judge_phantoms", "generate_images", "fetch_archive", "list_samples"),
        *("find_duplicates", "count_leaks", "compare_counts", "crop_views", "resolve_config"),
        "list_attributes",
        "crop_places",
        *("join_metrics", "join_readers", "join_comparisons", "join_verdicts", "compare_published"),
        *("fetch_weights", "fetch_checkpoint", "fetch_masks", "count_lesions"),
    ),
    2: (
        *("compute_metrics", "judge_readers", "compare_cells", "check_inflation", "judge_dataset"),
        *("crop_further_view", "treat_images", "write_report", "map_leaks", "read_spectrum"),
        *("read_attributes", "compare_treatments", "join_saliency"),
    ),
    4: ("split_samples", "fit_baselines"),
    5: ("fit_further_baselines", "fit_treated_baselines"),
    6: ("fit_named_baseline", "train_batch"),
    7: ("train_cell", "collect_cell", "explain_cell"),
}
"""Rules by the number of parts that the path of a log has below the rule's name."""


HALF_WRITTEN = re.compile(r"\.[\w.+-]+\.[0-9a-f]{16}\.(csv|json|npy|pt)")
"""What a file is called until it is whole (basics/files.py)."""


@dataclass(frozen=True)
class Kind:
    """Files that go together, for one reason and at one price."""

    name: str
    about: str
    """What they are, and what it costs to be without them."""
    always: bool
    """Whether they go where no kind is named: nobody will miss them."""
    find: "Callable[[Place], Iterator[Path]]"


@dataclass(frozen=True)
class Leftover:
    """What there is of a kind."""

    kind: Kind
    files: dict[Path, int]
    """Size of each file in bytes."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


class Place:
    """The folders of one config, whose files are nullcrop's by their names, and what its studies ask for."""

    def __init__(self, project: Project) -> None:
        # What a narrowed run leaves out is asked for all the same.
        whole = copy.copy(project)
        whole.config = project.config.model_copy(update={"datasets": None})
        self.wanted = {cell.path for cell in Grid(whole).all_cells}
        paths = project.config.paths
        self.results = Path(paths.results)
        self.cells, self.logs = self.results / "cells", self.results / "logs"
        self.store, self.work, self.batches = (
            Path(paths.store),
            Path(paths.work, "cells"),
            Path(paths.work, "batches"),
        )
        self.roots = (self.cells, self.logs, self.store, self.work, self.batches)

    def files(self, root: Path) -> Iterator[Path]:
        """Files below one of the roots whose name and place are nullcrop's own; behind no link."""
        yield from (path for path in _below(root) if _is_file(path) and self._is_own(path, root))

    def foreign_files(self) -> Iterator[Path]:
        """Files and links where nullcrop alone writes, whose names are none that it gives."""
        for root in self.roots:
            for path in _below(root):
                # Above the views lie tables, which no kind holds.
                looked_at = root != self.store or path.parent.name == "views" or path == root
                if looked_at and not (_is_file(path) and self._is_own(path, root)):
                    yield path

    def cell(self, folder: Path, root: Path) -> Cell | None:
        """The cell whose folder below ``root`` this is, or that of its copy; None where it is none."""
        parts = folder.relative_to(root).parts
        if len(parts) != len(CELL_COLUMNS) or not re.fullmatch(
            rf"seed(0|[1-9][0-9]*)({KEPT}|{AGAIN})?", parts[-1]
        ):
            return None
        return Cell.from_path("/".join(parts).removesuffix(KEPT).removesuffix(AGAIN))

    def finished(self, cell: Cell) -> list[Path]:
        """The folder of a finished cell, and that of its copy."""
        return [self.cells / cell.path, kept_folder(self.work / cell.path)]

    def _is_own(self, path: Path, root: Path) -> bool:
        if HALF_WRITTEN.fullmatch(path.name):
            return True
        parts = path.relative_to(root).parts
        if root == self.logs:
            below = _log_depths().get(Path(parts[0]).stem if len(parts) == 1 else parts[0])
            return path.suffix == ".log" and below == len(parts) - 1
        if root == self.store:
            return (
                len(parts) == 3
                and parts[1] == "views"
                and path.stem in view_names()
                and path.suffix in (".npy", ".json")
            )
        if root == self.batches:
            # The coordinates of a cell, whose view and seed are the batch's own.
            return len(parts) == len(CELL_COLUMNS) - 1 and bool(re.fullmatch(r"batch[0-9]+\.json", path.name))
        kept = root == self.cells or path.parent.name.endswith(KEPT)
        names = CELL_FILES if kept else (HEARTBEAT, CHECKPOINT)
        return path.name in names and self.cell(path.parent, root) is not None


def _below(root: Path) -> Iterator[Path]:
    """Everything below ``root`` that is no folder, in order."""
    if root.is_symlink():
        yield root
        return
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links))
        yield from (Path(folder, name) for name in sorted([*names, *links]))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _log_depths() -> dict[str, int]:
    below = {rule: parts for parts, rules in LOGGED.items() for rule in rules}
    return below | {f"plot_{name}": 2 if one.of == "dataset" else 1 for name, one in FIGURES.items()}


def _half_written(place: Place) -> Iterator[Path]:
    for root in place.roots:
        for path in place.files(root):
            old = time.time() - path.lstat().st_mtime > SILENT_SECONDS
            if old and HALF_WRITTEN.fullmatch(path.name):
                yield path


def _working_files(place: Place, finished: bool) -> Iterator[Path]:
    """What lies in working folders in which no process is at work, of cells that are finished or not."""
    for path in place.files(place.work):
        cell = place.cell(path.parent, place.work)
        if path.name not in (HEARTBEAT, CHECKPOINT) or cell is None or _is_alive(path.parent):
            continue
        if finished == any(map(is_whole, place.finished(cell))):
            yield path


def _batches(place: Place) -> Iterator[Path]:
    for path in place.files(place.batches):
        with suppress(OSError, ValueError):
            if set(read_json(path)) == {"failed"}:
                yield path


def _views(place: Place) -> Iterator[Path]:
    can_be_cut: dict[str, bool] = {}
    for path in place.files(place.store):
        dataset = path.parent.parent.name
        if dataset not in can_be_cut:
            can_be_cut[dataset] = _images_are_there(place.results / "datasets" / dataset / "samples.csv")
        if can_be_cut[dataset] and not HALF_WRITTEN.fullmatch(path.name):
            yield path


def _images_are_there(samples: Path) -> bool:
    """Whether every image that views are cut from is where it was."""
    try:
        paths = list(read_samples(samples)["path"])
    except (NullcropError, KeyError):
        return False
    files = {array[1] if (array := LOCATOR.fullmatch(path)) else path for path in paths}
    return bool(files) and all(os.path.exists(path) for path in files)  # noqa: PTH110


def _logs(place: Place) -> Iterator[Path]:
    yield from (path for path in place.files(place.logs) if path.suffix == ".log")


def _unasked_cells(place: Place) -> Iterator[Path]:
    for path in place.files(place.cells):
        cell = place.cell(path.parent, place.cells)
        if path.name != "cell.json" or cell is None or cell.path in place.wanted:
            continue
        for folder in place.finished(cell):
            with suppress(OSError, ValueError, KeyError, TypeError):
                if read_json(folder / "cell.json")["cell"] == asdict(cell):
                    # `cell.json` first: without it nobody takes the others for a finished cell.
                    yield from filter(_is_file, (folder / name for name in reversed(CELL_FILES)))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("halves", "left half-written by jobs that were killed", True, _half_written),
        Kind("work", "working files of finished cells", True, partial(_working_files, finished=True)),
        Kind(
            "checkpoints",
            "working files of cells that were stopped or failed: these begin anew",
            False,
            partial(_working_files, finished=False),
        ),
        Kind("batches", "reports of shared jobs: these start again and find their cells", False, _batches),
        Kind("views", "packed pixels whose images are all there: packed again if needed", False, _views),
        Kind("logs", "what the steps said", False, _logs),
        Kind("cells", "finished cells that no study of the config asks for", False, _unasked_cells),
    )
}
"""From what nobody misses to what took longest to make."""


def find_leftovers(place: Place) -> list[Leftover]:
    """What there is of each kind; a file is of one kind."""
    return [
        Leftover(kind, {path: path.lstat().st_size for path in kind.find(place)}) for kind in KINDS.values()
    ]


def check_idle(place: Place) -> None:
    """Raise NullcropError while a run may need what is there."""
    if any(Path(".snakemake", "locks").glob("*.lock")):
        raise NullcropError(
            "Snakemake is running in this folder, or was killed in it: wait for its end, or run `snakemake "
            "--unlock` with the config of that run; nothing was removed"
        )
    alive = {
        path.parent for path in place.files(place.work) if path.name == HEARTBEAT and _is_alive(path.parent)
    }
    if alive:
        raise NullcropError(
            f"cells are being trained in {listed(sorted(alive), 3)}: wait for their end; nothing was removed"
        )


def remove(leftovers: Sequence[Leftover], place: Place) -> tuple[int, list[str]]:
    """Remove the files of ``leftovers`` and the folders that are empty then.

    Returns the bytes that are free, and what could not be removed, with the reason. Raises as
    :func:`check_idle` does.
    """
    check_idle(place)
    freed, refused = 0, []
    for path, size in (entry for leftover in leftovers for entry in leftover.files.items()):
        if not _is_file(path):  # it went, or became a link, while the question was open
            continue
        try:
            path.unlink()
        except OSError as error:
            refused.append(f"{path} ({error.strerror})")
            continue
        freed += size
        _remove_empty(path.parent, place)
    return freed, refused


def _remove_empty(folder: Path, place: Place) -> None:
    with suppress(OSError):  # it is not empty
        while folder not in place.roots:
            folder.rmdir()
            folder = folder.parent


def _is_alive(folder: Path) -> bool:
    return read_state(folder / HEARTBEAT)[0] == "running"
