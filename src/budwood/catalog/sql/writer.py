"""Group commit: one thread writes, and whoever is waiting when it is free is made durable by the same sync.

A sync costs milliseconds and a small write costs microseconds, so sixteen writers who share syncs are ten times
as fast as sixteen who queue for their own. Each piece of work runs between savepoints: one that raises leaves
nothing, its neighbours stay. Results are handed out only after the commit. Nobody is made to wait for company:
a lone caller's work is committed at once. What can wait (``write_behind``) goes after what cannot, for a while, in
batches of its own, which are not synced: whoever comes meanwhile would wait for that. What a request of few bytes asks
for (``write_soon``) is small, and so are batches of nothing else.
"""

import math
import queue
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, Final, Protocol, TypeVar, cast

from budwood.catalog.api import Done, Transaction
from budwood.domain.limits import BUSY_S, WRITE_BATCH, WRITE_QUEUE
from budwood.errors import BudwoodError, RegistryBusy, StorageFailed

T = TypeVar("T")
BEHIND_S: Final = 0.25
"""So long others go before what can wait; then it is in their ranks, or it would never be its turn."""
_ALIVE_CHECK_S: Final = 1.0
_NUMBERS: Final = count()


class Batch(Protocol):
    """A connection that commits several pieces of work together. Errors are those of ``Catalog.write``."""

    @property
    def transaction(self) -> Transaction: ...
    def begin(self, *, small: bool, synced: bool) -> None:
        """``small``: all that is done in it is, so that what a mark needs for undoing it fits into memory. ``synced``:
        once it is committed, it outlives a loss of power; else a later one that is makes it so."""

    def mark(self) -> None:
        """Remember this point, before one piece of work."""

    def settle(self) -> None:
        """Whatever the work asked for is done in the database when this returns."""

    def keep(self) -> None:
        """Forget the mark; the work stays."""

    def undo(self) -> bool:
        """Return to the mark. False when the database has already dropped the whole batch."""

    def commit(self) -> None: ...
    def roll_back(self) -> None: ...
    def close(self) -> None: ...


class GroupWriter:
    """The one thread that writes. It starts with the first write and ends with ``close``."""

    def __init__(self, open_batch: Callable[[], Batch]) -> None:
        self._open_batch = open_batch
        self._requests: queue.PriorityQueue[_Request] = queue.PriorityQueue(WRITE_QUEUE)
        self._starting = threading.Lock()
        # Held while the connection is in use; whoever else holds it may close the connection.
        self._turn = threading.Lock()
        self._batch: Batch | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in the next batch; return or raise what it did once that is durable."""
        return self._written(work, 0.0)

    def write_behind(self, work: Callable[[Transaction], T]) -> T:
        """Like ``write``, behind all who call that within ``BEHIND_S``, durable with the next of theirs."""
        return self._written(work, BEHIND_S)

    def write_soon(self, work: Callable[[Transaction], T], done: Done[T]) -> None:
        """Like ``write``, without waiting: ``done`` is told the outcome, once that is durable.

        It is called in the thread that writes, so it must be quick, must not write, and must not raise.
        """
        self._ask(_Request(work, cast(Done[Any], done)))

    def _written(self, work: Callable[[Transaction], T], behind_s: float) -> T:
        request = _Request(work, behind_s=behind_s)
        request.wait(self._ask(request))
        return cast(T, request.outcome())

    def _ask(self, request: "_Request") -> threading.Thread:
        """The thread that will see to it. Raises RegistryBusy."""
        thread = self._running_thread()
        assert threading.current_thread() is not thread, "work must not write through the catalog it runs in"
        try:
            self._requests.put(request, timeout=BUSY_S)
        except queue.Full:
            raise RegistryBusy(f"{WRITE_QUEUE} writes are waiting already.", limit="WRITE_QUEUE") from None
        return thread

    def close(self) -> None:
        """Finish what was asked before, then end the thread. Later writes fail."""
        with self._starting:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._requests.put(_Request(_nothing, behind_s=math.inf))
            thread.join()

    def pause(self) -> bool:
        """Let the batch under way finish and close the connection; whether that worked. ``resume`` must follow."""
        if threading.current_thread() is self._thread or not self._turn.acquire(timeout=BUSY_S):
            return False
        self._drop_connection()
        return True

    def resume(self) -> None:
        self._turn.release()

    def _running_thread(self) -> threading.Thread:
        with self._starting:
            if self._closed:
                raise StorageFailed("The catalog was closed.", hint="Open the registry again.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="budwood-catalog-writer", daemon=True)
                self._thread.start()
            return self._thread

    def _serve(self) -> None:
        while not (first := self._requests.get()).is_end:
            with self._turn:
                self._serve_batch(first)
        with self._turn:
            self._drop_connection()

    def _serve_batch(self, first: "_Request") -> None:
        """Commit the first request and those that arrive meanwhile."""
        ran: list[_Request] = []
        try:
            batch = self._batch = self._batch or self._open_batch()
            batch.begin(small=first.is_small, synced=not first.can_wait)
            request: _Request | None = first
            while request is not None:
                request.run(batch, first=not ran)
                ran.append(request)
                if request.ended_batch:
                    break
                request = self._next(first) if len(ran) < WRITE_BATCH else None
            if not ran[-1].ended_batch:
                batch.commit()
            elif len(ran) > 1:
                raise ran[-1].error or StorageFailed("The database dropped a batch.")
        except BaseException as error:
            self._fail(ran or [first], error)
        # Whoever is woken takes the interpreter, so nobody is before all were told.
        for wake in dict.fromkeys([request.finish() for request in ran or [first]]):
            if wake is not None:
                wake()

    def _next(self, first: "_Request") -> "_Request | None":
        """The next waiting request, if it may join the first one's batch."""
        with self._requests.mutex:
            waiting = self._requests.queue[0] if self._requests.queue else None
        if waiting is None or waiting.is_end or not first.lets_join(waiting):
            return None
        # Nobody else takes any, so it is still there, or one is that is to go before it.
        return self._requests.get_nowait()

    def _fail(self, ran: list["_Request"], error: BaseException) -> None:
        """Nothing of this batch was kept: tell all that thought it would be, and start afresh with a new connection."""
        self._drop_connection()
        for request in ran:
            if request.error is None:
                request.error = _own_copy(error)

    def _drop_connection(self) -> None:
        batch, self._batch = self._batch, None
        if batch is None:
            return
        try:
            batch.roll_back()
        finally:
            batch.close()


