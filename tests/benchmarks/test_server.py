"""The server's benchmark measures what it says: small versions of every act, against real servers."""

import http.server
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.server import acts, mlflow, moves
from benchmarks.server.acts import Read, alias_talks, get, lua, parse_wrk, post
from benchmarks.server.fill import filled, missing
from benchmarks.server.homes import MEMBER, Home, Server, budwood_server, cpu_s, postgres, token, watched
from benchmarks.server.load import ID, Plan, ask, ceiling
from benchmarks.server.readings import OURS, Reading, Readings, parse_line
from benchmarks.server.rows import PEER, figures
from benchmarks.server.within import written
from benchmarks.table import Unit, markdown

VERSIONS = 400
SHORT_S = 0.3


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A small filling on SQLite."""
    home = Home("sqlite", tmp_path_factory.mktemp("server") / "registry")
    assert filled(home, VERSIONS) > 0
    return home


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[Server]:
    with budwood_server(home, home.folder.parent / "log") as server:
        yield server


class Teller(http.server.BaseHTTPRequestHandler):
    """Answers with an id; and with 404 where it is not told one."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"id": "f" * 32}).encode()
        status = 404 if "gone" in self.path or "@" in self.path else 200
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Not a word."""


@pytest.fixture
def teller() -> Iterator[http.server.ThreadingHTTPServer]:
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Teller)
    found.daemon_threads = True
    found.paths = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


# Readings


@given(st.builds(Reading, st.text(), st.text(), st.text(), st.floats(0, 1e9), st.text()))
def test_a_reading_is_read_as_it_was_written(reading: Reading) -> None:
    assert parse_line(reading.to_line()) == reading


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '{"tool": "x"}', '{"tool": "x", "colour": 1}'])
def test_a_line_that_is_no_reading_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse_line(line)


def test_repeats_give_their_median_and_a_fault_counts_for_nothing() -> None:
    values = [Reading(OURS, "sqlite", "start s", value) for value in (9.0, 1.0, 2.0)]
    readings = Readings([*values, Reading(OURS, "sqlite", "start s", fault="no disk")])
    assert readings.median("start s", "sqlite") == 2.0
    assert readings.best("start s", "sqlite") == 1.0
    assert readings.median("start s", "postgres") is None


def test_memory_is_the_worst_of_all_acts() -> None:
    values = {"memory MB, alias": 90.0, "memory MB, search": 120.0}
    readings = Readings(Reading(OURS, "sqlite", what, value) for what, value in values.items())
    assert readings.worst("memory MB", "sqlite") == 120.0


def test_readings_go_through_a_file(tmp_path: Path) -> None:
    assert Readings.read(tmp_path / "none").median("start s", "sqlite") is None
    (tmp_path / "some").write_text(Reading(OURS, "sqlite", "start s", 1.0).to_line() + "\n\n", "utf-8")
    assert Readings.read(tmp_path / "some").median("start s", "sqlite") == 1.0


# The generator


def test_clients_that_never_wait_ask_again_and_again(teller: http.server.ThreadingHTTPServer) -> None:
    seen = ask(Plan("127.0.0.1", teller.server_port, [[get("/a")], [get("/b")]], connections=3, seconds=SHORT_S))
    assert seen.count > 3
    assert seen.failed == 0
    assert {"/a", "/b"} == set(teller.paths)  # type: ignore[attr-defined]
    assert 0 < seen.p50_ms <= seen.p99_ms <= seen.max_ms


def test_a_pace_is_kept(teller: http.server.ThreadingHTTPServer) -> None:
    plan = Plan("127.0.0.1", teller.server_port, [[get("/a")]], connections=4, seconds=1.0, rate=50)
    assert 30 <= ask(plan).count <= 55


def test_those_who_had_to_wait_are_counted_from_when_they_were_due() -> None:
    # One that never answers: all wait, and their time runs.
    silent = threading.Event()

    class Silent(Teller):
        def do_GET(self) -> None:
            silent.wait(2)

    slow = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    slow.daemon_threads = True
    thread = threading.Thread(target=slow.serve_forever)
    thread.start()
    seen = ask(Plan("127.0.0.1", slow.server_port, [[get("/a")]], connections=1, seconds=0.5, rate=100))
    silent.set()
    slow.shutdown()
    thread.join()
    slow.server_close()
    assert seen.max_ms > 300


def test_each_talk_is_held_once_when_asked(teller: http.server.ThreadingHTTPServer) -> None:
    talks = [[get(f"/{number}")] for number in range(20)]
    seen = ask(Plan("127.0.0.1", teller.server_port, talks, connections=4, seconds=10, once=True))
    assert seen.count == 20
    assert len(teller.paths) == len(set(teller.paths)) == 20  # type: ignore[attr-defined]


def test_a_later_request_names_what_the_first_was_answered_with(teller: http.server.ThreadingHTTPServer) -> None:
    talk = [get("/open"), get(f"/publish/{ID}")]
    seen = ask(Plan("127.0.0.1", teller.server_port, [talk], connections=1, seconds=10, once=True))
    assert (seen.count, seen.failed) == (1, 0)
    assert teller.paths == ["/open", f"/publish/{'f' * 32}"]  # type: ignore[attr-defined]


def test_an_error_is_no_answer(teller: http.server.ThreadingHTTPServer) -> None:
    seen = ask(Plan("127.0.0.1", teller.server_port, [[get("/gone")]], connections=1, seconds=10, once=True))
    assert (seen.count, seen.failed) == (0, 1)
    assert "404" in seen.fault


def test_the_generator_knows_its_own_ceiling() -> None:
    seen = ceiling(Plan("", 0, [[get("/a")]], connections=4, seconds=SHORT_S), answer_bytes=500)
    assert seen.rate > 1_000
    assert seen.cpu_s > 0


# wrk


def test_wrk_is_told_the_same_requests() -> None:
    script = lua([get("/a", "secret"), get("/b")])
    assert script.count("HTTP/1.1\\r\\n") == 2
    assert "Bearer secret" in script


@pytest.mark.parametrize(
    ("printed", "rate"),
    [
        ("  100 requests in 2.0s\nRequests/sec:   5123.40\nTransfer/sec: 1MB\n", 5123.4),
        ("Non-2xx or 3xx responses: 3\nRequests/sec:   5123.40\n", None),
        ("  Socket errors: connect 0, read 0, write 0, timeout 4\nRequests/sec:   5123.40\n", None),
        ("", None),
    ],
)
def test_wrk_counts_only_without_errors(printed: str, rate: float | None) -> None:
    assert parse_wrk(printed) == rate


# What is asked


def test_a_filling_is_used_again(home: Home) -> None:
    assert filled(home, VERSIONS) == 0
    catalog = home.catalog()
    assert missing(catalog, VERSIONS * 10)
    catalog.close()


def test_aliases_are_resolved_with_a_token(home: Home, server: Server) -> None:
    readings = Readings(acts.peak(acts.ours(home), "alias", server, alias_talks(VERSIONS, 50), SHORT_S))
    assert (readings.median("alias /s", "sqlite") or 0) > 50
    assert (readings.median("alias server µs", "sqlite") or 0) >= 0
    assert (readings.median("alias p99 ms", "sqlite") or 0) > 0


def test_without_a_token_there_is_no_figure(home: Home, server: Server) -> None:
    talks = [[get("/v1/models/team-0/model-000000/versions/champion")]]
    (reading,) = acts.peak(acts.ours(home), "alias", server, talks, SHORT_S)
    assert "401" in reading.fault


def test_every_search_is_measured_on_its_first_page_and_far_on(
    home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "SEARCHES_EACH", 2)
    monkeypatch.setattr(acts, "FAR_PAGE", 3)
    readings = list(acts.searches(acts.ours(home), server))
    assert [reading.fault for reading in readings if reading.fault] == []
    names = {reading.what for reading in readings}
    assert {f"search {name}, {MEMBER}, page 1 p99 ms" for name in acts.SEARCHES} <= names
    assert f"search newest, {MEMBER}, page 3 p50 ms" in names


def test_versions_are_registered_whole(home: Home, server: Server, tmp_path: Path) -> None:
    readings = Readings(acts.register(acts.ours(home), server, tmp_path / "small", 20))
    assert (readings.median("register /s", "sqlite") or 0) > 0
    page = acts.asked(server, acts.search_path("tags.team = bench and tags.task = rank", ""), MEMBER)
    assert isinstance(page["versions"], list)
    assert len(page["versions"]) == 20


def test_the_catalog_alone_is_asked_the_same(home: Home) -> None:
    catalog = home.catalog()
    took, seconds = written(catalog, 32)
    catalog.close()
    assert len(took) == 32
    assert seconds > 0


def test_what_a_server_costs_is_watched(server: Server) -> None:
    with watched(server) as watch:
        ask(Plan(server.host, server.port, alias_talks(VERSIONS, 5), 2, SHORT_S))
    assert watch.anonymous_bytes > 10_000_000
    assert server.cpu_s() > 0
    assert cpu_s(0) == 0.0


def test_a_start_is_timed_to_its_first_answer(home: Home, tmp_path: Path) -> None:
    (reading,) = acts.start(acts.ours(home), home, tmp_path / "log", 1)
    assert 0.1 < reading.value < 60


def test_an_import_is_timed() -> None:
    (reading,) = acts.importing(Read(OURS, "sqlite"), 1)
    assert 0 < reading.value < 10


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="did not start"),
        budwood_server(Home("sqlite", tmp_path, "postgresql://nobody@127.0.0.1:1/none"), tmp_path / "log"),
    ):
        raise AssertionError


def test_a_body_is_counted_in_bytes() -> None:
    head, _, body = post("/v1/x", {"name": "münchen"}, token(MEMBER), "key-1").partition("\r\n\r\n")
    assert f"Content-Length: {len(body.encode('latin-1'))}\r\n" in head + "\r\n"
    assert json.loads(body) == {"name": "münchen"}
    assert "Idempotency-Key: key-1\r\n" in head


# Moving


def test_a_model_is_moved_in_process_and_over_loopback(tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(bytes(range(256)) * 40_000)
    move = moves.Move(model, tmp_path / "move")
    inside = Readings(moves.in_process(move))
    outside = Readings(moves.over_loopback(move, Home("sqlite", move.room / "registry")))
    for act in ("push", "pull"):
        assert (inside.median(f"{act} GB/s", "in process") or 0) > 0
        assert (outside.median(f"{act} GB/s", "sqlite") or 0) > 0
        assert (outside.median(f"{act} client memory MB", "sqlite") or 0) > 0
    assert not move.room.exists()


def test_other_bytes_are_noticed(tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"one")
    move = moves.Move(model, tmp_path / "move")
    move.target.mkdir(parents=True)
    (move.target / moves.FILE).write_bytes(b"two")
    with pytest.raises(RuntimeError):
        move.check()


def test_a_peer_that_is_not_here_is_named(tmp_path: Path) -> None:
    assert "mlflow" in mlflow.missing(tmp_path)


@pytest.mark.slow
def test_postgres_is_a_home_too() -> None:

    folder = Path(tempfile.mkdtemp(prefix="budwood-bench-"))
    folder.chmod(0o755)
    try:
        with postgres(folder / "pg") as home:
            if home is None:
                pytest.skip("no PostgreSQL here")
            filled(home, 200)
            assert "password" not in repr(home)
            with budwood_server(home, folder / "log") as server:
                seen = ask(Plan(server.host, server.port, alias_talks(200, 10), 2, SHORT_S))
            assert (seen.count > 0, seen.failed) == (True, 0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# The table


@pytest.fixture
def root() -> Path:
    return Path(__file__).resolve().parents[2]


def test_every_promised_row_is_there_even_when_nothing_was_measured() -> None:
    rows = figures(Readings([]))
    assert {row.verdict for row in rows} == {"not measured"}
    assert len(rows) > 30
    assert markdown(rows).count("\n") == len(rows) + 2


def test_ten_times_the_peer_follows_the_peer() -> None:
    readings = Readings([Reading(OURS, "sqlite", "alias /s", 5100.0), Reading(PEER, "sqlite", "alias /s", 250.0)])
    row = next(row for row in figures(readings) if "ten times" in row.what)
    assert (row.goal.limit, row.verdict, row.unit) == (2_500.0, "reached", Unit.RATE)
    assert row.times_better(PEER) == pytest.approx(20.4)


def test_a_search_counts_with_its_slower_page_and_person() -> None:
    readings = Readings(
        [
            Reading(OURS, "sqlite", "search newest, ada, page 1 p99 ms", 10.0),
            Reading(OURS, "sqlite", "search newest, rosa, page 1 p99 ms", 60.0),
            Reading(OURS, "sqlite", "search newest, rosa, page 1 p50 ms", 10.0),
            Reading(OURS, "sqlite", "search newest, rosa, page 50 p50 ms", 14.0),
        ]
    )
    rows = {row.what: row for row in figures(readings)}
    assert (rows["search newest, p99, SQLite"].measured, rows["search newest, p99, SQLite"].verdict) == (60.0, "missed")
    assert rows["page 50 against page 1, p50, the worst, SQLite"].measured == 1.4


def test_a_push_over_loopback_is_held_against_the_one_in_process() -> None:
    readings = Readings([Reading(OURS, "in process", "push GB/s", 1.0), Reading(OURS, "sqlite", "push GB/s", 0.61)])
    row = next(row for row in figures(readings) if row.what.startswith("push 1.7 GB"))
    assert (row.goal.limit, row.verdict) == (0.6, "reached")


def test_what_was_recorded_has_every_row(root: Path) -> None:
    recorded = (root / "benchmarks" / "RESULTS.md").read_text("utf-8")
    told = [line.split(" | ")[0].removeprefix("| ") for line in recorded.splitlines() if line.startswith("| ")]
    assert [row.what for row in figures(Readings([])) if row.what not in told] == []
