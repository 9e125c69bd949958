"""The steps of a push out of order, repeated, raced and forged: nothing of it is seen, nothing of others is touched."""

import base64
import os
import random
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from blake3 import blake3

from tests.attacks import wire
from tests.attacks.sending import BYTES, Push, pack_of, pushing
from tests.attacks.siege import Siege
from tests.waiting import eventually

PUSH = "/v1/namespaces/ours/pushes/{push}"


def noise(seed: int, size: int = 50_000) -> bytes:
    return random.Random(seed).randbytes(size)


def steps(push: str) -> list[tuple[str, str, object]]:
    at, block = PUSH.format(push=push), "A" * 43 + "="
    return [
        ("POST", f"{at}/renew", None),
        ("POST", f"{at}/find", {"ids": []}),
        ("POST", f"{at}/packs", {"name": f"{push}-0001", "size": 1_000}),
        ("POST", f"{at}/packs/{push}-0001/complete", {"size": 1_000}),
        ("POST", f"{at}/publish", {"digest": "0" * 64, "manifest_size": 9, "manifest_blocks": [block]}),
    ]


def test_a_push_that_is_not_ones_own_is_like_one_that_never_was(unmoved: Siege) -> None:
    with pushing(unmoved) as ended:
        pass
    with pushing(unmoved, by="owner") as theirs:
        told = []
        for push in (theirs.id, ended.id, "0" * len(theirs.id), theirs.id.swapcase(), theirs.id[:-1], "a" * 500):
            said = []
            for method, path, body in steps(push):
                reply = unmoved.ask(method, path, by="writer", json=body)
                problem = reply.problem
                said.append((reply.status, problem["code"], problem["message"]))
            told.append(said)
        assert all(each == told[0] for each in told)
        assert {status for status, _, _ in told[0]} <= {404, 409}
        # And it goes on as if nobody had asked.
        assert unmoved.ask("DELETE", PUSH.format(push=theirs.id), by="writer").status == 204
        assert theirs.ask("POST", "/renew").status == 200


def test_an_open_push_of_another_namespace_is_no_key_to_this_one(unmoved: Siege) -> None:
    with pushing(unmoved, by="elsewhere", namespace="theirs") as theirs:
        for method, path, body in steps(theirs.id):
            reply = unmoved.ask(method, path, by="admin", json=body)
            assert (reply.status, reply.problem["code"]) in ((409, "lease_lost"), (422, "bad_parcel")), (path, reply)
            assert unmoved.ask(method, path, by="elsewhere", json=body).status == 404


# Addresses


FORGERIES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "larger": lambda said: said | {"size": str(int(said["size"]) + 1)},
    "later": lambda said: said | {"expires": str(int(said["expires"]) + 86_400_000)},
    "never": lambda said: said | {"expires": "9" * 30},
    "not a time": lambda said: said | {"expires": "x"},
    "another tenant": lambda said: said | {"namespace": "theirs"},
    "another key": lambda said: said | {"key": "0" * 16},
    "no key": lambda said: {word: value for word, value in said.items() if word != "key"},
    "no signature": lambda said: {word: value for word, value in said.items() if word != "signature"},
    "an empty signature": lambda said: said | {"signature": ""},
    "a signature cut short": lambda said: said | {"signature": said["signature"][:-1]},
    "one sign changed": lambda said: said | {"signature": said["signature"][:-1] + "g"},
    "a signature in capitals": lambda said: said | {"signature": said["signature"].upper()},
    "a signature that is no ASCII": lambda said: said | {"signature": "\u00e9" * 64},
    "another word": lambda said: said | {"force": "1"},
    "words that run together": lambda said: said | {"size": f"{said['size']}\n{said['expires']}", "expires": ""},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_an_address_that_was_changed_leads_nowhere(name: str, unmoved: Siege) -> None:
    content = pack_of(noise(1))[1]
    with pushing(unmoved) as push:
        address = push.begin(push.new_name(), len(content))
        path, _, query = address.partition("?")
        said = dict(parse_qsl(query))
        forged = FORGERIES[name](said)
        reply = push.put(f"{path}?{urlencode(forged)}", content)
        if name == "another word":
            # What is not signed means nothing.
            assert reply.status in (204, 400, 404)
            return
        assert reply.status in (400, 404), reply
        assert not list(unmoved.server.registry.rglob(f"{push.id}*"))


def test_an_address_is_for_one_method_path_and_pack(unmoved: Siege) -> None:
    content = pack_of(noise(2))[1]
    with pushing(unmoved) as push:
        address = push.begin(name := push.new_name(), len(content))
        for path in (
            address.replace("-0001", "-0002"),
            address.replace("/packs/", "/blocks/"),
            address.partition("?")[0],
        ):
            assert push.put(path, content).status in (404, 405)
        assert unmoved.ask("GET", address).status == 404
        assert unmoved.ask("DELETE", address).status == 405
        reply = unmoved.ask(
            "POST", PUSH.format(push=push.id) + f"/packs/{name}/complete", by="writer", json={"size": 9}
        )
        assert reply.problem["code"] == "bad_parcel"


