"""Tokens that are bent, guessed, doubled or put where none belongs: none opens anything, none is ever written down."""

import hashlib
import json
import math
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.attacks import wire
from tests.attacks.siege import Siege, Watch
from tests.server.conftest import ROLES, Running, Start, token_of

GOOD = token_of("owner")
ASKED = b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n"

BENT: dict[str, bytes] = {
    "one sign changed": b"Bearer " + GOOD[:-1].encode() + (b"0" if GOOD[-1] != "0" else b"1"),
    "one sign less": b"Bearer " + GOOD[:-1].encode(),
    "one sign more": b"Bearer " + GOOD.encode() + b"a",
    "doubled": b"Bearer " + GOOD.encode() * 2,
    "twice": b"Bearer " + GOOD.encode() + b" " + GOOD.encode(),
    "a list": b"Bearer " + GOOD.encode() + b", Bearer " + GOOD.encode(),
    "lower and upper case exchanged": b"Bearer " + GOOD.swapcase().encode(),
    "in quotes": b'Bearer "' + GOOD.encode() + b'"',
    "two spaces": b"Bearer  " + GOOD.encode(),
    "a tab": b"Bearer\t" + GOOD.encode(),
    "no scheme": GOOD.encode(),
    "another scheme": b"Basic " + GOOD.encode(),
    "its SHA-256": b"Bearer " + hashlib.sha256(GOOD.encode()).hexdigest().encode(),
    "its id": b"Bearer id-owner",
    "no ASCII": b"Bearer bw_" + "é".encode() * 20,
    "a broken byte": b"Bearer bw_\xff\xfe" + b"a" * 41,
    "a statement": b"Bearer bw_' or '1'='1' --" + b"a" * 22,
    "a wildcard": b"Bearer bw_" + b"%" * 43,
    "a JWT of nobody": b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciIsImlzX2FkbWluIjp0cnVlfQ.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_token_opens_nothing(name: str, unmoved: Siege) -> None:
    (told,) = unmoved.send(ASKED + b"Authorization: " + BENT[name] + b"\r\n\r\n")
    assert (told.status, told.code) in ((401, "unauthenticated"), (429, "too_many_requests"), (400, "bad_request")), (
        told
    )


def test_a_token_of_a_megabyte_is_cut_off(unmoved: Siege) -> None:
    (told,) = unmoved.send(ASKED + b"Authorization: Bearer bw_" + b"a" * 1_000_000 + b"\r\n\r\n")
    assert (told.status, told.code) == (431, "headers_too_large")


def test_two_tokens_in_one_request_are_not_chosen_from(unmoved: Siege) -> None:
    good, bad = b"Authorization: Bearer " + GOOD.encode() + b"\r\n", b"Authorization: Bearer bw_" + b"x" * 43 + b"\r\n"
    for both in (good + bad, bad + good, good + good):
        (told,) = unmoved.send(ASKED + both + b"\r\n")
        assert told.status in (400, 401, 429), both


@pytest.mark.parametrize("word", ["token", "access_token", "api_key", "apikey", "Authorization", "bearer", "key"])
def test_a_token_in_an_address_is_refused_and_written_down_nowhere(word: str, unmoved: Siege) -> None:
    for path in (f"/v1/whoami?{word}={GOOD}", f"/v1/models?after=&{word}={GOOD}", f"/v1/{GOOD}", f"/{GOOD}/?{GOOD}"):
        reply = unmoved.ask("GET", path, by="owner")
        assert reply.status in (400, 404, 422), path
        assert GOOD.encode() not in reply.body
    assert GOOD not in "".join(unmoved.server.log)


def test_one_shakes_hands_with_a_bootstrap_token_once_however_many_come_at_once(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "registry")
    token = server.said["bootstrap"]

    def shake(number: int) -> int:
        return server.ask("POST", "/v1/bootstrap", token=token, json={"name": f"mara-{number}"}).status

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(shake, range(16)))
    assert statuses == [200, *[401] * 15]
    server.stop()


