"""The transaction that makes a written version visible: all of it, or nothing.

Push and import both end here, so that nothing enters the catalog by another way.
"""

from collections.abc import Callable, Mapping, Sequence

from budwood.catalog.api import NewVersion, Transaction, View
from budwood.domain.limits import TAGS_PER_VERSION
from budwood.domain.manifest import BlockId
from budwood.domain.names import AliasName
from budwood.domain.records import ModelRecord, Tag, VersionRecord
from budwood.domain.reference import Reference
from budwood.errors import LeaseLost, LimitExceeded
from budwood.store.api import BlockRow
from budwood.verbs.datasets import names_of_data
from budwood.verbs.derived import tell
from budwood.verbs.draft import Draft, Wishes
from budwood.verbs.house import House
from budwood.verbs.judge import check_edges, judge_birth
from budwood.verbs.lease import Held
from budwood.verbs.pointers import point
from budwood.verbs.quotas import check_bytes, check_versions
from budwood.verbs.suggest import next_free_label
from budwood.verbs.tag import checked_tags


def publish(
    house: House, draft: Draft, target: Reference, wishes: Wishes, lease: Held, *, more_follow: bool = False
) -> VersionRecord:
    """The lease ends with it, unless more follow that were written under it.

    Raises LabelTaken, LeaseLost, LimitExceeded, QuotaExceeded, StorageFull, StorageFailed.
    """
    return house.catalog.write(publishing(house, draft, target, wishes, lease, more_follow=more_follow))


def publishing(
    house: House,
    draft: Draft,
    target: Reference,
    wishes: Wishes,
    lease: Held | None,
    *,
    more_follow: bool = False,
    also: Callable[[Transaction], None] = lambda _: None,
) -> Callable[[Transaction], VersionRecord]:
    """What publishes, once it is run in a transaction. ``also`` may refuse, there, what else would not be allowed.

    Without a lease nothing new was written: every block is one of ``shared``, or ``also`` looks for it. Running it
    raises LabelTaken, LeaseLost, LimitExceeded, QuotaExceeded, StandardUnmet, EdgeRefused.
    """
    # Without blocks its manifest is what follows from the record, so both are of one moment.
    now = house.clock() if draft.manifest_blocks else draft.facts.created_ms

    def work(transaction: Transaction) -> VersionRecord:
        if lease is not None:
            lease.confirm(transaction, now)
        also(transaction)
        check_edges(transaction, target.namespace, draft.parents)
        birth = judge_birth(transaction, target.namespace, target.model, draft.facts)
        model = _model(transaction, draft, target, house.author, now)
        label = _label(transaction, draft, model, wishes)
        check_versions(transaction, target.namespace, now_ms=now)
        if new := new_rows(transaction, draft.kept.rows):
            check_bytes(transaction, target.namespace, sum(row.length for row in new), now_ms=now)
            transaction.add_blocks(new, target.namespace)
        fresh = {row.id for row in new}
        elsewhere = (row.id for row in draft.kept.rows if row.id not in fresh)
        hold(transaction, draft.shared.union(elsewhere), target.namespace, now)
        version = transaction.add_version(_new_version(draft, model, label, house.author, now))
        transaction.put_birth(version.id, birth)
        transaction.add_probes(version.id, version.namespace, draft.probes)
        _point(transaction, version, wishes.aliases, at_ms=now, author=house.author)
        # One call that holds to the limit: the version has no others yet.
        transaction.put_tags(version.id, _tags(wishes.tags, at_ms=now, author=house.author))
        body: dict[str, object] = {
            "number": version.number,
            "label": label,
            "digest": version.digest,
            "aliases": list(wishes.aliases),
            "tags": dict(wishes.tags),
        }
        if birth.short_of:
            body["short_of"] = list(birth.short_of)
        transaction.add_ledger(now, house.author, "version.pushed", version.reference, body, version.namespace)
        tell(transaction, house, version, draft.derivations, draft.parents, now)
        if lease is not None and not more_follow:
            transaction.drop_lease(lease.id)
        return version

    return work


def reuse(
    house: House,
    version: VersionRecord,
    aliases: tuple[str, ...],
    tags: Mapping[str, str],
    lease: Held | None = None,
) -> VersionRecord:
    """Nothing new was pushed: aliases and tags go to the version that holds these files already.

    Raises LeaseLost when it was deleted since, Retired, LimitExceeded.
    """
    now = house.clock()

    def work(transaction: Transaction) -> VersionRecord:
        _check_there(transaction, version)
        if lease is not None:
            transaction.drop_lease(lease.id)
        if aliases or tags:
            _point(transaction, version, aliases, at_ms=now, author=house.author)
            transaction.put_tags(version.id, _tags(tags, at_ms=now, author=house.author))
            if tags and len(transaction.tags(version.id)) > TAGS_PER_VERSION:
                raise LimitExceeded(f"A version has at most {TAGS_PER_VERSION} tags.", limit="TAGS_PER_VERSION")
            body = {"aliases": list(aliases), "tags": dict(tags)}
            transaction.add_ledger(now, house.author, "version.named", version.reference, body, version.namespace)
        return version

    if lease is None and not aliases and not tags:
        with house.catalog.read() as view:
            _check_there(view, version)
        return version
    return house.catalog.write(work)


