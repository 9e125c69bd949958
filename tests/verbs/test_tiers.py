"""Hot, warm and cold, asked through the doors people use: what moves, what stays, and that every byte comes back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.domain.names import Stage
from budwood.domain.storage_tiers.values import StorageTier
from budwood.errors import Forbidden, LeaseLost, NotFound, RegistryBusy
from budwood.store.marks import is_cold
from budwood.verbs.tiers.pace import Pace
from budwood.verbs.tiers.worker import run_tiers, working
from budwood.wiring import served
from tests.servers.running import far

MakeModel = Callable[..., Path]
HEAD = "apiVersion: budwood.dev/v1\nkind: Tiering\n"
ARCHIVED_COLD = HEAD + "spec:\n  push: raw\n  rules:\n    - {tier: cold, stages: [archived]}\n    - {tier: warm}\n"


@pytest.fixture(params=["folder", "server"])
def tiered(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An empty registry with a cold store in another folder, in this process and over HTTP."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDWOOD_COLD_STORE", str(tmp_path / "cold"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # What later versions lean on stays near: here nothing leans before the work on tiers began.
    monkeypatch.setenv("BUDWOOD_PUSH_AS", "quick")
    if request.param == "folder":
        with budwood.connect(tmp_path / "registry", author="mara") as opened:
            yield opened
        return
    with far(served(tmp_path / "registry")) as opened:
        yield opened


def come_back(registry: Registry, sources: dict[str, Path], folder: Path) -> None:
    """Every version is, bit for bit, what was pushed."""
    for number, (reference, source) in enumerate(sources.items()):
        registry.pull(reference, folder / str(number))
        for path in source.iterdir():
            assert (folder / str(number) / path.name).read_bytes() == path.read_bytes()


def test_without_a_policy_nothing_moves(registry: Registry, model: MakeModel) -> None:
    pushed = registry.push(model(), "encoder")
    plan = registry.tiers.plan()
    assert [(each.to, each.why) for each in plan.rows] == [(None, "no policy")]
    assert registry.tiers.run().versions == ()
    assert registry.tiers.policy().number == 0
    assert pushed.stored_bytes < pushed.logical_bytes
    assert [group.name for group in registry.stats().by_tier] == ["as pushed"]


def test_a_family_goes_warm_and_cold_and_comes_back_whole(tiered: Registry, model: MakeModel, tmp_path: Path) -> None:
    tiered.tiers.put_policy(ARCHIVED_COLD)
    sources = {}
    for number in range(1, 5):
        sources[f"encoder@v{number}"] = model(moved=0.01 * number)
        tiered.push(sources[f"encoder@v{number}"], "encoder")
    tiered.stage("encoder@v1", "archived")
    tiered.alias("encoder@v4", "champion")
    before = tiered.stats()

    plan = tiered.tiers.plan()
    assert [(each.reference, each.to) for each in plan.rows if each.moves] == [
        ("encoder@v1", "cold"), ("encoder@v2", "warm"), ("encoder@v3", "warm"), ("encoder@v4", "hot")
    ]  # fmt: skip
    assert plan.has_cold_store
    assert tiered.stats() == before  # a preview moves nothing

    done = tiered.tiers.run()
    assert (len(done.versions), done.left, done.stopped) == (4, 0, "")
    assert any((tmp_path / "cold").rglob("*-c*.pack"))
    tiered.sweep(grace_s=0)
    assert tiered.stats().stored_bytes < before.stored_bytes
    assert tiered.verify(read_data=True).problems == ()
    come_back(tiered, sources, tmp_path / "out")
    assert tiered.tiers.run().versions == ()
    assert {group.name: group.versions for group in tiered.stats().by_tier} == {"cold": 1, "hot": 1, "warm": 2}


def test_what_is_released_again_is_made_whole_and_comes_near(
    tmp_path: Path, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDWOOD_COLD_STORE", str(tmp_path / "cold"))
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        registry.tiers.put_policy(ARCHIVED_COLD)
        for number in range(1, 3):
            registry.push(model(moved=0.01 * number), "encoder")
            registry.stage(f"encoder@v{number}", "archived")
        registry.tiers.run()
        second = registry.get("encoder@v2").manifest
        rows = registry.house.index.find(tuple(second.block_ids()))
        assert all(is_cold(row.pack) for row in rows.values())
        assert max(row.depth for row in rows.values()) == 1

        registry.stage("encoder@v2", "production")
        registry.tiers.run()
        rows = registry.house.index.find(tuple(second.block_ids()))
        only_second = set(second.block_ids()) - set(registry.get("encoder@v1").manifest.block_ids())
        assert all(rows[block].depth == 0 and not is_cold(rows[block].pack) for block in only_second)
        assert registry.verify(read_data=True).problems == ()


def test_a_block_stays_where_its_hottest_version_needs_it(near: Registry, model: MakeModel) -> None:
    near.tiers.put_policy(ARCHIVED_COLD)
    folder = model()
    near.push(folder, "encoder", aliases=["champion"])
    near.push(folder, "copy")
    near.stage("copy@v1", "archived")
    plan = near.tiers.plan()
    assert plan.stored_bytes == 0
    assert plan.kept_bytes > 0
    near.tiers.run()
    with near.house.catalog.read() as view:
        assert not any(is_cold(row.pack) for row in view.blocks())


def test_another_namespace_without_a_policy_keeps_its_blocks(near: Registry, model: MakeModel) -> None:
    near.admin.namespaces.add("risk")
    near.tiers.put_policy(ARCHIVED_COLD)
    folder = model()
    near.push(folder, "risk/encoder")
    near.push(folder, "encoder")
    near.stage("encoder@v1", "archived")
    before = near.stats().by_encoding
    near.tiers.run()
    assert near.stats().by_encoding == before


def test_a_version_under_a_hold_is_not_touched(near: Registry, model: MakeModel) -> None:
    near.tiers.put_policy(ARCHIVED_COLD)
    near.push(model(), "encoder")
    near.stage("encoder@v1", "archived")
    near.holds.place("A claim was made", "LEG-1", version="encoder@v1")
    before = near.stats().by_encoding
    assert [each.why for each in near.tiers.plan().rows] == ["under hold 1"]
    assert near.tiers.run().versions == ()
    assert near.stats().by_encoding == before


def test_a_paused_worker_does_nothing_until_it_is_resumed(registry: Registry, model: MakeModel) -> None:
    registry.tiers.put_policy(ARCHIVED_COLD)
    registry.push(model(), "encoder")
    said = registry.tiers.pause("the disk is needed")
    assert said.endswith("the disk is needed")
    assert registry.tiers.plan().paused == said
    run = registry.tiers.run()
    assert (run.versions, run.left, run.stopped) == ((), 1, f"paused by {said}")
    registry.tiers.resume()
    assert len(registry.tiers.run().versions) == 1


def test_a_second_worker_waits_unless_it_takes_over(near: Registry, model: MakeModel) -> None:
    near.tiers.put_policy(ARCHIVED_COLD)
    near.push(model(), "encoder")
    with working(near.house) as first:
        with pytest.raises(RegistryBusy, match="works on tiers already"):
            near.tiers.run()
        assert len(near.tiers.run(take_over=True).versions) == 1
        with pytest.raises(LeaseLost, match="took over"):
            near.house.catalog.write(lambda transaction: first.confirm(transaction, near.house.clock()))


def test_a_worker_that_died_is_followed_after_its_lease(near: Registry, model: MakeModel) -> None:
    near.tiers.put_policy(ARCHIVED_COLD)
    near.push(model(), "encoder")
    house = near.house
    with working(house) as dead:
        later = replace(house, clock=lambda: house.clock() + 301_000)
        assert len(run_tiers(later).versions) == 1
        with pytest.raises(LeaseLost):
            house.catalog.write(lambda transaction: dead.confirm(transaction, house.clock()))


def test_a_run_stops_between_blocks_and_goes_on_later(near: Registry, model: MakeModel) -> None:
    near.tiers.put_policy(ARCHIVED_COLD)
    near.push(model(rows=4096), "encoder")
    run = run_tiers(near.house, Pace(0.5, wait=lambda seconds: True))
    assert (run.versions, run.left) == ((), 1)
    assert near.verify(read_data=True).problems == ()
    assert len(near.tiers.run().versions) == 1
    assert near.verify(read_data=True).problems == ()


def test_pulls_are_counted_where_a_policy_is_in_force(registry: Registry, model: MakeModel, tmp_path: Path) -> None:
    registry.push(model(), "encoder")
    registry.pull("encoder", tmp_path / "uncounted")
    registry.tiers.put_policy(HEAD + "spec: {rules: [{tier: cold, unused: 30d}]}\n")
    for number in range(2):
        registry.pull("encoder", tmp_path / f"out-{number}")
    (row,) = registry.tiers.costs().rows
    assert (row.reads, row.tier) == (2, StorageTier.HOT)
    assert [each.to for each in registry.tiers.plan().rows] == [None]


def test_costs_divide_what_versions_share(registry: Registry, model: MakeModel) -> None:
    prices = "{currency: EUR, hot: {stored: 1000000, read: 0}}"
    registry.tiers.put_policy(HEAD + f"spec: {{prices: {prices}}}\n")
    folder = model()
    registry.push(folder, "encoder")
    alone = registry.tiers.costs()
    registry.push(folder, "copy")
    both = registry.tiers.costs()
    assert both.currency == "EUR"
    first, second = both.rows
    assert first.stored_bytes == pytest.approx(second.stored_bytes, rel=0.1)
    assert first.stored_bytes < alone.rows[0].stored_bytes
    assert both.total == pytest.approx(sum(row.stored_bytes for row in both.rows) / 1e9 * 1_000_000)


def test_a_push_may_write_files_as_they_are(near: Registry, model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    near.tiers.put_policy(HEAD + "spec: {push: raw}\n")
    near.push(model(), "encoder")
    near.push(model(moved=0.01), "encoder")
    used = near.stats().by_encoding
    assert not any(name.startswith("delta") for name in used)
    assert used["raw"] > 0.9 * near.stats().stored_bytes


def test_a_policy_taken_away_leaves_everything_where_it_is(near: Registry, model: MakeModel) -> None:
    near.tiers.put_policy(ARCHIVED_COLD)
    near.push(model(), "encoder")
    near.tiers.run()
    before = near.stats().by_encoding
    assert near.tiers.put_policy("").text == ""
    assert near.tiers.put_policy("").number == 2  # the same again changes nothing
    assert near.tiers.run().versions == ()
    assert near.stats().by_encoding == before


def test_what_is_cold_is_in_a_backup_and_comes_back_from_it(
    tmp_path: Path, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDWOOD_COLD_STORE", str(tmp_path / "cold"))
    source = model()
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        registry.tiers.put_policy(ARCHIVED_COLD)
        registry.push(source, "encoder")
        registry.stage("encoder@v1", "archived")
        registry.tiers.run()
        registry.backup(tmp_path / "backup")
    # One registry restored with a cold store of its own, and one without any.
    for name, cold in (("with", str(tmp_path / "other-cold")), ("without", "")):
        monkeypatch.setenv("BUDWOOD_COLD_STORE", cold)
        budwood.restore(tmp_path / "backup", tmp_path / name)
        with budwood.connect(tmp_path / name) as restored:
            come_back(restored, {"encoder@v1": source}, tmp_path / f"out-{name}")
            assert restored.verify(read_data=True).problems == ()
    # A cold store that is set later finds what was restored near at hand.
    monkeypatch.setenv("BUDWOOD_COLD_STORE", str(tmp_path / "late-cold"))
    with budwood.connect(tmp_path / "without") as restored:
        come_back(restored, {"encoder@v1": source}, tmp_path / "out-late")


def test_a_sweep_writes_cold_packs_anew_in_the_cold_store(
    tmp_path: Path, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budwood.verbs.sweep.DEAD_BYTES", 1)
    monkeypatch.setenv("BUDWOOD_COLD_STORE", str(tmp_path / "cold"))
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        registry.tiers.put_policy(ARCHIVED_COLD)
        registry.push([model(seed=1) / "model.safetensors"], "encoder")
        registry.push([model(seed=2) / "model.safetensors", model(seed=3) / "config.json"], "encoder")
        for number in (1, 2):
            registry.stage(f"encoder@v{number}", "archived")
        registry.tiers.run()
        registry.house.catalog.write(lambda transaction: transaction.set_stage(
            1, Stage.DEVELOPMENT, at_ms=1, author="mara"))  # fmt: skip
        registry.stage("encoder@v1", "development")
        registry.delete("encoder@v1")
        registry.sweep(grace_s=0)
        registry.sweep(grace_s=0)
        rows = registry.house.index.find(tuple(registry.get("encoder@v2").manifest.block_ids()))
        assert all(is_cold(row.pack) for row in rows.values())
        assert registry.verify(read_data=True).problems == ()
        assert not any("-c" in path.name for path in (tmp_path / "registry" / "packs").rglob("*.pack"))


def test_what_namespaces_do_not_exist_have_no_policy(registry: Registry) -> None:
    for ask in (registry.tiers.policy, registry.tiers.plan, registry.tiers.costs):
        with pytest.raises((NotFound, Forbidden)):
            ask("nowhere")
