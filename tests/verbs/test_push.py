"""push: what becomes a version, what is shared, what is refused."""

import os
import platform
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.client.registry import Registry
from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import (
    BadLabel,
    BadName,
    BadPath,
    BadReference,
    BadValue,
    FileChanged,
    Invalid,
    LabelTaken,
    LeaseLost,
    SourceNotFound,
    UnsafeEntry,
    VersionNotFound,
)

MakeModel = Callable[..., Path]


def test_a_push_is_version_one_and_pulls_back_bit_for_bit(registry: Registry, model: MakeModel, tmp_path: Path) -> None:
    source = model()
    pushed = registry.push(source, "encoder")
    assert (pushed.created, pushed.version.number, pushed.files) == (True, 1, 2)
    registry.pull("encoder", tmp_path / "out")
    for path in source.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_the_identity_is_the_digest_of_the_manifest(registry: Registry, model: MakeModel) -> None:
    version = registry.get(registry.push(model(), "encoder").version.reference)
    assert version.manifest.digest == version.digest
    assert registry.get(f"encoder@sha256:{version.digest[:12]}").number == 1


def test_pushing_the_same_folder_again_makes_no_version(registry: Registry, model: MakeModel) -> None:
    source = model()
    registry.push(source, "encoder")
    again = registry.push(source, "encoder", aliases=["champion"])
    assert (again.created, again.version.number, again.stored_bytes) == (False, 1, 0)
    assert registry.get("encoder@champion").number == 1


def test_the_same_files_with_new_facts_are_a_new_version_that_costs_only_its_manifest(
    registry: Registry, model: MakeModel
) -> None:
    source = model()
    registry.push(source, "encoder")
    again = registry.push(source, "encoder", metrics={"auc": 0.9})
    assert (again.created, again.version.number) == (True, 2)
    assert again.stored_bytes < 8_000


def test_a_light_fine_tune_costs_a_fraction(registry: Registry, model: MakeModel) -> None:
    first = registry.push(model(), "encoder")
    second = registry.push(model(moved=0.01), "encoder")
    assert second.stored_bytes < 0.1 * first.stored_bytes


def test_a_base_is_found_in_another_model_by_its_structure(registry: Registry, model: MakeModel) -> None:
    first = registry.push(model(), "encoder")
    other = registry.push(model(moved=0.01), "ranker")
    assert other.stored_bytes < 0.1 * first.stored_bytes


def test_appended_rows_share_the_rows_before_them(registry: Registry, weights: Callable[..., dict[str, Any]]) -> None:
    import numpy as np

    before = weights(rows=4096)
    first = registry.push(before, "encoder")
    more = np.random.default_rng(5).normal(0, 0.05, (10, 512)).astype(np.float32)
    after = before | {"embed.weight": np.concatenate([before["embed.weight"], more])}
    second = registry.push(after, "encoder")
    assert second.new_raw_bytes < BLOCK_BYTES
    assert second.stored_bytes < 0.05 * first.stored_bytes


def test_facts_are_captured_and_declared_ones_kept(registry: Registry, model: MakeModel) -> None:
    registry.push(
        model(),
        "encoder",
        metrics={"auc": 0.91},
        params={"lr": 2e-5},
        datasets=["pairs@v3"],
        message="first",
        tags={"team": "search"},
        label="1.0.0",
    )
    version = registry.get("encoder@1.0.0")
    facts = version.facts
    assert (facts.metrics, facts.params, facts.datasets) == ({"auc": 0.91}, {"lr": "2e-05"}, ("pairs@v3",))
    assert "safetensors" in facts.formats
    assert facts.parameters == 256 * 512 + 512 * 512 + 512
    assert facts.dtypes == {"f32": facts.parameters}
    assert facts.architecture == "SmallNet"
    assert facts.author == "mara"
    assert facts.environment is not None
    assert facts.environment.python.endswith(platform.python_version())
    assert [(tag.key, tag.value) for tag in version.detail().tags] == [("team", "search")]


