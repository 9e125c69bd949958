"""When traffic is moved, every process that listens hears whose at once; nobody hears what was not committed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from budwood.catalog.api import Transaction
from budwood.catalog.sql.folder_bell import FolderBell
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import BELLS, SqliteCatalog
from budwood.domain.traffic.records import EndpointRecord

Open = Callable[[], SqliteCatalog | PostgresCatalog]
LISTENS = """
    import sys, time
    from pathlib import Path
    from budwood.catalog.sql.folder_bell import FolderBell
    FolderBell(Path(sys.argv[1])).hear(lambda endpoints: print("heard", *endpoints, flush=True))
    print("listens", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same catalog again and again, as other processes would."""
    made: list[SqliteCatalog | PostgresCatalog] = []
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""

    def open_one() -> SqliteCatalog | PostgresCatalog:
        made.append(PostgresCatalog(url) if url else SqliteCatalog(tmp_path / "catalog.sqlite3", durable=False))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


class Heard:
    """What was heard last."""

    def __init__(self) -> None:
        self.endpoints: Collection[int] | None = None
        self._event = threading.Event()

    def __call__(self, endpoints: Collection[int]) -> None:
        self.endpoints = tuple(endpoints)
        self._event.set()

    def wait(self, wait_s: float) -> bool:
        heard = self._event.wait(wait_s)
        self._event.clear()
        return heard


def listening(catalog: SqliteCatalog | PostgresCatalog, heard: Heard) -> Callable[[], None]:
    stop = catalog.hear(heard)
    if isinstance(catalog, PostgresCatalog):
        assert heard.wait(10)  # When its connection is made there may be something to catch up on.
    return stop


def moves(transaction: Transaction) -> int:
    endpoint = transaction.add_endpoint(EndpointRecord(0, "default", f"e{time.monotonic_ns()}", "", "mara", 5))
    transaction.change_endpoint(endpoint)
    return endpoint.id


def removes(transaction: Transaction) -> None:
    for endpoint in transaction.endpoints("default"):
        transaction.change_endpoint(replace(endpoint, removed_ms=9))


def test_all_who_listen_hear_what_one_has_moved(opened: Open) -> None:
    heard = [Heard(), Heard(), Heard()]
    writer = opened()
    stops = [listening(each, by) for each, by in zip((writer, opened(), opened()), heard, strict=True)]
    moved = writer.write(moves)
    assert all(each.wait(20) for each in heard)
    assert [each.endpoints for each in heard] == [(moved,)] * 3
    writer.write(removes)
    assert all(each.wait(20) for each in heard)
    assert [each.endpoints for each in heard] == [()] * 3
    for stop in stops:
        stop()


def test_what_was_taken_back_is_not_heard_and_who_stopped_hears_nothing(opened: Open) -> None:
    heard = Heard()
    stop = listening(opened(), heard)

    def fails(transaction: Transaction) -> None:
        moves(transaction)
        raise ValueError

    writer = opened()
    with suppress(ValueError):
        writer.write(fails)
    assert not heard.wait(0.2)
    stop()
    writer.write(moves)
    assert not heard.wait(0.2)


def test_another_process_hears_and_one_that_was_killed_is_struck_off(tmp_path: Path) -> None:
    folder = tmp_path / BELLS
    listener = subprocess.Popen(
        [sys.executable, "-c", "\n".join(line[4:] for line in LISTENS.splitlines()), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert listener.stdout is not None
    try:
        assert listener.stdout.readline() == "listens\n"
        catalog = SqliteCatalog(tmp_path / "catalog.sqlite3", durable=False)
        moved = catalog.write(moves)
        assert listener.stdout.readline() == f"heard {moved}\n"
        catalog.write(removes)
        assert listener.stdout.readline() == "heard\n"
        os.kill(listener.pid, signal.SIGKILL)
        listener.wait()
        assert len(list(folder.iterdir())) == 1
        catalog.write(moves)
        catalog.close()
        assert list(folder.iterdir()) == []
    finally:
        listener.kill()
        listener.wait()
        listener.stdout.close()


def test_who_does_not_know_the_word_rings_nobody(tmp_path: Path) -> None:
    heard: list[Collection[int]] = []
    bell = FolderBell(tmp_path / "bells")
    stop = bell.hear(heard.append)
    (path,) = (tmp_path / "bells").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for word in (b"", b"x" * 16, b"x" * 400):
            stranger.sendto(word, ("127.0.0.1", int(path.name)))
    FolderBell(tmp_path / "bells").ring((7, 8))
    until = time.monotonic() + 20
    while not heard and time.monotonic() < until:
        time.sleep(0.01)
    assert heard == [(7, 8)]
    stop()
    assert list((tmp_path / "bells").iterdir()) == []
    bell.ring()
