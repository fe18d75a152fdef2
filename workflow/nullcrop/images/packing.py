"""What the store of a dataset is asked to hold of its originals: by the config, and by what it holds
already."""

from pathlib import Path

from nullcrop.basics.files import read_json
from nullcrop.config.grid import Grid


def packed_sides(grid: Grid, dataset: str) -> list[str] | None:
    """Input sides at which ``dataset``'s originals are to be stored where they are much larger; None: at full
    size.

    At full size they are where the config says so, and where one of its baselines reads them whole.
    What a store was asked for before stays as long as it serves: full originals serve every side, and sides
    that this config does not ask for may be another's. So a store is packed again when it lacks something,
    and only then.
    """
    config = grid.project.config
    before: list[str] | None
    try:
        sidecar = read_json(Path(config.paths.store, dataset, "views", "original.json"))
        before, full = sidecar.get("sides"), not sidecar.get("extracts")
    except (OSError, ValueError, AttributeError):
        before, full = None, False  # not packed yet, or damaged: the step that reads it says so
    if full:
        return before
    if config.originals == "full" or grid.needs_full_originals(dataset):
        return None
    return sorted({*(before or []), *grid.input_sides(dataset)})
