"""Zips and tars: what is unpacked, what is refused, and what an interrupted unpacking leaves."""

import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nullcrop.basics.errors import NullcropError
from nullcrop.datasets import unpack as module
from nullcrop.datasets.unpack import member_files, unpack

Make = Callable[[Path, Mapping[str, bytes]], Path]

FILES = {"images/a.jpg": b"a" * 5000, "images/deeper/b.jpg": b"b" * 3000, "LICENSE.txt": b"free"}


def zip_of(path: Path, files: Mapping[str, bytes], kind: int = stat.S_IFREG) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            content.writestr(info, data)
    return path


def tar_of(path: Path, files: Mapping[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as content:
        folder = tarfile.TarInfo("images")
        folder.type = tarfile.DIRTYPE
        content.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
            content.addfile(info, io.BytesIO(data))
    return path


MAKERS = pytest.mark.parametrize(("make", "name"), [(zip_of, "x.zip"), (tar_of, "x.tar.gz")])


def unpacked(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != module.ORIGIN)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@MAKERS
def test_every_file_is_unpacked(tmp_path: Path, make: Make, name: str) -> None:
    assert unpack(make(tmp_path / name, FILES), tmp_path / "x", "one") == 3
    assert unpacked(tmp_path / "x") == FILES


@MAKERS
def test_names_of_any_alphabet_are_kept(tmp_path: Path, make: Make, name: str) -> None:
    files = {"größe/bösartig 1.png": b"1", "изображения/доброкачественные.png": b"2"}
    unpack(make(tmp_path / name, files), tmp_path / "x", "one")
    assert unpacked(tmp_path / "x") == files


def test_what_an_unpacking_takes_and_the_disk_has_is_told_where_something_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2_340_000_000}))
    archive = zip_of(tmp_path / "x.zip", {"one.bin": bytes(1_500_000), "two.bin": bytes(700_000)})
    folder = tmp_path / "x"
    unpack(archive, folder, "one")
    assert "unpacking x.zip: 2.2 MB, the disk has 2.3 GB left" in capsys.readouterr().err
    unpack(archive, folder, "one")
    assert "the disk has" not in capsys.readouterr().err
    (folder / "two.bin").unlink()
    unpack(archive, folder, "one")
    assert "unpacking x.zip: 0.7 MB, the disk has 2.3 GB left" in capsys.readouterr().err


def test_progress_of_a_member_ends_where_its_bytes_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, tuple[int, int]] = {}

    def watched(items: Iterable[object], total: int, what: str) -> Iterator[object]:
        every = list(items)
        told[what] = total, len(every)
        return iter(every)

    monkeypatch.setattr(module, "tracked", watched)
    mebibytes = {0: 0, 1: 1, 2**20: 1, 2**20 + 1: 2, 5 * 2**19: 3}
    files = {f"{size}.bin": bytes(size) for size in mebibytes}
    unpack(zip_of(tmp_path / "x.zip", files), tmp_path / "x", "one")
    blocks = {f"{size}.bin, in MiB": (whole, whole) for size, whole in mebibytes.items()}
    assert told == {"unpacking x.zip": (5, 5), **blocks}


@MAKERS
def test_some_members_alone_may_be_wanted(tmp_path: Path, make: Make, name: str) -> None:
    assert unpack(make(tmp_path / name, FILES), tmp_path / "x", "one", ["images/a.jpg"]) == 1
    assert set(unpacked(tmp_path / "x")) == {"images/a.jpg"}


@MAKERS
def test_an_interrupted_unpacking_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make, name: str
) -> None:
    archive = make(tmp_path / name, FILES)
    write = module._write
    written: list[str] = []

    def interrupted(path: Path, member: module._Member, folder: Path) -> None:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(member.name)
        write(path, member, folder)

    monkeypatch.setattr(module, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "x", "one")
    assert len(unpacked(tmp_path / "x")) == 1
    # Half a file, as a kill in the middle would leave under another program, is no whole one.
    (tmp_path / "x/images/deeper").mkdir()
    (tmp_path / "x/images/deeper/b.jpg").write_bytes(b"b")
    monkeypatch.setattr(
        module, "_write", lambda *arguments: (written.append(arguments[1].name), write(*arguments))
    )
    unpack(archive, tmp_path / "x", "one")
    assert written == list(FILES)
    assert unpacked(tmp_path / "x") == FILES


