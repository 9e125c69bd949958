"""Storage classes as object stores keep them: which headers are sent, and what reading from an archive says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from obstore.store import GCSStore

from budwood.errors import Archived, NotOffered, StorageFailed
from budwood.store.backends.remote import PART_BYTES, RemoteObjects
from budwood.store.testing import publish
from tests.servers.archives import ClassyBucket
from tests.servers.azurite import Container
from tests.servers.swift import Bucket

KEY, LARGE = "packs/ab/small.pack", "packs/ab/large.pack"
SIZES = {KEY: 100, LARGE: PART_BYTES + 1}
"""The second goes up in parts."""


def fill(objects: RemoteObjects) -> None:
    for key, size in SIZES.items():
        publish(objects, key, bytes(size))


def check_archived(objects: RemoteObjects) -> None:
    """It is there, and cannot be read."""
    for key, size in SIZES.items():
        assert objects.size(key) == size
        for act in (lambda key=key: objects.read(key, 0, 10), lambda key=key: objects.copy(key, "packs/ab/other.pack")):
            with pytest.raises(Archived) as raised:
                act()
            assert key in raised.value.message
            assert "restore" in raised.value.hint
    assert [found.key for found in objects.list("packs/")] == sorted(SIZES)


def test_s3_is_told_the_class_of_what_is_sent_whole_and_in_parts(classy_bucket: ClassyBucket) -> None:
    objects = RemoteObjects(classy_bucket.url, classy_bucket.options, storage_class="GLACIER_IR")
    fill(objects)
    assert classy_bucket.classes() == dict.fromkeys(SIZES, "GLACIER_IR")
    assert [objects.read(key, 0, 5) for key in SIZES] == [bytes(5)] * 2


def test_what_lies_in_an_archive_of_s3_is_read_once_it_is_restored(classy_bucket: ClassyBucket) -> None:
    objects = RemoteObjects(classy_bucket.url, classy_bucket.options, storage_class="DEEP_ARCHIVE", retries=0)
    fill(objects)
    check_archived(objects)
    classy_bucket.restore(KEY)
    assert objects.read(KEY, 0, 5) == bytes(5)
    objects.delete(LARGE)
    assert objects.size(LARGE) is None


def test_a_class_that_s3_does_not_have_is_an_error_that_says_where_it_was_set(
    classy_bucket: ClassyBucket, s3_bucket: Bucket
) -> None:
    # Swift has one class only.
    for bucket, name in ((classy_bucket, "LUKEWARM"), (s3_bucket, "GLACIER_IR")):
        with pytest.raises(StorageFailed) as raised:
            publish(RemoteObjects(bucket.url, bucket.options, storage_class=name, retries=0), KEY, b"x")
        assert "cold_class" in raised.value.hint


def test_azure_is_told_the_tier_of_what_is_sent_whole_and_in_parts(azure_container: Container) -> None:
    objects = RemoteObjects(azure_container.url, azure_container.options, storage_class="Cool")
    fill(objects)
    for key in SIZES:
        assert azure_container.tier(key) == "Cool"
        assert objects.read(key, 0, 5) == bytes(5)


def test_what_lies_in_the_archive_of_azure_says_that_it_must_be_restored(azure_container: Container) -> None:
    objects = RemoteObjects(azure_container.url, azure_container.options, storage_class="Archive", retries=0)
    fill(objects)
    check_archived(objects)


def test_a_tier_that_azure_does_not_have_is_an_error_that_says_where_it_was_set(azure_container: Container) -> None:
    objects = RemoteObjects(azure_container.url, azure_container.options, storage_class="Lukewarm", retries=0)
    with pytest.raises(StorageFailed) as raised:
        publish(objects, KEY, b"x")
    assert "cold_class" in raised.value.hint


def test_google_is_told_the_class_of_what_is_sent_whole_and_in_parts() -> None:
    with listening() as (address, heard):
        account = {"gcs_base_url": address, "disable_oauth": True}
        keys = {"client_email": "", "private_key": "", "private_key_id": ""}
        said = json.dumps(account | keys)
        objects = RemoteObjects("gs://bucket", {"service_account_key": said}, storage_class="COLDLINE")
        # Settings let nobody speak to Google without TLS.
        objects._store = GCSStore("bucket", service_account_key=said, client_options={"allow_http": True})
        fill(objects)
    assert heard == [("PUT", "COLDLINE"), ("POST", "COLDLINE")]


def test_files_have_no_class() -> None:
    for url in ("file:///nowhere", "memory:///"):
        with pytest.raises(NotOffered):
            RemoteObjects(url, storage_class="GLACIER_IR")


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Somebody who takes what is sent as Google does; the address, and which classes new objects were given."""
    heard: list[tuple[str, str]] = []

    class Google(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(404)

        def do_PUT(self) -> None:
            self._take()

        def do_POST(self) -> None:
            self._take()
            said = "<Key>k</Key><Bucket>b</Bucket><Location>l</Location><ETag>e</ETag><UploadId>u</UploadId>"
            name = "CompleteMultipartUploadResult" if "uploadId=" in self.path else "InitiateMultipartUploadResult"
            self._answer(200, f"<{name}>{said}</{name}>".encode())

        def _take(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            if "uploadId=" not in self.path:
                heard.append((self.command, self.headers["x-goog-storage-class"]))
            if self.command == "PUT":
                self._answer(200)

        def _answer(self, status: int, content: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", '"e"')
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Google)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