def new_rows(transaction: Transaction, rows: Sequence[BlockRow]) -> list[BlockRow]:
    """Those of the rows that are not in force yet: of two pushes that wrote one block, the first is kept.

    A row in force is never replaced by another encoding, and a base must lie strictly nearer to the ground than
    what leans on it. So chains never grow and never close, whoever published between. Raises LeaseLost.
    """
    if not rows:
        return []
    rows = tuple(rows)
    held = transaction.find_blocks([row.id for row in rows])
    new = [row for row in rows if row.id not in held]
    if not any(row.base for row in new):
        return new
    depths = {row.id: row.depth for row in new}
    outside = {base for row in new for base in row.bases} - depths.keys()
    depths |= {block: row.depth for block, row in transaction.find_blocks(tuple(outside)).items()}
    moved = sum(1 for row in new if any(depths.get(base, row.depth) >= row.depth for base in row.bases))
    if moved:
        raise LeaseLost(f"{moved} block(s) lean on blocks that were written anew meanwhile.", blocks=moved)
    return new


def hold(transaction: Transaction, blocks: frozenset[BlockId], namespace: str, now_ms: int) -> None:
    """What lies in another namespace's packs is held from now on by this one too: whoever wrote the version had it.

    Raises LeaseLost for what is nowhere any more, QuotaExceeded.
    """
    if not blocks:
        return
    seen = transaction.find_blocks(tuple(blocks), reach=frozenset({namespace}))
    rest = tuple(blocks - seen.keys())
    rows = transaction.find_blocks(rest) if rest else {}
    if gone := len(rest) - len(rows):
        raise LeaseLost(f"{gone} block(s) this version shares were swept while it was written.", blocks=gone)
    if rows:
        lengths = {block: row.length for block, row in rows.items()}
        check_bytes(transaction, namespace, sum(lengths.values()), now_ms=now_ms)
        transaction.hold_blocks(namespace, lengths)


def _check_there(view: View, version: VersionRecord) -> None:
    there = view.version_by_id(version.id)
    if there is None or there.gone_ms:
        raise LeaseLost(f"{version.reference}, or its bytes, went while its files were pushed again.")


def _model(transaction: Transaction, draft: Draft, target: Reference, author: str, now: int) -> ModelRecord:
    held = transaction.model(target.namespace, target.model)
    return held or transaction.add_model(target.namespace, target.model, draft.facts.kind, author, now)


def _label(transaction: Transaction, draft: Draft, model: ModelRecord, wishes: Wishes) -> str:
    if not wishes.bump:
        return wishes.label
    level = draft.suggestion.level if draft.suggestion else wishes.bump
    return next_free_label(transaction, model, str(level))


def _new_version(draft: Draft, model: ModelRecord, label: str, author: str, now: int) -> NewVersion:
    """``author`` is who brought it here. Its facts may name another: a bundle says what it likes."""
    facts = draft.facts
    return NewVersion(
        model_id=model.id,
        digest=draft.digest,
        label=label,
        kind=facts.kind,
        author=author,
        created_ms=now,
        size_bytes=draft.size_bytes,
        manifest_size=draft.manifest_size,
        manifest_blocks=draft.manifest_blocks,
        structure=draft.structure,
        sketch=draft.sketch,
        commit=facts.code.commit if facts.code else "",
        message=facts.message,
        metrics=facts.metrics,
        params=facts.params,
        parent_ids=tuple(parent.id for parent in draft.parents),
        relations=tuple(_relation(draft, parent) for parent in draft.parents),
        datasets=names_of_data(facts),
        description=draft.description,
        origin=draft.origin,
    )


def _relation(draft: Draft, parent: VersionRecord) -> str:
    said = draft.facts.parents
    return next((each.relation for each in said if (each.digest, each.number) == (parent.digest, parent.number)), "")


def _point(
    transaction: Transaction, version: VersionRecord, aliases: tuple[str, ...], *, at_ms: int, author: str
) -> None:
    for alias in aliases:
        point(transaction, AliasName(alias), version, at_ms=at_ms, author=author)


def _tags(tags: Mapping[str, str], *, at_ms: int, author: str) -> list[Tag]:
    """Raises LimitExceeded and what else ``checked_tags`` raises."""
    return [Tag(key, value, author, at_ms) for key, value in checked_tags(tags).items()]
