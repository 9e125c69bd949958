"""A caller's catalog: what is out of reach looks exactly like what does not exist, and is not written to."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from budwood.catalog.api import Catalog, Lease, Transaction, View
from budwood.catalog.mcp_api import McpSearch
from budwood.catalog.scoped import UNGUARDED, ScopedCatalog, _Scoped
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing import add_model, add_version
from budwood.catalog.testing_index import block_rows, repeatable
from budwood.catalog.testing_people import add_person
from budwood.catalog.testing_search import any_query, filled, paged, scanned
from budwood.domain.access import Role
from budwood.domain.mcp.records import McpEndpoint, McpServer, McpTransport
from budwood.domain.names import Kind
from budwood.domain.people import Grant, Quota, Trust, Webhook
from budwood.domain.policy.case import Review
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.policy.records import PolicyRecord, Promotion
from budwood.domain.query_parser import parse_query
from budwood.domain.retention import Hold, RulesRecord, Scope
from budwood.domain.storage_tiers.values import TieringRecord
from budwood.errors import NamespaceNotFound

NEAR = frozenset({"near"})
WHOLE = {
    # What looks at the whole registry, for those who look after it.
    "all_versions",
    "blocks",
    "leaning_on",
    "tiering_anywhere",
    "condemned",
    "condemned_total",
    "give_packs",
    "packs",
    "block_ids",
    "leaning",
    "named_packs",
    "counts",
    "shapes",
    "dump",
    "counters",
    "due_deliveries",
    "overdue_breaks",
    "forget_deliveries",
    "condemn",
    "forget_blocks",
    "drop_expired_leases",
    "fill",
    "add_namespace",
    "remove_namespace",
    "leaf_count",
    "leaves",
    "written",
    "written_openings",
    "openings",
    "openings_with",
    "tile",
    "checkpoint",
    "checkpoints",
    "put_tile",
    "add_checkpoint",
    "change_checkpoint",
    "forget_checkpoints",
    "forget_openings",
    "blank_entry",
    "holds_anywhere",
    "client_keys",
    "generations",
    "gateway",
    "gateways",
    "put_gateway",
    "remove_gateway",
    "taken",
    "takers",
    "put_taken",
    "drop_taken",
    "running_rollouts",
    "served_runs",
    "served_slots",
    "add_served",
    "gather_served",
    "forget_served",
    "forget_waiting",
    "quotas_reached",
    "forget_token_uses",
}


@pytest.fixture
def whole() -> Iterator[SqliteCatalog]:
    catalog = SqliteCatalog.in_memory()
    yield catalog
    catalog.close()


@pytest.fixture
def scoped(whole: SqliteCatalog) -> Catalog:
    """The rooms ``near``, in reach, and ``far``, with the same things in both."""
    for room in ("near", "far"):
        whole.write(lambda transaction: transaction.add_namespace(room, at_ms=1))  # noqa: B023 used at once
        model = add_model(whole, "encoder", room)
        first = add_version(whole, model, label="1.0.0", digest="ab" * 32, commit="c0ffee", structure="s")
        add_version(whole, model, parent_ids=(first.id,), structure="s")
        whole.write(lambda transaction: furnish(transaction, room))  # noqa: B023 used at once
    return ScopedCatalog(whole, NEAR)


def furnish(transaction: Transaction, room: str) -> None:
    add_person(transaction, f"mara-{room}")
    transaction.put_grant(Grant(room, f"mara-{room}", Role.OWNER))
    transaction.add_trust(Trust(0, room, "https://issuer.example", "budwood", "repo:a", Role.WRITER))
    transaction.add_webhook(Webhook(0, room, "https://a.example"), b"secret")
    transaction.add_ledger(1, "mara", "version.pushed", "encoder@v1", {}, room)
    transaction.add_policy(PolicyRecord(0, room, "p", 0, "d", "text", "mara", 1))
    transaction.add_evidence(room, Evidence(0, "ab" * 32, EvidenceKind.SCAN, "mara", "mara", (), 1))
    promotion = transaction.add_promotion(
        Promotion(0, room, "encoder", 1, 1, 1, "ab" * 32, "champion", "mara", "", 1, "b", broke_glass=True)
    )
    transaction.add_review(promotion.id, Review("bea", True, 2, "b", {Role.REVIEWER: 1}))
    transaction.add_rules(RulesRecord(room, 0, "text", "mara", 1))
    transaction.add_hold(Hold(0, room, Scope.NAMESPACE, room, "why", "LEG-1", "mara", 1))
    transaction.add_tiering(TieringRecord(room, 0, "text", "mara", 1))
    transaction.take_lease(Lease(f"lease-{room}", "push", 1, 99, room, "mara"))
    transaction.add_blocks(block_rows(3, f"packs/{room}.pack", seed=len(room)), room)
    server = transaction.add_mcp_server(McpServer(0, room, "a.b/cc", None, None, None, "mara", "mara", 1, 1))
    said = ("https://a.example", McpTransport.SSE, 0, None, "latest", "mara", "mara", 1, 1)
    transaction.add_mcp_endpoint(room, McpEndpoint(*(0, f"ae-{room}", server.id, server.name, *said)))


def test_every_method_is_guarded_or_known_to_need_no_guard() -> None:
    asked = {name for name in {*dir(View), *dir(Transaction)} if not name.startswith("_")}
    parts = _Scoped.__mro__[:-1]
    guarded = {name for part in parts for name in vars(part) if not name.startswith("_")}
    assert asked - guarded - UNGUARDED == WHOLE
    assert not guarded & UNGUARDED
    assert guarded | UNGUARDED <= asked


Question = Callable[[View, str], object]
BY_NAME: dict[str, Question] = {
    "model": lambda view, room: view.model(room, "encoder"),
    "number": lambda view, room: view.version_by_number(room, "encoder", 1),
    "label": lambda view, room: view.version_by_label(room, "encoder", "1.0.0"),
    "digest": lambda view, room: view.versions_by_digest(room, "encoder", "ab"),
    "commit": lambda view, room: view.versions_by_commit(room, "encoder", "c0"),
    "newest": lambda view, room: view.newest_version(room, "encoder"),
    "namespace": lambda view, room: view.namespace(room),
    "usage": lambda view, room: view.usage(room, now_ms=0),
    "recount": lambda view, room: view.recount(room, now_ms=0),
    "grants": lambda view, room: view.grants(namespace=room),
    "trusts": lambda view, room: view.trusts(namespace=room),
    "webhooks": lambda view, room: view.webhooks(room),
    "owner": lambda view, room: view.pack_owner(f"packs/{room}.pack"),
    "policies": lambda view, room: view.policies(room),
    "editions": lambda view, room: view.policy_editions(room, "p"),
    "evidence": lambda view, room: view.evidence(room, "ab" * 32),
    "promotions": lambda view, room: view.promotions(room),
    "breaks": lambda view, room: view.unseen_breaks(room),
    "rules": lambda view, room: view.retention_rules(room),
    "tiering": lambda view, room: view.tiering(room),
    "rule editions": lambda view, room: view.retention_editions(room),
    "versions": lambda view, room: view.versions_in(room),
    "holds": lambda view, room: view.holds(room),
    "holds on": lambda view, room: view.holds_on(room),
    "ledger": lambda view, room: view.ledger(reach=frozenset({room})),
    "search": lambda view, room: view.search(parse_query(f"namespace = '{room}'", now_ms=0)).versions,
    "servers": lambda view, room: view.find_mcp_servers(room, McpSearch()).servers,
    "server": lambda view, room: view.mcp_server(room, "a.b/cc"),
    "server count": lambda view, room: view.mcp_server_count(room),
    "endpoint": lambda view, room: view.mcp_endpoint(room, f"ae-{room}"),
    "blocks": lambda view, room: view.find_blocks([row.id for row in block_rows(3, seed=len(room))]),
}


@pytest.mark.parametrize("question", BY_NAME)
def test_what_is_asked_by_name_is_found_near_and_not_far(scoped: Catalog, question: str) -> None:
    with scoped.read() as view:
        assert BY_NAME[question](view, "near")
        far, nowhere = BY_NAME[question](view, "far"), BY_NAME[question](view, "nowhere")
        assert not far
        assert far == nowhere or not nowhere


def test_lists_show_what_is_near(whole: SqliteCatalog, scoped: Catalog) -> None:
    with whole.read() as view:
        person = view.principal("mara-far")
    assert person is not None
    with scoped.read() as view:
        assert [room.name for room in view.namespaces()] == ["near"]
        assert [model.path for model in view.models()] == ["near/encoder"]
        assert {version.namespace for version in view.versions_of_structure("s", limit=9)} == {"near"}
        assert {entry.namespace for entry in view.ledger(subject="encoder@v1")} == {"near"}
        assert [lease.id for lease in view.leases(now_ms=1)] == ["lease-near"]
        assert [trust.namespace for trust in view.trusts(issuer="https://issuer.example", subject="repo:a")] == ["near"]
        assert list(view.grants(to="mara-far")) == []
        assert view.roles_of(person.id) == {}


def test_what_is_asked_by_id_is_found_near_and_not_far(whole: SqliteCatalog, scoped: Catalog) -> None:
    for room, found in (("near", True), ("far", False)):
        with whole.read() as view:
            version, (hook,) = view.newest_version(room, "encoder"), view.webhooks(room)
        assert version is not None
        whole.write(lambda transaction: transaction.add_ledger(1, "mara", "a.b", "a", {}, room))  # noqa: B023
        with scoped.read() as view:
            assert (view.version_by_id(version.id) is not None) is found
            assert (view.webhook(hook.id) is not None) is found
            assert (view.webhook_secret(hook.id) is not None) is found
            assert bool(view.deliveries(hook.id)) is found


def test_a_relative_in_another_namespace_is_not_there(whole: SqliteCatalog, scoped: Catalog) -> None:
    with whole.read() as view:
        near, far = view.model("near", "encoder"), view.newest_version("far", "encoder")
    assert near is not None
    assert far is not None
    child = add_version(whole, near, parent_ids=(far.id,))
    with scoped.read() as view:
        assert list(view.parents(child.id)) == []
    with ScopedCatalog(whole, frozenset({"far"})).read() as view:
        assert list(view.children(far.id)) == []


def test_a_narrower_reach_stays_narrow(whole: SqliteCatalog) -> None:
    for room in ("near", "side"):
        whole.write(lambda transaction: transaction.add_namespace(room, at_ms=1))  # noqa: B023 used at once
    (row,) = block_rows(1)
    whole.write(lambda transaction: transaction.add_blocks([row], "side"))
    with ScopedCatalog(whole, frozenset({"near", "side"})).read() as view:
        assert view.find_blocks([row.id], reach=NEAR) == {}
        assert view.find_blocks([row.id], reach=frozenset({"side"})) == {row.id: row}
        assert view.find_blocks([row.id]) == {row.id: row}


WRITES: dict[str, Callable[[Transaction, str], object]] = {
    "ledger": lambda transaction, room: transaction.add_ledger(1, "mara", "a.b", "a", {}, room),
    "blocks": lambda transaction, room: transaction.add_blocks(block_rows(1, seed=9), room),
    "holding": lambda transaction, room: transaction.hold_blocks(room, {block_rows(1)[0].id: 5}),
    "lease": lambda transaction, room: transaction.take_lease(Lease("new", "push", 1, 9, room)),
    "quota": lambda transaction, room: transaction.set_quota(room, Quota(1)),
    "grant": lambda transaction, room: transaction.put_grant(Grant(room, "mara-near", Role.OWNER)),
    "no grant": lambda transaction, room: transaction.remove_grant(Grant(room, "mara-near", Role.OWNER)),
    "trust": lambda transaction, room: transaction.add_trust(Trust(0, room, "i", "a", "s", Role.OWNER)),
    "webhook": lambda transaction, room: transaction.add_webhook(Webhook(0, room, "https://b.example"), b"s"),
    "rules": lambda transaction, room: transaction.add_rules(RulesRecord(room, 0, "text", "mara", 1)),
    "hold": lambda transaction, room: transaction.add_hold(Hold(0, room, Scope.QUERY, "q", "why", "L", "m", 1), [1]),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_goes_near_and_not_far(whole: SqliteCatalog, scoped: Catalog, write: str) -> None:
    scoped.write(lambda transaction: WRITES[write](transaction, "near"))
    with pytest.raises(AssertionError, match="out of reach"):
        scoped.write(lambda transaction: WRITES[write](transaction, "far"))
    assert list(whole.check()) == []


def test_a_hook_out_of_reach_is_left_alone(whole: SqliteCatalog, scoped: Catalog) -> None:
    with whole.read() as view:
        (hook,) = view.webhooks("far")
    stolen = dataclasses.replace(hook, url="https://b.example")
    for work in (
        lambda transaction: transaction.change_webhook(stolen),
        lambda transaction: transaction.remove_webhook(hook.id),
    ):
        with pytest.raises(AssertionError, match="out of reach"):
            scoped.write(work)
    with whole.read() as view:
        assert list(view.webhooks("far")) == [hook]


@pytest.mark.parametrize("room", ["far", "nowhere"])
def test_a_model_is_made_only_in_a_namespace_within_reach(scoped: Catalog, room: str) -> None:
    with pytest.raises(NamespaceNotFound) as raised:
        scoped.write(lambda transaction: transaction.add_model(room, "new", Kind.MODEL, "mara", 1))
    assert room in raised.value.message
    assert scoped.write(lambda transaction: transaction.add_model("near", "new", Kind.MODEL, "mara", 1)).id


def test_a_namespace_that_is_gone_takes_no_models_though_it_was_granted(whole: SqliteCatalog) -> None:
    gone = ScopedCatalog(whole, frozenset({"gone"}))
    with pytest.raises(NamespaceNotFound):
        gone.write(lambda transaction: transaction.add_model("gone", "new", Kind.MODEL, "mara", 1))


def test_what_looks_at_the_whole_registry_is_refused(scoped: Catalog) -> None:
    with scoped.read() as view:
        for name in sorted(WHOLE):
            with pytest.raises(AssertionError, match="not for one caller"):
                getattr(view, name)


def test_a_search_never_shows_what_is_far(whole: SqliteCatalog) -> None:
    chance = repeatable(8)
    rows = filled(whole, chance, 80)
    near = [row for row in rows if row.version.namespace == "team-a"]
    scoped = ScopedCatalog(whole, frozenset({"team-a"}))
    for _ in range(60):
        query = any_query(chance)
        assert paged(scoped, query, chance.choice((1, 7, 50))) == scanned(near, query), query
