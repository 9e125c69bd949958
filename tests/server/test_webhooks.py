"""Webhooks, from the ledger entry to the receiver: a real server sends, and a real one listens."""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.domain.limits import WEBHOOK_TRIES, WEBHOOKS_PER_NAMESPACE
from budwood.domain.people import Delivery, DeliveryState
from budwood.domain.webhooks import headers
from budwood.errors import RecordNotFound
from tests.server.conftest import token_of
from tests.server.receiving import Receiver, receiving
from tests.waiting import eventually

HOOKS = "/v1/namespaces/ours/webhooks"
CHAMPION = "/v1/models/ours/encoder/aliases/champion"
OPEN = "127.0.0.0/8"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def server(start: Callable[..., Any], make_team: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """One that may send to this machine."""
    monkeypatch.setenv("BUDWOOD_ALLOW_NETWORKS", OPEN)
    found = start(make_team())
    yield found
    found.stop()


def hooked(server: Any, url: str, *actions: str) -> tuple[str, str]:
    """The address of a new webhook, and its secret."""
    reply = server.ask("POST", HOOKS, by="owner", json={"url": url, "actions": list(actions)})
    assert reply.status == 200, reply
    return f"{HOOKS}/{reply.value['webhook']['id']}", reply.value["secret"]


def move(server: Any, version: str = "v2") -> None:
    assert server.ask("PUT", CHAMPION, by="owner", json={"version": version}).status == 200


def deliveries(server: Any, hook: str) -> list[dict[str, Any]]:
    reply = server.ask("GET", f"{hook}/deliveries", by="owner")
    assert reply.status == 200, reply
    found = reply.value["deliveries"]
    assert isinstance(found, list)
    return found


def settled(server: Any, hook: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The newest delivery, once it is as the test says."""
    seen: list[dict[str, Any]] = []

    def is_settled() -> bool:
        seen[:] = deliveries(server, hook)
        return bool(seen) and holds(seen[0])

    eventually(is_settled, told=lambda: seen)
    return seen[0]


def alter(registry: Path, change: Callable[[Delivery], Delivery]) -> None:
    """What time does to the deliveries of all webhooks of ours, without waiting for it."""

    def work(transaction: Transaction) -> None:
        for hook in transaction.webhooks("ours"):
            for each in transaction.deliveries(hook.id):
                transaction.change_delivery(change(each))

    with budwood.connect(registry) as opened:
        opened.house.catalog.write(work)


def test_a_receiver_gets_the_entry_and_can_check_who_sent_it(server: Any, receiver: Receiver) -> None:
    hook, secret = hooked(server, receiver.url, "alias.*")
    move(server)
    message = receiver.wait(1)[0]
    stamp, sign = (part.partition("=")[2] for part in message.headers["budwood-signature"].split(","))
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + message.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(sign, expected)
    assert abs(time.time() - int(stamp)) < 60
    entry = json.loads(message.body)
    assert (entry["action"], entry["actor"], entry["namespace"]) == ("alias.set", "owner", "ours")
    done = settled(server, hook, lambda each: each["state"] == "delivered")
    assert (done["status"], done["attempts"], done["sequence"]) == (204, 1, entry["sequence"])
    assert message.headers["budwood-delivery"] == str(done["id"])
    assert message.headers["budwood-webhook"] == hook.rpartition("/")[2]


def test_only_what_was_asked_for_is_sent(server: Any, receiver: Receiver) -> None:
    hook, _ = hooked(server, receiver.url, "version.tagged")
    move(server)
    tags = "/v1/models/ours/encoder/versions/v1/tags"
    assert server.ask("PATCH", tags, by="owner", json={"put": {"team": "risk"}}).status == 200
    receiver.wait(1)
    settled(server, hook, lambda each: each["state"] == "delivered")
    assert [json.loads(each.body)["action"] for each in receiver.messages] == ["version.tagged"]


def test_what_fails_is_tried_again_until_it_is_dead_and_can_be_sent_once_more(server: Any, receiver: Receiver) -> None:
    receiver.answer = lambda _: 500
    hook, _ = hooked(server, receiver.url, "alias.*")
    move(server)
    waiting = settled(server, hook, lambda each: each["attempts"] >= 1)
    assert (waiting["state"], waiting["status"], waiting["error"]) == ("waiting", 500, "It answered 500.")
    assert waiting["next_ms"] > waiting["at_ms"]
    alter(server.registry, lambda each: replace(each, attempts=WEBHOOK_TRIES - 1, next_ms=1))
    dead = settled(server, hook, lambda each: each["state"] == "dead")
    assert (dead["attempts"], dead["status"]) == (WEBHOOK_TRIES, 500)
    assert len(receiver.messages) >= 2
    receiver.answer = lambda _: 200
    assert server.ask("POST", f"{hook}/deliveries/{dead['id']}/again", by="owner").value["state"] == "waiting"
    assert settled(server, hook, lambda each: each["state"] == "delivered")["attempts"] == 1
    assert len({each.headers["budwood-delivery"] for each in receiver.messages}) == 1


def test_a_server_that_is_killed_while_it_sends_loses_nothing(
    server: Any, receiver: Receiver, start: Callable[..., Any]
) -> None:
    held = threading.Event()
    receiver.answer = lambda _: 200 if held.wait(100) else 500
    hook, _ = hooked(server, receiver.url, "alias.*")
    move(server)
    receiver.wait(1)
    move(server, "v1")
    server.child.kill()
    server.child.wait()
    held.set()
    alter(server.registry, lambda each: replace(each, next_ms=1))
    again = start(server.registry)
    receiver.wait(3)
    settled(again, hook, lambda each: each["state"] == "delivered")
    eventually(lambda: [each["state"] for each in deliveries(again, hook)] == ["delivered", "delivered"])
    sent = {json.loads(each.body)["sequence"] for each in receiver.messages}
    assert sent == {each["sequence"] for each in deliveries(again, hook)}
    again.stop()


def test_what_is_being_sent_is_not_sent_by_another_process(
    start: Callable[..., Any], make_team: Callable[[], Path], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDWOOD_ALLOW_NETWORKS", OPEN)
    server = start(make_team(), "--processes", "3")
    hook, _ = hooked(server, receiver.url, "alias.*")
    for n in range(20):
        move(server, f"v{1 + n % 2}")
    receiver.wait(20)
    settled(server, hook, lambda each: each["state"] == "delivered")
    time.sleep(1.5)
    sequences = [json.loads(each.body)["sequence"] for each in receiver.messages]
    assert sorted(sequences) == sorted({each["sequence"] for each in deliveries(server, hook)})
    server.stop()


def test_a_receiver_that_never_answers_keeps_nobody_waiting(server: Any, receiver: Receiver) -> None:
    held = threading.Event()
    receiver.answer = lambda path: 200 if path == "/hook" or held.wait(100) else 500
    for n in range(4):
        hooked(server, f"{receiver.url}/stuck{n}", "alias.*")
    hook, _ = hooked(server, receiver.url, "alias.*")
    for n in range(5):
        move(server, f"v{1 + n % 2}")
    # Long before those that are stuck are let go.
    eventually(lambda: len([each for each in deliveries(server, hook) if each["state"] == "delivered"]) >= 5)
    held.set()


def test_a_redirect_is_not_followed(server: Any, receiver: Receiver) -> None:
    receiver.answer, receiver.headers = lambda _: 302, {"Location": "/elsewhere"}
    hook, _ = hooked(server, receiver.url, "alias.*")
    move(server)
    found = settled(server, hook, lambda each: each["attempts"] == 1)
    assert (found["status"], found["state"]) == (302, "waiting")
    assert [each.path for each in receiver.messages] == ["/hook"]


def test_an_address_inside_is_refused_when_it_is_given_and_when_it_is_used(fresh: Any, receiver: Receiver) -> None:
    for url in ("https://127.0.0.1/x", "https://169.254.169.254/", "https://[::1]/", "http://example.com/", "x"):
        reply = fresh.ask("POST", HOOKS, by="owner", json={"url": url})
        assert (reply.status, reply.problem["code"]) == (422, "bad_value"), url
        assert url not in reply.body.decode() or url == "x"
    hook, _ = hooked(fresh, f"https://localhost:{receiver.port}/x", "alias.*")
    missing, _ = hooked(fresh, "https://no-such-name.invalid/x", "alias.*")
    move(fresh)
    inside = settled(fresh, hook, lambda each: each["attempts"] == 1)
    nowhere = settled(fresh, missing, lambda each: each["attempts"] == 1)
    assert inside["error"] == nowhere["error"] == "The name leads to no public address."
    assert receiver.messages == []


def test_a_secret_is_shown_once_and_an_address_to_those_who_manage_only(server: Any, receiver: Receiver) -> None:
    path = "/T0/B0/very-secret"
    key = {"Idempotency-Key": "once"}
    wish = {"url": f"http://127.0.0.1:{receiver.port}{path}"}
    made = server.ask("POST", HOOKS, by="owner", json=wish, headers=key)
    secret = made.value["secret"]
    assert secret.startswith("bws_")
    again = server.ask("POST", HOOKS, by="owner", json=wish, headers=key)
    assert again.value == {**made.value, "secret": ""}
    hook = f"{HOOKS}/{made.value['webhook']['id']}"
    settled(server, hook, lambda each: each["state"] == "delivered")
    shown = [server.ask("GET", address, by="owner").body for address in (HOOKS, hook, f"{hook}/deliveries")]
    assert secret.encode() not in b"".join(shown)
    ledger = server.ask("GET", "/v1/ledger?limit=1000", by="reader").body
    assert b"webhook.added" in ledger
    assert path.encode() not in ledger
    server.stop()
    said = "".join(server.log)
    assert secret not in said
    assert "very-secret" not in said


def test_a_change_needs_to_have_seen_what_it_changes(server: Any, receiver: Receiver) -> None:
    hook, _ = hooked(server, receiver.url, "alias.*")
    mark = server.ask("GET", hook, by="owner").headers["etag"]
    changed = server.ask("PATCH", hook, by="owner", json={"active": False}, headers={"If-Match": mark})
    assert (changed.status, changed.value["active"]) == (200, False)
    stale = server.ask("PATCH", hook, by="owner", json={"active": True}, headers={"If-Match": mark})
    assert (stale.status, stale.problem["code"]) == (412, "precondition_failed")
    move(server)
    assert deliveries(server, hook) == []


def test_a_test_is_sent_whatever_was_asked_for_and_only_once(server: Any, receiver: Receiver) -> None:
    narrow, _ = hooked(server, receiver.url, "model.deleted")
    assert server.ask("POST", f"{narrow}/test", by="owner").value["state"] == "waiting"
    assert json.loads(receiver.wait(1)[0].body)["action"] == "webhook.tested"
    wide, _ = hooked(server, receiver.url)
    server.ask("POST", f"{wide}/test", by="owner")
    settled(server, wide, lambda each: each["state"] == "delivered")
    assert len(deliveries(server, wide)) == 2  # That it was added, and the test.


def test_a_webhook_of_others_is_as_if_it_were_not(server: Any, receiver: Receiver) -> None:
    hook, _ = hooked(server, receiver.url)
    number = hook.rpartition("/")[2]
    theirs = "/v1/namespaces/theirs/webhooks"
    for path in (f"{theirs}/{number}", f"{theirs}/999999", f"{theirs}/x", f"{theirs}/{number}/deliveries"):
        reply = server.ask("GET", path, by="elsewhere")
        assert (reply.status, reply.problem["code"]) == (404, "record_not_found"), path
    assert server.ask("GET", hook, by="elsewhere").status == 404
    assert server.ask("GET", hook, by="writer").status == 403
    removed = server.ask("DELETE", hook, by="owner")
    assert removed.status == 200
    assert server.ask("GET", f"{hook}/deliveries", by="owner").status == 404


def test_a_namespace_has_so_many_webhooks_and_no_more(server: Any, receiver: Receiver) -> None:
    for _ in range(WEBHOOKS_PER_NAMESPACE):
        hooked(server, receiver.url, "model.deleted")
    reply = server.ask("POST", HOOKS, by="owner", json={"url": receiver.url})
    assert (reply.status, reply.problem["code"]) == (422, "limit_exceeded")
    for actions in (["version pushed"], ["*.pushed"], ["[a-z]*"], [""], ["a.b"] * 51, ["x" * 65]):
        hook = server.ask("GET", HOOKS, by="owner").value["webhooks"][0]["id"]
        assert server.ask("PATCH", f"{HOOKS}/{hook}", by="owner", json={"actions": actions}).status == 422, actions


def test_what_the_document_tells_a_receiver_to_run_tells_true_from_false() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
    told: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)[0], told)
    check, secret, body, now = told["is_from_budwood"], "bws_secret", b'{"sequence":1}', 1_789_000_000
    delivery = Delivery(7, 3, 1, DeliveryState.WAITING)
    sign = headers(delivery, secret.encode(), body, now)["Budwood-Signature"]
    assert check(secret, sign, body, now + 5.0)
    assert not check(secret, sign, body, now + 301.0)
    assert not check(secret, sign, body + b" ", now)
    assert not check("bws_other", sign, body, now)
    assert not check(secret, sign.replace(f"t={now}", f"t={now + 200}"), body, now)
    for odd in ("", "t=1", "v1=é", "t=,v1=", "=,,="):
        assert not check(secret, odd, body, now)


def test_python_asks_a_server_as_it_asks_a_folder(server: Any, receiver: Receiver) -> None:
    with budwood.connect(server.url, token=token_of("owner")) as registry:
        webhooks = registry.admin.webhooks
        made = webhooks.add("ours", receiver.url, ["model.deleted"])
        number = made.webhook.id
        sent = webhooks.test("ours", number)
        receiver.wait(1)
        settled(server, f"{HOOKS}/{number}", lambda each: each["state"] == "delivered")
        assert [each.id for each in webhooks.deliveries("ours", number).deliveries] == [sent.id]
        webhooks.redeliver("ours", number, sent.id)
        receiver.wait(2)
        changed = webhooks.change("ours", number, actions=[], active=False)
        assert webhooks.list("ours") == (changed,)
        assert webhooks.remove("ours", number) == changed
        with pytest.raises(RecordNotFound):
            webhooks.get("ours", number)
