"""A request body on its way in: counted, bounded and timed, whoever reads it.

Only the time spent waiting for the client counts, so that a slow disk on our side never looks like a slow client.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.types import Message, Receive

from budwood.server.http_answer import Answer
from budwood.server.http_limits import HttpLimits
from budwood.server.refusal import LARGE_BODY, SLOW_BODY, Refusal, Refused

_LEAST_WAIT_S: Final = 0.05


class Body:
    """Stands in for ``receive``. Raises Refused, and mutes the answer in case the application swallows it."""

    __slots__ = ("_answer", "_clock", "_exchange", "_limit", "_limits", "_receive", "_waited", "finished", "refusal")

    def __init__(
        self, receive: Receive, answer: Answer, limit: int, limits: HttpLimits, clock: Callable[[], float]
    ) -> None:
        self._receive = receive
        self._answer = answer
        self._exchange = answer.exchange
        self._limit = limit
        self._limits = limits
        self._clock = clock
        self._waited = 0.0
        self.finished = False
        self.refusal: Refusal | None = None

    async def receive(self) -> Message:
        """The next piece. Once the body is complete it waits for the client to leave, as long as that takes."""
        if self.refusal is not None:
            raise Refused(self.refusal)
        if self.finished:
            return await self._receive()
        message = await self._next()
        if message["type"] != "http.request":
            self.finished = True
            return message
        self._exchange.bytes_in += len(message.get("body", b""))
        if self._exchange.bytes_in > self._limit:
            raise self._refused(LARGE_BODY)
        self.finished = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Reads and drops what still comes, for a moment: closing at once would cut off the answer on its way."""
        try:
            async with asyncio.timeout(self._limits.linger_s):
                while not self.finished:
                    message = await self._receive()
                    self.finished = message["type"] != "http.request" or not message.get("more_body", False)
        except TimeoutError:
            return

    async def _next(self) -> Message:
        before = self._clock()
        allowance = self._limits.slow_body_s + self._exchange.bytes_in / self._limits.slow_body_rate - self._waited
        try:
            async with asyncio.timeout(max(min(allowance, self._limits.slow_body_s), _LEAST_WAIT_S)):
                message = await self._receive()
        except TimeoutError:
            raise self._refused(SLOW_BODY) from None
        self._waited += self._clock() - before
        return message

    def _refused(self, refusal: Refusal) -> Refused:
        self.refusal = refusal
        self._answer.muted = True
        return Refused(refusal)
