"""Sources that lie: paths that lead out, links, giant and endless answers, redirects, forged marks."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.client.carrying.folders import Folders
from budwood.client.carrying.importing import ImportRequest, open_reader
from budwood.client.carrying.reader import RUN, VERSION, Root
from budwood.domain.limits import CARRIED_TEXT_BYTES
from budwood.errors import (
    BadValue,
    LimitExceeded,
    Malformed,
    ServerUnreachable,
    SourceNotFound,
    UnsafeEntry,
)
from tests.servers.running import TOKEN

RUN_ID = "a" * 32
SEEN: set[str] = set()
Answer = Callable[[str], tuple[int, bytes]]


class Liar(BaseHTTPRequestHandler):
    answer: Answer
    asked: list[str]
    seen: set[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.seen.add(self.headers.get("Authorization", ""))
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        status, body = type(self).answer(self.path)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://169.254.169.254/latest")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """It is quiet."""


@pytest.fixture
def liar() -> Iterator[Callable[[Answer], tuple[str, list[str]]]]:
    """A server that answers what a test says, and what it was asked."""
    started: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> tuple[str, list[str]]:
        asked: list[str] = []
        handler = type("Answering", (Liar,), {"answer": staticmethod(answer), "asked": asked, "seen": SEEN})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}", asked

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def one_page(fields: dict[str, Any]) -> Answer:
    return lambda path: (200, json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda path: (200, b"[" * 100_000), Malformed),
        (lambda path: (200, b"[]"), Malformed),
        (lambda path: (200, b'{"experiments": 5}'), Malformed),
        (lambda path: (200, b'{"experiments": [{"experiment_id": {}}]}'), Malformed),
        (lambda path: (200, b'{"experiments": [{"creation_time": 1e400}]}'), Malformed),
        (lambda path: (200, b'{"experiments": [], "next_page_token": "x"}'), Malformed),
        (lambda path: (200, b" " * (CARRIED_TEXT_BYTES + 1)), LimitExceeded),
        (lambda path: (302, b""), Malformed),
        (lambda path: (418, b"not json"), BadValue),
    ],
)
def test_an_answer_that_is_none_is_refused(answer: Answer, error: type[Exception], liar: Any, tmp_path: Path) -> None:
    uri, asked = liar(answer)
    with budwood.connect(tmp_path / "registry") as registry, pytest.raises(error):
        registry.import_mlflow(uri)
    assert all(path.startswith("/api/") for path in asked)


def test_a_server_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry") as registry, pytest.raises(ServerUnreachable):
        registry.import_mlflow("http://127.0.0.1:1")


def test_a_token_of_ours_is_not_sent_to_another_server(
    liar: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, _ = liar(lambda path: (200, b"{}"))
    SEEN.clear()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    with budwood.connect(tmp_path / "registry") as registry:
        registry.import_mlflow(uri)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "theirs")
        registry.import_mlflow(uri)
    assert {"", "Bearer theirs"} == SEEN


def test_a_password_is_sent_but_neither_told_nor_kept(liar: Any, tmp_path: Path) -> None:
    uri, _ = liar(lambda path: (200, b"{}"))
    with budwood.connect(tmp_path / "registry") as registry:
        carried = registry.import_mlflow(uri.replace("http://", "http://ada:sesame@"))
        assert "sesame" not in str(registry.ledger(limit=1000))
    assert carried.source == uri


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/b", "%2e%2e/x", "..", "C:\\x"])
def test_a_server_cannot_list_a_file_outside_its_folder(path: str, liar: Any) -> None:
    uri, _ = liar(one_page({"files": [{"path": path, "is_dir": False, "file_size": 1}]}))
    reader = open_reader(ImportRequest(uri))
    with pytest.raises((Malformed, BadValue)):
        reader.files(Root(RUN, RUN_ID, "mlflow-artifacts:/1/x"))
    reader.close()


def test_a_server_cannot_have_local_files_read(liar: Any) -> None:
    uri, asked = liar(one_page({}))
    reader = open_reader(ImportRequest(uri))
    for location in ("/etc", "file:///etc", "s3://bucket/x", "http://169.254.169.254/"):
        with pytest.raises(SourceNotFound):
            reader.files(Root(VERSION, "1", location))
    reader.close()
    assert asked == []


@pytest.mark.parametrize("location", ["/etc", "file:///etc", "file://other/etc", "s3://b/x", "", "/"])
def test_a_database_cannot_have_other_folders_read(location: str, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        Folders((tmp_path,)).files(location)


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "mlflow-artifacts:/../secret"])
def test_a_location_with_dots_leads_nowhere(path: str, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (tmp_path / "secret").mkdir()
    location = path if path.startswith("mlflow") else f"{allowed}/{path}"
    with pytest.raises((UnsafeEntry, SourceNotFound)):
        Folders((allowed,)).files(location)


def test_no_link_is_followed(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret"
    (root / "run").mkdir(parents=True)
    secret.mkdir()
    (secret / "key").write_text("x")
    (root / "over").symlink_to(secret)
    folders = Folders((root,))
    with pytest.raises(UnsafeEntry):
        folders.files(str(root / "over"))
    (root / "run" / "key").symlink_to(secret / "key")
    with pytest.raises(UnsafeEntry):
        folders.files(str(root / "run"))
    with pytest.raises(UnsafeEntry), folders.open(str(root / "run"), "key"):
        pass


def test_a_folder_of_runs_is_read_as_plain_values_and_over_no_link(tmp_path: Path) -> None:
    place = tmp_path / "mlruns" / "1"
    place.mkdir(parents=True)
    (place / "meta.yaml").write_text("!!python/object/apply:os.system ['touch pwned']\n")
    with budwood.connect(tmp_path / "registry") as registry, pytest.raises(BadValue):
        registry.import_mlflow(str(tmp_path / "mlruns"))
    assert not Path("pwned").exists()
    (tmp_path / "outside.yaml").write_text("{experiment_id: '1', name: stolen}")
    (place / "meta.yaml").unlink()
    (place / "meta.yaml").symlink_to(tmp_path / "outside.yaml")
    with budwood.connect(tmp_path / "registry") as registry, pytest.raises(BadValue, match="no experiments"):
        registry.import_mlflow(str(tmp_path / "mlruns"))


def test_a_file_that_is_no_database_of_mlflow_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database")
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (a)").connection.close()
    before = (tmp_path / "other.db").read_bytes()
    with budwood.connect(tmp_path / "registry") as registry:
        for name in ("text.db", "other.db"):
            with pytest.raises((BadValue, Malformed)):
                registry.import_mlflow(f"sqlite:///{tmp_path / name}")
        with pytest.raises(SourceNotFound):
            registry.import_mlflow(f"sqlite:///{tmp_path / 'none.db'}")
        with pytest.raises(BadValue, match="mysql"):
            registry.import_mlflow("mysql://x/y")
    assert (tmp_path / "other.db").read_bytes() == before
    assert not (tmp_path / "none.db").exists()


def test_a_source_sets_no_marks_and_no_author(liar: Any, tmp_path: Path) -> None:
    forged = [
        {"key": "budwood.imported.from", "value": "http://trusted"},
        {"key": "budwood.imported.user", "value": "x"},
    ]
    model = {"name": "m", "tags": forged, "aliases": []}
    version = {"name": "m", "version": "1", "user_id": "root", "tags": forged, "source": "s3://b/x"}

    def answer(path: str) -> tuple[int, bytes]:
        if "registered-models/search" in path:
            return 200, json.dumps({"registered_models": [model]}).encode()
        if "model-versions/search" in path:
            return 200, json.dumps({"model_versions": [version]}).encode()
        return 200, b"{}"

    uri, _ = liar(answer)
    with budwood.connect(tmp_path / "registry", author="eva") as registry:
        registry.import_mlflow(uri)
        detail = registry.get("m@v1").detail()
    tags = {each.key: each.value for each in detail.tags}
    assert tags["budwood.imported.from"] == uri
    assert tags["budwood.imported.user"] == "root"
    assert detail.version.author == "eva"


def test_a_run_that_is_refused_does_not_stop_the_others(liar: Any, tmp_path: Path) -> None:
    runs = [
        {"info": {"run_id": id_, "experiment_id": "7", "status": status, "start_time": 1}, "data": {"params": params}}
        for id_, status, params in (
            ("b" * 32, "FINISHED", []),
            ("../../etc", "FINISHED", []),
            ("c" * 32, "EXPLODED", []),
            ("d" * 32, "FINISHED", [{"key": "../x", "value": "y"}]),
            ("e" * 32, "FINISHED", [{"key": "lr", "value": "0.1"}]),
        )
    ]

    def answer(path: str) -> tuple[int, bytes]:
        if "experiments/search" in path:
            return 200, json.dumps({"experiments": [{"experiment_id": "7", "name": "e"}]}).encode()
        return 200, json.dumps({"runs": runs} if "runs/search" in path else {}).encode()

    uri, _ = liar(answer)
    with budwood.connect(tmp_path / "registry") as registry:
        carried = registry.import_mlflow(uri)
    assert carried.tally("runs").brought == 2
    assert {each.name for each in carried.differences if each.kind == "runs"} >= {"../../etc", "c" * 32, "d" * 32}
