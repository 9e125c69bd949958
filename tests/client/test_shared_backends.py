"""A registry whose metadata is in PostgreSQL and whose packs are in an object store: the same, from anywhere."""

import os
from pathlib import Path

import pytest

import budwood
from budwood.errors import Invalid, StorageFailed
from tests.servers.swift import Bucket


@pytest.fixture(autouse=True)
def _shared(s3_bucket: Bucket, postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("BUDWOOD_DATABASE", postgres_url)
    monkeypatch.setenv("BUDWOOD_STORE", f"{s3_bucket.url}/team")
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)


def test_what_one_pushes_another_pulls_from_a_folder_of_their_own(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "weights.bin").write_bytes(bytes(range(256)) * 20_000)
    (source / "card.md").write_text("A model.\n")
    with budwood.connect(tmp_path / "mara", author="mara") as registry:
        pushed = registry.push(source, "encoder", aliases=["champion"])
    assert not list((tmp_path / "mara").rglob("*.pack"))
    with budwood.connect(tmp_path / "jo", author="jo", create=False) as registry:
        registry.pull("encoder@champion", tmp_path / "pulled")
        assert registry.get("encoder").digest == pushed.version.digest
        assert registry.verify(read_data=True).problems == ()
    assert (tmp_path / "pulled/weights.bin").read_bytes() == (source / "weights.bin").read_bytes()


def test_a_wrong_key_to_the_store_is_an_error_of_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "guessed-wrong")
    (tmp_path / "weights.bin").write_bytes(b"weights")
    with budwood.connect(tmp_path / "mara", author="mara") as registry, pytest.raises(StorageFailed) as raised:
        registry.push(tmp_path / "weights.bin", "encoder")
    assert "guessed-wrong" not in str(raised.value)


def test_text_that_a_database_cannot_hold_is_refused_as_invalid(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"weights")
    with budwood.connect(tmp_path / "mara", author="mara") as registry:
        registry.push(tmp_path / "weights.bin", "encoder", tags={"team": "search"})
        for act in (
            lambda: budwood.connect(tmp_path / "jo", author="j\0"),
            lambda: registry.push(tmp_path / "weights.bin", "encoder", message="a\0b"),
            lambda: registry.push(tmp_path / "weights.bin", "encoder", tags={"team": "a\0b"}),
            lambda: registry.push(tmp_path / "weights.bin", "encoder", params={"a": "a\0b"}),
            lambda: registry.push(tmp_path / "weights.bin", "enc\0der"),
            lambda: registry.tag("encoder", {"team": "\0"}),
            lambda: registry.tag("encoder", remove=["te\0am"]),
            lambda: registry.alias("encoder", "cham\0pion"),
            lambda: registry.retire("encoder", "be\0cause"),
            lambda: registry.get("encoder@cham\0pion"),
            lambda: registry.search("tags.team = 'a\0'"),
            lambda: registry.list(after="default/a\0"),
            lambda: registry.ledger(subject="a\0"),
        ):
            with pytest.raises(Invalid):
                act()
        assert registry.tag("encoder", {"team": "risk"}, remove=["absent"])[0].value == "risk"


def test_a_backup_moves_a_registry_from_folders_to_servers_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "weights.bin"
    source.write_bytes(bytes(range(256)) * 5_000)
    servers = {name: os.environ[name] for name in ("BUDWOOD_DATABASE", "BUDWOOD_STORE")}
    for name in servers:
        monkeypatch.delenv(name)
    with budwood.connect(tmp_path / "laptop", author="mara") as registry:
        for step in range(3):
            registry.push(source, "encoder", message=f"step {step}", tags={"team": "search"})
        registry.delete("encoder@v3")
        before = registry.ledger()
        registry.backup(tmp_path / "backup")
    for name, value in servers.items():
        monkeypatch.setenv(name, value)
    budwood.restore(tmp_path / "backup", tmp_path / "cache")
    with budwood.connect(tmp_path / "cache", author="jo") as registry:
        assert list(registry.ledger()) == list(before)
        assert registry.push(source, "encoder", message="step 4").version.number == 4
        registry.pull("encoder@v2", tmp_path / "pulled")
        assert registry.verify(read_data=True).problems == ()
        registry.backup(tmp_path / "second")
    for name in servers:
        monkeypatch.delenv(name)
    budwood.restore(tmp_path / "second", tmp_path / "again")
    with budwood.connect(tmp_path / "again", author="jo") as registry:
        assert registry.get("encoder").number == 4
        assert registry.push(source, "encoder", message="step 5").version.number == 5
        assert registry.verify(read_data=True).problems == ()
    assert (tmp_path / "pulled/weights.bin").read_bytes() == source.read_bytes()
