"""Changing files that are no version's yet, and logged models, for every SQL database; ``transaction.py`` joins it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import bindparam, delete, select, update

from budwood.catalog.sql.artifact_tables import logged_metric, logged_model, logged_param, logged_tag, stored_file
from budwood.catalog.sql.artifact_view import NOTHING_SAID, ArtifactReads, within
from budwood.catalog.sql.changes import insert_numbered, upsert
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tracking_tables import experiment
from budwood.domain import canon
from budwood.domain.artifacts import LoggedModel, StoredFile
from budwood.domain.manifest_text import entry_pieces
from budwood.domain.tracking.records import RunMetric

_of_room: Final = stored_file.c.namespace_id == bindparam("room")
_ADD_FILE: Final = insert_numbered(stored_file)
_REMOVE_FILE: Final = Statement(delete(stored_file).where(_of_room, stored_file.c.path == bindparam("of_path")))
_REMOVE_BELOW: Final = Statement(
    delete(stored_file).where(
        _of_room, stored_file.c.path > bindparam("of_start"), stored_file.c.path < bindparam("of_end")
    )
)
_ADD_MODEL: Final = insert_numbered(logged_model)
_CHANGEABLE: Final = ("name", "status", "updated_ms", "removed_ms")
_CHANGE_MODEL: Final = Statement(
    update(logged_model)
    .where(logged_model.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in _CHANGEABLE})
)
_FORGET: Final = Statement(
    delete(logged_model).where(
        logged_model.c.experiment_id.in_(select(experiment.c.id).where(experiment.c.namespace_id == bindparam("room")))
    )
)
_PUT_TAG: Final = upsert(logged_tag, "model_id", "key")
_REMOVE_TAG: Final = Statement(
    delete(logged_tag).where(logged_tag.c.model_id == bindparam("of_model"), logged_tag.c.key == bindparam("of_key"))
)
_PUT_PARAM: Final = upsert(logged_param, "model_id", "key")
_PUT_METRIC: Final = upsert(logged_metric, "model_id", "key", "run", "dataset_name", "dataset_digest")


class ArtifactWrites(ArtifactReads):
    """``catalog.artifacts_api.ArtifactsTransaction`` over one session."""

    __slots__ = ()

    def put_stored_file(self, file: StoredFile) -> StoredFile:
        room = known_room(self._session, file.namespace)
        self._session.change(_REMOVE_FILE, room=room, of_path=file.path)
        id_ = self._session.add(
            _ADD_FILE,
            namespace_id=room,
            path=file.path,
            size=file.entry.size,
            entry="".join(entry_pieces(file.entry)).encode(),
            facts=b"" if file.facts == NOTHING_SAID else canon.dumps(canon.pack(file.facts)),
            author=file.author,
            at_ms=file.at_ms,
            structure=file.structure,
        )
        return replace(file, id=id_)

    def remove_stored_files(self, namespace: str, path: str) -> int:
        room = known_room(self._session, namespace)
        start, end = within(path)
        there = self._session.change(_REMOVE_FILE, room=room, of_path=path) if path else 0
        return there + self._session.change(_REMOVE_BELOW, room=room, of_start=start, of_end=end)

    def add_logged_model(self, model: LoggedModel) -> LoggedModel:
        id_ = self._session.add(
            _ADD_MODEL,
            model=model.model,
            experiment_id=model.experiment_id,
            name=model.name,
            kind=model.kind,
            status=str(model.status),
            run=model.run,
            location=model.location,
            author=model.author,
            created_ms=model.created_ms,
            updated_ms=model.updated_ms,
            removed_ms=model.removed_ms,
        )
        return replace(model, id=id_)

    def change_logged_model(self, model: LoggedModel) -> None:
        changed = {f"to_{name}": getattr(model, name) for name in _CHANGEABLE}
        self._session.change(_CHANGE_MODEL, of_id=model.id, **{**changed, "to_status": str(model.status)})

    def forget_logged_models(self, namespace: str) -> None:
        self._session.change(_FORGET, room=known_room(self._session, namespace))

    def put_logged_tags(self, model_id: int, tags: Mapping[str, str]) -> None:
        self._put_words(_PUT_TAG, model_id, tags)

    def remove_logged_tag(self, model_id: int, key: str) -> bool:
        return self._session.change(_REMOVE_TAG, of_model=model_id, of_key=key) > 0

    def put_logged_params(self, model_id: int, params: Mapping[str, str]) -> None:
        self._put_words(_PUT_PARAM, model_id, params)

    def put_logged_metrics(self, model_id: int, metrics: Sequence[RunMetric]) -> None:
        newest = {_identity(each): each for each in self._said(model_id).metrics}
        moved: dict[tuple[str, ...], RunMetric] = {}
        for each in metrics:
            before = newest.get(_identity(each))
            if before is None or _age(each) >= _age(before):
                newest[_identity(each)] = moved[_identity(each)] = each
        if moved:
            self._session.change_many(_PUT_METRIC, [_metric_row(model_id, each) for each in moved.values()])

    def _put_words(self, statement: Statement, model_id: int, words: Mapping[str, str]) -> None:
        rows = [{"model_id": model_id, "key": key, "value": value} for key, value in words.items()]
        if rows:
            self._session.change_many(statement, rows)


def _identity(each: RunMetric) -> tuple[str, ...]:
    return (each.metric.key, each.run, *each.metric.dataset)


def _age(each: RunMetric) -> tuple[int, int]:
    return each.metric.step, each.metric.at_ms


def _metric_row(model_id: int, each: RunMetric) -> dict[str, object]:
    metric = each.metric
    nan = math.isnan(metric.value)
    name, digest = metric.dataset
    return {
        "model_id": model_id,
        "key": metric.key,
        "run": each.run,
        "dataset_name": name,
        "dataset_digest": digest,
        "nan": int(nan),
        "value": 0.0 if nan else metric.value,
        "at_ms": metric.at_ms,
        "step": metric.step,
    }
