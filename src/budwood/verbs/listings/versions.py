"""Making, describing, tagging, deleting and finding versions by the titles of their models.

A version that is registered from an artifact of this server has that artifact's files, and copies none of them. One
that is registered from elsewhere has no files here: its record says where they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from budwood.catalog.api import Transaction, View
from budwood.catalog.listing_api import ListingSearch
from budwood.domain import listing_checks as checks
from budwood.domain.limits import LISTED_VERSIONS_PAGE, TAGS_PER_VERSION
from budwood.domain.listing import PROMPT_MARK, ListedModel, ListedVersion, Origin
from budwood.domain.listing_fields import VERSIONS
from budwood.domain.manifest import identity
from budwood.domain.names import Kind, ModelName, Namespace
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference
from budwood.domain.tracking.checks import check_page, too_many
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.store.write import Kept
from budwood.verbs.apart import Apart
from budwood.verbs.artifacts import VERSIONS as FOLDER
from budwood.verbs.artifacts import root_of
from budwood.verbs.draft import Draft, Wishes
from budwood.verbs.house import House
from budwood.verbs.listings import found
from budwood.verbs.listings.origin import origin_of
from budwood.verbs.listings.removal import remove_version
from budwood.verbs.logged_models import note_version
from budwood.verbs.manifests import bare_manifest
from budwood.verbs.publish import publishing
from budwood.verbs.registering import Registering, register_version


@dataclass(frozen=True, slots=True)
class NewListed:
    """A version about to be registered, as it was asked for."""

    title: str
    source: str
    run: str = ""
    logged: str = ""
    run_link: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_prompt(self) -> bool:
        return self.tags.get(PROMPT_MARK, "").lower() == "true"


@dataclass(frozen=True, slots=True)
class FoundVersions:
    """A page; ``token`` is empty at the end."""

    versions: tuple[found.WholeVersion, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class _Plain:
    """What ``publishing`` asks for beside the files."""

    label: str = ""
    bump: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def create(
    house: House, namespace: str, asked: NewListed
) -> Callable[[Transaction], found.WholeVersion] | Apart[found.WholeVersion]:
    """Where files that are kept here become the version's it is an ``Apart``: their manifest is written first.

    Raises BadValue, LimitExceeded, ModelNotFound; the work what ``publishing`` raises, too.
    """
    title, said, tags = checks.title(asked.title), checks.description(asked.description), checks.tags(asked.tags)
    too_many("tags", tags, TAGS_PER_VERSION, "TAGS_PER_VERSION")
    with house.catalog.read() as view:
        listed = found.model(view, namespace, title)
        origin = origin_of(view, namespace, asked.source, asked.run, asked.logged, asked.run_link, asked.is_prompt)
        has_files = _has_files(view, namespace, origin.location)
    kind = Kind.PROMPT if asked.is_prompt else listed.kind
    # Two versions may come from one source in one moment; each is its own.
    message = f"Registered as {title} from {found.shortened(origin.source)} ({house.ids()[:13]})"

    def beside(transaction: Transaction, version: VersionRecord) -> None:
        transaction.put_version_texts(version.id, tags, author=house.author, at_ms=version.created_ms)
        if origin.logged:
            note_version(transaction, namespace, origin.logged, listed.title, version.number)

    def also(transaction: Transaction, version: VersionRecord) -> None:
        found.touch(transaction, listed, version.created_ms)
        transaction.list_version(version.id, said, origin, at_ms=version.created_ms)
        beside(transaction, version)

    if has_files:
        source = f"models:/{origin.logged}" if origin.logged else origin.location
        wish = Registering(namespace, listed.name, source, origin.run, message, kind)
        origin = replace(origin, location="")
        return Apart(
            lambda: found.WholeVersion(_listed(register_version(house, wish, also), listed, said, origin), tags, ())
        )
    draft = replace(bare_draft(house, kind, message), description=said, origin=origin)
    publish = publishing(house, draft, _target(listed), plain_wishes(), None)

    def work(transaction: Transaction) -> found.WholeVersion:
        found.touch(transaction, listed, draft.facts.created_ms)
        version = publish(transaction)
        beside(transaction, version)
        return found.WholeVersion(_listed(version, listed, said, origin), tags, ())

    return work


def get(house: House, namespace: str, title: str, number: int) -> found.WholeVersion:
    """Raises VersionNotFound."""
    with house.catalog.read() as view:
        return found.whole_versions(view, [found.version(view, namespace, title, number)])[0]


def find(house: House, namespace: str, text: str, orders: Sequence[str], token: str, limit: int) -> FoundVersions:
    """Raises BadFilter, BadValue, LimitExceeded."""
    check_page("max_results", limit, LISTED_VERSIONS_PAGE)
    search = ListingSearch(parse_filter(text, VERSIONS), parse_orders(orders, VERSIONS))
    with house.catalog.read() as view:
        page = view.find_versions(namespace, search, token=token, limit=limit)
        return FoundVersions(found.whole_versions(view, page.versions), page.token)


def describe(house: House, namespace: str, title: str, number: int, description: str) -> found.WholeVersion:
    """Raises LimitExceeded, VersionNotFound."""
    said = checks.description(description)

    def work(transaction: Transaction) -> found.WholeVersion:
        before = found.version(transaction, namespace, title, number)
        after = replace(before, description=said, updated_ms=house.clock())
        transaction.list_version(after.id, said, after.origin, at_ms=after.updated_ms)
        _record(house, transaction, before, "version.described", {"description": found.shortened(said)})
        return found.whole_versions(transaction, [after])[0]

    return house.catalog.write(work)


def tag(house: House, namespace: str, title: str, number: int, key: str, value: str) -> None:
    """Raises BadValue, LimitExceeded, VersionNotFound."""
    kept = checks.tags({key: value})

    def work(transaction: Transaction) -> None:
        before = found.version(transaction, namespace, title, number)
        now = house.clock()
        transaction.put_version_texts(before.id, kept, author=house.author, at_ms=now)
        too_many("tags", transaction.version_texts([before.id])[before.id], TAGS_PER_VERSION, "TAGS_PER_VERSION")
        transaction.list_version(before.id, before.description, before.origin, at_ms=now)
        _record(house, transaction, before, "version.tagged", {"put": found.brief(kept), "removed": []})

    house.catalog.write(work)


def untag(house: House, namespace: str, title: str, number: int, key: str) -> None:
    """Nothing happens where there was none. Raises BadValue, VersionNotFound."""
    checks.tags({key: ""})

    def work(transaction: Transaction) -> None:
        before = found.version(transaction, namespace, title, number)
        transaction.remove_version_text(before.id, key)
        transaction.list_version(before.id, before.description, before.origin, at_ms=house.clock())
        _record(house, transaction, before, "version.tagged", {"put": {}, "removed": [key]})

    house.catalog.write(work)


def delete(house: House, namespace: str, title: str, number: int) -> None:
    """With its aliases. Raises VersionNotFound, StillInUse, Held, Kept."""

    def work(transaction: Transaction) -> None:
        remove_version(house, transaction, found.record(transaction, namespace, title, number))

    house.catalog.write(work)


def _has_files(view: View, namespace: str, location: str) -> bool:
    """Whether this server keeps what lies there."""
    if not location.startswith(checks.ARTIFACTS):
        return False
    root = root_of(location, namespace)
    if root.startswith(FOLDER) or view.stored_file(namespace, root) is not None:
        return True
    return bool(view.stored_files(namespace, root, limit=1))


def plain_wishes() -> Wishes:
    """No label, no aliases and no tags: those of a listing are put beside it."""
    return _Plain()


def bare_draft(house: House, kind: Kind, message: str) -> Draft:
    """A version without files. Its manifest follows from its record, so nothing is written."""
    manifest = bare_manifest(kind, house.author, house.clock(), message)
    content = manifest.canonical
    kept = Kept((), frozenset(), 0)
    return Draft(manifest.facts, 0, identity(content), len(content), (), "", b"", kept, frozenset())


def _target(model: ListedModel) -> Reference:
    return Reference(Namespace(model.namespace), ModelName(model.name))


def _listed(version: VersionRecord, model: ListedModel, description: str, origin: Origin) -> ListedVersion:
    return ListedVersion(
        version.id,
        model.id,
        version.namespace,
        version.model,
        model.title,
        version.number,
        version.kind,
        version.stage,
        version.author,
        version.created_ms,
        version.created_ms,
        version.message,
        version.size_bytes,
        description,
        origin,
    )


def _record(
    house: House, transaction: Transaction, listed: ListedVersion, action: str, body: Mapping[str, object]
) -> None:
    version = transaction.version_by_id(listed.id)
    assert version is not None, "a listing goes with its version"
    transaction.add_ledger(house.clock(), house.author, action, version.reference, body, version.namespace)
