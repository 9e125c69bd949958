"""Whether there is room for more of what judges applications: asked by every way in, before anything is added."""

from budwood.catalog.api import View
from budwood.domain.limits import (
    EVALUATION_DATASETS,
    EVALUATION_RECORDS,
    ISSUES_PER_EXPERIMENT,
    LABEL_SCHEMAS_PER_EXPERIMENT,
    SCORER_VERSIONS,
    SCORERS_PER_EXPERIMENT,
)
from budwood.errors import LimitExceeded


def for_a_dataset(view: View, namespace: str) -> None:
    """Raises LimitExceeded."""
    if view.evaluation_dataset_count(namespace) >= EVALUATION_DATASETS:
        message = f"A namespace has at most {EVALUATION_DATASETS} evaluation datasets."
        raise LimitExceeded(message, limit="EVALUATION_DATASETS")


def for_records(count: int) -> None:
    """So many in one dataset. Raises LimitExceeded."""
    if count > EVALUATION_RECORDS:
        raise LimitExceeded(f"A dataset has at most {EVALUATION_RECORDS} records.", limit="EVALUATION_RECORDS")


def for_a_scorer(view: View, experiment_id: int) -> None:
    """Raises LimitExceeded."""
    if len(view.scorers_newest([experiment_id], limit=SCORERS_PER_EXPERIMENT)) >= SCORERS_PER_EXPERIMENT:
        message = f"An experiment has at most {SCORERS_PER_EXPERIMENT} scorers."
        raise LimitExceeded(message, limit="SCORERS_PER_EXPERIMENT")


def for_scorer_versions(count: int) -> None:
    """So many of one scorer. Raises LimitExceeded."""
    if count > SCORER_VERSIONS:
        raise LimitExceeded(f"A scorer has at most {SCORER_VERSIONS} versions.", limit="SCORER_VERSIONS")


def for_a_label(view: View, experiment_id: int) -> None:
    """Raises LimitExceeded."""
    most = LABEL_SCHEMAS_PER_EXPERIMENT
    if len(view.label_schemas(experiment_id, limit=most)) >= most:
        message = f"An experiment has at most {most} label schemas."
        raise LimitExceeded(message, limit="LABEL_SCHEMAS_PER_EXPERIMENT")


def for_an_issue(view: View, experiment_id: int) -> None:
    """Raises LimitExceeded."""
    if view.issue_count(experiment_id) >= ISSUES_PER_EXPERIMENT:
        message = f"An experiment has at most {ISSUES_PER_EXPERIMENT} issues."
        raise LimitExceeded(message, limit="ISSUES_PER_EXPERIMENT")
