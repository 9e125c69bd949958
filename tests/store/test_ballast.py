"""Room that is kept: made where there is plenty, lent when asked for, and taken back before others find it."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from budwood.domain.limits import BALLAST_BYTES, BALLAST_BYTES_LEAST
from budwood.store.ballast import FolderBallast


class Disk(NamedTuple):
    total: int
    used: int
    free: int


LEAST = BALLAST_BYTES_LEAST


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the disk is said to have; the test changes it."""
    room = [10 * BALLAST_BYTES]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(0, 0, room[0]))
    return room


@pytest.fixture
def ballast(tmp_path: Path, free: list[int]) -> FolderBallast:
    (tmp_path / "catalog").touch()
    return FolderBallast(tmp_path / "catalog")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "ballast"


def test_it_takes_the_room_it_says_it_has(ballast: FolderBallast, kept: Path) -> None:
    ballast.keep()
    ballast.keep()
    assert kept.stat().st_size == LEAST <= kept.stat().st_blocks * 512


def test_it_grows_with_the_catalog_up_to_its_limit(ballast: FolderBallast, kept: Path, tmp_path: Path) -> None:
    for catalog, size in ((LEAST + 5, LEAST + 5), (1 << 40, BALLAST_BYTES), (0, BALLAST_BYTES)):
        os.truncate(tmp_path / "catalog", catalog)
        ballast.keep()
        assert kept.stat().st_size == size


def test_a_small_disk_has_none(ballast: FolderBallast, kept: Path, free: list[int]) -> None:
    free[0] = 2 * LEAST - 1
    ballast.keep()
    assert not kept.exists()
    assert not ballast.give_up()


def test_it_is_given_up_only_where_there_is_little_room(ballast: FolderBallast, kept: Path, free: list[int]) -> None:
    ballast.keep()
    ballast.give_up_when_full()
    assert kept.exists()
    free[0] = 4096
    ballast.give_up_when_full()
    assert not kept.exists()


def test_what_is_left_of_it_is_taken_back_and_grows_with_the_room(
    ballast: FolderBallast, kept: Path, free: list[int]
) -> None:
    ballast.take_back()
    assert not kept.exists()
    ballast.keep()
    assert ballast.give_up()
    free[0] = LEAST
    ballast.take_back()
    assert kept.stat().st_size == LEAST * 7 // 8
    free[0] = 3 * LEAST
    ballast.take_back()
    assert kept.stat().st_size == LEAST


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    ballast = FolderBallast(tmp_path / "gone" / "catalog")
    ballast.keep()
    ballast.give_up_when_full()
    ballast.take_back()
    assert not ballast.give_up()
