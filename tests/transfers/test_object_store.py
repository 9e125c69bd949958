"""The same over an object store that signs addresses: packs are sent and read straight there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budwood.client.far.blobs import Blobs
from budwood.store.backends.remote import RemoteObjects


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Where bytes went to and came from."""
    noted: dict[str, list[str]] = {"GET": [], "PUT": []}
    get, put = Blobs.get, Blobs.put

    def noted_get(self: Blobs, address: str, start: int, length: int) -> bytes:
        noted["GET"].append(address)
        return get(self, address, start, length)

    def noted_put(self: Blobs, address: str, content: memoryview) -> None:
        noted["PUT"].append(address)
        put(self, address, content)

    monkeypatch.setattr(Blobs, "get", noted_get)
    monkeypatch.setattr(Blobs, "put", noted_put)
    return noted


@pytest.fixture
def objects(s3_bucket: Any) -> Iterator[RemoteObjects]:
    """What lies in the bucket, past every server."""
    opened = RemoteObjects(s3_bucket.url, s3_bucket.options)
    yield opened
    opened.close()


@pytest.fixture
def server(new_server: Callable[..., Any], s3_bucket: Any) -> Any:
    return new_server(environment={"BUDWOOD_STORE": s3_bucket.url, **s3_bucket.environment})


def test_a_model_goes_to_an_object_store_and_comes_back(
    server: Any,
    addresses: dict[str, list[str]],
    objects: RemoteObjects,
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    base, tuned = model(1, megabytes=5), model(1, megabytes=5, moved=1e-5)
    with server.as_("ruth") as registry, server.as_("ada") as admin:
        registry.push(base, "red/m")
        registry.push(tuned, "red/m", parents=["red/m@v1"])
        registry.pull("red/m@v2", tmp_path / "out")
        assert admin.verify(read_data=True).problems == ()
    assert contents(tmp_path / "out") == contents(tuned)
    for way in ("GET", "PUT"):
        assert addresses[way]
        assert all(address.startswith("http") and server.url not in address for address in addresses[way])
    assert list(objects.list("incoming/")) == []


def test_what_is_written_again_after_it_was_checked_changes_nothing(
    server: Any,
    addresses: dict[str, list[str]],
    objects: RemoteObjects,
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    folder = model(2, megabytes=3)
    with server.as_("ruth") as registry, server.as_("ada") as admin:
        registry.push(folder, "red/m")
        blobs = Blobs(server.url)
        for address in list(addresses["PUT"]):
            blobs.put(address, memoryview(b"something else entirely, of another length"))
        blobs.close()
        assert list(objects.list("incoming/"))
        registry.pull("red/m", tmp_path / "out")
        assert contents(tmp_path / "out") == contents(folder)
        assert admin.verify(read_data=True).problems == ()
        admin.sweep()
        assert list(objects.list("incoming/")) == []


def test_a_pack_that_is_no_pack_is_refused_and_not_kept(
    server: Any, objects: RemoteObjects, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Blobs.put

    def spoilt(self: Blobs, address: str, content: memoryview) -> None:
        turned = bytearray(content)
        turned[len(turned) // 2] ^= 1
        put(self, address, memoryview(turned))

    monkeypatch.setattr(Blobs, "put", spoilt)
    with server.as_("ruth") as registry:
        with pytest.raises(Exception, match=r"pack|block|check"):
            registry.push(model(3, megabytes=3), "red/m")
        assert [summary.model.path for summary in registry.list()] == []
    assert list(objects.list("packs/")) == []


def test_bytes_pass_through_the_server_where_clients_cannot_reach_the_store(
    new_server: Callable[..., Any],
    s3_bucket: Any,
    addresses: dict[str, list[str]],
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    environment = {"BUDWOOD_STORE": s3_bucket.url, "BUDWOOD_DIRECT": "no", **s3_bucket.environment}
    server, folder = new_server(environment=environment), model(4, megabytes=3)
    with server.as_("ruth") as registry:
        registry.push(folder, "red/m")
        registry.pull("red/m", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(folder)
    assert all("://" not in address for way in addresses.values() for address in way)
