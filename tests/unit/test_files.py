"""Files written whole or not at all, and checksums."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nullcrop.basics.files import read_json, sha256_of, sha256_of_lines, write_json, written_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with written_whole(path) as aside:
        aside.write_text("first\n")
        assert not path.exists()
    assert path.read_text() == "first\n"
    assert names(tmp_path) == ["table.csv"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with written_whole(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failing_block_leaves_the_old_file_and_nothing_else(
    failure: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write_half() -> None:
        with written_whole(path) as aside:
            aside.write_text("half of the n")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


def test_a_failing_block_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    def write_half() -> None:
        with written_whole(tmp_path / "table.csv") as aside:
            aside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert names(tmp_path) == []


def test_missing_folders_are_made_and_the_suffix_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "pixels.npy"
    with written_whole(path) as aside:
        assert aside.parent == path.parent
        np.save(aside, np.arange(3))  # numpy would append .npy to any other name
    assert np.load(path).tolist() == [0, 1, 2]
    assert names(path.parent) == ["pixels.npy"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664), (0o077, 0o600)])
def test_the_mode_is_what_the_umask_leaves(mask: int, mode: int, tmp_path: Path) -> None:
    # In a process of its own, because the umask belongs to all threads of this one.
    code = (
        "import os, sys; from nullcrop.basics.files import write_json\n"
        f"os.umask({mask}); write_json(sys.argv[1], 1); print(os.umask(0))"
    )
    package = Path(__file__).parents[2] / "workflow"
    path = tmp_path / "new.json"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert int(done.stdout) == mask


def test_of_writers_at_once_one_wins_and_no_reader_sees_half(tmp_path: Path) -> None:
    path = tmp_path / "shared.txt"
    texts = {letter * 200_000 for letter in "abcdefgh"}
    umask = os.umask(0)
    os.umask(umask)

    def write(text: str) -> None:
        for _ in range(15):
            with written_whole(path) as aside, aside.open("w") as stream:
                for start in range(0, len(text), 50_000):
                    stream.write(text[start : start + 50_000])
                    stream.flush()

    write(next(iter(texts)))
    seen = set()
    with ThreadPoolExecutor(len(texts)) as pool:
        writers = [pool.submit(write, text) for text in texts]
        while not all(writer.done() for writer in writers):
            seen.add(path.read_text())
    for writer in writers:
        writer.result()
    assert seen <= texts
    assert path.read_text() in texts
    assert names(tmp_path) == ["shared.txt"]
    assert os.umask(umask) == umask


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is flushed, and how large it is then, in its order beside the renaming."""
    done: list[tuple[str, int, int | None]] = []
    flush, rename = os.fsync, os.replace

    def noted_flush(handle: int) -> None:
        facts = os.fstat(handle)
        done.append(("flush", facts.st_ino, None if stat.S_ISDIR(facts.st_mode) else facts.st_size))
        flush(handle)

    def noted_rename(source: Path, target: Path) -> None:
        done.append(("rename", source.stat().st_ino, None))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(os, "replace", noted_rename)
    write_json(tmp_path / "facts.json", {"a": 1})
    facts = (tmp_path / "facts.json").stat()
    assert done == [
        ("flush", facts.st_ino, facts.st_size),
        ("rename", facts.st_ino, None),
        ("flush", tmp_path.stat().st_ino, None),
    ]


def test_a_folder_that_cannot_be_flushed_is_no_failure_and_a_file_that_cannot_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", flush)
    write_json(tmp_path / "facts.json", 1)

    def fail(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        write_json(tmp_path / "facts.json", 2)
    assert caught.value.filename == str(tmp_path / "facts.json")
    assert read_json(tmp_path / "facts.json") == 1
    assert names(tmp_path) == ["facts.json"]


def test_json_is_read_back_as_written_and_stays_readable(tmp_path: Path) -> None:
    content = {"title": "Größe 20×20", "counts": [1, 2.5, None, True]}
    write_json(tmp_path / "facts.json", content)
    assert read_json(tmp_path / "facts.json") == content
    text = (tmp_path / "facts.json").read_text(encoding="utf-8")
    assert "Größe 20×20" in text
    assert text.endswith("}\n")


def test_what_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "facts.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "facts.json", {"a": object()})
    assert read_json(tmp_path / "facts.json") == 1
    assert names(tmp_path) == ["facts.json"]


def test_checksums_are_sha256(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "any").write_bytes(content)
    assert sha256_of(tmp_path / "any") == hashlib.sha256(content).hexdigest()
    assert sha256_of_lines(["a", "é"]) == hashlib.sha256("a\né\n".encode()).hexdigest()
    assert sha256_of_lines(["ab"]) != sha256_of_lines(["a", "b"])


def test_a_write_that_fails_names_its_file(tmp_path: Path) -> None:
    """Linux' own full disk; the system's error of a write has no name in it."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space left") as caught, written_whole(tmp_path / "table.csv"):
        Path("/dev/full").write_bytes(b"x" * 100)
    assert caught.value.filename == str(tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())
