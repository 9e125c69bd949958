"""What other threads have done for the event loop: it is woken once for all outcomes that are there.

To wake it is a call of the system each time, and takes the interpreter from the thread that still has others to tell.
So telling does not wake: whoever tells does, when all were told.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Outcomes(Generic[T]):
    """``tell`` is for any thread, and gives back what wakes the loop; futures are settled there. It is one for all."""

    def __init__(self) -> None:
        self._told: deque[tuple[asyncio.Future[T], Callable[[], T]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False

    def tell(self, answer: "asyncio.Future[T]", outcome: Callable[[], T]) -> Callable[[], None]:
        """``outcome`` returns or raises what the future is to give."""
        self._loop = answer.get_loop()
        self._told.append((answer, outcome))
        return self.wake

    def wake(self) -> None:
        """Let the loop settle what was told. For any thread."""
        if not self._woken and self._loop is not None:
            self._woken = True
            with suppress(RuntimeError):  # It is closed: nobody waits any more.
                self._loop.call_soon_threadsafe(self._settle_all)

    def _settle_all(self) -> None:
        # Before the first is taken: whoever tells from now on is seen below, or wakes the loop again.
        self._woken = False
        while self._told:
            _settle(*self._told.popleft())


def _settle(answer: "asyncio.Future[T]", outcome: Callable[[], T]) -> None:
    if answer.done():
        return  # Nobody waits: the request was given up.
    try:
        answer.set_result(outcome())
    except BaseException as error:
        answer.set_exception(error)
    finally:
        del answer  # An error remembers this frame: the two would keep each other, and all that the request brought.
