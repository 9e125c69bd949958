"""Files that are read while they are written: the same cuts and entries, whenever their bytes come."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.errors import FileChanged
from budwood.store.chunks import cut, cut_coming
from budwood.store.coming import Arrival, ComingFile
from budwood.store.gather import gather


def written(folder: Path, content: bytes) -> Path:
    path = folder / "scratch"
    path.write_bytes(content)
    return path


@settings(max_examples=20, deadline=None)
@given(size=st.integers(0, 9 << 20) | st.sampled_from([4 << 20, 8 << 20, (4 << 20) + 1]), steps=st.integers(1, 9))
def test_a_file_is_cut_the_same_while_it_comes(size: int, steps: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("coming"), os.urandom(size))
    arrival = Arrival()
    found: list[tuple[int, int]] = []

    def reader() -> None:
        with ComingFile.at(path, "a.bin", arrival).open() as source:
            found.extend(cut_coming(source, arrival))

    thread = threading.Thread(target=reader)
    thread.start()
    for step in range(steps):
        arrival.advance(size * step // steps)
    arrival.end(size)
    thread.join(30)
    (file,) = gather([path])
    with file.open() as source:
        assert found == (list(cut(source, 0, size)) if size else [])


def test_a_read_waits_for_its_bytes_and_no_longer(tmp_path: Path) -> None:
    arrival = Arrival(8)
    with ComingFile.at(written(tmp_path, b"abcdefgh"), "a", arrival).open() as source:
        arrival.advance(3)
        assert source.read(0, 3) == b"abc"
        later = threading.Timer(0.02, arrival.end, (8,))
        later.start()
        assert source.read(4, 10) == b"efgh"
        later.join(30)
        source.check_unchanged()


@pytest.mark.parametrize("size", [None, 8])
def test_a_file_that_stops_coming_fails_whoever_reads_it(size: int | None, tmp_path: Path) -> None:
    arrival = Arrival(size)
    with ComingFile.at(written(tmp_path, b"abc"), "a", arrival).open() as source:
        arrival.advance(3)
        arrival.lose("its sender left")
        with pytest.raises(FileChanged, match="its sender left"):
            source.read(0, 3)
        with pytest.raises(FileChanged, match="its sender left"):
            source.check_unchanged()


def test_a_file_of_another_length_than_was_told_is_none(tmp_path: Path) -> None:
    arrival = Arrival(8)
    arrival.end(5)
    with (
        ComingFile.at(written(tmp_path, b"abcde"), "a", arrival).open() as source,
        pytest.raises(FileChanged, match="5 bytes instead of 8"),
    ):
        source.read(0, 1)
