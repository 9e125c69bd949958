"""Every backend passes the suite of the port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.store.api import Objects
from budwood.store.backends.folder import FolderObjects
from budwood.store.backends.memory import MemoryObjects
from budwood.store.backends.remote import RemoteObjects
from budwood.store.testing import ObjectsSuite
from tests.servers.azurite import Container
from tests.servers.swift import Bucket


class TestFolderObjects(ObjectsSuite):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> Iterator[Objects]:
        store = FolderObjects(tmp_path / "made" / "on-first-write")
        yield store
        store.close()


class TestFolderObjectsWithoutDirectWriting(ObjectsSuite):
    """A file system that refuses O_DIRECT, as tmpfs does or as macOS has none."""

    @pytest.fixture
    def objects(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
        monkeypatch.setattr("budwood.store.backends.staging._DIRECT", 0)
        store = FolderObjects(tmp_path)
        yield store
        store.close()


class TestMemoryObjects(ObjectsSuite):
    @pytest.fixture
    def objects(self) -> Objects:
        return MemoryObjects()


class TestRemoteObjectsOverFiles(ObjectsSuite):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> Objects:
        return RemoteObjects((tmp_path / "bucket").as_uri())


class TestRemoteObjectsOverS3(ObjectsSuite):
    @pytest.fixture
    def objects(self, s3_bucket: Bucket) -> Objects:
        return RemoteObjects(f"{s3_bucket.url}/some/prefix", s3_bucket.options)


class TestRemoteObjectsOverAzure(ObjectsSuite):
    @pytest.fixture
    def objects(self, azure_container: Container) -> Objects:
        return RemoteObjects(f"{azure_container.url}/some/prefix", azure_container.options)


class TestRemoteObjectsInMemory(ObjectsSuite):
    @pytest.fixture
    def objects(self) -> Objects:
        return RemoteObjects("memory:///")
