"""Namespaces, people, groups, grants and tokens, the same in a folder, in memory and over HTTP."""

from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.errors import (
    BadName,
    BadValue,
    LimitExceeded,
    NamespaceNotFound,
    NameTaken,
    PrincipalNotFound,
    QuotaExceeded,
    RecordNotFound,
    StillInUse,
)


def test_a_namespace_is_made_bounded_and_removed(registry: Registry) -> None:
    namespaces = registry.admin.namespaces
    made = namespaces.add("lab", versions=5)
    assert (made.name, made.quota.versions, made.quota.bytes) == ("lab", 5, 0)
    with pytest.raises(NameTaken):
        namespaces.add("lab")
    changed = namespaces.set_quota("lab", bytes=1_000, versions=0)
    assert (changed.quota.bytes, changed.quota.versions) == (1_000, 0)
    assert namespaces.get("lab") == changed
    assert "lab" in [record.name for record in namespaces]
    assert namespaces.remove("lab").name == "lab"
    with pytest.raises(NamespaceNotFound):
        namespaces.get("lab")


def test_a_namespace_that_holds_models_stays(registry: Registry, tmp_path: Path) -> None:
    registry.admin.namespaces.add("lab")
    (tmp_path / "config.json").write_text("{}")
    registry.push(tmp_path / "config.json", "lab/encoder")
    with pytest.raises(StillInUse):
        registry.admin.namespaces.remove("lab")
    held = registry.admin.namespaces.usage("lab")
    assert held.versions == 1
    assert held.bytes > 0


def test_the_default_namespace_stays(registry: Registry) -> None:
    with pytest.raises(StillInUse):
        registry.admin.namespaces.remove("default")


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "x" * 129, "..", "\0"])
def test_a_namespace_has_a_name_that_models_can_have(name: str, registry: Registry) -> None:
    with pytest.raises(BadName):
        registry.admin.namespaces.add(name)


@pytest.mark.parametrize("quota", [-1, 1 << 61])
def test_a_quota_is_a_number_that_means_something(quota: int, registry: Registry) -> None:
    with pytest.raises(BadValue):
        registry.admin.namespaces.add("lab", bytes=quota)


def test_pages_go_on_where_the_one_before_ended(registry: Registry) -> None:
    for name in ("n1", "n2", "n3"):
        registry.admin.namespaces.add(name)
        registry.admin.people.add(name)
        registry.admin.groups.add(name)
    first = registry.admin.namespaces.list(limit=2)
    rest = registry.admin.namespaces.list(after=first.cursor)
    names = [record.name for record in (*first.namespaces, *rest.namespaces)]
    assert names == sorted(set(names))
    assert rest.cursor == ""
    people = registry.admin.people.list(limit=2)
    assert len(people.people) == 2
    assert people.cursor == people.people[-1].name
    assert {"n1", "n2", "n3"} <= {person.name for person in registry.admin.people}
    assert [group.name for group in registry.admin.groups] == ["n1", "n2", "n3"]
    with pytest.raises(LimitExceeded):
        registry.admin.people.list(limit=1_001)


def test_a_person_is_added_once_and_changed(registry: Registry) -> None:
    people = registry.admin.people
    added = people.add("bea", email="bea@example.com")
    assert (added.kind, added.is_admin, added.disabled_ms) == ("person", False, 0)
    with pytest.raises(NameTaken):
        people.add("bea")
    with pytest.raises(NameTaken):
        people.add("other", email="BEA@example.com")
    people.add("root")
    people.change("root", is_admin=True)
    assert people.change("bea", is_admin=True).is_admin
    assert people.change("bea", is_admin=False, disabled=True).disabled_ms
    assert people.change("bea", disabled=False, email="").email == ""
    with pytest.raises(PrincipalNotFound):
        people.get("nobody")


def test_a_service_account_is_no_admin_and_a_workload_is_not_added(registry: Registry) -> None:
    registry.admin.people.add("bot", kind="service")
    with pytest.raises(BadValue):
        registry.admin.people.change("bot", is_admin=True)
    with pytest.raises(BadValue):
        registry.admin.people.add("job", kind="workload")
    with pytest.raises(BadValue):
        registry.admin.people.add("job", kind="robot")


