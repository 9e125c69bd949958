"""tag: put remarks beside a version, or take them away. The version itself never changes."""

import hashlib
from collections.abc import Mapping, Sequence

from budwood.catalog.api import Transaction
from budwood.domain.limits import TAGS_PER_VERSION, VALUE_BYTES
from budwood.domain.names import TagKey
from budwood.domain.records import Tag
from budwood.errors import BadValue, LimitExceeded, PreconditionFailed
from budwood.verbs.house import House
from budwood.verbs.resolve import resolve


def checked_tags(tags: Mapping[str, str]) -> dict[TagKey, str]:
    """Raises BadName, BadValue, LimitExceeded."""
    if len(tags) > TAGS_PER_VERSION:
        raise LimitExceeded(f"At most {TAGS_PER_VERSION} tags.", limit="TAGS_PER_VERSION")
    for key, value in tags.items():
        check_text(value, f"The tag {key!r}", VALUE_BYTES, "VALUE_BYTES")
    return {TagKey(key): value for key, value in tags.items()}


def check_text(text: str, what: str, limit_bytes: int, limit: str) -> None:
    """Raises LimitExceeded when too long, BadValue when it cannot be stored as text."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadValue(f"{what} is not valid Unicode text.") from error
    if size > limit_bytes:
        raise LimitExceeded(f"{what} has {size} bytes; {limit_bytes} are allowed.", limit=limit)
    if "\0" in text:
        raise BadValue(f"{what} contains a NUL character.")


def tags_mark(tags: Sequence[Tag]) -> str:
    """Another one whenever a version's tags are changed: what ``expected`` is compared with."""
    return hashlib.sha256(repr([(each.key, each.value, each.at_ms) for each in tags]).encode()).hexdigest()[:32]


def tag(
    house: House, reference: str, put: Mapping[str, str], remove: Sequence[str] = (), *, expected: str = ""
) -> tuple[Tag, ...]:
    """The version's tags afterwards. ``expected`` is the mark of the tags the caller saw ("" asks nothing).

    Raises NotFound, BadName, LimitExceeded, PreconditionFailed.
    """
    wanted, now = checked_tags(put), house.clock()

    def work(transaction: Transaction) -> tuple[Tag, ...]:
        version = resolve(transaction, reference)
        if expected and expected != tags_mark(transaction.tags(version.id)):
            raise PreconditionFailed(f"The tags of {version.reference} were changed meanwhile.")
        for key, value in wanted.items():
            transaction.put_tag(version.id, Tag(key, value, house.author, now))
        removed = [key for key in map(TagKey, remove) if transaction.remove_tag(version.id, key)]
        tags = tuple(transaction.tags(version.id))
        if len(tags) > TAGS_PER_VERSION:
            raise LimitExceeded(f"A version has at most {TAGS_PER_VERSION} tags.", limit="TAGS_PER_VERSION")
        body = {"put": dict(wanted), "removed": removed}
        transaction.add_ledger(now, house.author, "version.tagged", version.reference, body, version.namespace)
        return tags

    return house.catalog.write(work)
