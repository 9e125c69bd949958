"""What the catalog alone does, without HTTP: durable versions by as many threads as there are clients."""

import threading
import time
from collections.abc import Iterator

from benchmarks.catalog import NOW_MS, write_versions
from benchmarks.server.acts import WRITERS, Read
from benchmarks.server.homes import Home
from benchmarks.server.readings import Reading
from budwood.catalog.api import Catalog, Transaction
from budwood.domain.names import Kind


def writes(read: Read, home: Home, count: int) -> Iterator[Reading]:
    """Version, two tags and an entry of the ledger in one transaction each."""
    catalog = home.catalog()
    try:
        took, seconds = written(catalog, count)
    finally:
        catalog.close()
    ordered = sorted(took)
    yield read.of("write /s", len(took) / seconds)
    yield read.of("write p99 ms", ordered[int(len(ordered) * 0.99)] * 1e3)


def written(catalog: Catalog, count: int) -> tuple[list[float], float]:
    """Seconds of each, and of all together."""
    run = f"w{time.time_ns() // 1_000_000:x}"

    def make(transaction: Transaction) -> list[int]:
        return [transaction.add_model("team-2", f"{run}-{n}", Kind.MODEL, "mara", NOW_MS).id for n in range(WRITERS)]

    models, took = catalog.write(make), list[float]()
    threads = [
        threading.Thread(target=write_versions, args=(catalog, model, f"1.{number}", count // WRITERS, took))
        for number, model in enumerate(models)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, time.perf_counter() - began
