"""What other threads tell the event loop."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from budwood.server.outcomes import Outcomes


def failed() -> int:
    raise ValueError("it failed")


def test_those_who_wait_hear_what_was_returned_or_raised() -> None:
    async def run() -> list[int | BaseException]:
        outcomes: Outcomes[int] = Outcomes()
        answers: list[asyncio.Future[int]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
        told: list[Callable[[], int]] = [lambda: 1, failed, lambda: 3]

        def tell() -> None:
            for answer, outcome in zip(answers, told, strict=True):
                outcomes.tell(answer, outcome)()

        threading.Thread(target=tell).start()
        return await asyncio.gather(*answers, return_exceptions=True)

    first, second, third = asyncio.run(run())
    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)


def test_the_loop_is_woken_when_all_were_told_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> int:
        loop, woken = asyncio.get_running_loop(), list[object]()
        call_soon = loop.call_soon_threadsafe

        def counted(call: Callable[[], object]) -> None:
            woken.append(call)
            call_soon(call)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        outcomes: Outcomes[int] = Outcomes()
        for _ in range(2):
            answers = [loop.create_future() for _ in range(8)]
            for number, answer in enumerate(answers):
                wake = outcomes.tell(answer, lambda number=number: number)  # type: ignore[misc]
            wake()
            assert await asyncio.gather(*answers) == list(range(8))
        return len(woken)

    assert asyncio.run(run()) == 2


def test_one_who_gave_up_and_a_loop_that_ended_are_no_matter() -> None:
    outcomes: Outcomes[int] = Outcomes()

    async def run() -> "asyncio.Future[int]":
        given_up, waiting = (asyncio.get_running_loop().create_future() for _ in range(2))
        given_up.cancel()
        outcomes.tell(given_up, lambda: 1)()
        outcomes.tell(waiting, lambda: 2)()
        assert await waiting == 2
        return asyncio.get_running_loop().create_future()

    outcomes.tell(asyncio.run(run()), lambda: 3)()
