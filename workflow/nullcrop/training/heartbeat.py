"""A small file by which others can tell a step that runs from one that failed or was killed."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from nullcrop.basics.errors import explained
from nullcrop.basics.files import read_json, write_json

HEARTBEAT = "state.json"
"""Name of the file in a step's working folder."""

BEAT_SECONDS = 30.0

SILENT_SECONDS = 300.0
"""A file that was not touched for so long belongs to a process that is dead, or whose node is."""

State = Literal["running", "failed", "stopped"]


@contextmanager
def beating(path: Path) -> Iterator[None]:
    """Keep ``path`` fresh while the block runs; when the block fails leave the error's words in it.

    A block that was interrupted leaves no file, one that was killed a file that grows old.
    """
    beat = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }
    write_json(path, beat)
    ended = threading.Event()
    beats = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    beats.start()
    try:
        yield
    except Exception as error:
        _say_failed(path, {**beat, "failed": explained(error) or f"{type(error).__name__}: {error}"})
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        ended.set()


def read_state(path: Path) -> tuple[State, dict[str, Any]]:
    """What a heartbeat tells, and what it holds; without one, or with an old one: stopped."""
    try:
        beat: dict[str, Any] = read_json(path)
        if "failed" in beat:
            return "failed", beat
        silent = time.time() - path.stat().st_mtime
    except (OSError, ValueError, TypeError):
        return "stopped", {}
    return ("running" if silent < SILENT_SECONDS else "stopped"), beat


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        # Another process may have finished the same cell, or the disk be gone for a moment.
        with suppress(OSError):
            os.utime(path)


def _say_failed(path: Path, beat: dict[str, Any]) -> None:
    with suppress(OSError):  # on a full disk the error itself is what counts
        write_json(path, beat)
