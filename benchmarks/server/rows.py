"""From readings to the rows of the table: the figures that a server promises."""

from collections.abc import Callable, Sequence

from benchmarks.server.acts import FAR_PAGE, SEARCHES
from benchmarks.server.homes import ADMIN, MEMBER
from benchmarks.server.readings import Readings
from benchmarks.table import Figure, Goal, Unit

PEER = "MLflow"
HOMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def aliases(readings: Readings) -> list[Figure]:
    """An alias to its version, with a token."""
    rows = []
    for home, goal in (("sqlite", 5_000), ("postgres", 3_000)):
        name = HOMES[home]
        peers = _peer(readings, "alias /s")
        rows.append(_most(readings, f"alias over HTTP, {name}", "alias /s", home, goal, Unit.RATE, peers))
        if home == "sqlite":
            least = 10 * peers[PEER] if PEER in peers else None
            rows.append(_most(readings, "– ten times MLflow's", "alias /s", home, least, Unit.RATE, peers))
        rows.append(
            Figure(
                f"– p99 at 70 % of it, {name}",
                Goal(20.0),
                Unit.MILLISECONDS,
                readings.median("alias p99 ms", home),
                _peer(readings, "alias p99 ms"),
            )
        )
        rows.append(
            Figure(
                f"– server's processor time each, {name}",
                Goal(None),
                Unit.MICROSECONDS,
                readings.best("alias server µs", home),
                _peer(readings, "alias server µs"),
            )
        )
    return rows


def registrations(readings: Readings) -> list[Figure]:
    """A version, two tags and an entry of the ledger, durable."""
    rows = []
    for home, goal in (("sqlite", 2_000), ("postgres", 1_000)):
        name, peers = HOMES[home], _peer(readings, "register /s")
        rows.append(_most(readings, f"versions registered, {name}", "register /s", home, goal, Unit.RATE, peers))
        limit = 50.0 if home == "sqlite" else None
        took = readings.median("register p99 ms", home)
        slow = _peer(readings, "register p99 ms")
        rows.append(Figure(f"– p99, {name}", Goal(limit), Unit.MILLISECONDS, took, slow))
        inside = readings.median("write /s", home)
        rows.append(Figure(f"– in process, one transaction each, {name}", Goal(goal, False), Unit.RATE, inside))
    return rows


def searches(readings: Readings) -> list[Figure]:
    """The slower of an admin and a member; the last row holds the far page against the first."""
    rows = []
    for home, title in HOMES.items():
        ratios = []
        for name in SEARCHES:
            near, far = (_slowest(readings, name, page, home, "p99 ms") for page in (1, FAR_PAGE))
            found = [value for value in (near, far) if value is not None]
            rows.append(Figure(f"search {name}, p99, {title}", Goal(50.0), Unit.MILLISECONDS, max(found, default=None)))
            ratios += _ratios(readings, name, home)
        worst = max(ratios, default=None)
        rows.append(Figure(f"page 50 against page 1, p50, the worst, {title}", Goal(1.5), Unit.SHARE, worst))
    return rows


def moves(readings: Readings) -> list[Figure]:
    """1.7 GB there and back."""
    rows = []
    for act in ("push", "pull"):
        inside = readings.median(f"{act} GB/s", "in process")
        peers = _peer(readings, f"{act} GB/s")
        what = f"{act} GB/s"
        least = None if inside is None else 0.6 * inside
        peer_least = 3 * peers[PEER] if PEER in peers else None
        rows += [
            _most(readings, f"{act} 1.7 GB over loopback, 60 % of in process", what, "sqlite", least, Unit.SPEED),
            _most(readings, f"– in process: {act}", what, "in process", None, Unit.SPEED),
            _most(readings, "– three times MLflow's proxy", what, "sqlite", peer_least, Unit.SPEED, peers),
        ]
        for side in ("client", "server"):
            spent = readings.median(f"{act} {side} CPU s", "sqlite")
            theirs = _peer(readings, f"{act} {side} CPU s")
            rows.append(Figure(f"– CPU seconds of the {side}", Goal(None), Unit.SECONDS, spent, theirs))
    return rows


def small_things(readings: Readings) -> list[Figure]:
    """Memory and waiting."""
    rows = []
    for home, title in HOMES.items():
        worst = readings.worst("memory MB", home)
        rows.append(Figure(f"server's anonymous memory under all this, {title}", Goal(400.0), Unit.MEMORY, worst))
    rows += [
        Figure("client's, pushing 1.7 GB", Goal(300.0), Unit.MEMORY, readings.worst("push client memory", "sqlite")),
        Figure("start to first answer", Goal(1.0), Unit.SECONDS, readings.median("start s", "sqlite")),
        Figure("`import budwood`", Goal(0.2), Unit.SECONDS, readings.median("import s", "sqlite")),
    ]
    return rows


ROWS: Sequence[Callable[[Readings], list[Figure]]] = (aliases, registrations, searches, moves, small_things)


def figures(readings: Readings) -> list[Figure]:
    """Every row, in the order they were promised."""
    return [figure for row in ROWS for figure in row(readings)]


def _most(
    readings: Readings,
    title: str,
    what: str,
    home: str,
    least: float | None,
    unit: Unit,
    peers: dict[str, float] | None = None,
) -> Figure:
    return Figure(title, Goal(least, at_most=False), unit, readings.median(what, home), peers or {})


def _peer(readings: Readings, what: str) -> dict[str, float]:
    value = readings.median(what, "sqlite", PEER)
    return {} if value is None else {PEER: value}


def _slowest(readings: Readings, name: str, page: int, home: str, unit: str) -> float | None:
    values = (readings.median(f"search {name}, {who}, page {page} {unit}", home) for who in (ADMIN, MEMBER))
    return max((value for value in values if value is not None), default=None)


def _ratios(readings: Readings, name: str, home: str) -> list[float]:
    ratios = []
    for who in (ADMIN, MEMBER):
        near = readings.median(f"search {name}, {who}, page 1 p50 ms", home)
        far = readings.median(f"search {name}, {who}, page {FAR_PAGE} p50 ms", home)
        if near and far:
            ratios.append(far / near)
    return ratios
