"""What an object store adds to the port: settings that are wrong, stores that do not answer, uploads that fail."""

import subprocess
from pathlib import Path

import pytest

from budwood.errors import StorageFailed, StorageFull
from budwood.store.backends.remote import RemoteObjects
from budwood.store.testing import publish

KEY = "packs/ab/one.pack"


def test_an_unknown_kind_of_store_is_refused_without_repeating_the_url() -> None:
    for url, options in (("bogus://u:secret@host", None), ("no url", None), ("s3://b", {"no_such_option": "secret"})):
        with pytest.raises(StorageFailed) as raised:
            RemoteObjects(url, options)
        assert "secret" not in str(raised.value)


def test_a_store_that_does_not_answer_is_an_error_of_the_storage(unused_port: int) -> None:
    options = {
        "endpoint": f"http://127.0.0.1:{unused_port}",
        "region": "us-east-1",
        "access_key_id": "key",
        "secret_access_key": "secret",
    }
    store = RemoteObjects("s3://bucket", options, retries=0)
    for act in (
        store.size,
        store.delete,
        store.create,
        lambda key: store.read(key, 0, 1),
        lambda key: [*store.list(key)],
    ):
        with pytest.raises(StorageFailed) as raised:
            act(KEY)
        assert "secret" not in str(raised.value)


def test_two_clients_see_one_store(tmp_path: Path) -> None:
    url = (tmp_path / "bucket").as_uri()
    publish(RemoteObjects(url), KEY, bytes(9 << 20))
    other = RemoteObjects(url)
    assert [(stored.key, stored.size) for stored in other.list("packs/")] == [(KEY, 9 << 20)]
    assert next(other.list()).modified_ms > 0


def test_a_prefix_in_the_url_keeps_stores_apart(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    first = RemoteObjects((tmp_path / "bucket" / "first").as_uri())
    other = RemoteObjects((tmp_path / "bucket" / "other").as_uri())
    publish(first, KEY, b"first")
    assert (other.size(KEY), list(other.list())) == (None, [])


def test_a_full_spool_and_a_full_store_are_told_apart_from_failures(small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    full_spool = RemoteObjects((tmp_path / "bucket").as_uri(), spool=small_disk)
    with pytest.raises(StorageFull):
        publish(full_spool, KEY, bytes(30 << 20))
    full_store = RemoteObjects(small_disk.as_uri())
    with pytest.raises(StorageFull):
        publish(full_store, KEY, bytes(30 << 20))
    assert [*full_spool.list(), *full_store.list()] == []
    assert subprocess.run(["find", small_disk, "-type", "f"], capture_output=True).stdout == b""
