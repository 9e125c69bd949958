"""Whether a version may be born, enter a stage or descend from another, by the standards of the namespaces concerned.

Asked inside the transaction that would do it: publishing and pointing are the only doors, and both come here. Facts
are judged by the fields the catalog remembers of them, so no manifest is read while others wait.
"""

from collections.abc import Iterable, Sequence

from budwood.catalog.api import View
from budwood.domain.facts import Facts
from budwood.domain.fields import how_to_give, known_fields, words_of
from budwood.domain.names import Stage
from budwood.domain.records import VersionRecord, stage_pointer
from budwood.domain.standard import ASKING, Birth, FallsShort, Standard, edge_refusal, fields_shown, lacking
from budwood.errors import EdgeRefused, StandardUnmet
from budwood.verbs.standard_text import standard_from

_STAGES = {stage_pointer(stage): stage for stage in ASKING if stage is not Stage.DEVELOPMENT}


def judge_birth(view: View, namespace: str, model: str, facts: Facts) -> Birth:
    """What is to be remembered of a version that is about to be published: its fields, and those it falls short of.

    Raises StandardUnmet where the standard refuses what falls short.
    """
    fields = known_fields(facts)
    record = view.standard(namespace)
    if record is None:
        return Birth(fields)
    standard = standard_from(record.text)
    missing = lacking(standard.asks(Stage.DEVELOPMENT, facts.kind, model), fields)
    if missing and standard.falls_short is FallsShort.REFUSE:
        raise _unmet(f"The standard of {namespace} refuses this push", missing)
    return Birth(fields, missing, record.number)


def check_stage(view: View, version: VersionRecord, pointer: str) -> None:
    """Raises StandardUnmet for a stage that asks for facts the version does not have, and was not in before."""
    stage = _STAGES.get(pointer)
    record = view.standard(version.namespace) if stage is not None else None
    if stage is None or record is None:
        return
    asked = standard_from(record.text).asks(stage, version.kind, version.model)
    missing = missing_of(view, version, asked)
    if missing and not view.pointed_before(version.model_id, pointer, version.id):
        raise _unmet(f"The standard of {version.namespace} keeps {version.reference} out of {stage}", missing)


def missing_of(view: View, version: VersionRecord, asked: Sequence[str]) -> tuple[str, ...]:
    """Those of the fields that the version was not born with, and no evidence gave it since."""
    born = view.birth(version.id)
    missing = lacking(asked, born.fields if born is not None else ())
    return lacking(missing, fields_shown(view.evidence(version.namespace, version.digest))) if missing else ()


def check_edges(view: View, namespace: str, parents: Iterable[VersionRecord]) -> None:
    """Raises EdgeRefused for a parent in a namespace that does not allow it, or that is not allowed here."""
    for parent in parents:
        check_edge(view, namespace, parent.namespace, parent.reference)


def check_edge(view: View, namespace: str, parent_namespace: str, reference: str) -> None:
    """Raises EdgeRefused; ``reference`` is the parent's."""
    refusing = refusing_side(view, namespace, parent_namespace)
    if not refusing:
        return
    side, other = ("to", namespace) if refusing == parent_namespace else ("from", parent_namespace)
    said = "descend from it" if side == "to" else "be a parent there"
    raise EdgeRefused(
        f"{refusing} does not let versions of {other} {said}: {reference}.",
        hint=f"An owner of {refusing} allows it in its standard: lineage: {{{side}: [{other}]}}.",
        namespace=refusing,
        parent=reference,
    )


def refusing_side(view: View, child: str, parent: str) -> str:
    """The namespace that does not allow an edge from a version of one to a parent in the other; empty: both do."""
    if child == parent:
        return ""
    return edge_refusal(_standard(view, parent), parent, _standard(view, child), child)


def _standard(view: View, namespace: str) -> Standard | None:
    record = view.standard(namespace)
    return standard_from(record.text) if record is not None else None


def _unmet(what: str, missing: tuple[str, ...]) -> StandardUnmet:
    first = missing[0]
    more = f" (and {len(missing) - 1} more: {', '.join(missing[1:6])})" if len(missing) > 1 else ""
    return StandardUnmet(
        f"{what}: {first} is missing, {words_of(first)}{more}.", hint=f"{how_to_give(first)}.", missing=missing
    )
