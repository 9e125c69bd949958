"""How fast the catalog answers: references, searches and durable writes, on a catalog of 100,000 versions or more.

    python benchmarks/catalog.py [--versions 100000] [--folder FOLDER]

Versions are spread over models of a hundred, each with two metrics, two tags and a parameter; every model has a
champion. Lookups are timed one by one in process, with the read transaction around each; writes are durable
(``synchronous=FULL``), one small version each.
"""

import argparse
import hashlib
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from budwood.catalog.api import NewVersion, Transaction
from budwood.catalog.people_api import Reach
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.names import Kind, Stage
from budwood.domain.query import And, Compare, FieldName, Operator, Order, Query
from budwood.domain.records import MoveReason, Tag
from budwood.store.api import BlockRow

PER_MODEL: Final = 100
NOW_MS: Final = 1_795_000_000_000
NEWEST: Final = Order(FieldName("created"), descending=True)
BEST: Final = Order(FieldName("metrics", "auc"), descending=True)


def tagged(team: str) -> Compare:
    return Compare(FieldName("tags", "team"), Operator.EQ, team)


SEARCHES: Final = {
    "newest": Query(),
    "tag = common, newest": Query(Compare(FieldName("tags", "task"), Operator.EQ, "rank")),
    "tag = rare, newest": Query(tagged("team-7")),
    "stage, newest": Query(Compare(FieldName("stage"), Operator.EQ, "production")),
    "metric >= .5, newest": Query(Compare(FieldName("metrics", "auc"), Operator.GE, 0.5)),
    "metric >= .999, newest": Query(Compare(FieldName("metrics", "auc"), Operator.GE, 0.999)),
    "metric >= .9, best": Query(Compare(FieldName("metrics", "auc"), Operator.GE, 0.9), BEST),
    "best": Query(None, BEST),
    "metric and tag and kind": Query(
        And(
            (
                Compare(FieldName("metrics", "auc"), Operator.GE, 0.9),
                tagged("team-7"),
                Compare(FieldName("kind"), Operator.EQ, "model"),
            )
        ),
        BEST,
    ),
    "text in name, common": Query(Compare(FieldName("name"), Operator.LIKE, "%odel-0%")),
    "text in name, rare": Query(Compare(FieldName("name"), Operator.LIKE, "%-000012%")),
    "text in name, none": Query(Compare(FieldName("name"), Operator.LIKE, "%zebra%")),
}

