"""What strangers try on artifacts: paths that lead out in every encoding, parts without end, pages that would run."""

from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from budwood.domain.limits import UPLOAD_PARTS
from budwood.verbs.parts import begin
from tests.servers.running import TOKEN

PATHS = [
    "../../etc/passwd",
    "a/../../etc/passwd",
    "..",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2fetc/passwd",
    "%252e%252e%252fetc",
    "%25252e%25252e%25252fetc",
    "..%5c..%5cetc",
    "..\\..\\etc",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "C:/windows/win.ini",
    "C:\\windows",
    "file:///etc/passwd",
    "file:etc",
    "http://169.254.169.254/",
    "~/x",
    "a#/../../etc",
    "a?/a",
    "..;/x",
    "a\0b",
    "a\nb",
    "./a",
    "a//b",
    "a/./b",
    "x" * 5_000,
    "a/" * 200 + "b",
    "\u202etxt.exe",
    "\u2024\u2024/x\\",
]
API = "/api/2.0/mlflow-artifacts/"


def raw(home: Any, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
    """The answer, to an address that no client would tidy."""
    kept = {"Authorization": f"Bearer {TOKEN}", **headers}
    host = urlsplit(home.address)
    connection = HTTPConnection(str(host.hostname), host.port, timeout=10)
    connection.putrequest(method, f"/ns/{home.namespace}{path}", skip_accept_encoding=True)
    for name, value in kept.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply


@pytest.fixture
def run(client: Any) -> str:
    return str(client.create_run("0").info.run_id)


def twice(path: str) -> tuple[str, ...]:
    """As it is, where an address can hold it, and encoded."""
    plain = path if path.isascii() and path.isprintable() and not set("?# ").intersection(path) else quote(path)
    return plain, quote(path, safe="")


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_a_path_that_leads_out_is_refused_on_every_route(home: Any, run: str, path: str) -> None:
    json = {"Content-Type": "application/json"}
    hidden = quote(path, safe="")
    asked: list[tuple[str, str, bytes | None, dict[str, str]]] = [
        ("GET", f"/get-artifact?run_id={run}&path={hidden}", None, {}),
        ("GET", f"/model-versions/get-artifact?name=net&version=1&path={hidden}", None, {}),
        ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={hidden}", None, {}),
        ("GET", f"{API}artifacts?path={hidden}", None, {}),
        ("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={hidden}", b"x", {}),
    ]
    for shown in twice(path):
        asked += [(method, f"{API}artifacts/{shown}", b"x", json) for method in ("GET", "PUT")]
        asked += [("DELETE", f"{API}artifacts/{shown}", b"", json)]
        asked += [("POST", f"{API}mpu/create/{shown}", b'{"path":"f","num_parts":1}', json)]
    for method, address, body, headers in asked:
        reply = raw(home, method, address, body, **headers)
        assert 400 <= reply.status < 500, (method, address, reply.status)
    with home.house.catalog.read() as view:
        assert not view.listed_files(home.namespace, "")


@pytest.mark.parametrize("name", ["../../x", "..", "C:\\..\\..\\x", "/etc/passwd"])
def test_a_local_name_of_a_file_in_parts_leads_nowhere(home: Any, run: str, name: str) -> None:
    reply = home.ask("POST", f"{API}mpu/create/0/{run}/artifacts", {"path": name, "num_parts": 1})
    if reply["status"] == 200:
        done = f"{API}mpu/abort/0/{run}/artifacts"
        assert home.ask("POST", done, {"path": name, "upload_id": reply["upload_id"]})["status"] == 200
    else:
        assert (reply["status"], reply["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert not (home.house.scratch / "x").exists()


@pytest.mark.parametrize("number", [0, -1, UPLOAD_PARTS + 1, 10**9, 10**30, "x", 1.5])
def test_parts_without_end_are_refused(home: Any, run: str, number: object) -> None:
    reply = home.ask("POST", f"{API}mpu/create/0/{run}/artifacts", {"path": "f", "num_parts": number})
    assert (reply["status"], reply["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_part_that_was_not_announced_is_refused(home: Any, run: str) -> None:
    begun = home.ask("POST", f"{API}mpu/create/0/{run}/artifacts", {"path": "f", "num_parts": 2})
    for number in ("0", "3", "999999999999", "-1", "x"):
        reply = raw(home, "PUT", f"{API}mpu/part/{begun['upload_id']}/{number}", b"x")
        assert reply.status == 400, number
    for upload in ("0" * 32, "..", "%2e%2e", "x"):
        assert raw(home, "PUT", f"{API}mpu/part/{upload}/1", b"x").status in (400, 404)


def test_an_upload_of_another_namespace_is_not_there(home: Any, run: str) -> None:
    home.house.catalog.write(lambda transaction: transaction.add_namespace("elsewhere" + home.namespace, at_ms=1))
    begun = begin(home.house, "elsewhere" + home.namespace, "0/f", 1, "a" * 32)
    assert raw(home, "PUT", f"{API}mpu/part/{begun.upload}/1", b"x").status == 404
    done = home.ask("POST", f"{API}mpu/complete/0", {"path": "f", "upload_id": begun.upload, "parts": []})
    assert done["status"] == 404


def test_parts_that_lack_one_or_differ_in_length_make_no_file(home: Any, run: str) -> None:
    root = f"0/{run}/artifacts"
    for sent in ({1: b"aa"}, {1: b"aa", 2: b"b", 3: b"c"}):
        begun = home.ask("POST", f"{API}mpu/create/{root}", {"path": "f", "num_parts": 3})
        for number, content in sent.items():
            assert raw(home, "PUT", f"{API}mpu/part/{begun['upload_id']}/{number}", content).status == 200
        told = {"path": "f", "upload_id": begun["upload_id"], "parts": []}
        assert home.ask("POST", f"{API}mpu/complete/{root}", told)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_parts_without_a_token_are_refused(home: Any, run: str) -> None:
    begun = home.ask("POST", f"{API}mpu/create/0/{run}/artifacts", {"path": "f", "num_parts": 1})
    assert raw(home, "PUT", f"{API}mpu/part/{begun['upload_id']}/1", b"x", Authorization="Bearer no").status == 401


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil", "a.txt", "x'\"<script>.html"])
def test_what_is_sent_never_runs_in_a_browser(home: Any, run: str, name: str) -> None:
    path = f"{API}artifacts/0/{run}/artifacts/{quote(name, safe='')}"
    assert raw(home, "PUT", path, b"<script>alert(1)</script>", **{"Content-Type": "text/html"}).status == 200
    for address in (path, f"/get-artifact?run_id={run}&path={quote(name, safe='')}"):
        headers = raw(home, "GET", address).headers
        assert headers["content-disposition"].startswith("attachment; ")
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]
        assert "<" not in headers["content-disposition"]


def test_a_page_of_strangers_cannot_write(home: Any, run: str) -> None:
    path = f"{API}artifacts/0/{run}/artifacts/a.txt"
    for method in ("PUT", "DELETE"):
        assert raw(home, method, path, b"x", Origin="https://evil.example").status == 403


def test_the_files_of_versions_are_never_written(home: Any) -> None:
    json = {"Content-Type": "application/json"}
    path = "versions/net/1/x"
    for method, address in (("PUT", "artifacts"), ("DELETE", "artifacts"), ("POST", "mpu/create")):
        reply = raw(home, method, f"{API}{address}/{path}", b'{"path":"f"}', **json)
        assert reply.status == 400


def test_a_file_and_a_folder_of_one_name_are_told_apart(home: Any, run: str) -> None:
    root = f"{API}artifacts/0/{run}/artifacts"
    assert raw(home, "PUT", f"{root}/a", b"x").status == 200
    assert raw(home, "PUT", f"{root}/a/b", b"x").status == 200
    assert [each["path"] for each in home.ask("GET", f"{API}artifacts?path=0/{run}/artifacts")["files"]] == ["a", "a"]
