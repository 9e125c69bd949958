"""Writes that carry an Idempotency-Key: what they answered is kept in the transaction of the write itself.

So a key that is known means: it was done, once, and this was the answer. The key belongs to its principal, and stands
for one request: the same key with another method, address or body is a mistake of the client, and refused.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from budwood.catalog.api import Catalog, Done, Transaction, View
from budwood.catalog.people_api import Answered
from budwood.errors import BadValue, KeyReused

T = TypeVar("T")
_KEY: Final = re.compile(r"[!-~]{1,200}")
KEPT_MS: Final = 24 * 3_600_000


class Repeated(Exception):
    """Leaves a transaction in which the key turned up: the request was done before."""

    def __init__(self, answered: Answered) -> None:
        super().__init__("done before")
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key of one principal, and the digest of the request it stands for."""

    principal_id: int
    text: str
    digest: bytes

    @classmethod
    def of(cls, principal_id: int, text: str, *request: bytes) -> "Key":
        """``request`` is its method, address and body. Raises BadValue."""
        if not _KEY.fullmatch(text):
            raise BadValue("An Idempotency-Key has 1 to 200 printable ASCII characters, without spaces.")
        digest = hashlib.sha256()
        for part in request:
            digest.update(len(part).to_bytes(8, "big") + part)
        return cls(principal_id, text, digest.digest())

    def answered(self, view: View) -> Answered | None:
        """What was answered before. Raises KeyReused."""
        answered = view.answered(self.principal_id, self.text)
        if answered is not None and answered.digest != self.digest:
            raise KeyReused("This Idempotency-Key was used for another request.")
        return answered

    def remember(self, transaction: Transaction, at_ms: int, status: int, body: bytes) -> None:
        """Keep the answer. Raises Repeated when there is one already, KeyReused."""
        if (before := self.answered(transaction)) is not None:
            raise Repeated(before)
        self.keep(transaction, at_ms, status, body)

    def keep(self, transaction: Transaction, at_ms: int, status: int, body: bytes) -> None:
        """The same, where it was asked for before in this transaction."""
        transaction.remember_answer(self.principal_id, self.text, Answered(self.digest, at_ms, status, body))


class KeyedCatalog:
    """``catalog.api.Catalog`` whose write also keeps the answer: ``body`` makes it of what the write returns."""

    __slots__ = ("_body", "_inner", "_key", "_now", "_status")

    def __init__(
        self, inner: Catalog, key: Key, now: Callable[[], int], status: int, body: Callable[[Any], bytes]
    ) -> None:
        self._inner = inner
        self._key = key
        self._now = now
        self._status = status
        self._body = body

    def read(self) -> AbstractContextManager[View]:
        return self._inner.read()

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self._inner.write(self._once(work))

    def write_behind(self, work: Callable[[Transaction], T]) -> T:
        return self._inner.write_behind(self._once(work))

    def write_soon(self, work: Callable[[Transaction], T], done: Done[T]) -> None:
        self._inner.write_soon(self._once(work), done)

    def _once(self, work: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
        def once(transaction: Transaction) -> T:
            # Asked before the work: what was done already would often refuse to be done again.
            if (before := self._key.answered(transaction)) is not None:
                raise Repeated(before)
            value = work(transaction)
            self._key.keep(transaction, self._now(), self._status, self._body(value))
            return value

        return once

    def check(self) -> Any:
        return self._inner.check()

    def close(self) -> None:
        """The catalog below is not this one's to close."""