class _Request:
    """One piece of work and what came of it."""

    __slots__ = ("_abandoned", "_order", "_told", "_value", "_work", "can_wait", "done", "ended_batch", "error")

    def __init__(
        self,
        work: Callable[[Transaction], Any],
        told: Done[Any] | None = None,
        behind_s: float = 0.0,
    ) -> None:
        self._order = (time.monotonic() + behind_s, next(_NUMBERS))
        self.can_wait = behind_s > 0
        self._work = work
        self._told = told
        self._value: Any = None
        self._abandoned = False
        self.error: BaseException | None = None
        self.ended_batch = False
        self.done = threading.Event()

    def __lt__(self, other: "_Request") -> bool:
        return self._order < other._order

    @property
    def is_small(self) -> bool:
        return self._told is not None

    def lets_join(self, other: "_Request") -> bool:
        """What can wait has batches of its own, and a small batch stays small."""
        return self.can_wait == other.can_wait and (other.is_small or not self.is_small)

    @property
    def is_end(self) -> bool:
        """Nothing comes after it."""
        return self._order[0] == math.inf

    def run(self, batch: Batch, *, first: bool) -> None:
        """Do the work. The first of a batch needs no mark, and a lone large push none of what a mark costs."""
        if self._abandoned:
            return
        if not first:
            batch.mark()
        # The thread keeps the last request until there is another; it need not keep a manifest with it.
        work, self._work = self._work, _nothing
        try:
            self._value = work(batch.transaction)
            batch.settle()
        except BaseException as error:
            self.error = error
            self.ended_batch = first or not batch.undo()
            if first:
                batch.roll_back()
            return
        if not first:
            batch.keep()

    def wait(self, thread: threading.Thread) -> None:
        """Until done. An interrupted caller takes back what has not begun."""
        try:
            while not self.done.wait(_ALIVE_CHECK_S):
                if not thread.is_alive() and not self.done.is_set():
                    raise StorageFailed("The catalog was closed before this was written.")
        except BaseException:
            self.abandon()
            raise

    def finish(self) -> Callable[[], None] | None:
        """Tell whoever asked; what they want to be called once all were told."""
        self.done.set()
        return self._told(self.outcome) if self._told is not None else None

    def abandon(self) -> None:
        self._abandoned = True

    def outcome(self) -> object:
        if self.error is None:
            return self._value
        try:
            raise self.error
        finally:
            del self  # The error remembers this frame.


def _nothing(transaction: Transaction) -> None:
    """What is left of work that was done."""


def _own_copy(error: BaseException) -> BaseException:
    """An error to raise in one more thread: a traceback grows wherever its error is raised."""
    if not isinstance(error, BudwoodError):
        return error
    copy = type(error)(error.message, hint=error.hint, **error.facts)
    copy.__cause__ = error
    return copy
