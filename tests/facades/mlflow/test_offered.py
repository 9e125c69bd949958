"""All that MLflow's client knows how to ask: each thing is an endpoint of ours, or named as not offered and refused in
MLflow's form. The client's own descriptions of its services are walked, and its methods called against a server that
only writes down what is asked."""

import contextlib
import importlib
import inspect
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from budwood.facades.mlflow.not_offered import NOT_OFFERED, why_not
from budwood.facades.mlflow.protocol import addresses
from budwood.facades.mlflow.table import ENDPOINTS
from tests.facades.mlflow.conftest import Home

SERVICES = (
    *(("service_pb2", "MlflowService"), ("model_registry_pb2", "ModelRegistryService")),
    *(("mlflow_artifacts_pb2", "MlflowArtifactsService"), ("webhooks_pb2", "WebhookService")),
)
"""Those of the open-source server; others are Databricks' and Unity Catalog's."""
TRACED = ("start_", "end_")
"""What goes on in the background, and asks what any tracing asks."""


def pattern(path: str) -> "re.Pattern[str]":
    """What an address with holes matches; a hole with a star takes the rest."""
    parts = re.split(r"(\{[^}]*\})", path)
    told = (".+" if each.endswith("*}") else "[^/]+" if each.startswith("{") else re.escape(each) for each in parts)
    return re.compile("".join(told))


OFFERED = [(each.method, pattern(shown)) for each in ENDPOINTS for shown in addresses(each.path)]


def is_offered(method: str, path: str) -> bool:
    return any(method == offered and known.fullmatch(path) for offered, known in OFFERED)


def described() -> Iterator[tuple[str, str]]:
    """Method and address of each call that the client's services describe."""
    from mlflow.protos import databricks_pb2

    for module, service in SERVICES:
        there = importlib.import_module(f"mlflow.protos.{module}").DESCRIPTOR.services_by_name[service]
        for call in there.methods:
            for endpoint in call.GetOptions().Extensions[databricks_pb2.rpc].endpoints:
                path = re.sub(r"\{[^}]*\}|<[^>]*>", "x", endpoint.path)
                yield endpoint.method, f"/api/{endpoint.since.major}.0{path}"


def test_every_call_of_the_client_s_services_is_offered_or_named() -> None:
    calls = set(described())
    assert len(calls) > 150
    missing = {(method, path) for method, path in calls if not is_offered(method, path) and not why_not(path)}
    assert missing == set()


def test_what_is_named_as_not_offered_is_asked_by_clients_and_is_no_endpoint() -> None:
    assert not [each.path for each in ENDPOINTS if why_not(each.path)]
    paths = {path for _, path in described()}
    known = {begins for begins in NOT_OFFERED if any(path.startswith(begins) for path in paths)}
    # Applications ask a gateway, not the client.
    assert set(NOT_OFFERED) - known == {"/gateway/"}


def test_what_is_not_offered_is_refused_in_mlflow_s_form(home: Home) -> None:
    for method, path in sorted(described()):
        if not is_offered(method, path):
            told = home.ask(method, path, None if method == "GET" else {})
            assert (told["status"], told["error_code"]) == (404, "ENDPOINT_NOT_FOUND"), path
            assert told["message"].endswith(f"is not supported by this server: {why_not(path)}.")


@pytest.fixture
def asked() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The address of a server that has nothing, and what it was asked."""
    seen: list[tuple[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            seen.append((self.command, self.path.partition("?")[0]))
            content = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "nothing is here"}'
            self.send_response(404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            """Nothing."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Listener, f"do_{method}", Listener.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_method_of_the_client_asks_what_is_offered_or_named(
    asked: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ENABLE_MCP_TOOL_DISCOVERY", "false")
    address, seen = asked
    client = MlflowClient(address)
    for name, method in inspect.getmembers(client, callable):
        # Nothing is there, and some words make no sense: what matters is what was asked.
        with contextlib.suppress(Exception):
            if not name.startswith(("_", *TRACED)):
                method(**_words(method))
    assert len(set(seen)) > 70
    assert {each for each in seen if not is_offered(*each) and not why_not(each[1])} == set()


def _words(method: Any) -> dict[str, Any]:
    """Something for every parameter that must be given."""
    parameters = inspect.signature(method).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    return {each.name: _word(each) for each in needed}


def _word(parameter: inspect.Parameter) -> Any:
    told = str(parameter.annotation).lower()
    if parameter.name == "server_json":
        return {"name": "aa/bb", "version": "1.0.0"}
    if parameter.name.endswith("ids") or "list" in told or "sequence" in told:
        return ["1"]
    if "dict" in told:
        return {"a": "b"}
    return 1 if "int" in told else 1.0 if "float" in told else "1"