def test_a_signed_range_is_of_what_it_names_and_no_longer(unmoved: Siege) -> None:
    raw = noise(3)
    with pushing(unmoved) as push:
        assert push.send(pack_of(raw)[1])[0].status == 200
        asked = {"ids": [base64.b64encode(blake3(raw).digest()).decode()]}
        found = push.ask("POST", "/find", json=asked).value
        (address,) = (pack["address"] for pack in found["packs"])
        for wanted in (
            "bytes=5-2",
            "bytes=-0",
            "bytes=9999999-",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "items=0-1",
            "bytes=-5",
        ):
            reply = unmoved.ask("GET", address, headers={"Range": wanted})
            assert reply.status in (416, 422), (wanted, reply)
        whole = unmoved.ask("GET", address).body
        assert unmoved.ask("GET", address, headers={"Range": f"bytes=0-{10**14}"}).body == whole
        (block,) = found["blocks"]
        part = unmoved.ask("GET", address, headers={"Range": f"bytes={block['offset']}-{block['offset']}"})
        assert (part.status, len(part.body)) == (206, 1)


# What is sent


def test_what_is_not_as_long_as_was_said_is_not_kept(unmoved: Siege) -> None:
    content = pack_of(noise(4))[1]
    with pushing(unmoved) as push:
        address = push.begin(push.new_name(), len(content))
        for sent in (content[:-1], content + b"x", b""):
            assert push.put(address, sent).status in (400, 411, 422), len(sent)
        chunked = (
            f"PUT {address} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )
        assert [reply.status for reply in unmoved.send(chunked.encode())] in ([411], [422])
        assert not list(unmoved.server.registry.rglob(f"{push.id}*"))
        assert push.put(address, content).status == 204


def test_what_is_cut_leaves_nothing_and_can_be_sent_again(unmoved: Siege) -> None:
    content = pack_of(noise(5, 1_500_000))[1]
    staged = _files(unmoved)
    with pushing(unmoved) as push:
        address = push.begin(push.new_name(), len(content))
        for _ in range(5):
            line = _sending(unmoved, address, content[: len(content) // 2], len(content))
            line.close()
        eventually(lambda: _files(unmoved) - staged == set())
        assert push.put(address, content).status == 204


def test_a_pack_that_was_checked_cannot_be_written_again(unmoved: Siege) -> None:
    raw = noise(6)
    true = pack_of(raw)[1]
    false = true[:100] + os.urandom(1_000) + true[1_100:]
    with pushing(unmoved) as push:
        address = push.begin(name := push.new_name(), len(true))
        # One that has begun to send other bytes before, and ends after.
        slow = _sending(unmoved, address, false[:-1], len(false))
        time.sleep(0.1)
        assert push.put(address, true).status in (204, 503)
        taken = push.ask("POST", f"/packs/{name}/complete", json={"size": len(true)})
        slow.sendall(false[-1:])
        wire.received(slow, 3.0)
        slow.close()
        push.put(address, false)
        if taken.status == 200:
            (block,) = _found(push, raw)["blocks"]
            (pack,) = _found(push, raw)["packs"]
            kept = unmoved.ask("GET", pack["address"]).body
            assert kept[block["offset"] :][: block["length"]] == true[block["offset"] :][: block["length"]]
        else:
            assert _found(push, raw)["blocks"] == []


def test_of_many_that_send_one_pack_at_once_one_is_kept_and_it_is_whole(unmoved: Siege) -> None:
    raw = noise(7, 400_000)
    true = pack_of(raw)[1]
    with pushing(unmoved) as push:
        address = push.begin(name := push.new_name(), len(true))
        with ThreadPoolExecutor(8) as pool:
            statuses = {reply.status for reply in pool.map(lambda _: push.put(address, true), range(8))}
        assert 204 in statuses
        assert statuses <= {204, 409, 503}
        path, said = f"/packs/{name}/complete", {"size": len(true)}
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: push.ask("POST", path, json=said), range(8)))
        assert {(reply.status, reply.body) for reply in replies} == {(200, b'{"blocks":1}')}
        assert len(_found(push, raw)["blocks"]) == 1


def test_completing_what_was_not_sent_is_refused(unmoved: Siege) -> None:
    with pushing(unmoved) as push:
        push.begin(name := push.new_name(), 1_000)
        for size in (1_000, 0, -1, 1 << 40, 2**63 - 1):
            reply = push.ask("POST", f"/packs/{name}/complete", json={"size": size})
            assert (reply.status, reply.problem["code"]) in ((422, "bad_parcel"), (422, "bad_value")), reply


FINDS: dict[str, dict[str, object]] = {
    "an id that is none": {"ids": ["not base64!"]},
    "10,001 ids": {"ids": [base64.b64encode(bytes(32)).decode()] * 10_001},
    "ids that are numbers": {"ids": [1, 2]},
}


@pytest.mark.parametrize("name", FINDS)
def test_a_question_that_is_none_is_refused(name: str, unmoved: Siege) -> None:
    with pushing(unmoved) as push:
        reply = push.ask("POST", "/find", json=FINDS[name])
        assert (reply.status, reply.value["status"]) == (422, 422), reply


def test_a_name_no_block_can_have_and_a_place_no_file_has_find_nothing(unmoved: Siege) -> None:
    short, whole = (base64.b64encode(bytes(length)).decode() for length in (31, 32))
    with pushing(unmoved) as push:
        for asked in (
            {"ids": [short, ""]},
            {"ids": [whole], "file": "a", "first": -1},
            {"ids": [], "first": 2**63 - 1},
        ):
            assert push.ask("POST", "/find", json=asked).value == {"blocks": [], "packs": []}


def test_outlines_that_never_end_are_bounded(unmoved: Siege) -> None:
    ids = [base64.b64encode(random.Random(number).randbytes(32)).decode() for number in range(5_000)]
    with pushing(unmoved) as push:
        for number in range(60):
            asked = {"ids": ids, "file": f"{number % 30}" * 1_000, "first": 5_000 * (number // 30)}
            assert push.ask("POST", "/find", json=asked).status in (200, 422)


PUBLISHES: dict[str, dict[str, object]] = {
    "no blocks": {"manifest_blocks": []},
    "a million blocks": {"manifest_size": 1 << 28, "manifest_blocks": ["A" * 43 + "="] * 129},
    "no size": {"manifest_size": 0},
    "a size below nothing": {"manifest_size": -5},
    "300 MB": {"manifest_size": 300 << 20},
    "a digest in capitals": {"digest": "A" * 64},
    "a digest that leads elsewhere": {"digest": "../" * 21 + "a"},
    "a bump that is none": {"bump": "huge"},
    "a level without bump": {"level": "major"},
    "label and bump": {"label": "1.0.0", "bump": "patch"},
    "an alias that leads elsewhere": {"aliases": ["../champion"]},
    "a reserved alias": {"aliases": ["latest"]},
    "an alias like a number": {"aliases": ["v7"]},
    "a sketch of a byte": {"sketch": "AA=="},
    "a structure of a megabyte": {"structure": "x" * 1_000_000},
    "a tag without a key": {"tags": {"": "x"}},
    "an author": {"author": "somebody"},
}


@pytest.mark.parametrize("name", PUBLISHES)
def test_publishing_what_cannot_be_is_refused(name: str, unmoved: Siege) -> None:
    honest = {"digest": "0" * 64, "manifest_size": 10, "manifest_blocks": ["A" * 43 + "="]}
    with pushing(unmoved) as push:
        reply = push.ask("POST", "/publish", json={**honest, **PUBLISHES[name]})
        assert reply.status in (409, 422), reply
        assert len(reply.body) < 4_000


def test_a_version_that_cannot_be_reused_is_not(unmoved: Siege) -> None:
    version = unmoved.ask("GET", "/v1/models/ours/encoder/versions/v1", by="reader").value
    theirs = unmoved.ask("GET", "/v1/models/theirs/secret/versions/v1", by="elsewhere").value
    lies: list[dict[str, object]] = [
        {"model": "encoder", "number": 1, "digest": "0" * 64},
        {"model": "encoder", "number": 2, "digest": version["digest"]},
        {"model": "secret", "number": 1, "digest": theirs["digest"]},
        {"model": "../theirs/secret", "number": 1, "digest": theirs["digest"]},
    ]
    for lie in lies:
        reply = unmoved.ask(
            "POST", "/v1/namespaces/ours/pushes/reuse", by="writer", json={**lie, "aliases": ["stolen"]}
        )
        assert reply.status in (404, 409, 422), (lie, reply)


def _found(push: Push, raw: bytes) -> dict[str, list[dict[str, Any]]]:
    asked = {"ids": [base64.b64encode(blake3(raw).digest()).decode()]}
    found: dict[str, list[dict[str, Any]]] = push.ask("POST", "/find", json=asked).value
    return found


def _sending(siege: Siege, address: str, part: bytes, size: int) -> socket.socket:
    """A connection that has sent so much of a pack."""
    line = wire.connect(siege.port)
    head = f"PUT {address} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {BYTES['Content-Type']}\r\n"
    line.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode() + part)
    return line


def _files(siege: Siege) -> set[Path]:
    return {path for path in siege.server.registry.rglob("*") if path.is_file() and "catalog" not in path.name}
