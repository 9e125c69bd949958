"""gather: what is found, what is refused by name, and files that change under the reader's hands."""

import os
import random
from pathlib import Path

import pytest

from budwood.domain.limits import PATH_DEPTH
from budwood.errors import BadPath, FileChanged, LimitExceeded, SourceNotFound, UnsafeEntry
from budwood.store.gather import PART_SUFFIX, gather


def file(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_folder_gives_relative_paths_and_named_things_their_names(tmp_path: Path) -> None:
    file(tmp_path / "m" / "sub" / "b")
    file(tmp_path / "m" / "a")
    assert [found.path for found in gather([tmp_path / "m"])] == ["a", "sub/b"]
    both = gather([tmp_path / "m" / "sub", tmp_path / "m" / "a"])
    assert [found.path for found in both] == ["a", "sub/b"]


def test_the_same_name_from_two_places_is_refused(tmp_path: Path) -> None:
    one, two = file(tmp_path / "1" / "a"), file(tmp_path / "2" / "a")
    with pytest.raises(BadPath, match="twice"):
        gather([one, two])


def test_a_name_that_is_not_utf8_is_refused_and_can_be_printed(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/bad-\xff"
    with open(folder, "wb"):
        pass
    with pytest.raises(BadPath) as caught:
        gather([tmp_path])
    str(caught.value.message).encode()


def test_parts_that_a_killed_pull_left_are_no_part_of_a_model(tmp_path: Path) -> None:
    file(tmp_path / f".0123{PART_SUFFIX}")
    file(tmp_path / "a")
    assert [found.path for found in gather([tmp_path])] == ["a"]


def test_hard_links_are_plain_files(tmp_path: Path) -> None:
    os.link(file(tmp_path / "a"), tmp_path / "b")
    assert [found.path for found in gather([tmp_path])] == ["a", "b"]


def test_folders_nested_without_end_are_refused_by_a_named_limit(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(PATH_DEPTH + 2):
        deep = deep / "d"
    file(deep / "a")
    with pytest.raises((LimitExceeded, BadPath)) as caught:
        gather([tmp_path])
    assert caught.value.facts["limit"] == "PATH_DEPTH"


def test_a_linked_folder_given_by_name_is_not_followed(tmp_path: Path) -> None:
    file(tmp_path / "real" / "a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UnsafeEntry):
        gather([tmp_path / "link"])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_a_file_that_claims_to_be_empty_and_is_not_is_refused() -> None:
    (found,) = gather([Path("/proc/self/status")])
    assert found.size == 0
    with pytest.raises(UnsafeEntry, match="claims to be empty"):
        found.open()


@pytest.mark.parametrize("change", ["grow", "shrink", "replace", "touch", "remove", "link", "fifo"])
def test_any_change_between_the_look_and_the_end_is_noticed(tmp_path: Path, change: str) -> None:
    target = file(tmp_path / "a", b"x" * 1000)
    (found,) = gather([target])
    os.utime(target, ns=(1, found.stamp.modified_ns)) if change == "touch" else None
    match change:
        case "grow":
            file(target, b"x" * 1001)
        case "shrink":
            file(target, b"")
        case "touch":
            os.utime(target, (1, 1))
        case "replace":
            file(tmp_path / "b", b"y" * 1000).replace(target)
        case _:
            target.unlink()
            if change == "link":
                target.symlink_to(file(tmp_path / "b", b"x" * 1000))
            elif change == "fifo":
                os.mkfifo(target)
    with pytest.raises((FileChanged, UnsafeEntry)):
        found.open()


def test_a_file_that_shrinks_while_it_is_read_never_gives_fewer_bytes_in_silence(tmp_path: Path) -> None:
    target = file(tmp_path / "a", random.Random(1).randbytes(10_000))
    (found,) = gather([target])
    with found.open() as source:
        os.truncate(target, 5_000)
        with pytest.raises(FileChanged):
            source.read_into(0, memoryview(bytearray(10_000)))
        with pytest.raises(FileChanged):
            source.check_unchanged()


def test_reads_past_the_end_are_short_and_never_negative(tmp_path: Path) -> None:
    (found,) = gather([file(tmp_path / "a", b"0123456789")])
    with found.open() as source:
        assert (source.read(8, 100), source.read(10, 5), source.read(50, 5)) == (b"89", b"", b"")


def test_no_descriptor_is_left_open_when_opening_fails(tmp_path: Path) -> None:
    target = file(tmp_path / "a")
    (found,) = gather([target])
    file(target, b"other")
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208
    for _ in range(20):
        with pytest.raises(FileChanged):
            found.open()
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", file(tmp_path / "a") / "below"):
        with pytest.raises(SourceNotFound):
            gather([path])
