"""Fifty at once, over real sockets, on both databases: one number a version, nothing twice, nothing lost, no 5xx."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.client.far.transport import Transport
from budwood.errors import ServerUnreachable
from tests.attacks.siege import Siege
from tests.server.conftest import Start, _people, token_of

CLIENTS = 50
MODEL = "/v1/models/ours/{name}"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """A server over either database, with the people of the team and nothing else."""
    folder = tmp_path_factory.mktemp("home") / "registry"
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgres":
            database = request.getfixturevalue("postgres_server")
            patch.setenv("BUDWOOD_DATABASE", database.url(database.make(request.getfixturevalue("postgres_template"))))
        with budwood.connect(folder, author="founder") as registry:
            registry.house.catalog.write(_people)
        # Each of fifty takes a thread, a reader of the catalog and some buffers, which stay.
        siege = Siege(start(folder), most_growth_bytes=160 << 20)
    yield siege
    siege.assert_well()
    siege.end()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Clients that lose the first answer to everything they write, and ask again with the same key."""
    monkeypatch.setattr("budwood.client.far.transport._FIRST_DELAY_S", 0.01)
    lost: set[str] = set()
    send = Transport._send

    def losing(self: Transport, method: str, address: str, headers: dict[str, str], *rest: Any, **more: Any) -> Any:
        response = send(self, method, address, headers, *rest, **more)
        key = headers.get("Idempotency-Key", "")
        if key and key not in lost and response.status < 400:
            lost.add(key)
            raise ServerUnreachable("The answer was lost.")
        return response

    monkeypatch.setattr(Transport, "_send", losing)
    return lost


def together(work: Callable[[int], Any]) -> list[Any]:
    """What each of fifty threads made of its number, begun at the same moment."""
    ready = threading.Barrier(CLIENTS)

    def one(number: int) -> Any:
        ready.wait(30)
        return work(number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


def test_fifty_who_push_one_model_make_fifty_versions(home: Siege, forgetful: set[str], tmp_path: Path) -> None:
    crowded = MODEL.format(name="crowded")

    def push(number: int) -> int:
        (folder := tmp_path / f"m{number}").mkdir()
        (folder / "config.json").write_text(f'{{"layers": {number}}}')
        by = ("writer", "owner")[number % 2]
        with budwood.connect(home.server.url, token=token_of(by), threads=1) as registry:
            return registry.push(folder, "ours/crowded", tags={"by": str(number)}).version.number

    numbers = together(push)
    assert sorted(numbers) == list(range(1, CLIENTS + 1))
    assert len(forgetful) >= CLIENTS
    log = home.ask("GET", f"{crowded}/log?limit=1000", by="reader").value
    assert sorted(version["number"] for version in log["versions"]) == sorted(numbers)
    pushed = [entry["subject"] for entry in home.entries() if entry["action"] == "version.pushed"]
    pushed = [subject for subject in pushed if subject.startswith("ours/crowded@")]
    assert sorted(pushed) == sorted(f"ours/crowded@v{number}" for number in numbers)
    tags = [
        home.ask("GET", f"{crowded}/versions/v{number}/tags", by="reader").value["tags"][0]["value"]
        for number in numbers
    ]
    assert tags == [str(number) for number in range(CLIENTS)]
    assert home.ask("POST", "/v1/registry/verify", by="admin", json={"read_data": True}).value["problems"] == []


def test_a_label_is_given_to_one_of_fifty(home: Siege, tmp_path: Path) -> None:
    def push(number: int) -> str:
        (folder := tmp_path / f"m{number}").mkdir()
        (folder / "config.json").write_text(f'{{"layers": {number}}}')
        with budwood.connect(home.server.url, token=token_of("writer"), threads=1) as registry:
            try:
                return registry.push(folder, "ours/labelled", label="1.0.0").version.label
            except budwood.errors.LabelTaken:
                return ""

    assert sorted(together(push)) == [""] * (CLIENTS - 1) + ["1.0.0"]


def test_an_alias_moves_from_one_move_to_the_next_whoever_asks(home: Siege, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with budwood.connect(home.server.url, token=token_of("writer")) as registry:
        for number in range(3):
            (tmp_path / "m" / "config.json").write_text(f'{{"layers": {number}}}')
            registry.push(tmp_path / "m", "ours/moved")
    path = f"{MODEL.format(name='moved')}/aliases/champion"
    first = home.ask("PUT", path, by="writer", json={"version": "v1"}).headers["etag"]

    def move(number: int) -> list[tuple[str, str]]:
        made = []
        for turn in range(6):
            seen = home.server.ask("GET", path, by="reader").headers["etag"]
            version = f"v{(number + turn) % 3 + 1}"
            reply = home.ask("PUT", path, by="writer", json={"version": version}, headers={"If-Match": seen})
            assert reply.status in (200, 412), reply
            if reply.status == 200:
                made.append((seen, reply.headers["etag"]))
        return made

    # Moving to where it points already is no move: such an answer leaves the ETag as it is.
    moves = [(seen, new) for made in together(move) for seen, new in made if seen != new]
    after = dict(moves)
    assert len(after) == len(moves), "two moved on from the same"
    at, walked = first, 0
    while at in after:
        at, walked = after[at], walked + 1
    assert walked == len(moves), "a move hangs in the air"
    assert home.server.ask("GET", path, by="reader").headers["etag"] == at
    entries = [entry for entry in home.entries() if entry["action"] == "alias.set"]
    assert len(entries) - 1 >= len(moves)


def test_one_key_is_done_once_whoever_of_fifty_asks_first(home: Siege) -> None:
    def add(_: int) -> tuple[int, bytes]:
        key = {"Idempotency-Key": "once"}
        reply = home.ask("POST", "/v1/groups", by="admin", json={"name": "g", "members": ["owner"]}, headers=key)
        return reply.status, reply.body

    answers = set(together(add))
    assert {status for status, _ in answers} == {200}
    assert len(answers) == 1
    assert [entry["action"] for entry in home.entries()].count("group.added") == 1
