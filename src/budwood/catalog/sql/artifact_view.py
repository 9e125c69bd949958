"""Reading files that are no version's yet, and logged models, for every SQL database; ``view.py`` joins it."""

import math
from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, select

from budwood.catalog.sql.artifact_tables import logged_metric, logged_model, logged_param, logged_tag, stored_file
from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tracking_tables import experiment
from budwood.domain import canon
from budwood.domain.artifacts import Listed, LoggedModel, ModelSaid, ModelStatus, StoredFile
from budwood.domain.facts import FileFacts
from budwood.domain.manifest_text import parse_entry
from budwood.domain.tracking.records import Metric, RunMetric
from budwood.errors import CatalogDamaged

NOTHING_SAID: Final = FileFacts()
# Behind every path there can be, and not itself in one.
_LAST: Final = "\U0010ffff"
_room: Final = namespace.c.name == bindparam("namespace")
_whole: Final = select(
    stored_file.c.id,
    namespace.c.name,
    stored_file.c.path,
    stored_file.c.entry,
    stored_file.c.facts,
    stored_file.c.author,
    stored_file.c.at_ms,
    stored_file.c.structure,
).join_from(stored_file, namespace, namespace.c.id == stored_file.c.namespace_id)
_range: Final = (stored_file.c.path > bindparam("after"), stored_file.c.path < bindparam("end"))
_FILE: Final = Statement(_whole.where(_room, stored_file.c.path == bindparam("path")))
_FILES: Final = Statement(_whole.where(_room, *_range).order_by(stored_file.c.path).limit(bindparam("limit")))
_LISTED: Final = Statement(
    select(stored_file.c.path, stored_file.c.size)
    .join_from(stored_file, namespace, namespace.c.id == stored_file.c.namespace_id)
    .where(_room, *_range)
    .order_by(stored_file.c.path)
    .limit(bindparam("limit"))
)
_ALL: Final = Statement(
    _whole.where(stored_file.c.id > bindparam("after_id")).order_by(stored_file.c.id).limit(bindparam("limit"))
)
_LIKE: Final = Statement(
    _whole.where(_room, stored_file.c.structure == bindparam("structure"))
    .order_by(stored_file.c.id.desc())
    .limit(bindparam("limit"))
)
_models: Final = select(
    logged_model.c.id,
    logged_model.c.model,
    logged_model.c.experiment_id,
    experiment.c.number,
    *[c for c in logged_model.c if c.name not in ("id", "model", "experiment_id")],
).join_from(logged_model, experiment, experiment.c.id == logged_model.c.experiment_id)
_MODEL: Final = Statement(
    _models.join(namespace, namespace.c.id == experiment.c.namespace_id).where(
        logged_model.c.model == bindparam("model"), _room
    )
)
_IS_MODEL: Final = Statement(select(logged_model.c.id).where(logged_model.c.model == bindparam("model")))
_OF_EXPERIMENT: Final = Statement(
    _models.where(logged_model.c.experiment_id == bindparam("of_experiment"), logged_model.c.removed_ms == 0)
    .order_by(logged_model.c.created_ms.desc(), logged_model.c.id.desc())
    .limit(bindparam("limit"))
)
_TAGS: Final = Statement(
    select(logged_tag.c.key, logged_tag.c.value).where(logged_tag.c.model_id == bindparam("of_model"))
)
_PARAMS: Final = Statement(
    select(logged_param.c.key, logged_param.c.value).where(logged_param.c.model_id == bindparam("of_model"))
)
_METRICS: Final = Statement(
    select(*[column for column in logged_metric.c if column.name != "model_id"])
    .where(logged_metric.c.model_id == bindparam("of_model"))
    .order_by(logged_metric.c.key, logged_metric.c.run, logged_metric.c.dataset_name, logged_metric.c.dataset_digest)
)


class ArtifactReads(LedgerReads):
    """``catalog.artifacts_api.ArtifactsView`` over one session."""

    __slots__ = ()

    def stored_file(self, namespace: str, path: str) -> StoredFile | None:
        row = self._session.one(_FILE, namespace=namespace, path=path)
        return _file(row) if row is not None else None

    def stored_files(self, namespace: str, below: str, *, after: str = "", limit: int = 1000) -> Sequence[StoredFile]:
        start, end = within(below, after)
        rows = self._session.all(_FILES, namespace=namespace, after=start, end=end, limit=limit)
        return [_file(row) for row in rows]

    def listed_files(self, namespace: str, below: str, *, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        start, end = within(below, after)
        rows = self._session.all(_LISTED, namespace=namespace, after=start, end=end, limit=limit)
        return [Listed(*row) for row in rows]

    def all_stored_files(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[StoredFile]:
        return [_file(row) for row in self._session.all(_ALL, after_id=after_id, limit=limit)]

    def stored_files_like(self, namespace: str, structure: str, *, limit: int) -> Sequence[StoredFile]:
        rows = self._session.all(_LIKE, namespace=namespace, structure=structure, limit=limit)
        return [_file(row) for row in rows]

    def logged_model(self, namespace: str, model: str) -> LoggedModel | None:
        row = self._session.one(_MODEL, namespace=namespace, model=model)
        return _model(row) if row is not None else None

    def logged_model_is_known(self, model: str) -> bool:
        return self._session.one(_IS_MODEL, model=model) is not None

    def logged_models(self, experiment_ids: Sequence[int], *, limit: int) -> Sequence[LoggedModel]:
        found: list[LoggedModel] = []
        for id_ in experiment_ids:
            left = limit - len(found)
            if left <= 0:
                break
            found += [_model(row) for row in self._session.all(_OF_EXPERIMENT, of_experiment=id_, limit=left)]
        return found

    def said_of(self, models: Sequence[LoggedModel]) -> Sequence[ModelSaid]:
        return [self._said(each.id) for each in models]

    def _said(self, id_: int) -> ModelSaid:
        tags = {row[0]: row[1] for row in self._session.all(_TAGS, of_model=id_)}
        params = {row[0]: row[1] for row in self._session.all(_PARAMS, of_model=id_)}
        return ModelSaid(tags, params, tuple(_metric(row) for row in self._session.all(_METRICS, of_model=id_)))


def within(below: str, after: str = "") -> tuple[str, str]:
    """Between which two paths all lie that are below this folder, and behind ``after``."""
    start, end = (f"{below}/", f"{below}0") if below else ("", _LAST)
    return max(start, after), end


def _file(row: Row) -> StoredFile:
    id_, room, path, entry, facts, author, at_ms, structure = row
    try:
        said = canon.unpack(FileFacts, canon.loads(bytes(facts))) if facts else NOTHING_SAID
        return StoredFile(id_, room, path, parse_entry(bytes(entry)), said, author, at_ms, structure)
    except (ValueError, RecursionError) as error:
        raise CatalogDamaged(f"What the catalog holds of the file {path!r} cannot be read: {error}") from error


def _model(row: Row) -> LoggedModel:
    id_, model, experiment_id, number, name, kind, status, *rest = row
    return LoggedModel(id_, model, experiment_id, number, name, kind, known(ModelStatus, status), *rest)


def _metric(row: Row) -> RunMetric:
    key, run, name, digest, nan, value, at_ms, step = row
    return RunMetric(run, Metric(key, math.nan if nan else value, at_ms, step, "", (name, digest)))
