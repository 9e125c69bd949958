"""Registered models, prompts and versions as they are elsewhere: under their titles and numbers.

Who sends them is their author, whomever the source names: a gate that asks who made a version must not be told by a
stranger. What the source says of users and times stands beside them, in tags that no source can set itself. Aliases and
stages are moved by the verbs that move them for everybody, so policies are asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain import listing_checks as checks
from budwood.domain.artifacts import artifact_path
from budwood.domain.carrying.records import (
    CAME_FROM,
    CHANGED_AT,
    MADE_AT,
    MADE_BY,
    CarriedModel,
    CarriedVersion,
    unmarked,
)
from budwood.domain.limits import TAGS_PER_VERSION, VALUE_BYTES
from budwood.domain.listing import PROMPT_MARK, ListedModel, Origin
from budwood.domain.names import Kind, ModelName, Namespace
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference
from budwood.domain.tracking.checks import too_many
from budwood.errors import BadValue, NameTaken
from budwood.verbs.artifacts import LOCATION
from budwood.verbs.artifacts import VERSIONS as FOLDER
from budwood.verbs.carrying.take_runs import check_source
from budwood.verbs.draft import Draft
from budwood.verbs.house import House
from budwood.verbs.listings import found, models
from budwood.verbs.listings.versions import bare_draft, plain_wishes
from budwood.verbs.publish import publishing
from budwood.verbs.registering import Registering, register_version
from budwood.verbs.tag import check_text

IMPORTED: Final = "imported/"
"""Below it lie files of versions whose files belong to no run and no logged model."""
_LAST_NUMBER: Final = (1 << 31) - 1


def take_model(house: House, namespace: str, source: str, sent: CarriedModel) -> CarriedModel:
    """Raises BadValue, LimitExceeded, NamespaceNotFound, NameTaken for one that did not come from this source."""
    check_source(source)
    title, said = checks.title(sent.title), checks.description(sent.description)
    tags = checks.tags({**unmarked(sent.tags), **_marks(source, "", sent.created_ms, sent.updated_ms)})
    too_many("tags", tags, TAGS_PER_VERSION, "TAGS_PER_VERSION")

    def work(transaction: Transaction) -> CarriedModel:
        there = transaction.model_titled(namespace, title)
        if there is None:
            made = models.register(house, namespace, title, said, tags)(transaction)
            transaction.list_model(made.model.id, title, said, at_ms=sent.updated_ms or made.model.updated_ms)
            return sent
        if transaction.model_tags([there.id])[there.id].get(CAME_FROM) != source:
            hint = "Bring it into another namespace, or rename the one that is here."
            raise NameTaken(f"The model {title!r} is here already, from elsewhere.", hint=hint)
        transaction.put_model_tags(there.id, tags)
        transaction.list_model(there.id, title, said, at_ms=sent.updated_ms or there.updated_ms)
        body = {"title": title, "put": found.brief(tags), "removed": []}
        subject = f"{namespace}/{there.name}"
        transaction.add_ledger(house.clock(), house.author, "model.tagged", subject, body, namespace)
        return sent

    return house.catalog.write(work)


def take_version(house: House, namespace: str, source: str, sent: CarriedVersion, files: str) -> CarriedVersion:
    """With the files below ``files``, of which no byte is copied. One that is here already is described anew.

    Raises BadValue, LimitExceeded, ModelNotFound, NameTaken for a number that was given to another, QuotaExceeded, and
    what registering raises.
    """
    check_source(source)
    title, said = checks.title(sent.title), checks.description(sent.description)
    marks = _marks(source, sent.user, sent.created_ms, sent.updated_ms)
    tags = checks.tags({**unmarked(sent.tags), **marks})
    too_many("tags", tags, TAGS_PER_VERSION, "TAGS_PER_VERSION")
    if not 0 < sent.number <= _LAST_NUMBER:
        raise BadValue(f"{sent.number} is no number of a version.")
    origin = Origin(_checked_origin(sent.source), "", sent.run, sent.logged, sent.run_link)
    for text in (sent.source, sent.run, sent.logged, sent.run_link):
        check_text(text, "The source", VALUE_BYTES, "VALUE_BYTES")
    with house.catalog.read() as view:
        listed = found.model(view, namespace, title)
        there = _there(view, listed, sent, source)
    if there is not None:
        house.catalog.write(lambda transaction: _describe(house, transaction, there, said, origin, tags, sent))
        return sent

    def also(transaction: Transaction, version: VersionRecord) -> None:
        at_ms = sent.updated_ms or version.created_ms
        transaction.list_version(version.id, said, origin, at_ms=at_ms)
        transaction.put_version_texts(version.id, tags, author=house.author, at_ms=at_ms)

    _make(house, namespace, source, sent, listed, files, also)
    return sent


def _make(
    house: House,
    namespace: str,
    source: str,
    sent: CarriedVersion,
    listed: ListedModel,
    files: str,
    also: Callable[[Transaction, VersionRecord], None],
) -> None:
    is_prompt = sent.tags.get(PROMPT_MARK, "").lower() == "true"
    kind = Kind.PROMPT if is_prompt else listed.kind
    message = f"Imported version {sent.number} of {sent.title} from {found.shortened(source)} ({house.ids()[:13]})"

    def begun(transaction: Transaction, version: VersionRecord) -> None:
        if version.number != sent.number:
            raise NameTaken(f"The number {sent.number} of {sent.title} was given to another version meanwhile.")
        also(transaction, version)

    # The number before: a version takes the next one.
    house.catalog.write(lambda transaction: transaction.skip_numbers(listed.id, sent.number - 1))
    if files:
        wish = Registering(namespace, listed.name, f"{LOCATION}{_below(files)}", sent.run, message, kind)
        register_version(house, wish, begun)
        return
    draft: Draft = bare_draft(house, kind, message)
    target = Reference(Namespace(namespace), ModelName(listed.name))
    publish = publishing(house, draft, target, plain_wishes(), None)

    def work(transaction: Transaction) -> None:
        begun(transaction, publish(transaction))

    house.catalog.write(work)


def _there(view: View, listed: ListedModel, sent: CarriedVersion, source: str) -> VersionRecord | None:
    version = view.version_titled(listed.namespace, listed.title, sent.number)
    if version is None:
        record = view.model(listed.namespace, listed.name)
        assert record is not None, "a listing goes with its model"
        if record.last_number >= sent.number:
            message = f"The number {sent.number} of {sent.title} was given here already; numbers are given once."
            raise NameTaken(message, hint="Bring it into another namespace.")
        return None
    if view.version_texts([version.id]).get(version.id, {}).get(CAME_FROM) != source:
        message = f"Version {sent.number} of {sent.title} is here already, from elsewhere."
        raise NameTaken(message, hint="Bring it into another namespace.")
    return view.version_by_id(version.id)


def _describe(
    house: House,
    transaction: Transaction,
    version: VersionRecord,
    said: str,
    origin: Origin,
    tags: Mapping[str, str],
    sent: CarriedVersion,
) -> None:
    before = transaction.version_listed(version.id)
    assert before is not None, "a listing goes with its version"
    at_ms = sent.updated_ms or before.updated_ms
    transaction.list_version(version.id, said, replace(origin, location=before.origin.location), at_ms=at_ms)
    transaction.put_version_texts(version.id, tags, author=house.author, at_ms=at_ms)
    body = {"put": found.brief(tags), "removed": []}
    transaction.add_ledger(house.clock(), house.author, "version.tagged", version.reference, body, version.namespace)


def _checked_origin(source: str) -> str:
    """What is shown as its source. Nobody is sent there: its files are here, or it has none."""
    if source in checks.PROMPT_SOURCES:
        return source
    try:
        checks.source(source)
    except BadValue:
        return ""  # A folder of a disk that was never here is no address.
    return source


def _below(files: str) -> str:
    path = artifact_path(files)
    if path.startswith(FOLDER):
        raise BadValue(f"Invalid path: {path[:200]}. A version is not made of another's files here.")
    return path


def _marks(source: str, user: str, created_ms: int, updated_ms: int) -> dict[str, str]:
    said = {CAME_FROM: source, MADE_BY: user}
    times = {MADE_AT: created_ms, CHANGED_AT: updated_ms}
    return {key: value for key, value in said.items() if value} | {
        key: str(value) for key, value in times.items() if value
    }
