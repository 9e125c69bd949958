"""The part of the catalog's port that speaks of evaluation: datasets and records, scorers, label schemas, issues.

A dataset is found in its namespace; what begins at the id of one found so, or of an experiment, names no namespace
again. What belongs to an experiment goes with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from budwood.domain.tracking.evaluation import EvaluationDataset, EvaluationRecord
from budwood.domain.tracking.filters import Comparison, Order
from budwood.domain.tracking.judging import Issue, LabelSchema, Sampling, Scorer, ScorerVersion


@dataclass(frozen=True, slots=True)
class EvaluationSearch:
    """``experiments`` are the ids of those whose datasets are looked for; None: wherever they are used."""

    comparisons: tuple[Comparison, ...] = ()
    orders: tuple[Order, ...] = ()
    experiments: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class IssueSearch:
    """``experiments`` are the ids of those whose issues are looked for; None: all. ``counts_traces``: of each issue it
    is told how many traces show it."""

    comparisons: tuple[Comparison, ...] = ()
    experiments: tuple[int, ...] | None = None
    counts_traces: bool = False


@dataclass(frozen=True, slots=True)
class EvaluationPage:
    """Datasets with their tags, in the order that was asked for; ``token`` is empty at the end."""

    datasets: tuple[EvaluationDataset, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class IssuePage:
    """Issues, the worst first, then those that most traces show if that is counted, then the newest; ``token`` is empty
    at the end."""

    issues: tuple[Issue, ...]
    token: str = ""


class EvaluationView(Protocol):
    """What can be read of evaluation."""

    def evaluation_dataset(self, namespace: str, dataset: str) -> EvaluationDataset | None:
        """With its tags."""

    def evaluation_id_is_known(self, id_: str) -> bool:
        """Whether a dataset, a scorer, a label schema or an issue has this id, in any namespace."""

    def evaluation_dataset_count(self, namespace: str) -> int: ...
    def find_evaluation_datasets(
        self, namespace: str, search: EvaluationSearch, *, token: str = "", limit: int = 1000
    ) -> EvaluationPage:
        """Raises BadValue for a token of another search."""

    def evaluation_uses(self, dataset_id: int) -> Sequence[int]:
        """The numbers of the experiments it is used in, ascending."""

    def evaluation_records(self, dataset_id: int, *, after: int = 0, limit: int = 1000) -> Sequence[EvaluationRecord]:
        """By id, those above ``after``; fewer where they take more than ``EVALUATION_PAGE_BYTES``, but one."""

    def evaluation_marked(self, dataset_id: int, marks: Sequence[str]) -> Mapping[str, EvaluationRecord]:
        """Those with these marks."""

    def scorer(self, experiment_id: int, name: str) -> Scorer | None: ...
    def scorers_known(self, namespace: str, scorers: Sequence[str]) -> Sequence[Scorer]:
        """Those of these that are in the namespace."""

    def scorers_newest(self, experiment_ids: Sequence[int], *, limit: int) -> Sequence[ScorerVersion]:
        """Of each scorer its newest version, by experiment and name."""

    def scorer_versions(self, scorer: Scorer, *, limit: int) -> Sequence[ScorerVersion]:
        """The oldest first."""

    def scorer_version(self, scorer: Scorer, number: int) -> ScorerVersion | None: ...
    def label_schema(self, namespace: str, schema: str) -> LabelSchema | None: ...
    def label_schema_named(self, experiment_id: int, name: str) -> LabelSchema | None: ...
    def label_schemas(self, experiment_id: int, *, before: int = 0, limit: int) -> Sequence[LabelSchema]:
        """The newest first, those below the id ``before``."""

    def issue(self, namespace: str, issue: str) -> Issue | None: ...
    def issue_count(self, experiment_id: int) -> int: ...
    def find_issues(self, namespace: str, search: IssueSearch, *, token: str = "", limit: int = 100) -> IssuePage:
        """Raises BadValue for a token of another search."""


class EvaluationTransaction(Protocol):
    """What can be changed of evaluation. Names, texts and amounts are checked by the domain before they come here."""

    def add_evaluation_dataset(self, dataset: EvaluationDataset) -> EvaluationDataset:
        """The dataset with its id, and its tags kept."""

    def change_evaluation_dataset(self, dataset: EvaluationDataset) -> None:
        """Its digest, schema, count, times and who changed it last."""

    def remove_evaluation_dataset(self, dataset_id: int) -> None:
        """With its records, tags and uses."""

    def put_evaluation_tags(self, dataset_id: int, tags: Mapping[str, str]) -> None: ...
    def remove_evaluation_tag(self, dataset_id: int, key: str) -> bool:
        """Whether there was one."""

    def add_evaluation_uses(self, dataset_id: int, experiment_ids: Sequence[int]) -> None:
        """Those that are there already are left."""

    def remove_evaluation_uses(self, dataset_id: int, experiment_ids: Sequence[int]) -> int:
        """How many there were."""

    def add_evaluation_records(self, dataset_id: int, records: Sequence[EvaluationRecord]) -> None: ...
    def change_evaluation_records(self, records: Sequence[EvaluationRecord]) -> None:
        """Their content, and when and by whom it was changed last."""

    def remove_evaluation_records(self, dataset_id: int, records: Sequence[str]) -> int:
        """How many there were."""

    def add_scorer(self, scorer: Scorer) -> Scorer:
        """The scorer with its id."""

    def remove_scorer(self, scorer_id: int) -> None:
        """With its versions."""

    def set_sampling(self, scorer_id: int, sampling: Sampling) -> None: ...
    def add_scorer_version(self, version: ScorerVersion) -> None:
        """Its number becomes the scorer's last."""

    def remove_scorer_version(self, scorer_id: int, number: int) -> bool:
        """Whether there was one. Its number is not given again."""

    def add_label_schema(self, schema: LabelSchema) -> LabelSchema:
        """The schema with its id."""

    def change_label_schema(self, schema: LabelSchema) -> None:
        """Its name, input, instruction, whether it takes comments, and when it changed."""

    def remove_label_schema(self, schema_id: int) -> None: ...
    def add_issue(self, issue: Issue) -> Issue:
        """The issue with its id."""

    def change_issue(self, issue: Issue) -> None:
        """Its name, description, status, severity, and when it changed."""
