"""Names of data that are versions of this registry: a push takes them as parents it was trained on.

``tickets-2026`` stays a name. ``tickets@v3`` becomes an edge of the lineage, with number and digest, when there is a
version of kind ``dataset`` of that name; so does ``tickets``, meaning its newest.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from budwood.domain.facts import Facts, Relation
from budwood.domain.limits import PARENTS_PER_VERSION
from budwood.domain.names import Kind
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.reference import ByDigest, Newest, parse_reference
from budwood.errors import BadValue, Invalid, LimitExceeded, NotFound, VersionNotFound
from budwood.verbs.workplace import Workplace

if TYPE_CHECKING:
    from budwood.verbs.push import PushRequest


def with_data_parents(place: Workplace, request: "PushRequest") -> "PushRequest":
    """The request with its registered data as parents, named exactly; what was a parent already stays one.

    Raises VersionNotFound for a version that a dataset does not have, BadValue for one that is none; LimitExceeded.
    """
    found = {text: _version(place, text) for text in dict.fromkeys(request.declared.datasets)}
    exact = {text: _exact(version) for text, version in found.items() if version is not None}
    if not exact:
        return request
    said = request.relations or ("",) * len(request.parents)
    new = [name for name in dict.fromkeys(exact.values()) if name not in request.parents]
    if len(request.parents) + len(new) > PARENTS_PER_VERSION:
        message = f"At most {PARENTS_PER_VERSION} parents, datasets of this registry among them."
        raise LimitExceeded(message, limit="PARENTS_PER_VERSION")
    datasets = tuple(dict.fromkeys(exact.get(text, text) for text in request.declared.datasets))
    return replace(
        request,
        declared=replace(request.declared, datasets=datasets),
        parents=(*request.parents, *new),
        relations=(*said, *[Relation.TRAINED_ON.value for _ in new]),
    )


def _version(place: Workplace, text: str) -> VersionRecord | None:
    """The version of a dataset that a text names; None where it is a name and nothing more."""
    try:
        reference = parse_reference(text)
    except Invalid:
        return None
    is_bare = isinstance(reference.selector, Newest)
    # A digest may be that of the data, as budwood.training_run writes it, and of no version.
    may_be_missing = is_bare or isinstance(reference.selector, ByDigest)
    try:
        version = place.desk.version(text)
    except VersionNotFound:
        # 'tickets@v9' of a dataset that ends at v8 is a slip, and no name.
        if may_be_missing or not _is_dataset(place, reference.path):
            return None
        raise
    except NotFound:
        return None
    if version.kind is Kind.DATASET:
        return version
    if is_bare:
        return None
    hint = "Data is pushed with 'budwood dataset add', or --kind dataset; what a model came from is its --parent."
    raise BadValue(f"{text} is a {version.kind}, not a dataset.", hint=hint, reference=text)


def _is_dataset(place: Workplace, path: str) -> bool:
    try:
        return place.desk.version(path).kind is Kind.DATASET
    except NotFound:
        return False


def _exact(version: VersionRecord) -> str:
    return f"{model_path(version.namespace, version.model)}@v{version.number}"


def names_of_data(facts: Facts) -> tuple[str, ...]:
    """The data a version names that are no versions of this registry: those are its parents."""
    parents = {f"{parent.model}@v{parent.number}" for parent in facts.parents}
    return tuple(name for name in facts.datasets if name not in parents)
