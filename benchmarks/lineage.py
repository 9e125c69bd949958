"""Tracing 250,000 versions over HTTP: ``python -m benchmarks.lineage --out DIR``, with ``--postgres`` in PostgreSQL.

Half of them stand in chains of twenty steps, half in families of twenty layers where most have one parent and some
two or three; each names a data set, a tenth is in production. One base has 12,000 fine-tunes, more than an answer looks
at. A server is started in front, and one client asks, one request after the other, as somebody who may read twenty
namespaces. Times are the client's; processor time is the server's. What was filled in DIR is used again.
"""

import argparse
import contextlib
import hashlib
import http.client
import itertools
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.server.homes import MEMBER, ROOMS, Home, Server, budwood_server, postgres, settle, token
from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.domain.names import Kind, Stage
from budwood.domain.records import ModelRecord, MoveReason, VersionRecord

VERSIONS = 250_000
STEPS = 20
LAYER = 25
FINE_TUNES = 12_000
ASKED = 400
NOW_MS = 1_790_000_000_000
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and of which versions."""

    what: str
    direction: str
    paths: Sequence[str]


def add(transaction: Transaction, model: ModelRecord, parents: Sequence[VersionRecord]) -> VersionRecord:
    """The model's next version."""
    digest = hashlib.sha256(b"%d/%d" % (model.id, next(_NUMBERS)))
    return transaction.add_version(
        NewVersion(
            model.id,
            digest.hexdigest(),
            "",
            Kind.MODEL,
            "mara",
            NOW_MS,
            90_000_000,
            40_000,
            (digest.digest(),),
            parent_ids=tuple(parent.id for parent in parents),
            relations=("fine-tuned-from",) * len(parents),
            datasets=(f"tickets-{model.id % 97}",),
        )
    )


def in_production(transaction: Transaction, version: VersionRecord) -> None:
    """As a release would leave it."""
    transaction.set_stage(version.id, Stage.PRODUCTION, at_ms=NOW_MS, author="mara")
    move = {"at_ms": NOW_MS, "author": "mara", "reason": MoveReason.SET, "before": 0}
    transaction.add_move(version.model_id, "stage:production", version, **move)  # type: ignore[arg-type]


def chain(number: int, transaction: Transaction) -> None:
    """Twenty versions, each from the one before."""
    model = transaction.add_model(ROOMS[number % 20], f"chain-{number:05d}", Kind.MODEL, "mara", NOW_MS)
    before: list[VersionRecord] = []
    for _ in range(STEPS):
        before = [add(transaction, model, before)]
    if number % 2:
        in_production(transaction, before[0])


def family(number: int, transaction: Transaction) -> None:
    """Twenty layers; who is in one came of one to three of the layer before, in whatever model."""
    chance = random.Random(number)
    models = [
        transaction.add_model(ROOMS[(number + n) % 20], f"family-{number:05d}-{n:02d}", Kind.MODEL, "mara", NOW_MS)
        for n in range(LAYER)
    ]
    before: list[VersionRecord] = []
    for _ in range(STEPS):
        layer = []
        for model in models:
            count = min(len(before), chance.choices((1, 2, 3), (6, 3, 1))[0])
            layer.append(add(transaction, model, chance.sample(before, count)))
        before = layer
    for version in before[::3]:
        in_production(transaction, version)


def base(transaction: Transaction) -> None:
    """One with very many fine-tunes."""
    first = add(transaction, transaction.add_model("team-0", "base", Kind.MODEL, "mara", NOW_MS), ())
    tunes = transaction.add_model("team-1", "tunes", Kind.ADAPTER, "mara", NOW_MS)
    for number in range(FINE_TUNES):
        version = add(transaction, tunes, (first,))
        if number == FINE_TUNES // 2:
            in_production(transaction, version)


