"""What other threads have done for the event loop: it is woken once for all outcomes that are there.

To wake it is a call of the system each time, and takes the interpreter from the thread that still has others to tell.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Outcomes(Generic[T]):
    """``tell`` is for any thread; futures are settled in their loop, which is one for all of them."""

    def __init__(self) -> None:
        self._told: deque[tuple[asyncio.Future[T], Callable[[], T]]] = deque()
        self._woken = False

    def tell(self, answer: "asyncio.Future[T]", outcome: Callable[[], T]) -> None:
        """``outcome`` returns or raises what the future is to give."""
        self._told.append((answer, outcome))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                answer.get_loop().call_soon_threadsafe(self._settle_all)

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