def test_an_account_answers_to_a_person_and_who_it_answered_to_is_kept(registry: Registry) -> None:
    people = registry.admin.people
    for name in ("bea", "jon"):
        people.add(name)
    assert people.add("bot", kind="service", owner="bea").owner == "bea"
    changed = people.change("bot", owner="jon")
    assert (changed.owner, changed.earlier_owners) == ("jon", ("bea",))
    back = people.change("bot", owner="bea")
    assert (back.owner, back.earlier_owners) == ("bea", ("jon",))
    assert people.get("bot") == back
    assert people.change("bot", disabled=True).owner == "bea"
    said = [entry.body.get("owner") for entry in registry.ledger() if entry.action.startswith("service.")]
    assert said == ["bea", "jon", "bea", "bea"]


def test_an_account_answers_to_nobody_who_cannot_answer(registry: Registry) -> None:
    people = registry.admin.people
    people.add("bea")
    people.add("bot", kind="service", owner="bea")
    people.add("other", kind="service")
    people.add("gone")
    people.change("gone", disabled=True)
    for owner in ("", "other", "gone", "bot"):
        with pytest.raises(BadValue):
            people.change("bot", owner=owner)
    with pytest.raises(PrincipalNotFound):
        people.change("bot", owner="nobody")
    with pytest.raises(BadValue, match="is a person"):
        people.change("bea", owner="bea")
    with pytest.raises(BadValue, match="is a person"):
        people.add("eva", owner="bea")
    assert people.get("bot").owner == "bea"


def test_a_group_says_since_when_somebody_is_in_it_and_who_let_them_in(near: Registry) -> None:
    for name in ("bea", "jon"):
        near.admin.people.add(name)
    groups = near.admin.groups
    first = groups.add("science", ["bea"]).joined["bea"]
    both = groups.change("science", add=["jon"]).joined
    assert both["bea"] == first
    assert both["jon"].at_ms >= first.at_ms
    assert {each.by for each in both.values()} == {"mara"}
    groups.change("science", remove=["bea"])
    assert "bea" not in groups.get("science").joined


def test_the_last_admin_stays_one(near: Registry) -> None:
    people = near.admin.people
    for name in ("first", "second"):
        people.add(name)
        people.change(name, is_admin=True)
    people.change("second", disabled=True)
    with pytest.raises(StillInUse):
        people.change("first", is_admin=False)
    with pytest.raises(StillInUse):
        people.change("first", disabled=True)
    people.change("second", disabled=False)
    assert not people.change("first", is_admin=False).is_admin


def test_people_join_and_leave_a_group(registry: Registry) -> None:
    for name in ("bea", "jon", "eva"):
        registry.admin.people.add(name)
    groups = registry.admin.groups
    assert groups.add("science", ["bea", "jon"]).members == ("bea", "jon")
    assert groups.change("science", add=["eva"], remove=["jon"]).members == ("bea", "eva")
    with pytest.raises(PrincipalNotFound):
        groups.change("science", add=["nobody"])
    assert groups.get("science").members == ("bea", "eva")
    with pytest.raises(NameTaken):
        groups.add("science")
    groups.remove("science")
    with pytest.raises(RecordNotFound):
        groups.get("science")


def test_roles_are_given_and_taken(registry: Registry) -> None:
    registry.admin.namespaces.add("lab")
    registry.admin.people.add("bea")
    registry.admin.groups.add("science", ["bea"])
    grants = registry.admin.grants
    assert [(each.to, each.role) for each in grants.give("lab", "bea", "writer")] == [("bea", "writer")]
    given = grants.give("lab", "science", "reader", group=True)
    assert {(each.to, each.role, each.to_group) for each in given} == {
        ("bea", "writer", False),
        ("science", "reader", True),
    }
    assert given[0].granted_by
    assert [each.to for each in grants.take("lab", "bea", "writer")] == ["science"]
    with pytest.raises(RecordNotFound):
        grants.take("lab", "bea", "writer")
    with pytest.raises(BadValue):
        grants.give("lab", "bea", "king")
    with pytest.raises(PrincipalNotFound):
        grants.give("lab", "nobody", "reader")
    with pytest.raises(NamespaceNotFound):
        grants.give("nowhere", "bea", "reader")


