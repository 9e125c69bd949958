"""The part of the catalog's conformance suite about people: who may what where, tokens, webhooks, answers, keys."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.people_api import Answered, SigningKey
from budwood.domain.access import Role
from budwood.domain.people import (
    Delivery,
    DeliveryState,
    Grant,
    Joined,
    Principal,
    PrincipalKind,
    Quota,
    TokenRecord,
    Trust,
    Webhook,
)
from budwood.domain.records import LedgerEntry
from budwood.domain.standard import StandardRecord

HASH: Final = b"h" * 32


class PeopleSuite:
    """Needs the fixture ``catalog``."""

    def test_a_new_catalog_has_the_default_namespace_and_nobody(self, catalog: Catalog) -> None:
        with catalog.read() as view:
            assert [(room.name, room.edit) for room in view.namespaces()] == [("default", 0)]
            assert list(view.principals()) == []
            assert list(view.groups()) == []
            assert list(view.signing_keys()) == []
            assert view.meta("instance") == ""

    def test_namespaces_are_listed_by_name_and_within_reach(self, catalog: Catalog) -> None:
        for name in ("risk", "ads", "fraud"):
            catalog.write(lambda transaction: transaction.add_namespace(name, at_ms=1))  # noqa: B023 used at once
        with catalog.read() as view:
            assert [room.name for room in view.namespaces(limit=3)] == ["ads", "default", "fraud"]
            assert [room.name for room in view.namespaces(after="default")] == ["fraud", "risk"]
            near = frozenset({"risk", "ads", "nowhere"})
            assert [room.name for room in view.namespaces(reach=near)] == ["ads", "risk"]
            assert view.namespace("nowhere") is None
            assert view.usage("nowhere", now_ms=0) is None

    def test_a_namespace_goes_with_what_was_granted_in_it(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> Principal:
            transaction.add_namespace("risk", at_ms=1)
            mara = add_person(transaction, "mara")
            transaction.put_grant(Grant("risk", "mara", Role.OWNER))
            transaction.add_webhook(Webhook(0, "risk", "https://a.example"), b"s")
            transaction.remove_namespace("risk")
            return mara

        mara = catalog.write(work)
        with catalog.read() as view:
            assert view.namespace("risk") is None
            assert view.roles_of(mara.id) == {}
        again = catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=2))
        with catalog.read() as view:
            assert list(view.webhooks("risk")) == []
            assert list(view.grants(namespace="risk")) == []
        assert again.created_ms == 2

    def test_a_transaction_knows_what_it_changed_in_a_namespace_it_had_asked_about(self, catalog: Catalog) -> None:
        def said(transaction: Transaction) -> tuple[Quota, str, int]:
            room, standard = transaction.namespace("default"), transaction.standard("default")
            assert room is not None
            sequence = transaction.add_ledger(1, "mara", "alias.set", "encoder@v1", {}, "default")
            waiting = [each for hook in transaction.webhooks("default") for each in transaction.deliveries(hook.id)]
            told = sum(each.sequence == sequence for each in waiting)
            return room.quota, standard.text if standard else "", told

        def work(transaction: Transaction) -> list[tuple[Quota, str, int]]:
            heard = [said(transaction)]
            transaction.set_quota("default", Quota(versions=2))
            transaction.add_standard(StandardRecord(0, "default", 0, "d", "asks", "mara", 5))
            hook = transaction.add_webhook(Webhook(0, "default", "https://a.example"), b"s")
            heard.append(said(transaction))
            transaction.remove_standard("default", at_ms=6)
            transaction.change_webhook(dataclasses.replace(hook, active=False))
            heard.append(said(transaction))
            return heard

        two = Quota(versions=2)
        assert catalog.write(work) == [(Quota(), "", 0), (two, "asks", 1), (two, "", 0)]

    def test_what_was_undone_is_not_known_to_the_next_of_a_batch(self, catalog: Catalog) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def first(transaction: Transaction) -> int:
            begun.set()
            assert go_on.wait(30)
            return versions(transaction)

        def spoilt(transaction: Transaction) -> int:
            transaction.set_quota("default", Quota(versions=7))
            assert versions(transaction) == 7
            raise KeyError("enough")

        def versions(transaction: Transaction) -> int:
            room = transaction.namespace("default")
            assert room is not None
            return room.quota.versions

        answers: list[Future[Callable[[], int]]] = []
        for work in (first, spoilt, versions):
            answer: Future[Callable[[], int]] = Future()
            catalog.write_soon(work, answer.set_result)
            answers.append(answer)
            assert begun.wait(30)
        go_on.set()
        one, undone, three = (answer.result(30) for answer in answers)
        assert (one(), three()) == (0, 0)
        with contextlib.suppress(KeyError):
            undone()
            raise AssertionError("it was undone")

    def test_a_principal_is_found_by_name_and_by_who_vouches_for_it(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> tuple[Principal, Principal]:
            mara = add_person(transaction, "mara")
            ci = transaction.add_principal(
                "ci", PrincipalKind.WORKLOAD, at_ms=2, issuer="https://issuer.example", subject="repo:a"
            )
            return mara, ci

        mara, ci = catalog.write(work)
        with catalog.read() as view:
            assert view.principal("mara") == mara
            assert view.principal("jo") is None
            assert view.principal_by_subject("https://issuer.example", "repo:a") == ci
            assert view.principal_by_subject("https://issuer.example", "repo:b") is None
            assert view.principal_by_subject("", "") is None
            assert list(view.principals()) == [ci, mara]
            assert list(view.principals(after="ci", limit=1)) == [mara]
        gone = dataclasses.replace(mara, email="m@example.com", is_admin=True, disabled_ms=9)
        owned = dataclasses.replace(ci, owner="mara", earlier_owners=("jo",))
        catalog.write(lambda transaction: transaction.change_principal(gone))
        catalog.write(lambda transaction: transaction.change_principal(owned))
        with catalog.read() as view:
            assert view.principal("mara") == gone
            assert view.principal("ci") == owned

    def test_roles_come_by_name_and_through_groups(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> tuple[Principal, Principal]:
            for room in ("ads", "risk"):
                transaction.add_namespace(room, at_ms=1)
            mara, jo = add_person(transaction, "mara"), add_person(transaction, "jo")
            transaction.add_group("mara", at_ms=1)
            transaction.set_members("mara", [jo.id, mara.id, jo.id], at_ms=3, by="root")
            transaction.set_members("mara", [mara.id, jo.id], at_ms=9, by="jo")
            transaction.put_grant(Grant("risk", "mara", Role.WRITER, granted_by="root", granted_ms=5))
            transaction.put_grant(Grant("risk", "mara", Role.REVIEWER, to_group=True))
            transaction.put_grant(Grant("ads", "mara", Role.READER, to_group=True))
            transaction.put_grant(Grant("ads", "mara", Role.READER, to_group=True, granted_ms=7))
            return mara, jo

        mara, jo = catalog.write(work)
        with catalog.read() as view:
            assert view.roles_of(mara.id) == {
                "risk": frozenset({Role.WRITER, Role.REVIEWER}),
                "ads": frozenset({Role.READER}),
            }
            assert view.roles_of(jo.id) == {"risk": frozenset({Role.REVIEWER}), "ads": frozenset({Role.READER})}
            group = view.group("mara")
            assert group is not None
            assert group.members == ("jo", "mara")
            assert group.joined == {"jo": Joined(3, "root"), "mara": Joined(3, "root")}
            assert list(view.groups()) == [group]
            assert list(view.grants(to="mara")) == [Grant("risk", "mara", Role.WRITER, False, "root", 5)]
            assert {grant.to_group for grant in view.grants(namespace="risk")} == {False, True}
            assert list(view.grants(namespace="ads")) == [Grant("ads", "mara", Role.READER, True, "", 7)]
        assert catalog.write(lambda transaction: transaction.remove_grant(Grant("risk", "mara", Role.WRITER))) is True
        assert catalog.write(lambda transaction: transaction.remove_grant(Grant("risk", "mara", Role.WRITER))) is False
        catalog.write(lambda transaction: transaction.set_members("mara", [mara.id]))
        with catalog.read() as view:
            assert view.roles_of(jo.id) == {}
            assert view.roles_of(mara.id)["risk"] == {Role.REVIEWER}
        catalog.write(lambda transaction: transaction.remove_group("mara"))
        with catalog.read() as view:
            assert view.roles_of(mara.id) == {}
            assert view.group("mara") is None

    def test_what_they_are_in_one_namespace_is_what_they_are_there_of_all(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> Principal:
            mara = add_person(transaction, "mara")
            for room in ("red", "blue"):
                transaction.add_namespace(room, at_ms=1)
            for group in ("first", "second"):
                transaction.add_group(group, at_ms=1)
                transaction.set_members(group, [mara.id])
                transaction.put_grant(Grant("red", group, Role.REVIEWER, to_group=True))
            transaction.put_grant(Grant("red", "mara", Role.READER))
            transaction.put_grant(Grant("red", "mara", Role.WRITER))
            transaction.put_grant(Grant("blue", "second", Role.OWNER, to_group=True))
            transaction.add_token(TokenRecord("t1", mara.id, "mara", "laptop", 5), HASH)
            return mara

        mara = catalog.write(work)
        with catalog.read() as view:
            whole = view.known(HASH)
            assert whole is not None
            assert whole.roles["red"] == {Role.READER, Role.WRITER, Role.REVIEWER}
            for room in ("red", "blue", "default", "nowhere"):
                here = view.known(HASH, within=room)
                assert here is not None
                assert (here.token, here.principal) == (whole.token, mara)
                assert here.roles == {name: roles for name, roles in whole.roles.items() if name == room}
            assert view.known(b"x" * 32, within="red") is None

    def test_a_token_tells_whose_it_is_and_what_they_are_where(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> Principal:
            mara = add_person(transaction, "mara")
            transaction.put_grant(Grant("default", "mara", Role.OWNER))
            transaction.add_token(
                TokenRecord("t1", mara.id, "mara", "laptop", 5, 90, scopes=("push", "risk:read")), HASH
            )
            transaction.add_token(TokenRecord("t2", mara.id, "mara", "bare", 6, scopes=()), b"2" * 32)
            transaction.add_token(TokenRecord("t3", mara.id, "mara", "all", 7), b"3" * 32)
            return mara

        mara = catalog.write(work)
        with catalog.read() as view:
            known = view.known(HASH)
            assert known is not None
            assert known.token == TokenRecord("t1", mara.id, "mara", "laptop", 5, 90, 0, 0, ("push", "risk:read"))
            assert known.principal == mara
            assert known.roles == {"default": frozenset({Role.OWNER})}
            assert view.known(b"x" * 32) is None
            assert [(token.id, token.scopes) for token in view.tokens("mara")] == [
                ("t3", None),
                ("t2", ()),
                ("t1", ("push", "risk:read")),
            ]
        catalog.write(lambda transaction: transaction.touch_token("t1", at_ms=40))
        catalog.write(lambda transaction: transaction.revoke_token("t1", at_ms=50))
        catalog.write(lambda transaction: transaction.revoke_token("t1", at_ms=60))
        with catalog.read() as view:
            found = view.token("t1")
            assert found is not None
            assert (found.used_ms, found.revoked_ms) == (40, 50)
            assert view.token("t9") is None

    def test_tokens_that_ended_long_ago_are_forgotten_and_no_others(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> tuple[int, int]:
            mara = transaction.add_principal("mara", PrincipalKind.PERSON, at_ms=1)
            otto = transaction.add_principal("otto", PrincipalKind.PERSON, at_ms=1)
            for number, expires_ms in enumerate((0, 90, 100, 101, 0)):
                token = TokenRecord(f"t{number}", mara.id, "mara", "one", number, expires_ms)
                transaction.add_token(token, bytes([number]) * 32)
            transaction.add_token(TokenRecord("t9", otto.id, "otto", "one", 9, 50), b"9" * 32)
            transaction.revoke_token("t4", at_ms=99)
            return mara.id, otto.id

        mara, otto = catalog.write(work)
        assert catalog.write(lambda transaction: transaction.forget_tokens(mara, before_ms=100)) == ["t1", "t2", "t4"]
        assert catalog.write(lambda transaction: transaction.forget_tokens(mara, before_ms=100)) == []
        with catalog.read() as view:
            assert [token.id for token in view.tokens("mara")] == ["t3", "t0"]
            assert [token.id for token in view.tokens("otto")] == ["t9"]
            assert view.known(bytes([1]) * 32) is None
        assert catalog.write(lambda transaction: transaction.forget_tokens(otto, before_ms=100)) == ["t9"]

    def test_trust_is_for_one_subject_of_one_issuer(self, catalog: Catalog) -> None:
        claims = (("repository", "a/b"), ("ref", "refs/heads/main"))
        trust = Trust(0, "default", "https://issuer.example", "budwood", "repo:a", Role.WRITER, claims, 5, "mara")
        added = catalog.write(lambda transaction: transaction.add_trust(trust))
        with catalog.read() as view:
            assert list(view.trusts(namespace="default")) == [added]
            assert list(view.trusts(issuer=trust.issuer, subject="repo:a")) == [added]
            assert list(view.trusts(issuer=trust.issuer, subject="repo:%")) == []
            assert view.is_trusted(trust.issuer)
            assert not view.is_trusted(trust.issuer + "/")
            assert added == dataclasses.replace(trust, id=added.id)
        catalog.write(lambda transaction: transaction.remove_trust(added.id))
        with catalog.read() as view:
            assert list(view.trusts(namespace="default")) == []

    def test_every_hook_that_wants_an_entry_gets_one_delivery_of_it(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> tuple[Webhook, ...]:
            transaction.add_namespace("risk", at_ms=1)
            wanted: tuple[tuple[str, ...], ...] = ((), ("version.*",), ("alias.set", "version.pushed"), ("alias.*",))
            hooks = [Webhook(0, "risk", "https://a.example", actions) for actions in wanted]
            hooks.append(Webhook(0, "risk", "https://asleep.example", active=False))
            hooks.append(Webhook(0, "default", "https://other.example"))
            return tuple(transaction.add_webhook(hook, b"secret") for hook in hooks)

        hooks = catalog.write(work)
        sequence = catalog.write(
            lambda transaction: transaction.add_ledger(9, "mara", "version.pushed", "risk/a@v1", {}, "risk")
        )
        catalog.write(lambda transaction: transaction.add_ledger(9, "mara", "blocks.condemned", "registry", {}))
        with catalog.read() as view:
            due = view.due_deliveries(now_ms=9)
            assert [(each.webhook_id, each.sequence) for each in due] == [(hook.id, sequence) for hook in hooks[:3]]
            assert {each.state for each in due} == {DeliveryState.WAITING}
            assert list(view.due_deliveries(now_ms=8)) == []
            assert list(view.deliveries(hooks[1].id)) == [due[1]]
            assert view.webhook_secret(hooks[0].id) == b"secret"
            assert list(view.webhooks("risk")) == list(hooks[:5])

    def test_a_delivery_of_work_that_raised_is_not_sent(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_webhook(Webhook(0, "default", "https://a.example"), b"s"))

        def work(transaction: Transaction) -> None:
            transaction.add_ledger(9, "mara", "version.pushed", "a@v1", {}, "default")
            raise KeyError("enough")

        with contextlib.suppress(KeyError):
            catalog.write(work)
        with catalog.read() as view:
            assert list(view.due_deliveries(now_ms=99)) == []

    def test_deliveries_are_tried_again_and_go_with_their_hook(self, catalog: Catalog) -> None:
        hook = catalog.write(
            lambda transaction: transaction.add_webhook(Webhook(0, "default", "https://a.example"), b"s")
        )
        for n in range(3):
            catalog.write(lambda transaction: transaction.add_ledger(n, "mara", "a.b", "a", {}, "default"))  # noqa: B023
        with catalog.read() as view:
            first, second, third = view.due_deliveries(now_ms=9)
        later = dataclasses.replace(first, attempts=1, next_ms=50, status=500, error="it said no")
        dead = dataclasses.replace(second, state=DeliveryState.DEAD, attempts=9)
        for each in (later, dead):
            catalog.write(lambda transaction: transaction.change_delivery(each))  # noqa: B023 used at once
        with catalog.read() as view:
            assert list(view.due_deliveries(now_ms=9)) == [third]
            assert list(view.due_deliveries(now_ms=50)) == [third, later]
            assert list(view.deliveries(hook.id, limit=2)) == [third, dead]
            assert list(view.deliveries(hook.id, before=dead.id)) == [later]
        changed = catalog.write(lambda transaction: transaction.change_webhook(dataclasses.replace(hook, active=False)))
        assert (changed.active, changed.edit) == (False, hook.edit + 1)
        catalog.write(lambda transaction: transaction.remove_webhook(hook.id))
        with catalog.read() as view:
            assert view.webhook(hook.id) is None
            left: list[Delivery] = [*view.deliveries(hook.id), *view.due_deliveries(now_ms=99)]
            assert left == []

    def test_what_is_due_leaves_out_who_is_named_and_who_sleeps(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> list[Webhook]:
            hooks = [
                transaction.add_webhook(Webhook(0, "default", f"https://{name}.example"), b"s") for name in "abcdef"
            ]
            transaction.add_ledger(1, "mara", "a.b", "a", {}, "default")
            transaction.change_webhook(dataclasses.replace(hooks[0], active=False))
            return hooks

        ids = [hook.id for hook in catalog.write(work)]
        with catalog.read() as view:
            for left_out in range(7):
                due = view.due_deliveries(now_ms=1, without=ids[:left_out])
                assert [each.webhook_id for each in due] == ids[max(left_out, 1) :]

    def test_old_deliveries_are_forgotten_and_others_stay(self, catalog: Catalog) -> None:
        hook = catalog.write(
            lambda transaction: transaction.add_webhook(Webhook(0, "default", "https://a.example"), b"s")
        )
        for n in (1, 2, 3):
            catalog.write(lambda transaction: transaction.add_ledger(n, "mara", "a.b", "a", {}, "default"))  # noqa: B023
        extra = Delivery(0, hook.id, 1, DeliveryState.WAITING, next_ms=4, at_ms=4)
        added = catalog.write(lambda transaction: transaction.add_delivery(extra))
        assert catalog.write(lambda transaction: transaction.forget_deliveries(before_ms=3)) == 2
        assert catalog.write(lambda transaction: transaction.forget_deliveries(before_ms=3)) == 0
        with catalog.read() as view:
            assert [each.at_ms for each in view.deliveries(hook.id)] == [4, 3]
            assert view.deliveries(hook.id)[0] == added

    def test_the_ledger_is_read_within_reach(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        rooms = ("", "risk", "default", "risk", "")
        for n, room in enumerate(rooms):
            catalog.write(lambda transaction: transaction.add_ledger(n, "mara", "a.b", "a", {}, room))  # noqa: B023
        with catalog.read() as view:
            assert [entry.namespace for entry in view.ledger()] == list(rooms)
            assert sequences(view.ledger(reach=frozenset({"risk"}))) == [2, 4]
            assert sequences(view.ledger(reach=frozenset({"risk", "default"}), limit=2)) == [2, 3]
            assert sequences(view.ledger(reach=frozenset({"risk", "default"}), after=3)) == [4]
            assert sequences(view.ledger(reach=frozenset({"risk"}), subject="a")) == [2, 4]
            assert sequences(view.ledger(reach=frozenset())) == []

    def test_an_answer_is_remembered_with_the_write_and_forgotten_in_time(self, catalog: Catalog) -> None:
        answered = Answered(b"d" * 32, 5, 201, b'{"a":1}')
        catalog.write(lambda transaction: transaction.remember_answer(3, "key", answered))
        with catalog.read() as view:
            assert view.answered(3, "key") == answered
            assert view.answered(4, "key") is None
            assert view.answered(3, "other") is None
        catalog.write(lambda transaction: transaction.forget_answers(before_ms=5))
        with catalog.read() as view:
            assert view.answered(3, "key") == answered
        catalog.write(lambda transaction: transaction.forget_answers(before_ms=6))
        with catalog.read() as view:
            assert view.answered(3, "key") is None

    def test_keys_and_notes_of_the_registry_are_kept(self, catalog: Catalog) -> None:
        old, new = SigningKey("k1", b"1" * 32, 5), SigningKey("k2", b"2" * 32, 6)
        for key in (old, new):
            catalog.write(lambda transaction: transaction.add_signing_key(key))  # noqa: B023 used at once
        catalog.write(lambda transaction: transaction.retire_signing_key("k1", at_ms=7))
        catalog.write(lambda transaction: transaction.set_meta("instance", "one"))
        catalog.write(lambda transaction: transaction.set_meta("instance", "two"))
        with catalog.read() as view:
            assert list(view.signing_keys()) == [new, dataclasses.replace(old, retired_ms=7)]
            assert view.meta("instance") == "two"


def add_person(transaction: Transaction, name: str) -> Principal:
    return transaction.add_principal(name, PrincipalKind.PERSON, at_ms=1, email=f"{name}@example.com")


def sequences(entries: Sequence[LedgerEntry]) -> list[int]:
    return [entry.sequence for entry in entries]
