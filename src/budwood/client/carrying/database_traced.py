"""Traces and what judges them in the database of an MLflow server; beside ``database``.

The tables came one by one with its versions; those that are not there yet are empty here. Spans of older servers are in
files, where a trace's tag says.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from budwood.client.carrying import shapes, shapes_traced
from budwood.client.carrying.batches import RECORDS_AT_ONCE
from budwood.client.carrying.places import Places
from budwood.client.carrying.shapes import Fields
from budwood.client.carrying.spans_file import spans_in
from budwood.client.carrying.tables import Row, Tables
from budwood.domain.carrying.traced import (
    CarriedAssessment,
    CarriedBody,
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedScorer,
    CarriedTrace,
    Judged,
)
from budwood.domain.limits import CARRIED_AT_ONCE
from budwood.domain.traces.records import (
    COST_KEY,
    COSTS,
    LOCATION_TAG,
    NAME_TAG,
    RUN_KEY,
    SESSION_KEY,
    TOKENS,
    TOKENS_KEY,
)
from budwood.domain.traces.stored import text_of

_TOKENS: Final = (*TOKENS, "cache_creation_input_tokens_above_1hr")
_WRAPPED: Final = "mlflow_wrapped"
_JSON_PARTS: Final = ("inputs", "outputs", "expectations", "tags", "source")


class DatabaseTraced:
    """``reader_traced.TracedReader`` over SQL."""

    def __init__(self, tables: Tables, places: Places) -> None:
        self._tables, self._places = tables, places

    def traces(self, experiment: str) -> Iterator[CarriedTrace]:
        after = ""
        while self._has("trace_info"):
            page = self._tables.rows(
                "SELECT * FROM trace_info WHERE experiment_id = :experiment AND request_id > :after"
                " ORDER BY request_id LIMIT :limit",
                experiment=int(experiment),
                after=after,
                limit=CARRIED_AT_ONCE,
            )
            if not page:
                return
            after = page[-1]["request_id"]
            yield from self._whole_traces(page, experiment)

    def spans(self, trace: CarriedTrace) -> Sequence[str]:
        sql = "SELECT {content} AS content FROM spans WHERE trace_id = :trace"
        rows = self._tables.rows(sql, trace=trace.trace) if self._has("spans") else []
        kept = [shapes.text(row, "content") for row in rows]
        if any(kept):
            return [shapes_traced.content(shapes_traced.parsed(each, "content")) for each in kept if each]
        location = trace.tags.get(LOCATION_TAG, "")
        return spans_in(self._places, location) if location else ()

    def linked(self, experiment: str, run: str) -> Sequence[str]:
        if not self._has("trace_info"):
            return ()
        named = (
            "SELECT t.request_id FROM trace_info t JOIN trace_request_metadata m ON m.request_id = t.request_id"
            " WHERE t.experiment_id = :experiment AND m.key = :key AND m.value = :run"
        )
        linked = (
            "SELECT t.request_id FROM trace_info t JOIN entity_associations a ON a.source_id = t.request_id"
            " WHERE t.experiment_id = :experiment AND a.source_type = 'trace' AND a.destination_type = 'run'"
            " AND a.destination_id = :run"
        )
        rows = [*self._tables.rows(named, experiment=int(experiment), key=RUN_KEY, run=run)]
        if self._has("entity_associations"):
            rows += self._tables.rows(linked, experiment=int(experiment), run=run)
        return sorted({shapes.text(row, "request_id") for row in rows})

    def datasets(self) -> Iterator[CarriedDataset]:
        if not self._has("evaluation_datasets"):
            return
        where = self._tables.of_workspace("evaluation_datasets")
        rows = self._tables.rows(f"SELECT * FROM evaluation_datasets {where} ORDER BY dataset_id")  # noqa: S608
        for at in range(0, len(rows), CARRIED_AT_ONCE):
            yield from self._whole_datasets(rows[at : at + CARRIED_AT_ONCE])

    def records(self, dataset: CarriedDataset) -> Iterator[CarriedRecord]:
        parts = ", ".join(f"{{{each}}} AS {each}" for each in _JSON_PARTS)
        sql = (
            f"SELECT dataset_record_id, {parts}, created_time, last_update_time, created_by, last_updated_by"  # noqa: S608
            " FROM evaluation_dataset_records WHERE dataset_id = :dataset AND dataset_record_id > :after"
            " ORDER BY dataset_record_id LIMIT :limit"
        )
        after = ""
        while page := self._tables.rows(sql, dataset=dataset.dataset, after=after, limit=RECORDS_AT_ONCE):
            after = page[-1]["dataset_record_id"]
            yield from map(_record, page)

    def judging(self, experiment: str) -> Sequence[Judged]:
        return [*self._scorers(experiment), *self._labels(experiment), *self._issues(experiment)]

    # Traces

    def _whole_traces(self, page: Sequence[Row], experiment: str) -> Iterator[CarriedTrace]:
        ids = [row["request_id"] for row in page]
        tags = self._tables.words("trace_tags", "request_id", "key", "value", ids)
        metadata = self._tables.words("trace_request_metadata", "request_id", "key", "value", ids)
        said = defaultdict[str, list[CarriedAssessment]](list)
        if self._has("assessments"):
            for row in self._tables.of("SELECT * FROM assessments WHERE trace_id IN :ids", ids):
                said[row["trace_id"]].append(_assessment(row))
        for row in page:
            id_ = row["request_id"]
            words = {**metadata.get(id_, {}), **_promoted(row)}
            name = {NAME_TAG: row["trace_name"]} if row.get("trace_name") is not None else {}
            yield CarriedTrace(
                id_,
                experiment,
                shapes.whole(row, "timestamp_ms"),
                None if row["execution_time_ms"] is None else shapes.whole(row, "execution_time_ms"),
                shapes_traced.state(shapes.text(row, "status")),
                shapes_traced.optional(row, "client_request_id"),
                shapes_traced.optional(row, "request_preview"),
                shapes_traced.optional(row, "response_preview"),
                shapes_traced.is_told(words, shapes.text(row, "status")),
                {**tags.get(id_, {}), **name},
                words,
                tuple(said[id_]),
            )

    # What judges

    def _whole_datasets(self, page: Sequence[Row]) -> Iterator[CarriedDataset]:
        ids = [row["dataset_id"] for row in page]
        tags = self._tables.words("evaluation_dataset_tags", "dataset_id", "key", "value", ids)
        uses = defaultdict[str, list[str]](list)
        if self._has("entity_associations"):
            sql = (
                "SELECT source_id, destination_id FROM entity_associations WHERE source_type = 'evaluation_dataset'"
                " AND destination_type = 'experiment' AND source_id IN :ids"
            )
            for row in self._tables.of(sql, ids):
                uses[row["source_id"]].append(shapes.text(row, "destination_id"))
        for row in page:
            id_ = row["dataset_id"]
            yield CarriedDataset(
                id_,
                shapes.text(row, "name"),
                shapes.text(row, "digest"),
                shapes.text(row, "schema"),
                shapes.whole(row, "created_time"),
                shapes.whole(row, "last_update_time"),
                shapes.text(row, "created_by"),
                shapes.text(row, "last_updated_by"),
                tags.get(id_, {}),
                tuple(uses[id_]),
            )

    def _scorers(self, experiment: str) -> Iterator[CarriedScorer]:
        bodies = defaultdict[str, list[CarriedBody]](list)
        for row in self._of_experiment("scorers", experiment, "scorer_versions v ON v.scorer_id = t.scorer_id"):
            bodies[row["scorer_id"]].append(shapes_traced.body_of(row))
        for row in self._of_experiment("scorers", experiment):
            id_ = row["scorer_id"]
            versions = tuple(sorted(bodies[id_], key=lambda each: each.number))
            yield CarriedScorer(id_, experiment, shapes.text(row, "scorer_name"), versions)

    def _labels(self, experiment: str) -> Iterator[CarriedLabel]:
        for row in self._of_experiment("label_schemas", experiment):
            if row.get("is_default"):
                continue
            form, said = shapes.text(row, "input_type"), shapes_traced.json_in(row, "input_config")
            yield CarriedLabel(
                shapes.text(row, "schema_id"),
                experiment,
                shapes.text(row, "name"),
                shapes.text(row, "type").upper(),
                form,
                shapes_traced.bounds(form, said if isinstance(said, dict) else {}),
                shapes.text(row, "instruction"),
                bool(row["enable_comment"]),
                shapes.whole(row, "created_time"),
                shapes.whole(row, "last_update_time"),
            )

    def _issues(self, experiment: str) -> Iterator[CarriedIssue]:
        for row in self._of_experiment("issues", experiment):
            lists = {name: shapes_traced.json_in(row, name) for name in ("root_causes", "categories")}
            yield shapes_traced.issue_of({**row, **lists}, experiment)

    def _of_experiment(self, table: str, experiment: str, joined: str = "") -> Sequence[Row]:
        if not self._has(table):
            return []
        join = f"JOIN {joined}" if joined else ""
        sql = f"SELECT * FROM {table} t {join} WHERE t.experiment_id = :experiment"  # noqa: S608
        return self._tables.rows(sql, experiment=int(experiment))

    def _has(self, table: str) -> bool:
        return table in self._tables.columns


def _promoted(row: Row) -> dict[str, str]:
    """Metadata that newer servers keep in columns, as they tell it."""
    found = {SESSION_KEY: row["session_id"]} if row.get("session_id") is not None else {}
    for key, names in ((TOKENS_KEY, _TOKENS), (COST_KEY, COSTS)):
        if counted := {name: row[name] for name in names if row.get(name) is not None}:
            found[key] = text_of(counted)
    return found


def _assessment(row: Row) -> CarriedAssessment:
    kind, value = shapes.text(row, "assessment_type"), shapes_traced.json_in(row, "value")
    if kind == "feedback" or not isinstance(value, dict | list):
        value = shapes_traced.plain(value)
    return CarriedAssessment(
        shapes.text(row, "assessment_id"),
        kind,
        shapes.text(row, "name"),
        text_of(value),
        shapes.text(row, "source_type"),
        shapes.text(row, "source_id"),
        shapes.whole(row, "created_timestamp"),
        shapes.whole(row, "last_updated_timestamp"),
        shapes_traced.error_text(_object(row, "error")),
        shapes.text(row, "span_id") or None,
        shapes_traced.optional(row, "rationale"),
        {key: str(each) for key, each in _object(row, "assessment_metadata").items()},
        shapes.text(row, "overrides"),
        bool(row["valid"]),
    )


def _record(row: Row) -> CarriedRecord:
    said = {name: shapes_traced.json_in(row, name) for name in _JSON_PARTS}
    outputs = said["outputs"]
    wrapped = isinstance(outputs, dict) and outputs.keys() == {_WRAPPED}
    return shapes_traced.record_of({**row, **said, "outputs": outputs[_WRAPPED] if wrapped else outputs})


def _object(row: Fields, name: str) -> Fields:
    found = shapes_traced.json_in(row, name)
    return found if isinstance(found, dict) else {}
