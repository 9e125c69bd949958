"""Signed addresses, asked of a real server: what they allow, and that nothing else is allowed."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.store.api import Method, Objects
from budwood.store.backends.folder import FolderObjects
from budwood.store.backends.memory import MemoryObjects
from budwood.store.backends.remote import RemoteObjects
from budwood.store.testing import publish
from tests.servers.azurite import Container
from tests.servers.swift import Bucket

KEY = "packs/ab/one.pack"
OTHER = "packs/ab/two.pack"


@pytest.fixture
def objects(s3_bucket: Bucket) -> Iterator[RemoteObjects]:
    objects = RemoteObjects(f"{s3_bucket.url}/team", s3_bucket.options)
    yield objects
    objects.close()


def ask(method: str, address: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of an answer to somebody who has nothing but the address."""
    request = urllib.request.Request(address, body, headers, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def signed(objects: Objects, method: Method, key: str = KEY, expires_s: int = 60) -> str:
    address = objects.sign(method, key, expires_s)
    assert address is not None
    return address


def test_an_object_is_read_whole_and_in_part_at_its_address(objects: RemoteObjects) -> None:
    publish(objects, KEY, b"0123456789")
    address = signed(objects, "GET")
    assert ask("GET", address) == (200, b"0123456789")
    assert ask("GET", address, Range="bytes=3-5") == (206, b"345")


def test_an_object_is_written_at_its_address(objects: RemoteObjects) -> None:
    assert ask("PUT", signed(objects, "PUT"), b"weights")[0] == 200
    assert objects.read(KEY, 0, 7) == b"weights"
    assert [stored.key for stored in objects.list()] == [KEY]


def test_an_address_serves_its_method_and_its_key_only(objects: RemoteObjects) -> None:
    publish(objects, KEY, b"one")
    publish(objects, OTHER, b"two")
    reading, writing = signed(objects, "GET"), signed(objects, "PUT")
    assert ask("PUT", reading, b"forged")[0] == 403
    assert ask("DELETE", writing)[0] == 403
    assert ask("GET", writing)[0] == 403
    assert ask("GET", reading.replace(KEY, OTHER))[0] == 403
    assert ask("GET", reading.partition("?")[0])[0] in (400, 403)
    assert objects.read(KEY, 0, 3) == b"one"


def test_a_signature_that_was_touched_opens_nothing(objects: RemoteObjects) -> None:
    publish(objects, KEY, b"one")
    address = signed(objects, "GET")
    last = "0" if address[-1] != "0" else "1"
    assert ask("GET", address[:-1] + last)[0] == 403
    assert ask("GET", address.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))[0] == 403


def test_an_address_of_somebody_with_a_wrong_key_opens_nothing(objects: RemoteObjects, s3_bucket: Bucket) -> None:
    publish(objects, KEY, b"one")
    stranger = RemoteObjects(f"{s3_bucket.url}/team", {**s3_bucket.options, "secret_access_key": "guessed"})
    assert ask("GET", signed(stranger, "GET"))[0] == 403
    assert ask("PUT", signed(stranger, "PUT", OTHER), b"two")[0] == 403
    assert objects.size(OTHER) is None


def test_an_address_ends_when_it_expires(objects: RemoteObjects) -> None:
    publish(objects, KEY, b"one")
    address = signed(objects, "GET", expires_s=1)
    assert ask("GET", address)[0] == 200
    give_up = time.monotonic() + 20
    while ask("GET", address)[0] != 403:
        assert time.monotonic() < give_up, "what was signed for a second is still good"
        time.sleep(0.1)


def test_the_secret_is_in_no_address(objects: RemoteObjects, s3_bucket: Bucket) -> None:
    assert s3_bucket.options["secret_access_key"] not in signed(objects, "GET")


def test_azure_signs_for_reading_and_for_writing(azure_container: Container) -> None:
    objects = RemoteObjects(f"{azure_container.url}/team", azure_container.options)
    publish(objects, KEY, b"0123456789")
    reading, writing = signed(objects, "GET"), signed(objects, "PUT", OTHER)
    assert ask("GET", reading, Range="bytes=3-5") == (206, b"345")
    # What every client sends with a PUT to an object store (client/far/blobs.py).
    assert ask("PUT", writing, b"weights", **{"x-ms-blob-type": "BlockBlob"})[0] == 201
    assert objects.read(OTHER, 0, 7) == b"weights"
    assert ask("GET", reading.replace(KEY, OTHER))[0] == 403
    assert ask("PUT", reading, b"forged", **{"x-ms-blob-type": "BlockBlob"})[0] == 403
    assert azure_container.options["account_key"] not in reading + writing


def test_backends_without_a_server_sign_nothing(tmp_path: Path) -> None:
    remote = (RemoteObjects((tmp_path / "bucket").as_uri()), RemoteObjects("memory:///"))
    for objects in (FolderObjects(tmp_path), MemoryObjects(), *remote):
        assert objects.sign("GET", KEY, 60) is None