# A hidden name comes before letters and after some signs.
@pytest.mark.parametrize("name", ["x", "(x)"])
def test_a_folder_of_another_zip_is_exchanged(tmp_path: Path, name: str) -> None:
    unpack(zip_of(tmp_path / "x.zip", FILES), tmp_path / name, "one")
    unpack(zip_of(tmp_path / "x.zip", {"images/c.jpg": b"c"}), tmp_path / name, "two")
    assert unpacked(tmp_path / name) == {"images/c.jpg": b"c"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "x.zip"]


# Of the same sizes under the same names.
VERSIONS = {
    "one": {"a.jpg": b"one", "deeper/b.jpg": b"one", "c.jpg": b"one"},
    "two": {"a.jpg": b"two", "deeper/b.jpg": b"two"},
    "six": {"a.jpg": b"six", "c.jpg": b"six", "d.jpg": b"six"},
}
WHOLE = 99
"""More steps than any unpacking takes."""


@given(
    before=st.lists(
        st.tuples(
            st.sampled_from(list(VERSIONS)),
            st.sets(st.sampled_from(["a.jpg", "deeper/b.jpg", "c.jpg", "d.jpg"])),
            st.one_of(st.just(WHOLE), st.integers(0, 12)),
        ),
        max_size=4,
    ),
    last=st.sampled_from(list(VERSIONS)),
)
@example(before=[("one", {"a.jpg"}, WHOLE), ("one", {"c.jpg"}, WHOLE)], last="two")
@example(before=[("one", {"a.jpg"}, WHOLE), ("one", {"a.jpg", "c.jpg"}, WHOLE)], last="two")
@example(before=[("one", {"a.jpg"}, WHOLE), ("two", {"a.jpg", "deeper/b.jpg"}, 3)], last="six")
@settings(max_examples=50, deadline=None)
def test_what_was_unpacked_or_interrupted_before_leaves_nothing(
    before: list[tuple[str, set[str], int]], last: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Some members of some versions, each stopped after so many steps; then all of the last."""
    folder = tmp_path_factory.mktemp("unpacked")
    archives = {sha256: zip_of(folder / f"{sha256}.zip", files) for sha256, files in VERSIONS.items()}
    left = WHOLE

    def stopping(step: Callable[..., object]) -> Callable[..., object]:
        def stopped(*arguments: object, **options: object) -> object:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return step(*arguments, **options)

        return stopped

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("nullcrop.basics.files._flush", lambda _: None)
        patched.setattr(module, "_write", stopping(module._write))
        for step in ("rename", "unlink", "rmdir"):
            patched.setattr(module.Path, step, stopping(getattr(Path, step)))
        for sha256, members, steps in before:
            left = steps
            with suppress(KeyboardInterrupt):
                unpack(archives[sha256], folder / "x", sha256, members)
        left = WHOLE
        unpack(archives[last], folder / "x", last)
    assert unpacked(folder / "x") == VERSIONS[last]
    assert {path.name for path in folder.iterdir()} == {"x", *(path.name for path in archives.values())}


def test_a_folder_stays_until_the_other_zip_is_unpacked(tmp_path: Path) -> None:
    unpack(zip_of(tmp_path / "x.zip", FILES), tmp_path / "x", "one")
    damaged = zip_of(tmp_path / "x.zip", {"images/a.jpg": b"new" * 50, "images/z.jpg": b"z" * 5000})
    whole = damaged.read_bytes()
    data = bytearray(whole)
    data[120:126] = b"\xff" * 6
    damaged.write_bytes(data)
    with pytest.raises(NullcropError, match="is damaged"):
        unpack(damaged, tmp_path / "x", "two")
    assert unpacked(tmp_path / "x") == FILES
    damaged.write_bytes(whole)
    unpack(damaged, tmp_path / "x", "two")
    assert set(unpacked(tmp_path / "x")) == {"images/a.jpg", "images/z.jpg"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.zip"]


def test_images_that_nullcrop_did_not_unpack_are_left_alone_and_named(tmp_path: Path) -> None:
    (tmp_path / "x" / "images").mkdir(parents=True)
    (tmp_path / "x" / "images" / "mine.jpg").write_bytes(b"mine")
    archive = zip_of(tmp_path / "x.zip", FILES)
    with pytest.raises(NullcropError, match=r"holds 1 files that nullcrop did not unpack: images/mine\.jpg"):
        unpack(archive, tmp_path / "x", "one")
    assert unpacked(tmp_path / "x") == {"images/mine.jpg": b"mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.zip"]


@pytest.mark.parametrize("marked_before", [False, True], ids=["with a record", "from an older version"])
def test_files_added_to_an_unpacked_folder_are_kept(
    tmp_path: Path, marked_before: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack(zip_of(tmp_path / "x.zip", FILES), tmp_path / "x", "one")
    (tmp_path / "x" / "images" / "mine.jpg").write_bytes(b"mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.jpg").write_bytes(b"mine")
    (tmp_path / "x" / "images" / "deeper" / "b.jpg").unlink()
    (tmp_path / "x" / "images" / "deeper").rmdir()
    (tmp_path / "x" / "images" / "deeper").symlink_to(tmp_path / "elsewhere")
    if marked_before:
        (tmp_path / "x" / module.ORIGIN).write_text("one\n")
    unpack(zip_of(tmp_path / "x.zip", {"images/c.jpg": b"c"}), tmp_path / "x", "two")
    assert unpacked(tmp_path / "x") == {"images/c.jpg": b"c"}
    assert f"lies in {tmp_path / '.x.kept'} now" in capsys.readouterr().err
    kept = {"images/mine.jpg": b"mine"}
    if marked_before:  # it did not record what it had unpacked
        kept |= {name: FILES[name] for name in ("images/a.jpg", "LICENSE.txt")}
    assert unpacked(tmp_path / ".x.kept") == kept
    assert (tmp_path / ".x.kept" / "images" / "deeper" / "b.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize("mine", ["images/a.jpg/mine.txt", "images"])
def test_a_folder_in_a_files_place_and_a_file_in_a_folders_are_kept(tmp_path: Path, mine: str) -> None:
    unpack(zip_of(tmp_path / "x.zip", FILES), tmp_path / "x", "one")
    shutil.rmtree(tmp_path / "x" / "images")
    (tmp_path / "x" / mine).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "x" / mine).write_bytes(b"mine")
    unpack(zip_of(tmp_path / "x.zip", {"images/c.jpg": b"c"}), tmp_path / "x", "two")
    assert unpacked(tmp_path / "x") == {"images/c.jpg": b"c"}
    assert unpacked(tmp_path / ".x.kept") == {mine: b"mine"}


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_an_interrupted_exchange_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    archive = zip_of(tmp_path / "x.zip", FILES)
    unpack(archive, tmp_path / "x", "one")
    rename, done = Path.rename, list[Path]()

    def interrupted(path: Path, target: Path) -> Path:
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(path)
        return rename(path, target)

    archive = zip_of(tmp_path / "x.zip", {"images/c.jpg": b"c"})
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        patched.setattr(module, "_remove_unpacked", lambda *_: interrupted(tmp_path, tmp_path))
        with pytest.raises(KeyboardInterrupt):
            unpack(archive, tmp_path / "x", "two")
    unpack(archive, tmp_path / "x", "two")
    assert unpacked(tmp_path / "x") == {"images/c.jpg": b"c"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.zip"]


def test_backslashes_part_the_folders_of_a_zip_that_has_no_slashes(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "x.zip", {"set\\benign\\1.jpg": b"1", "set\\2.jpg": b"2"})
    assert [info.filename for info in member_files(archive)] == ["set/benign/1.jpg", "set/2.jpg"]
    unpack(archive, tmp_path / "x", "one", ["set/benign/1.jpg"])
    assert unpacked(tmp_path / "x") == {"set/benign/1.jpg": b"1"}
    unpack(archive, tmp_path / "x", "one")
    assert unpacked(tmp_path / "x") == {"set/benign/1.jpg": b"1", "set/2.jpg": b"2"}
    with pytest.raises(NullcropError, match="leads out of its folder"):
        unpack(zip_of(tmp_path / "y.zip", {"..\\outside.jpg": b""}), tmp_path / "y", "one")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/passwd", "has an absolute path"),
        ("C:/windows", "has an absolute path"),
        ("../outside.jpg", "leads out of its folder"),
        ("images/../../outside.jpg", "leads out of its folder"),
        ("images\\..\\outside.jpg", "has a backslash"),
    ],
)
def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path, name: str, words: str) -> None:
    archive = zip_of(tmp_path / "x.zip", {**FILES, name: b"bad"})
    with pytest.raises(NullcropError) as failure:
        unpack(archive, tmp_path / "x", "one")
    assert f"{archive}: the member '{name}' {words}" in str(failure.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]
    # Not wanting it is no excuse.
    with pytest.raises(NullcropError, match="nothing of it is unpacked"):
        unpack(archive, tmp_path / "x", "one", ["images/a.jpg"])
    with pytest.raises(NullcropError, match="nothing of it is unpacked"):
        member_files(archive)


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.jpg", "images/../../outside.jpg"])
def test_a_member_of_a_tar_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tar_of(tmp_path / "x.tar.gz", {**FILES, name: b"bad"})
    with pytest.raises(NullcropError, match="nothing of it is unpacked"):
        unpack(archive, tmp_path / "x", "one")
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.FIFOTYPE, "is neither a file nor a folder"),
        (tarfile.CHRTYPE, "is neither a file nor a folder"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes, words: str) -> None:
    archive = tar_of(tmp_path / "x.tar.gz", {"images/a.jpg": b""}, kind)
    with pytest.raises(NullcropError, match=rf"the member 'images/a\.jpg' {words}"):
        unpack(archive, tmp_path / "x", "one")


@pytest.mark.parametrize(
    ("kind", "words"), [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "is neither a file nor a folder")]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, words: str) -> None:
    archive = zip_of(tmp_path / "x.zip", {"images/a.jpg": b"/etc/passwd"}, kind)
    with pytest.raises(NullcropError, match=rf"the member 'images/a\.jpg' {words}"):
        unpack(archive, tmp_path / "x", "one")


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as content:
        content.writestr("a.jpg", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            content.writestr("a.jpg", b"2")
    with pytest.raises(NullcropError, match=r"'a\.jpg' occurs twice"):
        unpack(tmp_path / "x.zip", tmp_path / "x", "one")


# The others begin as the folder's own name does, and as its name while it is exchanged.
ELSEWHERE = pytest.mark.parametrize("elsewhere", ["elsewhere", "x_of_mine", ".x.old_of_mine"])


@ELSEWHERE
def test_a_link_in_the_folder_is_not_followed_out_of_it(tmp_path: Path, elsewhere: str) -> None:
    archive = zip_of(tmp_path / "x.zip", FILES)
    (tmp_path / elsewhere).mkdir()
    unpack(archive, tmp_path / "x", "one", ["LICENSE.txt"])
    (tmp_path / "x" / "images").symlink_to(tmp_path / elsewhere)
    with pytest.raises(NullcropError, match="links that lead out of it: images"):
        unpack(archive, tmp_path / "x", "one")
    assert list((tmp_path / elsewhere).iterdir()) == []


@ELSEWHERE
def test_a_file_behind_a_link_is_not_removed_with_the_folder(tmp_path: Path, elsewhere: str) -> None:
    """Once unpacked as `images/a.jpg`; now the folder is a link to the user's own, which holds that name."""
    unpack(zip_of(tmp_path / "x.zip", FILES), tmp_path / "x", "one")
    (tmp_path / "x" / "images").rename(tmp_path / elsewhere)
    (tmp_path / "x" / "images").symlink_to(tmp_path / elsewhere)
    mine = {name: (tmp_path / elsewhere / name).read_bytes() for name in ("a.jpg", "deeper/b.jpg")}
    unpack(zip_of(tmp_path / "x.zip", {"images/c.jpg": b"c"}), tmp_path / "x", "two")
    assert unpacked(tmp_path / "x") == {"images/c.jpg": b"c"}
    assert {name: (tmp_path / elsewhere / name).read_bytes() for name in mine} == mine


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "x.zip", FILES)
    data = bytearray(archive.read_bytes())
    data[60:66] = b"\xff" * 6
    archive.write_bytes(data)
    with pytest.raises(NullcropError, match=r"the member 'images/a\.jpg' is damaged .*fetch it again"):
        unpack(archive, tmp_path / "x", "one")
    assert unpacked(tmp_path / "x") == {}


@MAKERS
def test_half_an_archive_is_named(tmp_path: Path, make: Make, name: str) -> None:
    archive = make(tmp_path / name, FILES)
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(NullcropError, match="is damaged or no archive"):
        unpack(archive, tmp_path / "x", "one")


def test_a_disk_that_is_too_full_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(NullcropError, match=r"GB left; make room"):
        unpack(zip_of(tmp_path / "x.zip", FILES), tmp_path / "x", "one")
    assert unpacked(tmp_path / "x") == {}