def test_a_token_is_made_listed_and_revoked(registry: Registry) -> None:
    registry.admin.people.add("bot", kind="service")
    tokens = registry.admin.tokens
    issued = tokens.make("ci", person="bot", scopes=["risk:push", "read", "read"], good_s=60)
    assert issued.secret.startswith("bw_")
    assert issued.record.scopes == ("read", "risk:push")
    assert issued.record.expires_ms - issued.record.created_ms == 60_000
    (listed,) = tokens.list("bot")
    assert listed.id == issued.record.id
    assert issued.secret not in repr(listed)
    first = tokens.revoke(listed.id)
    assert first.revoked_ms > 0
    assert tokens.revoke(listed.id).revoked_ms == first.revoked_ms
    with pytest.raises(RecordNotFound):
        tokens.revoke("0" * 16)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"scopes": []}, LimitExceeded),
        ({"scopes": ["everything"]}, BadValue),
        ({"scopes": ["Risk:push"]}, BadName),
        ({"scopes": ["risk:administer"]}, BadValue),
        ({"scopes": [f"n{i}:read" for i in range(51)]}, LimitExceeded),
        ({"good_s": -1}, LimitExceeded),
        ({"good_s": 366 * 86_400 + 1}, LimitExceeded),
        ({"name": ""}, BadValue),
        ({"name": "x" * 251}, BadValue),
        ({"name": "two\nlines"}, BadValue),
        ({"person": "nobody"}, PrincipalNotFound),
    ],
)
def test_a_token_that_would_be_none_is_refused(
    wrong: dict[str, object], error: type[Exception], registry: Registry
) -> None:
    registry.admin.people.add("bot", kind="service")
    wish: dict[str, object] = {"name": "ci", "person": "bot", **wrong}
    with pytest.raises(error):
        registry.admin.tokens.make(**wish)  # type: ignore[arg-type]
    assert registry.admin.tokens.list("bot") == ()


def test_whoever_is_disabled_gets_no_token(registry: Registry) -> None:
    registry.admin.people.add("bea")
    registry.admin.people.change("bea", disabled=True)
    with pytest.raises(BadValue):
        registry.admin.tokens.make("laptop", person="bea")


def test_every_change_is_in_the_ledger_and_no_secret_is(registry: Registry) -> None:
    admin = registry.admin
    admin.namespaces.add("lab")
    admin.people.add("bea")
    admin.groups.add("science", ["bea"])
    admin.grants.give("lab", "bea", "reader")
    secret = admin.tokens.make("laptop", person="bea").secret
    admin.people.change("bea", disabled=True)
    entries = registry.ledger()
    actions = [entry.action for entry in entries]
    wanted = ["namespace.added", "person.added", "group.added", "grant.given", "token.made", "person.changed"]
    assert [action for action in actions if action in wanted] == wanted
    assert secret not in repr(entries)


def test_a_quota_holds_for_a_push_and_for_an_import(registry: Registry, tmp_path: Path) -> None:
    registry.admin.namespaces.add("lab", versions=1)
    registry.admin.namespaces.add("elsewhere")
    for number in range(2):
        (tmp_path / "config.json").write_text(f'{{"layers": {number}, "words": "{chr(97 + number) * 3_000}"}}')
        registry.push(tmp_path / "config.json", "elsewhere/encoder")
    registry.push(tmp_path / "config.json", "lab/encoder")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(QuotaExceeded):
        registry.push(tmp_path / "config.json", "lab/encoder")
    assert registry.admin.namespaces.usage("lab").versions == 1
    registry.export(["elsewhere/encoder@v1", "elsewhere/encoder@v2"], tmp_path / "two.budwood")
    for quota, versions in (({"versions": 1}, 1), ({"bytes": 1}, 0)):
        with budwood.in_memory() as other:
            other.admin.namespaces.add("elsewhere", **quota)
            with pytest.raises(QuotaExceeded):
                other.import_bundle(tmp_path / "two.budwood")
            assert other.admin.namespaces.usage("elsewhere").versions == versions


def test_what_is_shared_with_another_namespace_counts_for_both(near: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"words": "' + "a" * 3_000 + '"}')
    near.admin.namespaces.add("first")
    near.admin.namespaces.add("second", bytes=1)
    near.push(tmp_path / "config.json", "first/encoder")
    with pytest.raises(QuotaExceeded):
        near.push(tmp_path / "config.json", "second/encoder")
    assert near.admin.namespaces.usage("second").bytes == 0
