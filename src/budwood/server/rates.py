"""How often somebody may: bad tokens from one address, and requests to one namespace that has a quota.

A good token always passes, whatever others send from the same address: guessing is slowed, and nobody is locked out.
The processes of one port count together, hosts each for itself; a quota is seen anew every few seconds.
"""

from typing import Final

from budwood.domain.limits import BAD_TOKENS_A_MINUTE
from budwood.errors import TooManyRequests
from budwood.server.counts import Bucket, Counts, OwnCounts
from budwood.verbs.house import House

QUOTA_SEEN_MS: Final = 5_000


class Rates:
    """Used in the event loop only, and on those threads that do point reads; a race costs a request of counting."""

    def __init__(self, house: House, counts: Counts | None = None) -> None:
        self._house = house
        self._counts = counts or OwnCounts()
        self._quotas: dict[str, tuple[int, int]] = {}

    def bad_token(self, client: str) -> None:
        """Somebody brought a token that is none. Raises TooManyRequests when that happens too often."""
        if not self._spend(f"token {client}", BAD_TOKENS_A_MINUTE / 60, float(BAD_TOKENS_A_MINUTE)):
            raise TooManyRequests("Too many tokens from this address were none.")

    def check_guesses(self, client: str) -> None:
        """Before something that costs others is done for a stranger. Raises TooManyRequests."""
        before = self._counts.get(f"token {client}") or Bucket(1.0, 0)
        if before.left + max(0, self._house.clock() - before.at_ms) / 1000 * BAD_TOKENS_A_MINUTE / 60 < 1:
            raise TooManyRequests("Too many tokens from this address were none.")

    def request(self, namespace: str) -> None:
        """Somebody asks something of a namespace. Raises TooManyRequests beyond its quota."""
        allowed = self._allowed(namespace)
        if allowed and not self._spend(f"namespace {namespace}", float(allowed), float(allowed)):
            raise TooManyRequests(f"{namespace} may be asked {allowed} times a second.", quota="requests")

    def _spend(self, key: str, a_second: float, most: float) -> bool:
        """Take one from what has gathered since, at most ``most``; whether there was one."""
        now = self._house.clock()
        before = self._counts.get(key) or Bucket(most, now)
        left = min(most, before.left + max(0, now - before.at_ms) / 1000 * a_second)
        self._counts.put(key, Bucket(left - 1 if left >= 1 else left, now))
        return left >= 1

    def _allowed(self, namespace: str) -> int:
        now = self._house.clock()
        allowed, seen_ms = self._quotas.get(namespace, (0, 0))
        if now - seen_ms >= QUOTA_SEEN_MS:
            with self._house.catalog.read() as view:
                record = view.namespace(namespace)
            allowed = record.quota.requests if record else 0
            if record:
                self._quotas[namespace] = (allowed, now)
        return allowed
