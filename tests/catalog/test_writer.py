"""Group commit by itself: who is committed together, who is told what, and how the thread begins and ends."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

import pytest

from budwood.catalog.api import Transaction
from budwood.catalog.sql import writer
from budwood.catalog.sql.writer import GroupWriter
from budwood.errors import RegistryBusy, StorageFailed, StorageFull

UNSETTLED = "unsettled"


class Book:
    """A database that is a list: entries are pending until a commit makes them last."""

    def __init__(self) -> None:
        self.lasting: list[object] = []
        self.commits: list[int] = []
        self.small: list[bool] = []
        self.synced: list[bool] = []
        self.fail_commit: Exception | None = None
        self.drops_batch = False
        self.opened = 0

    def open(self) -> "Page":
        self.opened += 1
        return Page(self)


class Page:
    def __init__(self, book: Book) -> None:
        self.book = book
        self.pending: list[object] = []
        self.marked = 0
        self.transaction = cast(Transaction, self.pending)

    def begin(self, *, small: bool, synced: bool) -> None:
        self.pending.clear()
        self.book.small.append(small)
        self.book.synced.append(synced)

    def mark(self) -> None:
        self.marked = len(self.pending)

    def settle(self) -> None:
        if UNSETTLED in self.pending:
            raise StorageFailed("what was sent later failed")

    def keep(self) -> None:
        pass

    def undo(self) -> bool:
        del self.pending[self.marked :]
        return not self.book.drops_batch

    def commit(self) -> None:
        if self.book.fail_commit:
            raise self.book.fail_commit
        self.book.lasting += self.pending
        self.book.commits.append(len(self.pending))

    def roll_back(self) -> None:
        self.pending.clear()

    def close(self) -> None:
        pass


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def group(book: Book) -> Iterator[GroupWriter]:
    group = GroupWriter(book.open)
    yield group
    group.close()


def entry(value: object) -> Callable[[Transaction], object]:
    def work(transaction: Transaction) -> object:
        cast(list[object], transaction).append(value)
        return value

    return work


Work = Callable[[Transaction], object]
Asked = tuple[Callable[[Work], object], Work]


def together(
    group: GroupWriter, works: Sequence[Work | Asked], busy_by: Callable[[Work], object] | None = None
) -> list[object]:
    """Ask for all of them while the writer is busy with another; their results or errors."""
    busy, release = threading.Event(), threading.Event()

    def block(_: Transaction) -> None:
        busy.set()
        release.wait(10)

    def ask(work: Work | Asked) -> object:
        write, work = work if isinstance(work, tuple) else (group.write, work)
        try:
            return write(work)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works) + 1) as pool:
        first = pool.submit(ask, (busy_by or group.write, block))
        assert busy.wait(10)
        waiting = []
        for count, work in enumerate(works, start=1):
            waiting.append(pool.submit(ask, work))
            while group._requests.qsize() < count:
                time.sleep(0.001)
        release.set()
        first.result(10)
        return [future.result(10) for future in waiting]


def test_those_who_wait_are_committed_together(group: GroupWriter, book: Book) -> None:
    assert together(group, [entry(n) for n in range(10)]) == list(range(10))
    assert book.commits == [10]
    assert book.lasting == list(range(10))


def test_a_lone_write_is_committed_at_once(group: GroupWriter, book: Book) -> None:
    for n in range(5):
        assert group.write(entry(n)) == n
        assert book.lasting == list(range(n + 1))
    assert book.commits == [1, 1, 1, 1, 1]
    assert book.opened == 1


def test_what_can_wait_goes_after_those_who_wait_and_delays_no_commit_of_theirs(group: GroupWriter, book: Book) -> None:
    works = [(group.write_behind, entry("behind")), (group.write, entry(1)), (group.write, entry(2))]
    assert together(group, works) == ["behind", 1, 2]
    assert book.lasting == [1, 2, "behind"]
    assert book.commits == [2, 1]


def test_what_can_wait_is_committed_by_itself_and_not_synced(group: GroupWriter, book: Book) -> None:
    behind = [(group.write_behind, entry(n)) for n in range(3)]
    assert together(group, behind, busy_by=group.write_behind) == [0, 1, 2]
    group.write(entry("now"))
    assert book.commits[-2:] == [3, 1]
    assert book.synced[-2:] == [False, True]


def test_what_can_wait_has_its_turn_however_many_there_are(
    group: GroupWriter, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BEHIND_S", 0.01)
    done = threading.Event()

    def ask_again_and_again() -> None:
        while not done.is_set():
            group.write(entry("another"))

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(ask_again_and_again) for _ in range(3)]
        try:
            assert group.write_behind(entry("behind")) == "behind"
        finally:
            done.set()
        for each in others:
            each.result(10)
    assert "behind" in book.lasting


def test_a_batch_of_small_work_takes_nothing_else(group: GroupWriter, book: Book) -> None:
    def soon(work: Work) -> object:
        answer: Future[object] = Future()
        group.write_soon(work, lambda outcome: answer.set_result(outcome()))
        return answer.result(10)

    works: list[Work | Asked] = [(soon, entry(0)), (soon, entry(1)), entry(2), (soon, entry(3))]
    assert together(group, works, soon) == [0, 1, 2, 3]
    assert (book.commits, book.small) == ([2, 2], [True, False])


def test_nobody_is_woken_before_all_of_a_batch_were_told(group: GroupWriter) -> None:
    begun, go_on, woken = threading.Event(), threading.Event(), threading.Event()
    heard: list[str] = []

    def first(transaction: Transaction) -> None:
        begun.set()
        assert go_on.wait(10)

    def wake() -> None:
        heard.append("woken")
        woken.set()

    def told(outcome: Callable[[], object]) -> Callable[[], None]:
        heard.append("told")
        return wake

    group.write_soon(first, told)
    assert begun.wait(10)
    group.write_soon(entry(2), told)
    go_on.set()
    assert woken.wait(10)
    assert heard == ["told", "told", "woken"]


def test_work_that_raises_is_undone_and_its_neighbours_stay(group: GroupWriter, book: Book) -> None:
    def spoil(transaction: Transaction) -> None:
        entry("spoilt")(transaction)
        raise KeyError("enough")

    one, spoilt, two = together(group, [entry(1), spoil, entry(2)])
    assert (one, two) == (1, 2)
    assert isinstance(spoilt, KeyError)
    assert book.lasting == [1, 2]


def test_work_whose_last_statements_fail_is_undone_and_its_neighbours_stay(group: GroupWriter, book: Book) -> None:
    one, spoilt, two = together(group, [entry(1), entry(UNSETTLED), entry(2)])
    assert (one, two) == (1, 2)
    assert isinstance(spoilt, StorageFailed)
    assert book.lasting == [1, 2]
    with pytest.raises(StorageFailed):
        group.write(entry(UNSETTLED))
    assert book.lasting == [1, 2]


def test_a_failed_commit_fails_everyone_in_it(group: GroupWriter, book: Book) -> None:
    book.fail_commit = StorageFull("no room", path="x")
    results = together(group, [entry(n) for n in range(3)])
    assert [type(result) for result in results] == [StorageFull] * 3
    assert len({id(result) for result in results}) == 3
    assert book.lasting == []
    book.fail_commit = None
    assert group.write(entry("after")) == "after"
    assert book.lasting == ["after"]
    assert book.opened == 2  # A connection whose sync failed is not trusted again.


def test_a_batch_that_the_database_dropped_fails_everyone_in_it(group: GroupWriter, book: Book) -> None:
    def drop(transaction: Transaction) -> None:
        book.drops_batch = True
        raise StorageFull("no room")

    results = together(group, [entry(1), drop, entry(2)])
    assert [type(result) for result in results[:2]] == [StorageFull, StorageFull]
    book.drops_batch = False
    assert 1 not in book.lasting


def test_an_error_at_opening_reaches_the_caller(
    group: GroupWriter, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Page:
        raise StorageFailed("no disk")

    monkeypatch.setattr(group, "_open_batch", refuse)
    with pytest.raises(StorageFailed, match="no disk"):
        group.write(entry(1))
    monkeypatch.undo()
    assert group.write(entry(1)) == 1


def test_no_batch_is_larger_than_its_limit(group: GroupWriter, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WRITE_BATCH", 4)
    together(group, [entry(n) for n in range(10)])
    assert book.lasting == list(range(10))
    assert max(book.commits) <= 4


def test_a_full_queue_is_refused_in_time(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WRITE_QUEUE", 1)
    monkeypatch.setattr(writer, "BUSY_S", 0.05)
    group = GroupWriter(book.open)
    release, busy = threading.Event(), threading.Event()

    def block(_: Transaction) -> None:
        busy.set()
        release.wait(10)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(group.write, block)
        assert busy.wait(10)
        second = pool.submit(group.write, entry(2))
        while not group._requests.full():
            time.sleep(0.001)
        with pytest.raises(RegistryBusy):
            group.write(entry(3))
        release.set()
        first.result(10)
        assert second.result(10) == 2
    group.close()
    assert book.lasting == [2]


def test_an_interrupted_caller_takes_back_what_has_not_begun(group: GroupWriter, book: Book) -> None:
    release, busy = threading.Event(), threading.Event()

    def block(_: Transaction) -> None:
        busy.set()
        release.wait(10)

    request = writer._Request(entry("interrupted"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(group.write, block)
        assert busy.wait(10)
        group._requests.put(request)
        request.abandon()
        release.set()
        first.result(10)
    assert request.done.wait(10)
    assert book.lasting == []


def test_the_thread_begins_with_the_first_write_and_ends_with_close(book: Book) -> None:
    def threads() -> int:
        return sum(thread.name == "budwood-catalog-writer" for thread in threading.enumerate())

    before = threads()
    group = GroupWriter(book.open)
    assert threads() == before
    group.write(entry(1))
    assert threads() == before + 1
    group.close()
    assert threads() == before
    group.close()


def test_close_finishes_what_was_asked_before_and_refuses_what_comes_after(book: Book) -> None:
    group = GroupWriter(book.open)
    release, busy = threading.Event(), threading.Event()

    def block(_: Transaction) -> None:
        busy.set()
        release.wait(10)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(group.write, block)
        assert busy.wait(10)
        second = pool.submit(group.write, entry(2))
        while not group._requests.qsize():
            time.sleep(0.001)
        closing = pool.submit(group.close)
        while group._requests.qsize() < 2:
            time.sleep(0.001)
        release.set()
        closing.result(10)
        first.result(10)
        assert second.result(10) == 2
    with pytest.raises(StorageFailed, match="closed"):
        group.write(entry(3))
    assert book.lasting == [2]


def test_work_may_not_write_through_the_catalog_it_runs_in(group: GroupWriter, book: Book) -> None:
    def nested(_: Transaction) -> object:
        return group.write(entry(1))

    with pytest.raises(AssertionError, match="must not write"):
        group.write(nested)
    assert book.lasting == []
