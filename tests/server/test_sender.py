"""The sender by itself: who sends what when several look for work, and what becomes of what is old or lost."""

import ipaddress
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import budwood
from budwood.domain.limits import DELIVERIES_KEPT_S, WEBHOOKS_AT_ONCE
from budwood.domain.people import Delivery, DeliveryState
from budwood.server.outgoing import Outgoing
from budwood.server.sender import CLAIM_MS, Sender
from budwood.verbs.house import House
from budwood.verbs.webhooks import add_webhook, redeliver
from tests.server.receiving import Receiver, receiving
from tests.waiting import eventually

HERE = ipaddress.ip_network("127.0.0.0/8")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(clock: Clock) -> Iterator[House]:
    with budwood.in_memory(clock=clock) as registry:
        yield replace(registry.house, networks=[HERE])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def hooked(house: House, url: str) -> int:
    return add_webhook(house, "default", url, ("alias.*",), "bws_secret").webhook.id


def enter(house: House, count: int = 1) -> None:
    for _ in range(count):
        now = house.clock()
        house.catalog.write(lambda transaction: transaction.add_ledger(now, "mara", "alias.set", "a", {}, "default"))  # noqa: B023


def kept(house: House, webhook: int) -> list[Delivery]:
    with house.catalog.read() as view:
        return list(view.deliveries(webhook))


def made(house: House) -> Sender:
    return Sender(house, Outgoing([HERE]), lambda: 0.5)


def test_several_senders_at_once_send_each_message_once(house: House, receiver: Receiver) -> None:
    hooks = [hooked(house, f"{receiver.url}/{n}") for n in range(5)]
    enter(house, 4)
    senders = [made(house) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:

        def work(sender: Sender) -> None:
            eventually(lambda: not sender.look() and len(receiver.messages) >= 20)

        list(pool.map(work, senders))
    for sender in senders:
        sender.close()
    assert len({each.headers["budwood-delivery"] for each in receiver.messages}) == len(receiver.messages) == 20
    assert {each.state for hook in hooks for each in kept(house, hook)} == {DeliveryState.DELIVERED}


def test_what_a_sender_that_died_had_claimed_is_sent_when_its_time_is_over(
    house: House, receiver: Receiver, clock: Clock
) -> None:
    hook = hooked(house, receiver.url)
    enter(house)
    died = made(house)
    assert len(died._claim(set(), 1)) == 1
    sender = made(house)
    assert sender.look() == 0
    clock.ms += CLAIM_MS
    assert sender.look() == 1
    sender.close()
    assert [each.state for each in kept(house, hook)] == [DeliveryState.DELIVERED]


def test_one_that_fails_rests_and_the_others_take_its_place(house: House, receiver: Receiver, clock: Clock) -> None:
    receiver.answer = lambda path: 500 if "bad" in path else 200
    bad = [hooked(house, f"{receiver.url}/bad{n}") for n in range(WEBHOOKS_AT_ONCE)]
    enter(house, 3)
    good = hooked(house, receiver.url)
    enter(house)
    sender = made(house)
    assert sender.look() == WEBHOOKS_AT_ONCE
    eventually(lambda: all(kept(house, hook)[-1].attempts == 1 for hook in bad) and not sender._under_way)
    assert sender.look() == 1  # The others have more that is due, and rest.
    eventually(lambda: kept(house, good)[0].state is DeliveryState.DELIVERED and not sender._under_way)
    assert sender.look() == 0
    clock.ms += 1000
    assert sender.look() == WEBHOOKS_AT_ONCE
    sender.close()


def test_what_was_asked_for_again_while_it_was_sent_is_sent_again(house: House, receiver: Receiver) -> None:
    hook = hooked(house, receiver.url)
    enter(house)
    first = kept(house, hook)[0]

    def asked(_: str) -> int:
        if len(receiver.messages) == 1:
            redeliver(house, "default", str(hook), str(first.id))
        return 200

    receiver.answer = asked
    sender = made(house)
    sender.look()
    eventually(lambda: not sender._under_way)
    assert kept(house, hook)[0].state is DeliveryState.WAITING
    assert sender.look() == 1
    sender.close()
    assert kept(house, hook)[0].state is DeliveryState.DELIVERED


def test_one_that_is_off_keeps_what_waits_until_it_is_on(house: House, receiver: Receiver) -> None:
    hook = hooked(house, receiver.url)
    enter(house)
    sender = made(house)
    for active, sent in ((False, 0), (True, 1)):
        with house.catalog.read() as view:
            webhook = view.webhook(hook)
        assert webhook is not None
        house.catalog.write(lambda transaction: transaction.change_webhook(replace(webhook, active=active)))  # noqa: B023
        assert sender.look() == sent
    sender.close()
    assert len(receiver.messages) == 1


def test_a_webhook_removed_while_it_is_sent_to_leaves_nothing(house: House, receiver: Receiver) -> None:
    hook = hooked(house, receiver.url)
    enter(house)

    def removed(_: str) -> int:
        house.catalog.write(lambda transaction: transaction.remove_webhook(hook))
        return 200

    receiver.answer = removed
    sender = made(house)
    sender.look()
    sender.close()
    assert (len(receiver.messages), kept(house, hook)) == (1, [])


def test_an_entry_that_is_not_in_the_ledger_is_given_up(house: House, receiver: Receiver) -> None:
    hook = hooked(house, receiver.url)
    lost = Delivery(0, hook, 999, DeliveryState.WAITING, next_ms=1, at_ms=1)
    house.catalog.write(lambda transaction: transaction.add_delivery(lost))
    sender = made(house)
    assert sender.look() == 0
    sender.close()
    assert (kept(house, hook)[0].state, receiver.messages) == (DeliveryState.DEAD, [])


def test_old_deliveries_are_forgotten_by_a_sender_that_runs(house: House, receiver: Receiver, clock: Clock) -> None:
    hook = hooked(house, receiver.url)
    enter(house)
    sender = made(house)
    sender.look()
    eventually(lambda: kept(house, hook)[0].state is DeliveryState.DELIVERED)
    clock.ms += DELIVERIES_KEPT_S * 1000 + 1
    enter(house)
    sender.start()
    eventually(lambda: len(kept(house, hook)) == 1 and len(receiver.messages) == 2)
    sender.close()
