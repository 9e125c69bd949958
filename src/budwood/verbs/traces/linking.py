"""Saying which run a trace is of, and which prompts were used in it."""

import re
from collections.abc import Callable, Sequence

from budwood.catalog.api import Transaction
from budwood.catalog.traces_api import Linked
from budwood.domain.limits import LISTING_TITLE_CHARS, TRACES_AT_ONCE
from budwood.domain.tracking.checks import check_run
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.traces import found
from budwood.verbs.tracking import found as tracked


def link_to_run(house: House, namespace: str, ids: Sequence[str], run: str) -> Callable[[Transaction], None]:
    """Traces may still be on their way. The work raises BadValue, RecordNotFound; LimitExceeded."""
    if len(ids) > TRACES_AT_ONCE:
        raise LimitExceeded(
            f"Cannot link more than {TRACES_AT_ONCE} traces to a run in a single request. Provided {len(ids)} traces.",
            limit="TRACES_AT_ONCE",
        )

    for id_ in ids:
        found.check_id(id_)

    def work(transaction: Transaction) -> None:
        tracked.run(transaction, namespace, run)
        transaction.link_traces(namespace, ids, Linked.RUN, run)

    return work


def link_where_there(transaction: Transaction, namespace: str, traces: Sequence[str], run: str) -> None:
    """Nothing, where there is no such run."""
    try:
        check_run(run)
    except BadValue:
        return
    if transaction.run(namespace, run) is not None:
        transaction.link_traces(namespace, traces, Linked.RUN, run)


def link_prompts(
    house: House, namespace: str, id_: str, prompts: Sequence[tuple[str, str]]
) -> Callable[[Transaction], None]:
    """Each prompt by name and version. Raises BadValue, LimitExceeded; the work RecordNotFound."""
    if len(prompts) > TRACES_AT_ONCE:
        raise LimitExceeded(f"At most {TRACES_AT_ONCE} prompts are linked at once.", limit="TRACES_AT_ONCE")
    for name, version in prompts:
        if not name or len(name) > LISTING_TITLE_CHARS or "/" in name or "\0" in name:
            raise BadValue(f"Invalid prompt name: '{name[:100]}'")
        if not re.fullmatch("[0-9]{1,18}", version):
            raise BadValue(f"Invalid prompt version: '{version[:100]}'")

    def work(transaction: Transaction) -> None:
        there = found.maybe(transaction, namespace, id_)
        if there is None:
            raise RecordNotFound(f"Trace with ID '{id_[:200]}' not found.", trace=id_[:200])
        for name, version in prompts:
            transaction.link_traces(namespace, [there.trace], Linked.PROMPT, f"{name}/{int(version)}")

    return work
