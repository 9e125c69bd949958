"""MLflow's own client, unmodified, against a server of ours: a namespace of its own for each test."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before it is imported: it would tell its makers of our tests
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"

from budwood.verbs.house import House
from budwood.wiring import served
from tests.servers.running import TOKEN, serving

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the client warns of is its own affair."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@dataclass(frozen=True)
class Home:
    """A server, and one namespace of it. ``uri`` is what a user of MLflow sets."""

    address: str
    house: House
    namespace: str

    @property
    def uri(self) -> str:
        return f"{self.address}/ns/{self.namespace}"

    def ask(self, method: str, path: str, json: object = None, **words: Any) -> Any:
        """The JSON that the server answers, with its status under ``status``."""
        headers = {"Authorization": f"Bearer {TOKEN}", **words.pop("headers", {})}
        reply = urllib3.request(method, self.uri + path, json=json, headers=headers, retries=False, **words)
        return {"status": reply.status, **(reply.json() if reply.data[:1] == b"{" else {"text": reply.data.decode()})}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, House]]:
    opened = served(tmp_path_factory.mktemp("mlflow") / "registry")
    with serving(opened, "mara") as address:
        yield address, opened.house


@pytest.fixture
def home(server: tuple[str, House], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """With the client pointed at it."""
    import mlflow

    address, house = server
    name = f"t{abs(hash(request.node.nodeid)):x}"
    house.catalog.write(lambda transaction: transaction.add_namespace(name, at_ms=1))
    home = Home(address, house, name)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    # The client remembers the experiment that a test before this one chose.
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    mlflow.set_tracking_uri(home.uri)
    yield home
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri("")
    # ``set_experiment`` leaves it for whoever comes next.
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


@pytest.fixture
def client(home: Home) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(home.uri)