def filled(home: Home, versions: int) -> tuple[int, int]:
    """How many chains and families there are; made where they are not."""
    half = (versions - FINE_TUNES) // 2
    chains, families = half // STEPS, half // (STEPS * LAYER)
    catalog = home.catalog()
    try:
        settle(catalog)
        with catalog.read() as view:
            if view.model("team-1", "tunes") is not None:
                return chains, families
        began = time.perf_counter()
        _write_all(catalog, [partial(chain, number) for number in range(chains)], 50)
        _write_all(catalog, [partial(family, number) for number in range(families)], 2)
        catalog.write(base)
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
    finally:
        catalog.close()
    return chains, families


def _write_all(catalog: Catalog, works: Sequence[Callable[[Transaction], None]], at_once: int) -> None:
    for at in range(0, len(works), at_once):

        def work(transaction: Transaction, some: Sequence[Callable[[Transaction], None]]) -> None:
            for each in some:
                each(transaction)

        catalog.write(partial(work, some=works[at : at + at_once]))


def questions(chains: int, families: int) -> Iterator[Question]:
    """The ends of chains and families, and what lies between."""
    chance = random.Random(5)

    def of_chain(version: int) -> str:
        number = chance.randrange(chains)
        return f"{ROOMS[number % 20]}/chain-{number:05d}/versions/v{version}"

    def of_family(version: int) -> str:
        number, n = chance.randrange(families), chance.randrange(LAYER)
        return f"{ROOMS[(number + n) % 20]}/family-{number:05d}-{n:02d}/versions/v{version}"

    yield Question("chain, up from its end", "up", [of_chain(STEPS) for _ in range(ASKED)])
    yield Question("chain, down from its beginning", "down", [of_chain(1) for _ in range(ASKED)])
    yield Question("family, up from its end", "up", [of_family(STEPS) for _ in range(ASKED)])
    yield Question("family, impact of its beginning", "down", [of_family(1) for _ in range(ASKED)])
    yield Question("family, up from anywhere", "up", [of_family(chance.randrange(1, 21)) for _ in range(ASKED)])
    yield Question("family, impact from anywhere", "down", [of_family(chance.randrange(1, 21)) for _ in range(ASKED)])
    yield Question("impact of a base with 12,000 fine-tunes", "down", ["team-0/base/versions/v1"] * (ASKED // 4))


def measured(server: Server, question: Question) -> str:
    """One line of what was seen."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    headers = {"Authorization": f"Bearer {token(MEMBER)}"}
    times, sizes = list[float](), list[int]()
    spent = 0.0
    for number, path in enumerate([*question.paths[:20], *question.paths]):
        if number == 20:
            times, sizes, spent = [], [], server.cpu_s()
        began = time.perf_counter()
        connection.request("GET", f"/v1/models/{path}/trace?direction={question.direction}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        times.append((time.perf_counter() - began) * 1e3)
        assert answer.status == 200, body[:300]
        sizes.append(body.count(b'"created_ms"'))
    connection.close()
    cpu_ms = (server.cpu_s() - spent) / len(times) * 1e3
    p99 = sorted(times)[len(times) * 99 // 100]
    return (
        f"{question.what}: p50 {median(times):.1f} ms, p99 {p99:.1f} ms, cpu {cpu_ms:.1f} ms,"
        f" versions {median(sizes):.0f}, most {max(sizes)}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lineage", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--versions", type=int, default=VERSIONS)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    place = (
        postgres(asked.out / "postgres")
        if asked.postgres
        else contextlib.nullcontext(Home("sqlite", asked.out / "sqlite"))
    )
    with place as home:
        if home is None:
            raise SystemExit("PostgreSQL is not installed.")
        chains, families = filled(home, asked.versions)
        with budwood_server(home, asked.out / "server.log") as server:
            print(f"{home.name}, load average {os.getloadavg()[0]:.1f}", flush=True)
            for question in questions(chains, families):
                print(measured(server, question), flush=True)


if __name__ == "__main__":
    main()
