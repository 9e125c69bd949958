"""Reading what is evaluated and how, for every SQL database. ``view.py`` joins it with the rest."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select

from budwood.catalog.evaluation_api import EvaluationPage, EvaluationSearch, IssuePage, IssueSearch
from budwood.catalog.sql.evaluation_search import DATASET_COLUMNS, find_dataset_rows, find_issue_rows
from budwood.catalog.sql.evaluation_tables import (
    evaluation_dataset,
    evaluation_record,
    evaluation_tag,
    evaluation_use,
    issue,
    label_schema,
    scorer,
    scorer_version,
)
from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.rooms import room_of
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tracking_tables import experiment
from budwood.catalog.sql.tracking_view import in_parts, widened
from budwood.domain.limits import EVALUATION_DATASETS_PAGE, EVALUATION_PAGE_BYTES, EVALUATION_RECORDS_PAGE, ISSUES_PAGE
from budwood.domain.tracking.evaluation import EvaluationDataset, EvaluationRecord
from budwood.domain.tracking.judging import (
    Issue,
    IssueStatus,
    LabelKind,
    LabelSchema,
    Sampling,
    Scorer,
    ScorerVersion,
)
from budwood.errors import CatalogDamaged

_LAST: Final = (1 << 63) - 1
_here: Final = namespace.c.name == bindparam("namespace")
_DATASET: Final = Statement(
    select(*DATASET_COLUMNS)
    .join_from(evaluation_dataset, namespace, namespace.c.id == evaluation_dataset.c.namespace_id)
    .where(evaluation_dataset.c.dataset == bindparam("dataset"), _here)
)
_IDS: Final = tuple(
    Statement(select(column).where(column == bindparam("id")))
    for column in (evaluation_dataset.c.dataset, scorer.c.scorer, label_schema.c.schema, issue.c.issue)
)
_COUNT: Final = Statement(
    select(func.count())
    .select_from(evaluation_dataset)
    .where(evaluation_dataset.c.namespace_id == select(namespace.c.id).where(_here).scalar_subquery())
)
_TAGS_OF: Final = widened(
    lambda each: (
        select(evaluation_tag.c.dataset_id, evaluation_tag.c.key, evaluation_tag.c.value)
        .where(evaluation_tag.c.dataset_id.in_(each))
        .order_by(evaluation_tag.c.dataset_id, evaluation_tag.c.key)
    )
)
_USES: Final = Statement(
    select(experiment.c.number)
    .join_from(evaluation_use, experiment, experiment.c.id == evaluation_use.c.experiment_id)
    .where(evaluation_use.c.dataset_id == bindparam("dataset_id"))
    .order_by(experiment.c.number)
)
_of_dataset: Final = evaluation_record.c.dataset_id == bindparam("dataset_id")
_SIZES: Final = Statement(
    select(evaluation_record.c.id, evaluation_record.c.size)
    .where(_of_dataset, evaluation_record.c.id > bindparam("after"))
    .order_by(evaluation_record.c.id)
    .limit(bindparam("limit"))
)
_record_columns: Final = tuple(c for c in evaluation_record.c if c.name not in ("dataset_id", "size"))
_RECORDS: Final = Statement(
    select(*_record_columns)
    .where(_of_dataset, evaluation_record.c.id > bindparam("after"), evaluation_record.c.id <= bindparam("last"))
    .order_by(evaluation_record.c.id)
)
_MARKED: Final = widened(lambda each: select(*_record_columns).where(_of_dataset, evaluation_record.c.mark.in_(each)))


def _of_experiment(table: Any) -> Select[Any]:
    """Rows of a table, and the number of their experiment."""
    return select(*table.c, experiment.c.number).join_from(table, experiment, experiment.c.id == table.c.experiment_id)


def _in_room(table: Any) -> Select[Any]:
    return _of_experiment(table).join(namespace, namespace.c.id == experiment.c.namespace_id).where(_here)


_SCORER: Final = Statement(
    _of_experiment(scorer).where(
        scorer.c.experiment_id == bindparam("of_experiment"), scorer.c.name == bindparam("name")
    )
)
_KNOWN: Final = widened(lambda each: _in_room(scorer).where(scorer.c.scorer.in_(each)))
_version_columns: Final = tuple(c for c in scorer_version.c if c.name != "scorer_id")
_newest: Final = (
    select(func.max(scorer_version.c.number))
    .where(scorer_version.c.scorer_id == scorer.c.id)
    .correlate(scorer)
    .scalar_subquery()
)
_NEWEST: Final = widened(
    lambda each: (
        _of_experiment(scorer)
        .add_columns(*_version_columns)
        .join(scorer_version, scorer_version.c.scorer_id == scorer.c.id)
        .where(scorer.c.experiment_id.in_(each), scorer_version.c.number == _newest)
        .order_by(experiment.c.number, scorer.c.name)
        .limit(bindparam("limit"))
    )
)
_versions: Final = select(*_version_columns).where(scorer_version.c.scorer_id == bindparam("of_scorer"))
_VERSIONS: Final = Statement(_versions.order_by(scorer_version.c.number).limit(bindparam("limit")))
_VERSION: Final = Statement(_versions.where(scorer_version.c.number == bindparam("number")))
_LABEL: Final = Statement(_in_room(label_schema).where(label_schema.c.schema == bindparam("schema")))
_LABEL_NAMED: Final = Statement(
    _of_experiment(label_schema).where(
        label_schema.c.experiment_id == bindparam("of_experiment"), label_schema.c.name == bindparam("name")
    )
)
_LABELS: Final = Statement(
    _of_experiment(label_schema)
    .where(label_schema.c.experiment_id == bindparam("of_experiment"), label_schema.c.id < bindparam("before"))
    .order_by(label_schema.c.id.desc())
    .limit(bindparam("limit"))
)
_ISSUE: Final = Statement(_in_room(issue).where(issue.c.issue == bindparam("issue")))
_ISSUE_COUNT: Final = Statement(
    select(func.count()).select_from(issue).where(issue.c.experiment_id == bindparam("of_experiment"))
)


class EvaluationReads(LedgerReads):
    """``catalog.evaluation_api.EvaluationView`` over one session."""

    __slots__ = ()

    def evaluation_dataset(self, namespace: str, dataset: str) -> EvaluationDataset | None:
        row = self._session.one(_DATASET, namespace=namespace, dataset=dataset)
        return self._datasets(namespace, [row])[0] if row is not None else None

    def evaluation_id_is_known(self, id_: str) -> bool:
        return any(self._session.one(each, id=id_) is not None for each in _IDS)

    def evaluation_dataset_count(self, namespace: str) -> int:
        count: int = self._session.all(_COUNT, namespace=namespace)[0][0]
        return count

    def find_evaluation_datasets(
        self, namespace: str, search: EvaluationSearch, *, token: str = "", limit: int = 1000
    ) -> EvaluationPage:
        room = room_of(self._session, namespace)
        if not room:
            return EvaluationPage(())
        rows, token = find_dataset_rows(
            self._session, room, search, token, max(0, min(limit, EVALUATION_DATASETS_PAGE))
        )
        return EvaluationPage(tuple(self._datasets(namespace, rows)), token)

    def evaluation_uses(self, dataset_id: int) -> Sequence[int]:
        return [row[0] for row in self._session.all(_USES, dataset_id=dataset_id)]

    def evaluation_records(self, dataset_id: int, *, after: int = 0, limit: int = 1000) -> Sequence[EvaluationRecord]:
        count = max(0, min(limit, EVALUATION_RECORDS_PAGE + 1))
        last, taken = after, 0
        for id_, size in self._session.all(_SIZES, dataset_id=dataset_id, after=after, limit=count):
            taken += size
            if taken > EVALUATION_PAGE_BYTES and last > after:
                break
            last = id_
        rows = self._session.all(_RECORDS, dataset_id=dataset_id, after=after, last=last)
        return [EvaluationRecord(*row) for row in rows]

    def evaluation_marked(self, dataset_id: int, marks: Sequence[str]) -> Mapping[str, EvaluationRecord]:
        found: dict[str, EvaluationRecord] = {}
        for width, each in in_parts(marks):
            rows = self._session.all(_MARKED[width], dataset_id=dataset_id, **each)
            found.update({row[2]: EvaluationRecord(*row) for row in rows})
        return found

    def scorer(self, experiment_id: int, name: str) -> Scorer | None:
        row = self._session.one(_SCORER, of_experiment=experiment_id, name=name)
        return _scorer(row) if row is not None else None

    def scorers_known(self, namespace: str, scorers: Sequence[str]) -> Sequence[Scorer]:
        found: dict[str, Scorer] = {}
        for width, each in in_parts(scorers):
            for row in self._session.all(_KNOWN[width], namespace=namespace, **each):
                found[row[2]] = _scorer(row)
        return list(found.values())

    def scorers_newest(self, experiment_ids: Sequence[int], *, limit: int) -> Sequence[ScorerVersion]:
        found: list[ScorerVersion] = []
        for width, each in in_parts(experiment_ids):
            rows = self._session.all(_NEWEST[width], limit=max(0, limit - len(found)), **each)
            found += [ScorerVersion(_scorer(row[:9]), *row[9:]) for row in rows]
        return found

    def scorer_versions(self, scorer: Scorer, *, limit: int) -> Sequence[ScorerVersion]:
        return [ScorerVersion(scorer, *row) for row in self._session.all(_VERSIONS, of_scorer=scorer.id, limit=limit)]

    def scorer_version(self, scorer: Scorer, number: int) -> ScorerVersion | None:
        row = self._session.one(_VERSION, of_scorer=scorer.id, number=number)
        return ScorerVersion(scorer, *row) if row is not None else None

    def label_schema(self, namespace: str, schema: str) -> LabelSchema | None:
        row = self._session.one(_LABEL, namespace=namespace, schema=schema)
        return _label(row) if row is not None else None

    def label_schema_named(self, experiment_id: int, name: str) -> LabelSchema | None:
        row = self._session.one(_LABEL_NAMED, of_experiment=experiment_id, name=name)
        return _label(row) if row is not None else None

    def label_schemas(self, experiment_id: int, *, before: int = 0, limit: int) -> Sequence[LabelSchema]:
        rows = self._session.all(_LABELS, of_experiment=experiment_id, before=before or _LAST, limit=limit)
        return [_label(row) for row in rows]

    def issue(self, namespace: str, issue: str) -> Issue | None:
        row = self._session.one(_ISSUE, namespace=namespace, issue=issue)
        return _issue(row) if row is not None else None

    def issue_count(self, experiment_id: int) -> int:
        count: int = self._session.all(_ISSUE_COUNT, of_experiment=experiment_id)[0][0]
        return count

    def find_issues(self, namespace: str, search: IssueSearch, *, token: str = "", limit: int = 100) -> IssuePage:
        room = room_of(self._session, namespace)
        if not room:
            return IssuePage(())
        rows, token = find_issue_rows(self._session, room, search, token, max(0, min(limit, ISSUES_PAGE)))
        return IssuePage(tuple(map(_issue, rows)), token)

    def _datasets(self, namespace: str, rows: Iterable[Row]) -> list[EvaluationDataset]:
        found = list(rows)
        tags: defaultdict[int, dict[str, str]] = defaultdict(dict)
        for width, each in in_parts([row[0] for row in found]):
            for id_, key, value in self._session.all(_TAGS_OF[width], **each):
                tags[id_][key] = value
        return [_dataset(namespace, row, tags[row[0]]) for row in found]


def _dataset(namespace: str, row: Row, tags: Mapping[str, str]) -> EvaluationDataset:
    id_, _, dataset, name, digest, created_ms, updated_ms, created_by, updated_by, schema, records = row
    return EvaluationDataset(
        *(id_, namespace, dataset, name, digest, created_ms, updated_ms, created_by, updated_by, schema, records, tags)
    )


def _scorer(row: Row) -> Scorer:
    id_, experiment_id, scorer, name, last_number, config, rate, sample_filter, number = row
    sampling = Sampling(config, rate, sample_filter) if config else None
    return Scorer(id_, scorer, experiment_id, number, name, last_number, sampling)


def _label(row: Row) -> LabelSchema:
    id_, experiment_id, schema, name, kind, form, text, has_comment, is_default, author, created, updated, number = row
    return LabelSchema(
        *(id_, schema, experiment_id, number, name, known(LabelKind, kind), form, text),
        *(bool(has_comment), bool(is_default), author, created, updated),
    )


def _issue(row: Row) -> Issue:
    id_, experiment_id, issue, name, description, status, severity, causes, categories, run, by, *rest = row
    created_ms, updated_ms, number, *traces = rest
    said = (known(IssueStatus, status), severity, _words(causes), _words(categories))
    counted = traces[0] if traces else None
    return Issue(id_, issue, experiment_id, number, name, description, *said, run, by, created_ms, updated_ms, counted)


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(json.loads(text))
    except (TypeError, ValueError) as error:
        raise CatalogDamaged("The catalog holds no words of an issue where they stand.") from error
