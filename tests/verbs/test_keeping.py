"""verify, sweep, stats, export, import, rebuild-index: nothing needed is lost, nothing lost stays unseen."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import budwood
from budwood.catalog.api import Transaction
from budwood.client.registry import Registry
from budwood.domain.limits import INDEX_ROWS
from budwood.domain.names import Stage
from budwood.errors import BadBundle, Damaged, Invalid, LabelTaken, ManifestDamaged, SourceNotFound
from budwood.store.api import BlockRow
from budwood.store.packs import pack_key
from budwood.verbs import rebuild

MakeModel = Callable[..., Path]


def packs(root: Path) -> list[Path]:
    return sorted((root / "registry").rglob("*.pack"))


def flip(path: Path, at: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.chmod(0o644)
    path.write_bytes(content)


def test_a_whole_registry_verifies(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "a")
    registry.push(model(moved=0.01), "a")
    found = registry.verify(read_data=True)
    assert (found.versions, found.problems) == (2, ())
    assert found.bytes_read > 0


def test_a_flipped_bit_anywhere_in_a_pack_is_found_and_names_the_versions(
    on_disk: Registry, model: MakeModel, tmp_path: Path
) -> None:
    on_disk.push(model(), "a")
    on_disk.push(model(moved=0.01), "a")
    (tmp_path / "alone").write_bytes(b"untouched")
    on_disk.push(tmp_path / "alone", "b")
    first = packs(tmp_path)
    pack = max(first, key=lambda path: path.stat().st_size)
    whole = pack.read_bytes()
    chance = random.Random(7)
    for _ in range(25):
        at = chance.randrange(len(whole))
        flip(pack, at, chance.randrange(8))
        problems = on_disk.verify(read_data=True).problems
        assert problems, f"byte {at} of {len(whole)}"
        touched = {name for problem in problems for name in problem.versions}
        assert touched <= {"a@v1", "a@v2"}
        assert on_disk.get("b").read("alone") == b"untouched"
        pack.write_bytes(whole)
    assert not on_disk.verify(read_data=True).problems


def test_damage_under_a_difference_names_both_versions(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "a")
    on_disk.push(model(moved=0.01), "a")
    pack = max(packs(tmp_path), key=lambda path: path.stat().st_size)
    version = on_disk.get("a@v1")
    _, span = version.manifest.tensor("layer.0.weight")
    row = on_disk.house.index.find(span.blocks)[span.blocks[0]]
    flip(pack, row.offset + 1000)
    problems = on_disk.verify(read_data=True).problems
    assert any(set(problem.versions) == {"a@v1", "a@v2"} for problem in problems)


def test_a_missing_pack_is_found_without_reading_data(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "a")
    packs(tmp_path)[0].unlink()
    assert on_disk.verify().problems


def test_sweep_frees_what_a_deleted_version_had_alone(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "a")
    on_disk.push(model(seed=9), "b")
    size = sum(path.stat().st_size for path in packs(tmp_path))
    on_disk.delete("b@v1")
    preview = on_disk.sweep(dry_run=True, grace_s=0)
    assert preview.condemned_blocks > 0
    assert sum(path.stat().st_size for path in packs(tmp_path)) == size
    swept = on_disk.sweep(grace_s=0)
    assert swept.freed_bytes == preview.freed_bytes
    assert sum(path.stat().st_size for path in packs(tmp_path)) < 0.6 * size
    assert not on_disk.verify(read_data=True).problems


def test_sweep_keeps_a_base_that_a_difference_needs(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "a")
    on_disk.push(model(moved=0.01), "b")
    on_disk.delete("a@v1")
    on_disk.sweep(grace_s=0)
    assert not on_disk.verify(read_data=True).problems
    on_disk.pull("b", tmp_path / "out")


def test_condemned_blocks_wait_out_the_grace(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "a")
    registry.delete("a@v1")
    swept = registry.sweep(grace_s=3600)
    assert (swept.freed_blocks, swept.waiting_blocks) == (0, swept.condemned_blocks)
    assert registry.sweep(grace_s=3600).freed_blocks == 0
    assert registry.sweep(grace_s=0).freed_blocks == swept.condemned_blocks


def test_a_push_that_meets_a_condemned_block_writes_it_anew(registry: Registry, model: MakeModel) -> None:
    source = model()
    registry.push(source, "a")
    registry.delete("a@v1")
    registry.sweep(grace_s=3600)
    assert registry.push(source, "a").stored_bytes > 100_000
    registry.sweep(grace_s=0)
    assert not registry.verify(read_data=True).problems


def test_a_sweep_between_writing_and_publishing_loses_nothing(registry: Registry, model: MakeModel) -> None:
    """The shared blocks are condemned after the push has seen them: publishing must notice and write them anew."""
    source = model()
    registry.push(source, "a")
    registry.delete("a@v1")
    swept: list[int] = []

    def sweep_once(_: int) -> None:
        if not swept:
            swept.append(registry.sweep(grace_s=0).condemned_blocks)

    registry.push(source, "b", progress=sweep_once)
    # Two worker threads may both sweep at first; one of them finds the other's work done.
    assert sum(swept) > 0
    assert not registry.verify(read_data=True).problems


def test_a_mostly_dead_pack_is_written_anew(on_disk: Registry, tmp_path: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for number in range(4):
        (source / f"w{number}.bin").write_bytes(random.Random(number).randbytes(1_500_000))
    on_disk.push(source, "all")
    on_disk.push(source / "w0.bin", "one")
    on_disk.delete("all@v1")
    swept = on_disk.sweep(grace_s=0)
    assert swept.rewritten_packs == 1
    assert sum(path.stat().st_size for path in packs(tmp_path)) < 2_000_000
    assert on_disk.get("one").read("w0.bin") == (source / "w0.bin").read_bytes()
    assert not on_disk.verify(read_data=True).problems


def test_a_pack_nobody_names_goes_and_what_is_no_pack_stays(
    on_disk: Registry, model: MakeModel, tmp_path: Path
) -> None:
    on_disk.push(model(), "a")
    real = packs(tmp_path)[0]
    orphan = tmp_path / "registry" / pack_key("0123456789abcdef-0001")
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(real.read_bytes())
    (orphan.parent / "README").write_text("not a pack")
    assert on_disk.sweep(grace_s=0).deleted_packs == 1
    assert not orphan.exists()
    assert real.exists()
    assert (orphan.parent / "README").exists()


def test_a_pack_written_under_a_lease_that_lives_is_left_alone(on_disk: Registry, tmp_path: Path) -> None:
    source = tmp_path / "w.bin"
    source.write_bytes(random.Random(2).randbytes(5_000_000))
    seen: list[int] = []

    def sweep(_: int) -> None:
        seen.append(on_disk.sweep(grace_s=0).deleted_packs)

    on_disk.push(source, "m", progress=sweep)
    assert seen
    assert not any(seen)
    assert not on_disk.verify(read_data=True).problems


def test_sweep_frees_nothing_while_a_manifest_cannot_be_read(
    on_disk: Registry, model: MakeModel, tmp_path: Path
) -> None:
    on_disk.push(model(), "a")
    on_disk.push(model(seed=4), "b")
    record = on_disk.get("a").record
    row = on_disk.house.index.find(record.manifest_blocks)[record.manifest_blocks[0]]
    pack = next(path for path in packs(tmp_path) if path.stem == row.pack)
    flip(pack, row.offset + 3)
    on_disk.delete("b@v1")
    with pytest.raises(ManifestDamaged):
        on_disk.sweep(grace_s=0)
    assert len(packs(tmp_path)) == 2


def test_stats_tell_logical_from_stored_and_who_shares(registry: Registry, model: MakeModel) -> None:
    source = model()
    registry.push(source, "a")
    registry.push(source, "b")
    registry.push(model(moved=0.01), "b")
    usage = registry.stats()
    assert (usage.models, usage.versions) == (2, 3)
    assert usage.logical_bytes > 2.9 * usage.by_model[0].logical_bytes
    assert usage.stored_bytes < 0.5 * usage.logical_bytes
    assert sum(usage.by_encoding.values()) == usage.stored_bytes
    pair = usage.shared[0]
    assert {pair.model, pair.other} == {"a", "b"}
    assert pair.shared_bytes > 700_000


def test_a_dry_run_counts_more_than_a_page_of_what_is_due() -> None:
    rows = [
        BlockRow(number.to_bytes(32), "packs/ab/one.pack", 100 * number, 100, 200, 0, 0)
        for number in range(INDEX_ROWS + 7)
    ]
    with budwood.in_memory(clock=lambda: 1_000) as registry:
        registry.house.catalog.write(lambda transaction: transaction.add_blocks(rows))
        registry.house.catalog.write(lambda transaction: transaction.condemn([row.id for row in rows], at_ms=1))
        preview = registry.sweep(dry_run=True, grace_s=0.5)
        assert (preview.freed_blocks, preview.freed_bytes) == (INDEX_ROWS + 7, 100 * (INDEX_ROWS + 7))


def test_a_bundle_carries_versions_into_another_registry(registry: Registry, model: MakeModel, tmp_path: Path) -> None:
    registry.push(model(), "base", label="1.0.0", tags={"team": "x"})
    registry.push(model(moved=0.01), "tuned", parents=["base@1.0.0"], aliases=["champion"], metrics={"auc": 0.9})
    exported = registry.export(["base@1.0.0", "tuned@champion"], tmp_path / "b.budwood")
    assert exported.versions == 2
    with budwood.connect(tmp_path / "other", author="omar") as other:
        taken = other.import_bundle(tmp_path / "b.budwood")
        assert [v.reference for v in taken.versions] == ["base@1.0.0", "tuned@v1"]
        version = other.get("tuned")
        assert (version.digest, version.stage) == (registry.get("tuned").digest, Stage.DEVELOPMENT)
        assert [p.reference for p in version.detail().parents] == ["base@1.0.0"]
        assert [(t.key, t.value) for t in other.get("base").detail().tags] == [("team", "x")]
        assert not other.verify(read_data=True).problems
        assert [v.reference for v in other.search("metrics.auc >= 0.9")] == ["tuned@v1"]
        again = other.import_bundle(tmp_path / "b.budwood")
        assert (len(again.versions), len(again.skipped), again.stored_bytes) == (0, 2, 0)


def test_a_label_that_is_taken_stops_an_import_whole(registry: Registry, model: MakeModel, tmp_path: Path) -> None:
    registry.push(model(), "m", label="1.0.0")
    registry.export(["m@1.0.0"], tmp_path / "b")
    with budwood.in_memory() as other:
        other.push(model(seed=5), "m", label="1.0.0")
        with pytest.raises(LabelTaken):
            other.import_bundle(tmp_path / "b")
        assert other.get("m").number == 1


def test_only_the_deleted_version_itself_brings_its_label_back(
    registry: Registry, model: MakeModel, tmp_path: Path
) -> None:
    first = registry.push(model(), "m", label="1.0.0").version
    registry.export(["m@1.0.0"], tmp_path / "b")
    registry.delete("m@1.0.0")
    taken = registry.import_bundle(tmp_path / "b").versions
    assert [(version.number, version.label, version.digest) for version in taken] == [(2, "1.0.0", first.digest)]
    with budwood.in_memory() as other:
        other.push(model(seed=5), "m", label="1.0.0")
        other.delete("m@1.0.0")
        with pytest.raises(LabelTaken, match="was deleted"):
            other.import_bundle(tmp_path / "b")


def test_what_is_no_bundle_is_refused(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"not a tar" * 100)
    with pytest.raises(BadBundle):
        registry.import_bundle(tmp_path / "x")
    with pytest.raises(SourceNotFound):
        registry.import_bundle(tmp_path / "nothing")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "w.bin").write_bytes(random.Random(1).randbytes(3000))
    with budwood.in_memory() as registry:
        registry.push(folder / "w.bin", "m", label="1.0.0")
        registry.export(["m"], folder / "b")
    return (folder / "b").read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), how=st.sampled_from(["flip", "cut", "insert", "zero"]))
def test_a_bundle_that_was_tampered_with_never_gives_another_version(
    chance: random.Random, how: str, bundle: bytes, tmp_path: Path
) -> None:
    content = bytearray(bundle)
    at = chance.randrange(len(content))
    if how == "flip":
        content[at] ^= 1 << chance.randrange(8)
    elif how == "cut":
        del content[at:]
    elif how == "insert":
        content[at:at] = chance.randbytes(chance.randrange(1, 600))
    else:
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    (tmp_path / "b").write_bytes(content)
    with budwood.in_memory() as registry:
        try:
            registry.import_bundle(tmp_path / "b")
        except (Invalid, Damaged):
            assert registry.list() == ()
            return
        assert registry.get("m@1.0.0").read("w.bin") == random.Random(1).randbytes(3000)


def test_the_index_can_be_made_anew_from_the_packs_alone(near: Registry, model: MakeModel, tmp_path: Path) -> None:
    near.push(model(), "a")
    near.push(model(moved=0.01), "a")
    everything = list(near.house.catalog.write(lambda t: t.blocks()))

    def lose(transaction: Transaction) -> None:
        transaction.condemn([row.id for row in everything], at_ms=1)
        transaction.forget_blocks([row.id for row in everything])

    near.house.catalog.write(lose)
    with pytest.raises(Damaged):
        near.pull("a@v2", tmp_path / "out")
    assert near.rebuild_index() == len(everything)
    assert not near.verify(read_data=True).problems
    near.pull("a@v2", tmp_path / "out")


def test_a_rebuilt_index_knows_whose_the_packs_are(
    near: Registry, model: MakeModel, open_borders: Callable[..., None]
) -> None:
    open_borders(near, "red", "blue")
    near.push(model(), "red/a")
    near.push(model(moved=0.01), "blue/b", parents=["red/a"])
    rows = list(near.house.catalog.write(lambda t: t.blocks()))

    def seen(namespace: str) -> set[bytes]:
        with near.house.catalog.read() as view:
            return set(view.find_blocks([row.id for row in rows], reach=frozenset({namespace})))

    def lose(transaction: Transaction) -> None:
        transaction.condemn([row.id for row in rows], at_ms=1)
        transaction.forget_blocks([row.id for row in rows])

    before = seen("red")
    near.house.catalog.write(lose)
    near.rebuild_index()
    assert seen("red") == before
    shared = {row.id for row in rows if row.base} | {row.base for row in rows if row.base}
    assert shared <= seen("blue")
    assert not near.verify(read_data=True).problems


def test_a_rebuild_that_was_interrupted_is_finished_by_the_next(
    near: Registry, model: MakeModel, open_borders: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_borders(near, "red", "blue")
    near.push(model(), "red/a")
    near.push(model(moved=0.01), "blue/b", parents=["red/a"])
    rows = list(near.house.catalog.write(lambda t: t.blocks()))

    def lose(transaction: Transaction) -> None:
        transaction.condemn([row.id for row in rows], at_ms=1)
        transaction.forget_blocks([row.id for row in rows])

    near.house.catalog.write(lose)
    with monkeypatch.context() as patched:
        patched.setattr(rebuild, "_give_back", interrupted)
        with pytest.raises(KeyboardInterrupt):
            near.rebuild_index()
    near.rebuild_index()
    with near.house.catalog.read() as view:
        for namespace, reference in (("red", "red/a"), ("blue", "blue/b")):
            blocks = tuple(near.get(reference).manifest.block_ids())
            assert view.find_blocks(blocks, reach=frozenset({namespace})) == view.find_blocks(blocks)
    assert not near.verify(read_data=True).problems


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_rebuild_looks_only_at_those_who_need_what_was_lost(
    near: Registry, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    near.push(model(seed=1), "one")
    near.push(model(seed=2), "two")
    near.push(model(seed=2, moved=0.01), "two")
    # Their headers are the same.
    lost = tuple({*near.get("two@v1").manifest.block_ids()} - {*near.get("one@v1").manifest.block_ids()})
    near.house.catalog.write(lambda transaction: _lose(transaction, lost))
    given: list[str] = []
    before = rebuild._give_back

    def give_back(transaction: Transaction, *, namespace: str, blocks: Sequence[bytes]) -> None:
        given.append(namespace)
        before(transaction, namespace=namespace, blocks=blocks)

    monkeypatch.setattr(rebuild, "_give_back", give_back)
    assert near.rebuild_index() > 0
    assert len(given) == 2
    assert near.rebuild_index() > 0
    assert len(given) == 2
    assert not near.verify(read_data=True).problems


def _lose(transaction: Transaction, lost: Sequence[bytes]) -> None:
    transaction.condemn(lost, at_ms=1)
    transaction.forget_blocks(lost)
