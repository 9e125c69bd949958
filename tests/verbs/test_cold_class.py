"""Versions in a storage class of their own bucket, and in one that must be restored before anything is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.errors import Archived, NotOffered
from budwood.store.marks import is_cold
from budwood.verbs import sweep
from budwood.wiring import served
from tests.servers.archives import ClassyBucket
from tests.servers.running import far

MakeModel = Callable[..., Path]
HEAD = "apiVersion: budwood.dev/v1\nkind: Tiering\n"
ALL_COLD = HEAD + "spec:\n  rules:\n    - {tier: cold}\n"
ALL_HOT = HEAD + "spec:\n  rules:\n    - {tier: hot}\n"


@pytest.fixture(autouse=True)
def _settings(classy_bucket: ClassyBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in classy_bucket.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BUDWOOD_STORE", classy_bucket.url)
    monkeypatch.setenv("BUDWOOD_COLD_CLASS", "GLACIER")


@pytest.fixture
def glacial(tmp_path: Path) -> Iterator[Registry]:
    with budwood.connect(tmp_path / "registry", author="mara") as opened:
        yield opened


def go_cold(registry: Registry, source: Path) -> None:
    registry.tiers.put_policy(ALL_COLD)
    registry.push(source, "encoder")
    assert len(registry.tiers.run().versions) == 1


def cold_keys(bucket: ClassyBucket) -> list[str]:
    return [key for key in bucket.classes() if is_cold(key.rpartition("/")[2].removesuffix(".pack"))]


def test_what_is_cold_has_its_class_and_what_is_near_the_buckets_own(
    glacial: Registry, classy_bucket: ClassyBucket, model: MakeModel
) -> None:
    go_cold(glacial, model())
    cold = cold_keys(classy_bucket)
    assert cold
    assert {key: name for key, name in classy_bucket.classes().items() if name != "STANDARD"} == dict.fromkeys(
        cold, "GLACIER"
    )


def test_an_archived_version_says_that_it_must_be_restored_and_comes_back_when_it_is(
    glacial: Registry, classy_bucket: ClassyBucket, model: MakeModel, tmp_path: Path
) -> None:
    source = model()
    go_cold(glacial, source)
    with pytest.raises(Archived, match="archive") as raised:
        glacial.pull("encoder", tmp_path / "early")
    assert "restore" in raised.value.hint
    assert [each.code for each in glacial.verify().problems] == ["archived"]
    assert [each.code for each in glacial.verify(read_data=True).problems] == ["archived"]
    assert glacial.verify(read_data=True, mend=True).mended == ()
    for key in cold_keys(classy_bucket):
        classy_bucket.restore(key)
    glacial.pull("encoder", tmp_path / "later")
    for path in source.iterdir():
        assert (tmp_path / "later" / path.name).read_bytes() == path.read_bytes()
    assert glacial.verify(read_data=True).problems == ()


def test_work_on_tiers_passes_over_what_is_archived_and_goes_on(
    glacial: Registry, classy_bucket: ClassyBucket, model: MakeModel, tmp_path: Path
) -> None:
    go_cold(glacial, model())
    glacial.tiers.put_policy(ALL_HOT)
    # A model of the same shape is pushed without differences from what cannot be read; its header it shares.
    assert glacial.push(model(moved=0.01), "encoder").stored_bytes > 800_000
    (tmp_path / "other.bin").write_bytes(bytes(range(256)) * 100)
    glacial.push(tmp_path / "other.bin", "other")
    assert [each.reference for each in glacial.tiers.run().versions] == ["other@v1"]
    for key in cold_keys(classy_bucket):
        classy_bucket.restore(key)
    assert {each.reference for each in glacial.tiers.run().versions} == {"encoder@v1", "encoder@v2"}
    glacial.sweep(grace_s=0)
    assert cold_keys(classy_bucket) == []
    assert glacial.verify(read_data=True).problems == ()


def test_a_sweep_leaves_an_archived_pack_as_it_is_until_nothing_needs_it(
    glacial: Registry, classy_bucket: ClassyBucket, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_cold(glacial, model())
    cold = cold_keys(classy_bucket)
    names = [key.rpartition("/")[2].removesuffix(".pack") for key in cold]
    with monkeypatch.context() as patched:
        patched.setattr(sweep, "_mostly_dead", lambda house: names)
        assert glacial.sweep(grace_s=0).rewritten_packs == 0
    assert cold_keys(classy_bucket) == cold
    glacial.delete("encoder@v1")
    assert glacial.sweep(grace_s=0).deleted_packs >= len(cold)
    assert cold_keys(classy_bucket) == []


def test_a_client_of_a_server_is_told_the_same_also_where_it_reads_at_the_store_itself(
    model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for direct in ("yes", "no"):
        monkeypatch.setenv("BUDWOOD_DIRECT", direct)
        with opened_far(tmp_path / f"registry-{direct}", monkeypatch) as registry:
            go_cold(registry, model())
            with pytest.raises(Archived) as raised:
                registry.pull("encoder", tmp_path / "early")
            assert "restore" in raised.value.hint


@contextmanager
def opened_far(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    home = served(folder)
    with monkeypatch.context() as patched:
        patched.delenv("BUDWOOD_STORE")
        patched.delenv("BUDWOOD_COLD_CLASS")
        with far(home) as registry:
            yield registry


def test_a_class_without_an_object_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDWOOD_COLD_STORE", (tmp_path / "cold").as_uri())
    with pytest.raises(NotOffered):
        budwood.connect(tmp_path / "registry")
