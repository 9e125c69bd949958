"""Deleting traces for good: by id, or the oldest until a moment. It is refused where a hold keeps what there is."""

from collections.abc import Sequence

from budwood.catalog.api import Transaction
from budwood.domain.artifacts import artifact_path
from budwood.domain.limits import TRACES_DELETED
from budwood.domain.tracking import checks
from budwood.errors import BadValue, LimitExceeded
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.traces import found
from budwood.verbs.tracking import found as tracked


def delete_traces(
    house: House,
    namespace: str,
    experiment: str,
    *,
    until_ms: int | None = None,
    most: int | None = None,
    ids: Sequence[str] = (),
) -> int:
    """How many there were; at most ``TRACES_DELETED``. Raises BadValue, LimitExceeded, RecordNotFound, Held."""
    _check(until_ms, most, ids)
    checks.experiment_number(experiment)

    def work(transaction: Transaction) -> int:
        home = tracked.experiment(transaction, namespace, experiment)
        check_free(transaction, f"What {namespace} holds", namespace)
        if until_ms is None:
            gone = [
                each for each in transaction.traces(namespace, found.plausible(ids)) if each.experiment_id == home.id
            ]
        else:
            limit = min(TRACES_DELETED, TRACES_DELETED if most is None else most)
            gone = list(transaction.traces_before(home.id, until_ms, limit))
        transaction.remove_traces([each.id for each in gone])
        for each in gone:
            folder = f"{home.number}/traces/{each.trace}"
            transaction.remove_stored_files(namespace, artifact_path(folder))
        if gone:
            subject = f"experiment:{namespace}/{home.number}"
            body = {"traces": len(gone)}
            transaction.add_ledger(house.clock(), house.author, "traces.deleted", subject, body, namespace)
        return len(gone)

    return house.catalog.write(work)


def _check(until_ms: int | None, most: int | None, ids: Sequence[str]) -> None:
    if until_ms is None and not ids:
        raise BadValue("Either `max_timestamp_millis` or `trace_ids` must be specified.")
    if until_ms is not None and ids:
        raise BadValue("Only one of `max_timestamp_millis` and `trace_ids` can be specified.")
    if ids and most is not None:
        raise BadValue("`max_traces` can't be specified if `trace_ids` is specified.")
    if most is not None and most <= 0:
        raise BadValue(f"`max_traces` must be a positive integer, received {most}.")
    if len(ids) > TRACES_DELETED:
        raise LimitExceeded(f"At most {TRACES_DELETED} traces are deleted at once.", limit="TRACES_DELETED")
