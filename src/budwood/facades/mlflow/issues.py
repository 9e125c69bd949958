"""Issues, as MLflow 3 has them: what goes wrong in the traces of an experiment."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.tracking.judging import SEVERITIES, Issue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow.values import filled, flag, needed, text, texts, whole
from budwood.verbs.tracking import issues as verbs

_PAGE: Final = 100
_CHANGEABLE: Final = ("name", "description", "status", "severity")


def create(asked: Asked) -> Json:
    values = asked.values
    new = verbs.NewIssue(
        name=needed(values, "name"),
        description=needed(values, "description"),
        experiment=needed(values, "experiment_id"),
        status=text(values, "status"),
        severity=text(values, "severity"),
        root_causes=texts(values, "root_causes"),
        categories=texts(values, "categories"),
        run=text(values, "source_run_id"),
        created_by=text(values, "created_by"),
    )
    return {"issue": _shown(verbs.create_issue(asked.whole, asked.namespace, new))}


def get(asked: Asked) -> Json:
    return {"issue": _shown(verbs.get_issue(asked.whole, asked.namespace, needed(asked.values, "issue_id")))}


def update(asked: Asked) -> Json:
    words = {field: text(asked.values, field) for field in _CHANGEABLE}
    id_ = needed(asked.values, "issue_id")
    return {"issue": _shown(verbs.change_issue(asked.whole, asked.namespace, id_, words))}


def search(asked: Asked) -> Json:
    values = asked.values
    page = verbs.find_issues(
        asked.whole,
        asked.namespace,
        text(values, "experiment_id"),
        text(values, "filter_string"),
        text(values, "page_token"),
        whole(values, "max_results", _PAGE),
        counts_traces=flag(values, "include_trace_count"),
    )
    return {**filled(issues=[_shown(each) for each in page.issues]), "next_page_token": page.token}


def _shown(issue: Issue) -> Json:
    """MLflow's Issue."""
    return {
        "issue_id": issue.issue,
        "experiment_id": str(issue.experiment),
        "name": issue.name,
        "description": issue.description,
        "status": str(issue.status),
        "created_timestamp": issue.created_ms,
        "last_updated_timestamp": issue.updated_ms,
        **filled(
            severity=SEVERITIES[issue.severity] if issue.severity >= 0 else None,
            root_causes=list(issue.root_causes),
            categories=list(issue.categories),
            source_run_id=issue.run,
            created_by=issue.created_by,
            trace_count=issue.traces,
        ),
    }


_ROOT: Final = "/api/3.0/mlflow/issues"
ENDPOINTS: Final = (
    Endpoint("mlflow.issues.create", "POST", _ROOT, Permission.PUSH, create),
    Endpoint("mlflow.issues.get", "GET", _ROOT + "/{issue_id}", Permission.READ, get),
    Endpoint("mlflow.issues.update", "PATCH", _ROOT + "/{issue_id}", Permission.PUSH, update),
    Endpoint("mlflow.issues.search", "POST", _ROOT + "/search", Permission.READ, search, reads=True),
)
