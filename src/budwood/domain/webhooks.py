"""Webhooks: which entries of the ledger one wants, how a message is signed, when it is tried again, what may be wished.

A receiver checks ``Budwood-Signature: t=SECONDS,v1=HEX``, where HEX is the HMAC-SHA256 of ``SECONDS.BODY`` under the
webhook's secret, and that SECONDS is not long ago, so that a message that was overheard cannot be sent again later.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from budwood.domain.limits import WEBHOOK_ACTIONS, WEBHOOK_TRIES
from budwood.domain.people import Delivery, DeliveryState, WebhookKind
from budwood.domain.records import LedgerEntry
from budwood.domain.targets import Network, Target, why_not_public
from budwood.errors import BadValue, LimitExceeded

SECRET_PREFIX: Final = "bws_"  # noqa: S105
ANY: Final = "*"
TESTED: Final = "webhook.tested"
"""What a test sends, also to a webhook that did not ask for it."""

FIRST_PAUSE_S: Final = 2
PAUSE_GROWS: Final = 4
PAUSE_VARIES: Final = 0.25
"""Ten tries take about two days: pauses of 2 s, 8 s, 32 s, ... 9 h, 36 h, each a quarter shorter or longer. A
receiver that only restarts, or was asked too often, has its message in seconds."""

_PATTERN: Final = re.compile(r"(?:[a-z]+(?:[.-][a-z]+)*[.-]?)?\*?")
_PATTERN_CHARS: Final = 64
_KEY_CHARS: Final = 1_000
_ADDRESS_HINT: Final = (
    "Give an https address that anyone may reach; who runs the server opens others: 'allow_networks'."
)
_ACTION_HINT: Final = "An action is such as version.pushed; '*' may end it: 'alias.*', '*'."


def wants(patterns: Sequence[str], action: str) -> bool:
    """Whether a webhook with these patterns gets entries of this action. No patterns: all."""
    return not patterns or any(_fits(pattern, action) for pattern in patterns)


def check_address(url: str, allowed: Sequence[Network] = ()) -> Target:
    """The address, as far as its text can be judged. Raises BadValue, which does not repeat it."""
    target = Target.parse(url)
    literal = target.literal
    if literal is not None and why_not_public(literal, allowed):
        raise BadValue("A webhook is not sent to this address: it is not a public one.", hint=_ADDRESS_HINT)
    if target.scheme != "https" and not allowed:
        raise BadValue("A webhook is sent over https only.", hint=_ADDRESS_HINT)
    return target


def check_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    """Sorted, each once. Raises BadValue, LimitExceeded."""
    if len(patterns) > WEBHOOK_ACTIONS:
        message = f"A webhook names at most {WEBHOOK_ACTIONS} actions, not {len(patterns)}."
        raise LimitExceeded(message, limit="WEBHOOK_ACTIONS")
    for pattern in patterns:
        if not pattern or len(pattern) > _PATTERN_CHARS or not _PATTERN.fullmatch(pattern):
            raise BadValue(f"{pattern[:_PATTERN_CHARS]!r} is no action.", hint=_ACTION_HINT)
    return tuple(sorted(set(patterns)))


def parse_kind(text: str) -> WebhookKind:
    """Raises BadValue."""
    try:
        return {str(each): each for each in (WebhookKind.LEDGER, WebhookKind.OPENLINEAGE)}[text]
    except KeyError as error:
        raise BadValue(f"{text[:80]!r} is no kind of webhook.", hint="It is ledger or openlineage.") from error


def check_key(key: str) -> str:
    """A receiver's key, which goes into a header. Raises BadValue."""
    if len(key) > _KEY_CHARS or not key.isascii() or not all(" " < letter <= "~" for letter in key):
        raise BadValue(f"A key has at most {_KEY_CHARS} visible ASCII characters, and no spaces.")
    return key


def message(entry: LedgerEntry) -> bytes:
    """The body of a message: the entry, the same bytes each time."""
    said = {
        "sequence": entry.sequence,
        "at_ms": entry.at_ms,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "namespace": entry.namespace,
        "body": dict(entry.body),
    }
    return json.dumps(said, separators=(",", ":")).encode("ascii")


def headers(delivery: Delivery, secret: bytes, body: bytes, now_s: int) -> Mapping[str, str]:
    """What goes with the body. The delivery's id stays the same when it is tried again."""
    return {
        "Content-Type": "application/json",
        "Budwood-Webhook": str(delivery.webhook_id),
        "Budwood-Delivery": str(delivery.id),
        "Budwood-Signature": f"t={now_s},v1={signature(secret, body, now_s)}",
    }


def keyed_headers(delivery: Delivery, key: bytes) -> Mapping[str, str]:
    """What goes with an event of OpenLineage: its receivers ask for a key, where they ask for anything."""
    bearer = {"Authorization": f"Bearer {key.decode()}"} if key else {}
    return {"Content-Type": "application/json", "Budwood-Delivery": str(delivery.id), **bearer}


def signature(secret: bytes, body: bytes, now_s: int) -> str:
    return hmac.new(secret, b"%d." % now_s + body, hashlib.sha256).hexdigest()


def noted(delivery: Delivery, status: int, error: str, now_ms: int, chance: float) -> Delivery:
    """The delivery after one more try; it is done, waits for the next, or was tried often enough.

    ``error`` is empty when there was an answer, and then ``status`` says which. ``chance`` is from 0 to 1.
    """
    attempts = delivery.attempts + 1
    tried = replace(delivery, attempts=attempts, status=status, error=error or _why_not(status))
    if not tried.error:
        return replace(tried, state=DeliveryState.DELIVERED, next_ms=0)
    if attempts >= WEBHOOK_TRIES:
        return replace(tried, state=DeliveryState.DEAD, next_ms=0)
    return replace(tried, state=DeliveryState.WAITING, next_ms=now_ms + pause_ms(attempts, chance))


def pause_ms(attempts: int, chance: float) -> int:
    """How long after so many tries the next one is."""
    varied = 1 - PAUSE_VARIES + 2 * PAUSE_VARIES * chance
    return int(1000 * FIRST_PAUSE_S * PAUSE_GROWS ** (attempts - 1) * varied)


def _fits(pattern: str, action: str) -> bool:
    return action.startswith(pattern[:-1]) if pattern.endswith(ANY) else action == pattern


def _why_not(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return f"It answered {status}; redirects are not followed." if 300 <= status < 400 else f"It answered {status}."
