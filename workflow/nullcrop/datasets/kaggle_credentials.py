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
    home = Path("~/.kaggle").expanduser()
    environment = os.environ.get
    places = {
        "KAGGLE_API_TOKEN": bool(environment("KAGGLE_API_TOKEN")),
        str(home / "access_token"): (home / "access_token").is_file(),
        str(home / "access_token.txt"): (home / "access_token.txt").is_file(),
        "KAGGLE_USERNAME and KAGGLE_KEY": bool(environment("KAGGLE_USERNAME") and environment("KAGGLE_KEY")),
        str(_config_folder() / "kaggle.json"): (_config_folder() / "kaggle.json").is_file(),
        str(home / "credentials.json"): (home / "credentials.json").is_file(),
    }
    return next((place for place, there in places.items() if there), None)


def _config_folder() -> Path:
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(os.environ["KAGGLE_CONFIG_DIR"])
    home = Path("~/.kaggle").expanduser()
    if home.exists():
        return home
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "kaggle"
