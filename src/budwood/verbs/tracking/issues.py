"""Issues: what goes wrong in the traces of an experiment, as somebody named it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction, View
from budwood.catalog.evaluation_api import IssuePage, IssueSearch
from budwood.domain.limits import RUNS_PAGE
from budwood.domain.tracking import checks, judging
from budwood.domain.tracking.evaluation import check_user
from budwood.domain.tracking.filters import parse_filter
from budwood.domain.tracking.judging import ISSUES, Issue, IssueStatus
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT
from budwood.errors import RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.tracking import found, room


@dataclass(frozen=True, slots=True)
class NewIssue:
    """An issue about to be. Words that are empty were not said."""

    experiment: str
    name: str
    description: str
    status: str = ""
    severity: str = ""
    root_causes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    run: str = ""
    created_by: str = ""


def create_issue(house: House, namespace: str, new: NewIssue) -> Issue:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    judging.check_issue(new.name, new.description, *new.root_causes, *new.categories)
    check_user(new.created_by)
    severity = judging.severity_of(new.severity)
    status = judging.status_of(new.status) if new.status else IssueStatus.PENDING

    def work(transaction: Transaction) -> Issue:
        if checks.experiment_number(new.experiment) == DEFAULT_EXPERIMENT:
            found.make_default(house, transaction, namespace)
        place = found.experiment(transaction, namespace, new.experiment)
        if place.removed_ms:
            raise found.no_experiment(new.experiment)
        if new.run:
            found.run(transaction, namespace, new.run)
        room.for_an_issue(transaction, place.id)
        now = house.clock()
        issue = Issue(
            id=0,
            issue=f"iss-{house.ids().replace('-', '')}",
            experiment_id=place.id,
            experiment=place.number,
            name=new.name,
            description=new.description,
            status=status,
            severity=severity,
            root_causes=new.root_causes,
            categories=new.categories,
            run=new.run,
            created_by=new.created_by,
            created_ms=now,
            updated_ms=now,
        )
        made = transaction.add_issue(issue)
        _record(house, transaction, namespace, made, "created")
        return made

    return house.catalog.write(work)


def get_issue(house: House, namespace: str, id_: str) -> Issue:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        return _there(view, namespace, id_)


def change_issue(house: House, namespace: str, id_: str, words: Mapping[str, str]) -> Issue:
    """``words``: the name, description, status and severity it is to have; those that are empty stay. Raises BadValue,
    LimitExceeded, RecordNotFound."""

    def work(transaction: Transaction) -> Issue:
        before = _there(transaction, namespace, id_)
        status, severity = words.get("status"), words.get("severity")
        after = replace(
            before,
            name=words.get("name") or before.name,
            description=words.get("description") or before.description,
            status=judging.status_of(status) if status else before.status,
            severity=judging.severity_of(severity) if severity else before.severity,
            updated_ms=house.clock(),
        )
        judging.check_issue(after.name, after.description)
        transaction.change_issue(after)
        _record(house, transaction, namespace, after, "changed")
        return after

    return house.catalog.write(work)


def find_issues(
    house: House, namespace: str, experiment: str, text: str, token: str, limit: int, *, counts_traces: bool = False
) -> IssuePage:
    """``experiment`` empty: those of a whole namespace. Raises BadFilter, BadValue."""
    checks.check_page("max_results", limit, RUNS_PAGE)
    comparisons = parse_filter(text, ISSUES)
    numbers = [checks.experiment_number(experiment)] if experiment else []
    with house.catalog.read() as view:
        ids = tuple(view.experiment_numbers(namespace, numbers).values()) if experiment else None
        search = IssueSearch(comparisons, ids, counts_traces)
        return view.find_issues(namespace, search, token=token, limit=limit)


def _there(view: View, namespace: str, id_: str) -> Issue:
    """Raises RecordNotFound."""
    issue = view.issue(namespace, id_)
    if issue is None:
        raise RecordNotFound(f"Issue with ID '{id_[:100]}' not found", issue=id_[:100])
    return issue


def _record(house: House, transaction: Transaction, namespace: str, issue: Issue, action: str) -> None:
    body = {"name": issue.name, "status": str(issue.status)}
    subject = f"issue:{namespace}/{issue.issue}"
    transaction.add_ledger(house.clock(), house.author, f"issue.{action}", subject, body, namespace)
