"""A catalog with flipped bytes: every verb that reads answers, or says what is wrong in an error of ours."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import budwood
from budwood.client.registry import Registry
from budwood.errors import BudwoodError, CatalogDamaged

READING: tuple[Callable[[Registry], object], ...] = (
    lambda registry: registry.list(),
    lambda registry: registry.log("encoder"),
    lambda registry: registry.get("encoder@champion").read("weights.bin"),
    lambda registry: registry.get("encoder@production"),
    lambda registry: registry.get("encoder@2030-11-05"),
    lambda registry: registry.get("encoder@1.1.0").detail(),
    lambda registry: registry.search("metrics.auc >= 0.1 and tags.team = x order by metrics.auc"),
    lambda registry: registry.search("params.lr = 1 or name like 'enc%'"),
    lambda registry: list(registry.ledger()),
    lambda registry: registry.diff("encoder@v1", "encoder@v2"),
    lambda registry: registry.stats(),
    lambda registry: registry.sweep(dry_run=True),
    lambda registry: registry.verify(read_data=True),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A registry on disk, what its catalog's file held when it was whole, and where that file is not empty."""

    root: Path
    whole: bytes
    written: tuple[int, ...]

    @property
    def file(self) -> Path:
        return self.root / "catalog.sqlite3"

    def write(self, content: bytes | bytearray) -> None:
        for path in self.root.glob("catalog.sqlite3-*"):
            path.unlink()
        self.file.write_bytes(content)

    def change(self, statement: str) -> None:
        """As another program might."""
        self.write(self.whole)
        connection = sqlite3.connect(self.file)
        with connection:
            connection.execute(statement)
        connection.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A few versions with everything that stands beside them."""
    folder = tmp_path_factory.mktemp("damaged")
    with budwood.connect(folder / "registry", author="mara") as registry:
        for number in range(6):
            source = folder / f"source-{number}"
            source.mkdir()
            (source / "weights.bin").write_bytes(random.Random(number).randbytes(3_000))
            registry.push(
                source,
                "encoder" if number % 2 else "risk/ranker",
                label=f"1.{number}.0",
                metrics={"auc": number / 10},
                params={"lr": str(number)},
                tags={"team": "x"},
                aliases=["champion"],
                parents=["encoder@v1"] if number == 3 else [],
            )
        for reference, stage in (("encoder@v1", "production"), ("encoder@v2", "production"), ("encoder@v1", "staging")):
            registry.stage(reference, stage)
        registry.delete("risk/ranker@v1")
        registry.sweep()
    root = folder / "registry"
    shutil.rmtree(root / "cache", ignore_errors=True)
    whole = (root / "catalog.sqlite3").read_bytes()
    return Kept(root, whole, tuple(at for at, byte in enumerate(whole) if byte))


def read_everything(root: Path) -> None:
    """Lets pass only errors that are not ours."""
    with suppress(BudwoodError), budwood.connect(root, author="mara") as registry:
        for read in READING:
            with suppress(BudwoodError):
                read(registry)


def test_a_whole_catalog_is_read_without_an_error(kept: Kept) -> None:
    kept.write(kept.whole)
    with budwood.connect(kept.root, author="mara") as registry:
        for read in READING:
            if read is not READING[4]:
                read(registry)


@settings(max_examples=150, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes_never_surface_as_an_error_of_the_database(kept: Kept, flips: list[tuple[float, int]]) -> None:
    content = bytearray(kept.whole)
    for share, mask in flips:
        content[kept.written[int(share * len(kept.written))]] ^= mask
    kept.write(content)
    read_everything(kept.root)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE version RENAME COLUMN manifest_size TO manifest_sise",
        "ALTER TABLE version RENAME TO versoin",
        "UPDATE version SET kind = 'moodel'",
        "UPDATE version SET stage = 'porduction'",
        "UPDATE version SET digest = x'00'",
        "UPDATE version SET author = CAST(x'ff' AS TEXT)",
        "UPDATE version SET created_ms = 'yesterday'",
    ],
)
def test_records_that_are_not_what_they_should_be_are_damage(kept: Kept, change: str) -> None:
    kept.change(change)
    with budwood.connect(kept.root, author="mara") as registry, pytest.raises(CatalogDamaged):
        registry.get("encoder@v2")


@pytest.mark.parametrize("change", ["UPDATE ledger SET body = '{'", "UPDATE ledger SET at_ms = 'noon'"])
def test_a_ledger_that_cannot_be_read_is_damage(kept: Kept, change: str) -> None:
    kept.change(change)
    with budwood.connect(kept.root, author="mara") as registry, pytest.raises(CatalogDamaged):
        list(registry.ledger())


def test_a_version_that_an_index_alone_knows_is_damage(kept: Kept) -> None:
    kept.change("DELETE FROM model")
    with budwood.connect(kept.root, author="mara") as registry, pytest.raises(CatalogDamaged):
        registry.search("metrics.auc >= 0.1")


def test_a_move_for_no_known_reason_is_damage(kept: Kept) -> None:
    kept.change("UPDATE move SET reason = 'sett'")
    with budwood.connect(kept.root, author="mara") as registry, pytest.raises(CatalogDamaged):
        registry.log("encoder")


def test_writing_to_a_catalog_with_another_schema_is_refused_as_damage(kept: Kept, tmp_path: Path) -> None:
    kept.change("ALTER TABLE lease RENAME COLUMN holder TO hodler")
    (tmp_path / "weights.bin").write_bytes(b"new")
    with budwood.connect(kept.root, author="mara") as registry, pytest.raises(CatalogDamaged):
        registry.push(tmp_path / "weights.bin", "encoder")