def test_no_secret_is_ever_written_down(start: Start, make_team: object) -> None:
    server = start(make_team())  # type: ignore[operator]
    siege = Siege(server)
    made = siege.ask("POST", "/v1/tokens", by="owner", json={"name": "ci"}, headers={"Idempotency-Key": "one"})
    secret = made.value["secret"]
    address = "/v1/blobs/packs/x?signature=hunter2hunter2&token=hunter2hunter2"
    for method, path in (("GET", "/v1/whoami"), ("POST", "/v1/tokens"), ("PUT", address), ("DELETE", "/v1/people/x")):
        siege.ask(method, path, token=secret)
        siege.ask(method, path, token=secret[:-1])
        siege.ask(method, path, headers={"Authorization": f"Basic {secret}", "Cookie": f"session={secret}"})
        siege.ask(method, path, headers={"X-Api-Key": secret, "Referer": f"https://evil.example/{secret}"})
    entries = json.dumps(siege.server.ask("GET", "/v1/ledger?limit=1000", by="admin").value)
    figures = siege.server.ask("GET", "/metrics").body.decode()
    server.stop()
    kept = b"".join(path.read_bytes() for path in server.registry.rglob("*") if path.is_file())
    log = "".join(server.log)
    for hidden in (secret, secret[3:], secret[:-1], "hunter2", *(token_of(name) for name in ROLES)):
        assert hidden not in log
        assert hidden not in entries + figures
        assert hidden.encode() not in kept


@pytest.mark.parametrize(
    "path",
    ["/debug", "/v1/debug", "/__debug__", "/env", "/.env", "/config", "/admin", "/server-status", "/debug/pprof",
     "/actuator/env", "/.git/config", "/catalog.sqlite3", "/redoc", "/console", "/v1/../catalog.sqlite3"],
)  # fmt: skip
def test_there_is_no_door_at_the_back(path: str, unmoved: Siege) -> None:
    for by in ("", "admin"):
        assert unmoved.ask("GET", path, by=by).status in (400, 404)


def test_a_token_that_is_nearly_right_takes_no_longer_than_one_that_is_all_wrong(unmoved: Siege) -> None:
    chance = random.Random(5)
    near = GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1")
    far = "bw_" + "".join(chance.choices("0123456789abcdef", k=43))
    # What the machine does besides can look like a difference; but not every time.
    apart = [_t_value(unmoved, near, far, chance)]
    while abs(apart[-1]) >= 4.5 and len(apart) < 4:
        apart.append(_t_value(unmoved, near, far, chance))
    assert abs(apart[-1]) < 4.5, apart


def _t_value(siege: Siege, near: str, far: str, chance: random.Random) -> float:
    """How many standard errors lie between the times of the two; Welch's t."""
    took: dict[str, list[float]] = {near: [], far: []}
    line = wire.connect(siege.port)
    for _ in range(2_000):
        token = chance.choice((near, far))
        began = time.perf_counter()
        line.sendall(ASKED + f"Authorization: Bearer {token}\r\n\r\n".encode())
        told = line.recv(1 << 16)
        took[token].append(time.perf_counter() - began)
        if b"connection: close" in told.lower():
            line.close()
            line = wire.connect(siege.port)
    line.close()
    # The slowest tenth is what else the machine did.
    one, other = (sorted(times)[: len(times) * 9 // 10] for times in took.values())
    spread = math.sqrt(statistics.variance(one) / len(one) + statistics.variance(other) / len(other))
    return (statistics.mean(one) - statistics.mean(other)) / spread


def test_who_guesses_locks_nobody_out(besieged: Siege) -> None:
    watch = Watch(besieged)
    for number in range(150):
        besieged.ask("GET", "/v1/whoami", token=f"bw_{number:043d}")
    assert besieged.ask("GET", "/v1/whoami", token="bw_" + "z" * 43).status == 429
    assert {besieged.ask("GET", "/v1/whoami", by=by).status for by in ROLES} == {200}
    watch.assert_unchanged()


def test_a_token_made_by_another_is_revoked_at_once_under_load(fresh: Running) -> None:
    made = fresh.ask("POST", "/v1/tokens", by="owner", json={"name": "ci"}).value
    secret, id_ = made["secret"], made["record"]["id"]

    def after(_: int) -> int:
        return fresh.ask("GET", "/v1/models/ours/encoder/log", token=secret).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(after, range(50))) == {200}
        assert fresh.ask("DELETE", f"/v1/tokens/{id_}", by="owner").status == 200
        assert set(pool.map(after, range(50))) <= {401, 429}
