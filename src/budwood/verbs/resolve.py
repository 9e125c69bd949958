"""Which version a reference names. Every verb that takes a reference comes through here."""

from collections.abc import Sequence
from typing import Final, assert_never

from budwood.catalog.api import View
from budwood.domain.names import Stage
from budwood.domain.records import ModelRecord, VersionRecord, model_path, stage_pointer
from budwood.domain.reference import (
    ByAlias,
    ByCommit,
    ByDigest,
    ByLabel,
    ByNumber,
    ByStage,
    ByTime,
    Newest,
    Reference,
    parse_reference,
)
from budwood.errors import BadReference, ModelNotFound, VersionNotFound

RELEASE_ALIAS: Final = "champion"
"""The alias that ``@TIME`` follows; a model that never had it is followed by its production stage."""


def resolve(view: View, reference: Reference | str) -> VersionRecord:
    """Raises BadReference, ModelNotFound, VersionNotFound."""
    wanted = parse_reference(reference) if isinstance(reference, str) else reference
    version = _find(view, wanted)
    if version is None:
        model = model_of(view, wanted)
        raise VersionNotFound(f"{model.path} has no version {_selector(wanted)}.", reference=str(wanted))
    return version


def model_of(view: View, reference: Reference) -> ModelRecord:
    """Raises ModelNotFound."""
    model = view.model(reference.namespace, reference.model)
    if model is None:
        path = model_path(reference.namespace, reference.model)
        raise ModelNotFound(f"There is no model {path!r} in this registry.", model=path)
    return model


def model_named(view: View, text: str) -> ModelRecord:
    """The model of a bare ``[namespace/]model``. Raises BadReference when a version is named, ModelNotFound."""
    reference = parse_reference(text)
    if not isinstance(reference.selector, Newest):
        raise BadReference(f"{text!r} names a version; a model is asked for here.", hint="Leave out the @….")
    return model_of(view, reference)


def _find(view: View, wanted: Reference) -> VersionRecord | None:
    namespace, name = wanted.namespace, wanted.model
    match wanted.selector:
        case Newest():
            return view.newest_version(namespace, name)
        case ByNumber(number):
            return view.version_by_number(namespace, name, number)
        case ByLabel(label):
            return view.version_by_label(namespace, name, str(label))
        case ByAlias(alias):
            return view.version_by_pointer(namespace, name, alias)
        case ByStage(stage):
            return _in_stage(view, wanted, stage)
        case ByDigest(prefix):
            return _single(view.versions_by_digest(namespace, name, prefix), wanted)
        case ByCommit(prefix):
            return next(iter(view.versions_by_commit(namespace, name, prefix)), None)
        case ByTime(at_ms):
            return _at(view, wanted, at_ms)
        case unknown:
            assert_never(unknown)


def _in_stage(view: View, wanted: Reference, stage: Stage) -> VersionRecord | None:
    if stage is not Stage.DEVELOPMENT:
        return view.version_by_pointer(wanted.namespace, wanted.model, stage_pointer(stage))
    # Every version is born in development, without a move: its newest is found among the versions.
    versions = view.versions(model_of(view, wanted).id, limit=1000)
    return next((version for version in versions if version.stage is Stage.DEVELOPMENT), None)


def _at(view: View, wanted: Reference, at_ms: int) -> VersionRecord | None:
    model = model_of(view, wanted)
    for pointer in (RELEASE_ALIAS, stage_pointer(Stage.PRODUCTION)):
        if view.pointer(model.id, pointer) is not None:
            move = view.move_at(model.id, pointer, at_ms)
            return view.version_by_id(move.version_id) if move and move.version_id else None
    raise VersionNotFound(
        f"{model.path} was never released: it has no alias {RELEASE_ALIAS!r} and nothing was in production.",
        hint=f"Set it once: budwood alias {model.path}@REF {RELEASE_ALIAS}",
        model=model.path,
    )


def _single(found: Sequence[VersionRecord], wanted: Reference) -> VersionRecord | None:
    if len({version.digest for version in found}) > 1:
        raise BadReference(
            f"{_selector(wanted)} fits {len(found)} versions.",
            hint="Give more digits: " + ", ".join(f"sha256:{v.digest[:16]} ({v.reference})" for v in found[:4]),
        )
    return found[0] if found else None


def _selector(wanted: Reference) -> str:
    said = str(wanted).partition("@")[2]
    return repr(said) if said else "at all"
