"""Reading without changing: one version, a model's family, the models, a search, the ledger."""

from collections.abc import Iterator, Sequence

from budwood.catalog.api import View
from budwood.domain.derivation import REGISTRY
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.query_parser import parse_query
from budwood.domain.records import LedgerEntry, Move, VersionRecord
from budwood.domain.results import Computed, Family, ModelSummary, VersionDetail, VersionPage
from budwood.errors import LimitExceeded, VersionNotFound
from budwood.verbs.derived import EDGES_READ, proofs
from budwood.verbs.house import House
from budwood.verbs.resolve import model_named, resolve


def get(house: House, reference: str) -> VersionRecord:
    """The version a reference names. Raises BadReference, NotFound."""
    with house.catalog.read() as view:
        return resolve(view, reference)


def show(house: House, reference: str) -> VersionDetail:
    """A version and everything that stands beside it. Raises BadReference, NotFound."""
    with house.catalog.read() as view:
        version = resolve(view, reference)
        here = [move.pointer for move in view.pointers(version.model_id) if move.version_id == version.id]
        birth = view.birth(version.id)
        return VersionDetail(
            version=version,
            aliases=tuple(pointer for pointer in here if ":" not in pointer),
            holds_stage=f"stage:{version.stage}" in here,
            tags=tuple(view.tags(version.id)),
            parents=tuple(view.parents(version.id)),
            children=tuple(view.children(version.id)),
            stages=tuple(view.stage_history(version.id)),
            short_of=birth.short_of if birth is not None else (),
            computed=tuple(each.summary for each in proofs(view, version)),
        )


def list_models(house: House, *, after: str = "", limit: int = 100) -> tuple[ModelSummary, ...]:
    """Models in the order of their names, those behind ``after``. Raises LimitExceeded."""
    _check_page(limit)
    with house.catalog.read() as view:
        models = view.models(after=after, limit=limit)
        return tuple(
            ModelSummary(
                model=model,
                versions=view.version_count(model.id),
                newest=view.newest_version(model.namespace, model.name),
                pointers=tuple(view.pointers(model.id)),
            )
            for model in models
        )


def log(house: House, model: str, *, before: int = 0, limit: int = 100) -> Family:
    """A model's newest versions with their edges and moves. Raises ModelNotFound, LimitExceeded."""
    _check_page(limit)
    with house.catalog.read() as view:
        record = model_named(view, model)
        shown = tuple(view.versions(record.id, before=before, limit=limit))
        return Family(
            model=record,
            versions=shown,
            edges=tuple(view.parent_pairs(record.id)),
            pointers=tuple(view.pointers(record.id)),
            moves=tuple(view.moves(record.id, limit=limit)),
            computed=tuple(_computed(view, shown)),
        )


def _computed(view: View, versions: Sequence[VersionRecord]) -> Iterator[Computed]:
    """Evidence is read only of those whose edges say that there is some."""
    edges = view.edges_of([version.id for version in versions], limit=EDGES_READ)
    proved = {edge.child for edge in edges if edge.told_by == REGISTRY}
    for version in versions:
        for evidence in proofs(view, version) if version.id in proved else ():
            yield Computed(version.id, evidence.summary)


def pointer(house: House, model: str, name: str) -> Move:
    """The move that put an alias, or ``stage:NAME``, where it points. Raises ModelNotFound, VersionNotFound."""
    with house.catalog.read() as view:
        record = model_named(view, model)
        move = view.pointer(record.id, name)
        if move is None or not move.version_id:
            raise VersionNotFound(f"{record.path} has no alias {name!r}.", alias=name)
        return move


def search(house: House, text: str = "", *, cursor: str = "", limit: int = 100) -> VersionPage:
    """Versions that match a filter (see ``domain/query.py``). Raises BadFilter, BadValue, LimitExceeded."""
    _check_page(limit)
    query = parse_query(text, now_ms=house.clock())
    with house.catalog.read() as view:
        return view.search(query, cursor=cursor, limit=limit)


def ledger(house: House, *, after: int = 0, limit: int = 100, subject: str = "") -> Sequence[LedgerEntry]:
    """Changes of state, oldest first. Raises LimitExceeded."""
    _check_page(limit)
    with house.catalog.read() as view:
        return view.ledger(after=after, limit=limit, subject=subject)


def _check_page(limit: int) -> None:
    if not 1 <= limit <= PAGE_ROWS:
        raise LimitExceeded(f"A page has 1 to {PAGE_ROWS} rows, not {limit}.", limit="PAGE_ROWS")
