"""Whether a download from Kaggle can start: asked by the step, and by the workflow before any job.

Apart from :mod:`nullcrop.datasets.kaggle_source` so that a dry run loads neither pandas nor requests.
"""

import os
from pathlib import Path

from nullcrop.basics.errors import NullcropError
from nullcrop.config.definitions import KaggleSource


def check_credentials(source: KaggleSource, archive: Path) -> None:
    """Raise NullcropError when fetching ``source`` into ``archive`` needs a download and there are no
    credentials."""
    zipped = shared_zip(source, archive)
    if source.data_dir is None and not zipped.is_file() and credentials() is None:
        raise NullcropError(
            f"downloading {source.handle} needs a Kaggle account, and no credentials were found: create a "
            "token at https://www.kaggle.com/settings and save it as ~/.kaggle/access_token (or "
            f"kaggle.json, or set KAGGLE_API_TOKEN); or download the zip from {page(source)} in a browser "
            f"and put it at {zipped}"
        )


def shared_zip(source: KaggleSource, archive: Path) -> Path:
    """Where the zip of ``source`` lies, which datasets of one handle share."""
    owner, _, name = source.handle.partition("/")
    return archive.parent / "_kaggle" / owner / f"{name}.zip"


def page(source: KaggleSource) -> str:
    """Address of the dataset's page."""
    return f"https://www.kaggle.com/datasets/{source.handle}"


def credentials() -> str | None:
    """Where Kaggle's package will find credentials, in its own order; None where there are none.

    Only places are looked at, never what is in them.
    """
    home = _at_home(".kaggle")
    environment = os.environ.get
    places = {
        "KAGGLE_API_TOKEN": bool(environment("KAGGLE_API_TOKEN")),
        str(home / "access_token"): _is_file(home / "access_token"),
        str(home / "access_token.txt"): _is_file(home / "access_token.txt"),
        "KAGGLE_USERNAME and KAGGLE_KEY": bool(environment("KAGGLE_USERNAME") and environment("KAGGLE_KEY")),
        str(config_folder() / "kaggle.json"): _is_file(config_folder() / "kaggle.json"),
        str(home / "credentials.json"): _is_file(home / "credentials.json"),
    }
    return next((place for place, there in places.items() if there), None)


def config_folder() -> Path:
    """The folder of settings that Kaggle's package makes when it is imported."""
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(os.environ["KAGGLE_CONFIG_DIR"])
    home = _at_home(".kaggle")
    if os.path.exists(home):  # noqa: PTH110
        return home
    return Path(os.environ.get("XDG_CONFIG_HOME") or _at_home(".config")) / "kaggle"


# os.path and not pathlib, which raises where a user has no home folder, or may not look into it.


def _at_home(name: str) -> Path:
    return Path(os.path.expanduser(f"~/{name}"))  # noqa: PTH111


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113