def test_labels_are_set_once_and_bumps_count_on(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "encoder", label="1.2.0")
    with pytest.raises(LabelTaken):
        registry.push(model(seed=2), "encoder", label="1.2.0")
    assert registry.push(model(seed=3), "encoder", bump="minor").version.label == "1.3.0"
    assert registry.push(model(seed=4), "encoder", bump="major").version.label == "2.0.0"


def test_the_label_of_a_deleted_version_is_given_to_nothing_else(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "encoder", label="1.0.0")
    registry.push(model(seed=2), "encoder", bump="minor")
    registry.delete("encoder@1.1.0")
    with pytest.raises(LabelTaken, match=r"1\.1\.0 was given to encoder@v2, which was deleted"):
        registry.push(model(seed=3), "encoder", label="1.1.0")
    assert registry.push(model(seed=3), "encoder", bump="minor").version.label == "1.2.0"
    for label in ("1.0.0", "1.2.0"):
        registry.delete(f"encoder@{label}")
    registry.delete_model("encoder")
    again = registry.push(model(seed=4), "encoder", bump="auto").version
    assert (again.number, again.label) == (4, "2.0.0")


def test_bump_auto_says_why(registry: Registry, model: MakeModel) -> None:
    first = registry.push(model(), "encoder", bump="auto")
    tuned = registry.push(model(moved=0.01), "encoder", bump="auto")
    config = registry.push(model(moved=0.01, config={"dropout": 0.1}), "encoder", bump="auto")
    wider = registry.push(model(rows=128, config={"architectures": ["OtherNet"]}), "encoder", bump="auto")
    labels = [pushed.version.label for pushed in (first, tuned, config, wider)]
    assert labels == ["1.0.0", "1.1.0", "1.1.1", "2.0.0"]
    assert "changed values" in tuned.label_reason[0]
    assert all(pushed.label_reason for pushed in (first, tuned, config, wider))


def test_parents_are_kept_as_lineage(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "base", label="1.0.0")
    registry.push(model(moved=0.01), "tuned", parents=["base@1.0.0"], relation="fine-tuned-from")
    version = registry.get("tuned")
    assert [(p.model, p.number, p.relation) for p in version.facts.parents] == [("base", 1, "fine-tuned-from")]
    assert [child.reference for child in registry.get("base").detail().children] == ["tuned@v1"]


def test_every_push_writes_one_ledger_entry(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "encoder", aliases=["champion"], tags={"a": "b"})
    assert [entry.action for entry in registry.ledger()] == ["version.pushed"]


@pytest.mark.parametrize(
    ("choices", "error"),
    [
        ({"label": "1.2"}, BadLabel),
        ({"label": "1.0.0", "bump": "auto"}, Invalid),
        ({"bump": "huge"}, BadValue),
        ({"aliases": ["production"]}, BadName),
        ({"aliases": ["v3"]}, BadName),
        ({"metrics": {"auc": float("nan")}}, BadValue),
        ({"metrics": {"a b": 1.0}}, BadName),
        ({"tags": {"": "x"}}, BadName),
        ({"parents": ["nobody@v1"]}, budwood.errors.ModelNotFound),
        ({"message": "x" * 100_000}, budwood.errors.LimitExceeded),
        ({"kind": "banana"}, BadValue),
    ],
)
def test_bad_requests_are_refused_before_anything_is_made(
    registry: Registry, model: MakeModel, choices: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        registry.push(model(), "encoder", **choices)
    assert registry.list() == ()


def test_a_version_cannot_be_pushed_to(registry: Registry, model: MakeModel) -> None:
    with pytest.raises(BadReference):
        registry.push(model(), "encoder@v1")
    with pytest.raises(BadName):
        registry.push(model(), "Encoder")


def test_an_unknown_parent_version_is_not_found(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "base")
    with pytest.raises(VersionNotFound):
        registry.push(model(), "tuned", parents=["base@v9"])


def test_links_pipes_and_sockets_are_refused_by_name(registry: Registry, model: MakeModel) -> None:
    linked, piped, wired = model(), model(), model()
    (linked / "evil").symlink_to("/etc/passwd")
    os.mkfifo(piped / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(wired / "s"))
        for folder, name in ((linked, "symbolic link"), (piped, "FIFO"), (wired, "socket")):
            with pytest.raises(UnsafeEntry, match=name):
                registry.push(folder, "encoder")
    assert registry.list() == ()


@pytest.mark.parametrize("name", ["a\u202eb", "a\nb", " lead", "back\\slash"])
def test_names_that_deceive_are_refused(registry: Registry, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / name).write_bytes(b"x")
    with pytest.raises(BadPath):
        registry.push(folder, "encoder")


def test_names_that_differ_in_case_only_are_refused(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "Model.bin").write_bytes(b"x")
    (folder / "model.bin").write_bytes(b"y")
    if len(list(folder.iterdir())) == 1:
        pytest.skip("this file system ignores case")
    with pytest.raises(BadPath):
        registry.push(folder, "encoder")


def test_missing_and_empty_sources_are_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        registry.push(tmp_path / "nothing", "encoder")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Invalid):
        registry.push(tmp_path / "empty", "encoder")


