"""The same over an object store that signs addresses: packs are read straight from there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budwood.client.far.blobs import Blobs


def test_a_model_comes_back_from_an_object_store(
    new_server: Callable[..., Any],
    s3_bucket: Any,
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    get = Blobs.get

    def noted(self: Blobs, address: str, start: int, length: int) -> bytes:
        read.append(address)
        return get(self, address, start, length)

    monkeypatch.setattr(Blobs, "get", noted)
    server = new_server(environment={"BUDWOOD_STORE": s3_bucket.url, **s3_bucket.environment})
    base, tuned = model(1, megabytes=5), model(1, megabytes=5, moved=1e-5)
    with server.as_("ruth") as registry, server.as_("ada") as admin:
        registry.push(base, "red/m")
        registry.push(tuned, "red/m", parents=["red/m@v1"])
        registry.pull("red/m@v2", tmp_path / "out")
        assert admin.verify(read_data=True).problems == ()
    assert contents(tmp_path / "out") == contents(tuned)
    assert read
    assert all(address.startswith("http") and server.url not in address for address in read)
