"""verify finds what the catalog and the packs say of each other, looking each row up only where they disagree."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from budwood.client.registry import Registry
from budwood.store.api import BlockRow
from budwood.verbs import verify, verify_packs
from budwood.verbs.needed import rows_in_force
from budwood.verbs.verify_packs import sum_of

MakeModel = Callable[..., Path]


def change(registry: Registry, statement: str, *values: object) -> None:
    """As another program might."""
    connection = sqlite3.connect(Path(registry.place) / "catalog.sqlite3")
    with connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def rows_of(registry: Registry, reference: str) -> Sequence[BlockRow]:
    found = registry.house.index.find(tuple(registry.get(reference).manifest.block_ids()))
    return sorted(found.values(), key=lambda row: -row.length)


def test_rows_add_up_to_the_same_in_any_order_and_to_another_when_any_differs(
    on_disk: Registry, model: MakeModel
) -> None:
    on_disk.push(model(), "encoder")
    on_disk.push(model(moved=0.01), "encoder")
    rows = list(rows_in_force(on_disk.house))
    assert sum_of(rows) == sum_of(reversed(rows)) != sum_of(rows[1:])
    row = max(rows, key=lambda row: row.depth)
    changes = {"id": bytes(32), "offset": 1, "length": 1, "raw_length": 1, "encoding": 99, "check": 1, "depth": 9}
    for field, value in [*changes.items(), ("base", bytes(32)), ("is_manifest", not row.is_manifest)]:
        assert sum_of([replace(row, **{field: value})]) != sum_of([row])  # type: ignore[arg-type]


def test_a_row_that_its_pack_does_not_have_is_found_with_whom_it_touches(on_disk: Registry, model: MakeModel) -> None:
    on_disk.push(model(), "encoder")
    on_disk.push(model(moved=0.01), "encoder")
    row = rows_of(on_disk, "encoder@v1")[0]
    change(on_disk, "UPDATE block SET position = position + 1 WHERE id = ?", row.id)
    problems = on_disk.verify().problems
    assert [(each.code, each.versions) for each in problems] == [("block", ("encoder@v1", "encoder@v2"))]
    assert "disagree" in problems[0].detail


def test_a_block_without_a_row_is_missing_for_whoever_needs_it_also_through_a_difference(
    on_disk: Registry, model: MakeModel
) -> None:
    on_disk.push(model(), "encoder")
    on_disk.push(model(moved=0.01), "encoder")
    on_disk.push(model(seed=9), "other")
    leaning = next(row for row in rows_of(on_disk, "encoder@v2") if row.base)
    change(on_disk, "DELETE FROM block WHERE id = ?", leaning.base)
    problems = [each for each in on_disk.verify().problems if each.code != "catalog"]
    assert {each.code for each in problems} == {"missing"}
    assert {version for each in problems for version in each.versions} == {"encoder@v1", "encoder@v2"}


def test_no_more_damaged_blocks_are_named_than_fit_into_memory(
    on_disk: Registry, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(4):
        on_disk.push(model(seed=seed), "encoder")
    for path in Path(on_disk.place).rglob("*.pack"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(verify_packs, "VERIFY_NAMED", 5)
    codes = [each.code for each in on_disk.verify().problems]
    assert codes.count("limit") == 1
    assert 1 <= codes.count("pack") < 4
    assert codes.count("block") > 5


def test_no_more_missing_blocks_are_named_than_fit_into_memory(
    on_disk: Registry, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk.push(model(), "encoder")
    blocks = len(rows_of(on_disk, "encoder@v1"))
    for row in rows_of(on_disk, "encoder@v1"):
        change(on_disk, "DELETE FROM block WHERE id = ?", row.id)
    monkeypatch.setattr(verify, "VERIFY_NAMED", 2)
    assert len(verify.wrong_blocks(on_disk.house)) == 2
    found = [each.detail for each in on_disk.verify().problems if each.code == "missing"]
    assert found == [f"{blocks} block(s) are not in the store."]