REACHES: Final[dict[str, Reach]] = {"everywhere": None, "in one namespace": frozenset({"team-7"})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        started = time.perf_counter()
        catalog = SqliteCatalog(Path(folder) / "catalog.db")
        say(f"create: {(time.perf_counter() - started) * 1e3:.1f} ms")
        fill(catalog, options.versions)
        time_reopening(Path(folder) / "catalog.db")
        time_lookups(catalog, options.versions)
        time_searches(catalog)
        time_writes(catalog)
        time_blocks(catalog)
        catalog.close()
        size = (Path(folder) / "catalog.db").stat().st_size
        say(f"file: {size / 1e6:.0f} MB")


def fill(catalog: SqliteCatalog, versions: int) -> None:
    chance = random.Random(7)
    started = time.perf_counter()
    for first in range(0, versions // PER_MODEL, 10):
        models = range(first, min(first + 10, versions // PER_MODEL))
        catalog.write(partial(fill_models, models, chance))
    took = time.perf_counter() - started
    say(f"fill: {versions} versions in {took:.1f} s, {versions / took:.0f}/s")


def fill_models(models: Sequence[int], chance: random.Random, transaction: Transaction) -> None:
    for number in models:
        fill_model(transaction, number, chance)


def fill_model(transaction: Transaction, number: int, chance: random.Random) -> None:
    model = transaction.add_model(f"team-{number % 20}", f"model-{number:06d}", Kind.MODEL, "mara", NOW_MS)
    for step in range(PER_MODEL):
        # Models grow side by side, as they do in life, not one after the other.
        created_ms = NOW_MS + step * 10_000_000 + number
        version = transaction.add_version(new_version(model.id, number, step, created_ms, chance))
        transaction.put_tag(version.id, Tag("team", f"team-{chance.randrange(200)}", "mara", created_ms))
        transaction.put_tag(version.id, Tag("task", ("cls", "reg", "rank", "gen")[step % 4], "mara", created_ms))
    transaction.set_stage(version.id, Stage.PRODUCTION, at_ms=created_ms, author="mara")
    move = {"at_ms": created_ms, "author": "mara", "reason": MoveReason.SET, "before": 0}
    transaction.add_move(model.id, "champion", version, **move)  # type: ignore[arg-type]


def new_version(model_id: int, number: int, step: int, created_ms: int, chance: random.Random) -> NewVersion:
    digest = hashlib.sha256(b"%d/%d" % (number, step)).digest()
    return NewVersion(
        model_id,
        digest.hex(),
        f"1.{step}.0",
        Kind.MODEL,
        f"author-{number % 50}",
        created_ms,
        size_bytes=90_000_000 + step,
        manifest_size=40_000,
        manifest_blocks=(digest,),
        structure=f"{number % 300:064x}",
        sketch=digest,
        commit=hashlib.sha1(b"%d" % (number // 3)).hexdigest(),
        message="A little better on the second half of the year.",
        metrics={"auc": chance.random(), "loss": chance.random()},
        params={"learning_rate": str(chance.choice((0.1, 0.01, 0.001)))},
    )


def time_reopening(path: Path) -> None:
    def reopen(_: object) -> None:
        SqliteCatalog(path, create=False).close()

    say(f"open: {spread(timed(reopen, range(50)), 'us')}")


def time_lookups(catalog: SqliteCatalog, versions: int) -> None:
    chance = random.Random(11)
    numbers = [chance.randrange(versions // PER_MODEL) for _ in range(20_000)]

    def by_alias(number: int) -> None:
        with catalog.read() as view:
            found = view.version_by_pointer(f"team-{number % 20}", f"model-{number:06d}", "champion")
        assert found is not None

    def by_label(number: int) -> None:
        with catalog.read() as view:
            found = view.version_by_label(f"team-{number % 20}", f"model-{number:06d}", f"1.{number % 100}.0")
        assert found is not None

    for name, lookup in (("alias", by_alias), ("label", by_label)):
        timed(lookup, numbers[:2000])
        say(f"{name} -> version: {spread(timed(lookup, numbers), 'us')}")


def time_searches(catalog: SqliteCatalog) -> None:
    for name, query in SEARCHES.items():
        for within, reach in REACHES.items():
            cursors = page_cursors(catalog, query, 50, reach)
            one = partial(search, catalog, query, reach=reach)
            far = timed(one, cursors[-1:] * 15)
            last = f"page {len(cursors)} {spread(far, 'ms')}" if len(cursors) > 1 else "one page"
            say(f"search {name}, {within}: page 1 {spread(timed(one, [''] * 15), 'ms')}; {last}")


def search(catalog: SqliteCatalog, query: Query, cursor: str, *, reach: Reach) -> str:
    with catalog.read() as view:
        return view.search(query, cursor=cursor, limit=50, reach=reach).cursor


def page_cursors(catalog: SqliteCatalog, query: Query, pages: int, reach: Reach) -> list[str]:
    cursors = [""]
    while len(cursors) < pages and (following := search(catalog, query, cursors[-1], reach=reach)):
        cursors.append(following)
    return cursors


def time_writes(catalog: SqliteCatalog) -> None:
    def make(transaction: Transaction) -> list[int]:
        return [transaction.add_model("bench", f"writes-{n}", Kind.MODEL, "mara", NOW_MS).id for n in range(16)]

    models = catalog.write(make)
    for threads in (1, 4, 16):
        each = 1600 // threads if threads > 1 else 300
        took: list[float] = []
        workers = [
            threading.Thread(target=write_versions, args=(catalog, models[n], f"{threads}.{n}", each, took))
            for n in range(threads)
        ]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        rate = len(took) / (time.perf_counter() - started)
        say(f"durable versions, {threads} threads: {rate:.0f}/s, {spread(took, 'ms')}")


def write_versions(catalog: SqliteCatalog, model_id: int, label: str, count: int, took: list[float]) -> None:
    chance = random.Random(model_id)
    for step in range(count):
        new = new_version(model_id, model_id, step, NOW_MS, chance)
        named = NewVersion(**{name: getattr(new, name) for name in new.__slots__} | {"label": f"{label}.{step}"})

        def work(transaction: Transaction, named: NewVersion = named) -> None:
            version = transaction.add_version(named)
            transaction.put_tag(version.id, Tag("team", "bench", "mara", NOW_MS))
            transaction.put_tag(version.id, Tag("task", "bench", "mara", NOW_MS))
            transaction.add_ledger(NOW_MS, "mara", "version.pushed", "bench", {"digest": named.digest})

        started = time.perf_counter()
        catalog.write(work)
        took.append(time.perf_counter() - started)


def time_blocks(catalog: SqliteCatalog) -> None:
    chance = random.Random(5)
    rows = [BlockRow(chance.randbytes(32), f"packs/{n // 20_000}", n, 900, 2048, 3, 7) for n in range(100_000)]
    ids = [row.id for row in rows]
    add = partial(catalog.write, lambda transaction: transaction.add_blocks(rows))
    find = partial(find_blocks, catalog, ids)
    for name, act in (("add", add), ("add again", add), ("find", find), ("packs of", partial(packs, catalog))):
        started = time.perf_counter()
        act()
        say(f"{name} 100,000 blocks: {time.perf_counter() - started:.2f} s")


def find_blocks(catalog: SqliteCatalog, ids: Sequence[bytes]) -> None:
    with catalog.read() as view:
        assert len(view.find_blocks(ids)) == len(ids)


def packs(catalog: SqliteCatalog) -> None:
    with catalog.read() as view:
        assert sum(use.live_blocks for use in view.packs()) == 100_000


def timed(act: Callable[..., object], arguments: Iterable[object]) -> list[float]:
    took = []
    for argument in arguments:
        started = time.perf_counter()
        act(argument)
        took.append(time.perf_counter() - started)
    return took


def spread(took: Sequence[float], unit: str) -> str:
    scale = {"us": 1e6, "ms": 1e3}[unit]
    ordered = sorted(took)
    half, high = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"p50 {half * scale:.1f} {unit}, p99 {high * scale:.1f} {unit}"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