def test_empty_files_and_folders_in_folders_come_back(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "empty").touch()
    (folder / "a" / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "a" / "tool.sh").chmod(0o755)
    registry.push(folder, "encoder")
    registry.pull("encoder", tmp_path / "out")
    assert (tmp_path / "out/a/b/empty").read_bytes() == b""
    assert os.access(tmp_path / "out/a/tool.sh", os.X_OK)


def test_excluded_files_stay_out(registry: Registry, model: MakeModel) -> None:
    folder = model()
    (folder / "notes.tmp").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    registry.push(folder, "encoder", exclude=["*.tmp"])
    assert registry.get("encoder").files == ("config.json", "model.safetensors")


def test_a_file_that_grows_while_it_is_pushed_is_noticed(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    folder.mkdir()
    target = folder / "big.bin"
    target.write_bytes(os.urandom(8 * BLOCK_BYTES))
    grown = threading.Event()

    def grow(_: int) -> None:
        if not grown.is_set():
            grown.set()
            with target.open("ab") as file:
                file.write(b"more")

    with pytest.raises(FileChanged):
        registry.push(folder, "encoder", progress=grow)
    assert registry.list() == ()


def test_a_remembered_file_that_changed_is_read_again(on_disk: Registry, tmp_path: Path) -> None:
    target = tmp_path / "weights.bin"
    target.write_bytes(b"a" * 100_000)
    os.utime(target, (1, 1))
    on_disk.push(target, "encoder")
    target.write_bytes(b"b" * 100_000)
    os.utime(target, (1, 1))
    assert on_disk.push(target, "encoder").created
    assert on_disk.get("encoder").read("weights.bin") == b"b" * 100_000


def test_many_pushes_of_one_model_at_once_give_each_its_own_number(registry: Registry, model: MakeModel) -> None:
    sources = [model(seed=seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        pushed = list(pool.map(lambda source: registry.push(source, "encoder", bump="minor"), sources))
    assert sorted(p.version.number for p in pushed) == [1, 2, 3, 4, 5, 6]
    assert len({p.version.label for p in pushed}) == 6
    assert not registry.verify(read_data=True).problems


def test_a_push_whose_lease_was_lost_publishes_nothing(near: Registry, model: MakeModel, tmp_path: Path) -> None:
    source = tmp_path / "big"
    source.mkdir()
    (source / "w.bin").write_bytes(os.urandom(4 * BLOCK_BYTES))

    def drop_all(transaction: Transaction) -> None:
        for lease in transaction.leases(now_ms=0):
            transaction.drop_lease(lease.id)

    def lose(_: int) -> None:
        near.house.catalog.write(drop_all)

    with pytest.raises(LeaseLost):
        near.push(source, "encoder", progress=lose)
    assert near.list() == ()


def test_a_pickle_that_would_delete_files_is_kept_flagged_and_never_run(registry: Registry, tmp_path: Path) -> None:
    import pickle

    victim = tmp_path / "victim"
    victim.write_text("alive")

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return os.remove, (str(victim),)

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Evil()))
    registry.push(tmp_path / "model.pkl", "evil")
    registry.diff("evil@v1", "evil@v1")
    registry.verify(read_data=True)
    assert victim.read_text() == "alive"
    assert "unsafe-pickle" in {flag.code for flag in registry.get("evil").facts.flags}
