"""Changing what is evaluated and how, for every SQL database. ``transaction.py`` joins it with the rest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import BindParameter, Table, bindparam, delete, update

from budwood.catalog.sql.changes import insert_numbered, insert_row, upsert
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
from budwood.catalog.sql.evaluation_view import EvaluationReads
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tracking_view import in_parts, widened
from budwood.domain.tracking.evaluation import EvaluationDataset, EvaluationRecord
from budwood.domain.tracking.judging import Issue, LabelSchema, Sampling, Scorer, ScorerVersion


def _changing(table: Table, *names: str) -> Statement:
    """One row by its id."""
    return Statement(
        update(table).where(table.c.id == bindparam("of_id")).values({name: bindparam(f"to_{name}") for name in names})
    )


def _removing(table: Table) -> Statement:
    return Statement(delete(table).where(table.c.id == bindparam("of_id")))


_ADD_DATASET: Final = insert_numbered(evaluation_dataset)
_CHANGE_DATASET: Final = _changing(evaluation_dataset, "digest", "updated_ms", "updated_by", "schema", "records")
_REMOVE_DATASET: Final = _removing(evaluation_dataset)
_PUT_TAG: Final = upsert(evaluation_tag, "dataset_id", "key")
_of_dataset: Final[BindParameter[int]] = bindparam("of_dataset")
_REMOVE_TAG: Final = Statement(
    delete(evaluation_tag).where(
        evaluation_tag.c.dataset_id == _of_dataset, evaluation_tag.c.key == bindparam("of_key")
    )
)
_ADD_USE: Final = upsert(evaluation_use, "dataset_id", "experiment_id")
_REMOVE_USES: Final = widened(
    lambda each: delete(evaluation_use).where(
        evaluation_use.c.dataset_id == _of_dataset, evaluation_use.c.experiment_id.in_(each)
    )
)
_ADD_RECORD: Final = Statement(
    evaluation_record.insert().values({c.name: bindparam(c.name) for c in evaluation_record.c if c.name != "id"})
)
_CHANGE_RECORD: Final = _changing(evaluation_record, "content", "size", "updated_ms", "updated_by")
_REMOVE_RECORDS: Final = widened(
    lambda each: delete(evaluation_record).where(
        evaluation_record.c.dataset_id == _of_dataset, evaluation_record.c.record.in_(each)
    )
)
_ADD_SCORER: Final = insert_numbered(scorer)
_REMOVE_SCORER: Final = _removing(scorer)
_SET_SAMPLING: Final = _changing(scorer, "config", "sample_rate", "sample_filter")
_COUNT_ON: Final = _changing(scorer, "last_number")
_ADD_VERSION: Final = insert_row(scorer_version)
_REMOVE_VERSION: Final = Statement(
    delete(scorer_version).where(
        scorer_version.c.scorer_id == bindparam("of_scorer"), scorer_version.c.number == bindparam("of_number")
    )
)
_ADD_LABEL: Final = insert_numbered(label_schema)
_CHANGE_LABEL: Final = _changing(label_schema, "name", "input", "instruction", "has_comment", "updated_ms")
_REMOVE_LABEL: Final = _removing(label_schema)
_ADD_ISSUE: Final = insert_numbered(issue)
_CHANGE_ISSUE: Final = _changing(issue, "name", "description", "status", "severity", "updated_ms")


class EvaluationWrites(EvaluationReads):
    """``catalog.evaluation_api.EvaluationTransaction`` over one session."""

    __slots__ = ()

    def add_evaluation_dataset(self, dataset: EvaluationDataset) -> EvaluationDataset:
        id_ = self._session.add(
            _ADD_DATASET,
            namespace_id=known_room(self._session, dataset.namespace),
            dataset=dataset.dataset,
            name=dataset.name,
            digest=dataset.digest,
            created_ms=dataset.created_ms,
            updated_ms=dataset.updated_ms,
            created_by=dataset.created_by,
            updated_by=dataset.updated_by,
            schema=dataset.schema,
            records=dataset.records,
        )
        self.put_evaluation_tags(id_, dataset.tags)
        return replace(dataset, id=id_)

    def change_evaluation_dataset(self, dataset: EvaluationDataset) -> None:
        self._session.change(
            _CHANGE_DATASET,
            of_id=dataset.id,
            to_digest=dataset.digest,
            to_updated_ms=dataset.updated_ms,
            to_updated_by=dataset.updated_by,
            to_schema=dataset.schema,
            to_records=dataset.records,
        )

    def remove_evaluation_dataset(self, dataset_id: int) -> None:
        self._session.change(_REMOVE_DATASET, of_id=dataset_id)

    def put_evaluation_tags(self, dataset_id: int, tags: Mapping[str, str]) -> None:
        rows = [{"dataset_id": dataset_id, "key": key, "value": value} for key, value in tags.items()]
        if rows:
            self._session.change_many(_PUT_TAG, rows)

    def remove_evaluation_tag(self, dataset_id: int, key: str) -> bool:
        return self._session.change(_REMOVE_TAG, of_dataset=dataset_id, of_key=key) > 0

    def add_evaluation_uses(self, dataset_id: int, experiment_ids: Sequence[int]) -> None:
        rows = [{"dataset_id": dataset_id, "experiment_id": each} for each in dict.fromkeys(experiment_ids)]
        if rows:
            self._session.change_many(_ADD_USE, rows)

    def remove_evaluation_uses(self, dataset_id: int, experiment_ids: Sequence[int]) -> int:
        return self._remove_some(_REMOVE_USES, dataset_id, experiment_ids)

    def add_evaluation_records(self, dataset_id: int, records: Sequence[EvaluationRecord]) -> None:
        rows = [
            {
                "dataset_id": dataset_id,
                "record": each.record,
                "mark": each.mark,
                "content": each.content,
                "size": len(each.content),
                "created_ms": each.created_ms,
                "updated_ms": each.updated_ms,
                "created_by": each.created_by,
                "updated_by": each.updated_by,
            }
            for each in records
        ]
        if rows:
            self._session.change_many(_ADD_RECORD, rows)

    def change_evaluation_records(self, records: Sequence[EvaluationRecord]) -> None:
        rows = [
            {
                "of_id": each.id,
                "to_content": each.content,
                "to_size": len(each.content),
                "to_updated_ms": each.updated_ms,
                "to_updated_by": each.updated_by,
            }
            for each in records
        ]
        if rows:
            self._session.change_many(_CHANGE_RECORD, rows)

    def remove_evaluation_records(self, dataset_id: int, records: Sequence[str]) -> int:
        return self._remove_some(_REMOVE_RECORDS, dataset_id, records)

    def add_scorer(self, scorer: Scorer) -> Scorer:
        id_ = self._session.add(
            _ADD_SCORER,
            experiment_id=scorer.experiment_id,
            scorer=scorer.scorer,
            name=scorer.name,
            last_number=scorer.last_number,
            config="",
            sample_rate=0.0,
            sample_filter="",
        )
        return replace(scorer, id=id_)

    def remove_scorer(self, scorer_id: int) -> None:
        self._session.change(_REMOVE_SCORER, of_id=scorer_id)

    def set_sampling(self, scorer_id: int, sampling: Sampling) -> None:
        said = {"to_config": sampling.config, "to_sample_rate": sampling.rate, "to_sample_filter": sampling.filter}
        self._session.change(_SET_SAMPLING, of_id=scorer_id, **said)

    def add_scorer_version(self, version: ScorerVersion) -> None:
        self._session.change(
            _ADD_VERSION,
            scorer_id=version.scorer.id,
            number=version.number,
            body=version.body,
            author=version.author,
            at_ms=version.at_ms,
        )
        self._session.change(_COUNT_ON, of_id=version.scorer.id, to_last_number=version.number)

    def remove_scorer_version(self, scorer_id: int, number: int) -> bool:
        return self._session.change(_REMOVE_VERSION, of_scorer=scorer_id, of_number=number) > 0

    def add_label_schema(self, schema: LabelSchema) -> LabelSchema:
        id_ = self._session.add(
            _ADD_LABEL,
            experiment_id=schema.experiment_id,
            schema=schema.schema,
            name=schema.name,
            kind=str(schema.kind),
            input=schema.input,
            instruction=schema.instruction,
            has_comment=int(schema.has_comment),
            is_default=int(schema.is_default),
            author=schema.author,
            created_ms=schema.created_ms,
            updated_ms=schema.updated_ms,
        )
        return replace(schema, id=id_)

    def change_label_schema(self, schema: LabelSchema) -> None:
        self._session.change(
            _CHANGE_LABEL,
            of_id=schema.id,
            to_name=schema.name,
            to_input=schema.input,
            to_instruction=schema.instruction,
            to_has_comment=int(schema.has_comment),
            to_updated_ms=schema.updated_ms,
        )

    def remove_label_schema(self, schema_id: int) -> None:
        self._session.change(_REMOVE_LABEL, of_id=schema_id)

    def add_issue(self, issue: Issue) -> Issue:
        id_ = self._session.add(
            _ADD_ISSUE,
            experiment_id=issue.experiment_id,
            issue=issue.issue,
            name=issue.name,
            description=issue.description,
            status=str(issue.status),
            severity=issue.severity,
            root_causes=json.dumps(list(issue.root_causes)),
            categories=json.dumps(list(issue.categories)),
            run=issue.run,
            created_by=issue.created_by,
            created_ms=issue.created_ms,
            updated_ms=issue.updated_ms,
        )
        return replace(issue, id=id_)

    def change_issue(self, issue: Issue) -> None:
        self._session.change(
            _CHANGE_ISSUE,
            of_id=issue.id,
            to_name=issue.name,
            to_description=issue.description,
            to_status=str(issue.status),
            to_severity=issue.severity,
            to_updated_ms=issue.updated_ms,
        )

    def _remove_some(self, statements: Mapping[int, Statement], dataset_id: int, values: Sequence[Any]) -> int:
        parts = in_parts(list(dict.fromkeys(values)))
        return sum(self._session.change(statements[width], of_dataset=dataset_id, **each) for width, each in parts)
