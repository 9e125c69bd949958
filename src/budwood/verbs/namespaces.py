"""Namespaces: made and removed by admins; each holds what its quota lets it."""

from dataclasses import replace

from budwood.catalog.api import Transaction, View
from budwood.domain.asks_people import ChangeQuota
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.names import DEFAULT_NAMESPACE, Namespace
from budwood.domain.people import NamespaceRecord, NamespaceUsage, Quota
from budwood.errors import (
    BadValue,
    LimitExceeded,
    NamespaceNotFound,
    NameTaken,
    PreconditionFailed,
    StillInUse,
)
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.mcp.found import check_no_servers
from budwood.verbs.tracking.found import check_untracked

NO_QUOTA = Quota()
QUOTA_MOST = 1 << 60


def add_namespace(house: House, name: str, quota: Quota = NO_QUOTA) -> NamespaceRecord:
    """Raises BadName, BadValue, NameTaken."""
    wanted, now = Namespace(name), house.clock()
    _check_quota(quota)

    def work(transaction: Transaction) -> NamespaceRecord:
        if transaction.namespace(wanted) is not None:
            raise NameTaken(f"There is a namespace {wanted!r} already.", name=wanted)
        record = transaction.add_namespace(wanted, at_ms=now, quota=quota)
        transaction.add_ledger(now, house.author, "namespace.added", wanted, _said(quota), wanted)
        return record

    return house.catalog.write(work)


def list_namespaces(house: House, *, after: str = "", limit: int = 100) -> tuple[NamespaceRecord, ...]:
    """By name, those behind ``after``. Raises LimitExceeded."""
    check_page(limit)
    with house.catalog.read() as view:
        return tuple(view.namespaces(after=after, limit=limit))


def show_namespace(house: House, name: str) -> NamespaceRecord:
    """Raises BadName, NamespaceNotFound."""
    with house.catalog.read() as view:
        return namespace_named(view, name)


def usage(house: House, name: str) -> NamespaceUsage:
    """What it holds now, and what it may. Raises BadName, NamespaceNotFound."""
    with house.catalog.read() as view:
        record = namespace_named(view, name)
        found = view.usage(record.name, now_ms=house.clock())
        assert found is not None, "a namespace that is there holds something or nothing"
        return found


def set_quota(house: House, name: str, change: ChangeQuota, *, expected: str = "") -> NamespaceRecord:
    """``expected`` is the mark of the record the caller saw ("" asks nothing).

    Raises BadName, BadValue, NamespaceNotFound, PreconditionFailed.
    """
    now = house.clock()

    def work(transaction: Transaction) -> NamespaceRecord:
        record = namespace_named(transaction, name)
        if expected and expected != namespace_mark(record):
            raise PreconditionFailed(f"The quota of {record.name} was changed meanwhile.")
        words = {word: getattr(change, word) for word in ("bytes", "versions", "uploads", "requests")}
        quota = replace(record.quota, **{word: value for word, value in words.items() if value is not None})
        _check_quota(quota)
        changed = transaction.set_quota(record.name, quota)
        transaction.add_ledger(now, house.author, "namespace.quota-set", record.name, _said(quota), record.name)
        return changed

    return house.catalog.write(work)


def remove_namespace(house: House, name: str) -> NamespaceRecord:
    """Only an empty one; its grants, trusts and webhooks go with it. Raises BadName, NamespaceNotFound, StillInUse."""
    now = house.clock()

    def work(transaction: Transaction) -> NamespaceRecord:
        record = namespace_named(transaction, name)
        if record.name == DEFAULT_NAMESPACE:
            raise StillInUse("The namespace 'default' stays: it is where models without a namespace are.")
        if models := transaction.models(limit=1, reach=frozenset({record.name})):
            hint = f"Delete its models first, starting with {models[0].path}."
            raise StillInUse(f"{record.name} still holds models.", hint=hint)
        held = transaction.usage(record.name, now_ms=now)
        if held is not None and held.open_uploads:
            raise StillInUse(f"Something is being pushed to {record.name}.", hint="Wait until it is done.")
        check_free(transaction, record.name, record.name)
        check_untracked(transaction, record.name)
        check_no_servers(transaction, record.name)
        transaction.remove_stored_files(record.name, "")
        transaction.forget_logged_models(record.name)
        transaction.forget_experiments(record.name)
        transaction.remove_namespace(record.name)
        transaction.add_ledger(now, house.author, "namespace.removed", record.name, {})
        return record

    return house.catalog.write(work)


def namespace_named(view: View, name: str) -> NamespaceRecord:
    """Raises BadName, NamespaceNotFound."""
    wanted = Namespace(name)
    record = view.namespace(wanted)
    if record is None:
        raise NamespaceNotFound(f"There is no namespace {wanted!r}.", namespace=wanted)
    return record


def namespace_mark(record: NamespaceRecord) -> str:
    """Another one whenever it is edited."""
    return f"{record.id}-{record.edit}"


def check_page(limit: int) -> None:
    """Raises LimitExceeded."""
    if not 1 <= limit <= PAGE_ROWS:
        raise LimitExceeded(f"A page has 1 to {PAGE_ROWS} rows, not {limit}.", limit="PAGE_ROWS")


def _check_quota(quota: Quota) -> None:
    for word, value in _said(quota).items():
        if not 0 <= value <= QUOTA_MOST:
            raise BadValue(f"A quota of {word} is from 0 (no bound) to {QUOTA_MOST}, not {value}.")


def _said(quota: Quota) -> dict[str, int]:
    return {
        "bytes": quota.bytes,
        "versions": quota.versions,
        "uploads": quota.uploads,
        "requests": quota.requests,
    }
