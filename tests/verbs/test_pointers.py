"""alias, stage, roll-back, retire, delete, tag: who points where, what is refused, what history keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.domain.names import Stage
from budwood.domain.records import LedgerEntry
from budwood.errors import (
    BadName,
    BadReference,
    BadValue,
    LimitExceeded,
    ModelNotFound,
    NothingBefore,
    Retired,
    StillInUse,
    VersionNotFound,
)

MakeModel = Callable[..., Path]


@pytest.fixture
def three(registry: Registry, tmp_path: Path) -> Registry:
    """A model with the versions v1, v2, v3."""
    for number in (1, 2, 3):
        (tmp_path / "w.bin").write_bytes(b"%d" % number * 1000)
        registry.push(tmp_path / "w.bin", "m")
    return registry


def number_at(registry: Registry, selector: str) -> int:
    return registry.get(f"m@{selector}").number


def test_an_alias_moves_and_its_history_is_kept(three: Registry) -> None:
    three.alias("m@v1", "champion")
    moved = three.alias("m@v2", "champion")
    assert moved.before is not None
    assert (moved.before.number, number_at(three, "champion")) == (1, 2)
    moves = three.log("m").moves
    assert [(move.pointer, move.version_number) for move in moves] == [("champion", 2), ("champion", 1)]


def test_rolling_back_twice_goes_two_steps_back_and_no_further(three: Registry) -> None:
    for version in ("v1", "v2", "v3"):
        three.alias(f"m@{version}", "champion")
    three.roll_back("m", "champion")
    assert number_at(three, "champion") == 2
    three.roll_back("m", "champion")
    assert number_at(three, "champion") == 1
    with pytest.raises(NothingBefore):
        three.roll_back("m", "champion")
    assert len(three.log("m").moves) == 5


def test_after_a_roll_back_a_new_move_starts_from_there(three: Registry) -> None:
    three.alias("m@v1", "champion")
    three.alias("m@v2", "champion")
    three.roll_back("m", "champion")
    three.alias("m@v3", "champion")
    three.roll_back("m", "champion")
    assert number_at(three, "champion") == 1


def test_setting_the_same_version_again_is_no_step_to_go_back_to(three: Registry) -> None:
    three.alias("m@v1", "champion")
    three.alias("m@v2", "champion")
    three.alias("m@v2", "champion")
    three.roll_back("m", "champion")
    assert number_at(three, "champion") == 1


def test_a_removed_alias_points_nowhere_and_can_come_back(three: Registry) -> None:
    three.alias("m@v1", "champion")
    three.remove_alias("m", "champion")
    with pytest.raises(VersionNotFound):
        three.get("m@champion")
    three.roll_back("m", "champion")
    assert number_at(three, "champion") == 1


@pytest.mark.parametrize("name", ["v7", "production", "1.0.0", "Champion", "a b", "", "-x"])
def test_a_name_that_could_be_mistaken_is_no_alias(three: Registry, name: str) -> None:
    with pytest.raises(BadName):
        three.alias("m@v1", name)


def test_every_selector_finds_the_version(three: Registry, tmp_path: Path) -> None:
    three.alias("m@v2", "champion")
    digest = three.get("m@v2").digest
    (tmp_path / "w.bin").write_bytes(b"4")
    three.push(tmp_path / "w.bin", "team/m", label="1.0.0")
    assert [number_at(three, s) for s in ("v2", "champion", f"sha256:{digest}", f"sha256:{digest[:8]}")] == [2] * 4
    assert three.get("m").number == 3
    assert three.get("team/m@1.0.0").number == 1
    for wrong in ("m@v9", "m@challenger", "m@9.9.9", "m@sha256:00000000", "m@git:abcdef1", "m@staging"):
        with pytest.raises(VersionNotFound):
            three.get(wrong)
    with pytest.raises(ModelNotFound):
        three.get("nobody")


def test_a_moment_finds_what_was_released_then(tmp_path: Path) -> None:
    now = [1_793_887_200_000]
    with budwood.in_memory(clock=lambda: now[0]) as registry:
        (tmp_path / "w.bin").write_bytes(b"1")
        registry.push(tmp_path / "w.bin", "m")
        with pytest.raises(VersionNotFound, match="never released"):
            registry.get("m@2026-11-05T15:00Z")
        registry.alias("m@v1", "champion")
        now[0] += 3_600_000
        (tmp_path / "w.bin").write_bytes(b"2")
        registry.push(tmp_path / "w.bin", "m", aliases=["champion"])
        assert registry.get("m@2026-11-05T14:30Z").number == 1
        assert registry.get("m@2026-11-05T15:30Z").number == 2
        with pytest.raises(VersionNotFound):
            registry.get("m@2026-11-05T13:00Z")


def test_production_is_the_newest_to_arrive(three: Registry) -> None:
    three.stage("m@v2", "production")
    three.stage("m@v1", "production")
    assert number_at(three, "production") == 1
    assert three.get("m@v2").stage is Stage.PRODUCTION


def test_rolling_back_production_restores_both_versions_stages(three: Registry) -> None:
    three.stage("m@v1", "production")
    three.stage("m@v2", "staging")
    three.stage("m@v2", "production")
    three.stage("m@v1", "archived")
    moved = three.roll_back("m", "production")
    assert moved.after is not None
    assert moved.after.number == 1
    assert number_at(three, "production") == 1
    assert (three.get("m@v1").stage, three.get("m@v2").stage) == (Stage.PRODUCTION, Stage.STAGING)
    assert number_at(three, "staging") == 2
    with pytest.raises(VersionNotFound):
        three.get("m@archived")


def test_leaving_a_stage_gives_it_back_to_the_one_before(three: Registry) -> None:
    three.stage("m@v1", "production")
    three.stage("m@v2", "production")
    three.stage("m@v2", "archived")
    assert number_at(three, "production") == 1


def test_development_is_where_versions_are_born(three: Registry) -> None:
    three.stage("m@v3", "staging")
    assert number_at(three, "development") == 2
    three.stage("m@v3", "development")
    assert number_at(three, "development") == 3


def test_an_unknown_stage_is_refused(three: Registry) -> None:
    with pytest.raises(BadValue):
        three.stage("m@v1", "live")


def test_a_retired_version_stays_pullable_but_cannot_be_released(three: Registry, tmp_path: Path) -> None:
    version = three.retire("m@v2", "leaks data")
    assert (version.stage, version.record.retired_reason) == (Stage.ARCHIVED, "leaks data")
    three.pull("m@v2", tmp_path / "out")
    with pytest.raises(Retired, match="leaks data"):
        three.alias("m@v2", "champion")
    with pytest.raises(Retired):
        three.stage("m@v2", "production")


def test_what_is_used_cannot_be_retired_or_deleted(three: Registry) -> None:
    three.alias("m@v1", "champion")
    three.stage("m@v2", "production")
    for reference, holder in (("m@v1", "champion"), ("m@v2", "production")):
        with pytest.raises(StillInUse, match=holder):
            three.retire(reference)
        with pytest.raises(StillInUse, match=holder):
            three.delete(reference)


def test_a_parent_cannot_be_deleted_before_its_children(three: Registry, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"child")
    three.push(tmp_path / "w.bin", "child", parents=["m@v1"])
    with pytest.raises(StillInUse, match="child@v1"):
        three.delete("m@v1")
    three.delete("child@v1")
    three.delete("m@v1")
    with pytest.raises(VersionNotFound):
        three.get("m@v1")


def test_a_number_is_never_used_again(three: Registry, tmp_path: Path) -> None:
    three.delete("m@v3")
    (tmp_path / "w.bin").write_bytes(b"new")
    assert three.push(tmp_path / "w.bin", "m").version.number == 4


def test_a_roll_back_steps_over_what_was_deleted(three: Registry) -> None:
    for version in ("v1", "v2", "v3"):
        three.alias(f"m@{version}", "champion")
    three.delete("m@v2")
    three.roll_back("m", "champion")
    assert number_at(three, "champion") == 1


def test_deleting_needs_an_exact_version(three: Registry) -> None:
    with pytest.raises(BadReference):
        three.delete("m")


def test_a_model_goes_when_its_versions_are_gone(three: Registry) -> None:
    with pytest.raises(StillInUse):
        three.delete_model("m")
    for number in (1, 2, 3):
        three.delete(f"m@v{number}")
    three.delete_model("m")
    assert three.list() == ()


def test_a_model_made_again_goes_on_counting(three: Registry, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        three.delete(f"m@v{number}")
    three.delete_model("m")
    (tmp_path / "w.bin").write_bytes(b"again")
    assert three.push(tmp_path / "w.bin", "m").version.number == 4


def test_tags_are_put_replaced_and_taken_away(three: Registry) -> None:
    three.tag("m@v1", {"team": "search", "tier": "1"})
    tags = three.tag("m@v1", {"team": "ads"}, remove=["tier", "nothing"])
    assert [(tag.key, tag.value, tag.author) for tag in tags] == [("team", "ads", "mara")]
    with pytest.raises(LimitExceeded):
        three.tag("m@v1", {"big": "x" * 100_000})


def test_every_change_writes_exactly_one_ledger_entry(three: Registry) -> None:
    before = len(three.ledger())
    three.alias("m@v1", "champion")
    three.alias("m@v2", "champion")
    three.roll_back("m", "champion")
    three.stage("m@v1", "production")
    three.stage("m@v2", "production")
    three.roll_back("m", "production")
    three.tag("m@v1", {"a": "b"})
    three.retire("m@v3")
    three.delete("m@v3")
    three.remove_alias("m", "champion")
    entries = three.ledger()
    assert len(entries) == before + 10
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))


def test_a_refused_change_writes_nothing(three: Registry) -> None:
    before = done(three)
    for act in (lambda: three.roll_back("m", "champion"), lambda: three.delete("m@v9"), lambda: three.stage("m", "x")):
        with pytest.raises(budwood.errors.BudwoodError):
            act()
    assert done(three) == before


def done(registry: Registry) -> list[LedgerEntry]:
    """The ledger without what a server noted of requests it refused."""
    return [entry for entry in registry.ledger() if entry.action != "request.denied"]
