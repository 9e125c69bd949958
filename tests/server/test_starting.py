"""From the first start to the last answer: the first admin, several processes, and how a server ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from budwood.domain.access import Permission
from budwood.domain.routes import ROUTES
from budwood.server.dispatch import check_binding
from budwood.server.handlers import HANDLERS
from tests.waiting import eventually

Start = Callable[..., Any]
MakeTeam = Callable[[], Path]


def test_the_first_start_prints_a_token_that_makes_one_admin(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "registry")
    token = server.said["bootstrap"]
    assert token.startswith("bw_boot_")
    assert server.ask("GET", "/v1/whoami", token=token).status == 401
    made = server.ask("POST", "/v1/bootstrap", token=token, json={"name": "mara@example.com"})
    assert made.status == 200
    secret = made.value["token"]["secret"]
    assert server.ask("GET", "/v1/whoami", token=secret).value["is_admin"] is True
    again = server.ask("POST", "/v1/bootstrap", token=token, json={"name": "eve"})
    assert (again.status, again.problem["code"]) == (401, "unauthenticated")
    assert again.problem == server.ask("POST", "/v1/bootstrap", json={"name": "eve"}).problem
    entries = server.ask("GET", "/v1/ledger", token=secret).value["entries"]
    assert (entries[0]["actor"], entries[0]["action"]) == ("mara@example.com", "registry.bootstrapped")
    server.stop()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "registry").iterdir() if path.is_file())
    for hidden in (token, secret):
        assert hidden.encode() not in kept
        assert hidden not in "".join(server.log)


def test_a_bad_name_does_not_use_the_token_up(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "registry")
    token = server.said["bootstrap"]
    assert server.ask("POST", "/v1/bootstrap", token=token, json={"name": "a b"}).status == 422
    assert server.ask("POST", "/v1/bootstrap", token=token, json={"name": "mara"}).status == 200


def test_a_later_start_prints_no_token_unless_asked(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path / "registry")
    first.stop()
    second = start(tmp_path / "registry")
    assert "bootstrap" not in second.said
    second.stop()
    third = start(tmp_path / "registry", "--new-bootstrap")
    name = {"name": "mara"}
    assert third.ask("POST", "/v1/bootstrap", token=first.said["bootstrap"], json=name).status == 401
    assert third.ask("POST", "/v1/bootstrap", token=third.said["bootstrap"], json=name).status == 200
    third.stop()
    assert "bootstrap" not in start(tmp_path / "registry", "--new-bootstrap").said


def test_told_to_stop_it_finishes_what_runs_and_refuses_what_comes(start: Start, make_team: MakeTeam) -> None:
    server = start(make_team())
    seen: Counter[int | str] = Counter()
    wrong: list[Any] = []
    answered: set[int] = set()
    stopping = threading.Event()

    def keep_asking(number: int) -> None:
        for _ in range(100_000):
            try:
                wish = {"put": {f"k{number}": "v"}}
                reply = server.ask("PATCH", "/v1/models/ours/encoder/versions/v1/tags", by="writer", json=wish)
            except Exception:
                seen["gone"] += 1
                if not stopping.is_set():
                    wrong.append("an answer was lost before the signal")
                return
            seen[reply.status] += 1
            answered.add(number)
            if reply.status == 503:
                assert reply.headers["retry-after"]
                return
            if reply.status != 200:
                wrong.append(reply)

    askers = [threading.Thread(target=keep_asking, args=(number,)) for number in range(8)]
    for asker in askers:
        asker.start()
    eventually(lambda: len(answered) == len(askers) or wrong)
    stopping.set()
    server.child.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join(30)
    assert server.child.wait(30) == 0
    assert wrong == []
    assert seen[200] > 0
    assert seen[503] == 8, seen


def test_while_it_stops_it_is_alive_but_not_ready(start: Start, make_team: MakeTeam) -> None:
    server = start(make_team())
    server.ask("GET", "/healthz")
    server.child.send_signal(signal.SIGTERM)
    # The last answer counts: soon after it the server is gone.
    until = time.monotonic() + 30
    while (ready := server.ask("GET", "/readyz")).status == 200:
        assert time.monotonic() < until
    assert (ready.status, ready.problem["facts"]["process"]) == (503, "stopping")
    assert server.ask("GET", "/healthz").status == 200
    assert server.child.wait(30) == 0


def test_several_processes_share_a_port_and_one_that_dies_is_replaced(start: Start, make_team: MakeTeam) -> None:
    server = start(make_team(), "--processes", "2")
    server.ask("GET", "/healthz")
    children = children_of(server.child.pid)
    assert len(children) == 2
    time.sleep(2.1)  # One that dies at birth is not replaced.
    os.kill(children[0], signal.SIGKILL)
    eventually(lambda: len(now := children_of(server.child.pid)) == 2 and now != children)
    now = children_of(server.child.pid)
    server.pool.clear()
    assert {server.ask("GET", "/v1/whoami", by="reader").status for _ in range(20)} == {200}
    assert server.stop() == 0
    assert [pid for pid in now if Path(f"/proc/{pid}").exists()] == []


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_port_that_is_taken_is_said_in_words(start: Start, make_team: MakeTeam, tmp_path: Path) -> None:
    port = start(make_team()).url.rpartition(":")[2]
    words = [sys.executable, "-m", "budwood", "--registry", str(tmp_path), "serve", "--port", port, "--json"]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "Nothing can listen" in json.loads(told.stdout)["error"]["message"]


def test_a_server_is_not_served_through_another(team: Any) -> None:
    words = [sys.executable, "-m", "budwood", "--registry", team.url, "serve", "--port", "0", "--json"]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (told.returncode, json.loads(told.stdout)["error"]["code"]) == (8, "not_offered")


def test_a_route_without_permission_or_handler_stops_the_start() -> None:
    check_binding(ROUTES, HANDLERS)
    first, *rest = ROUTES
    bare = replace(first, permission="read")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no permission"):
        check_binding((bare, *rest), HANDLERS)
    with pytest.raises(ValueError, match="has no handler"):
        check_binding(ROUTES, {name: each for name, each in HANDLERS.items() if name != first.name})
    with pytest.raises(ValueError, match="has no route"):
        check_binding(tuple(rest), HANDLERS)
    with pytest.raises(ValueError, match="Two routes"):
        check_binding((first, *ROUTES), HANDLERS)
    assert isinstance(first.permission, Permission)
