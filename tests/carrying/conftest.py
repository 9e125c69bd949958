"""Servers of MLflow's own with real runs, models and files in them, written by its own client."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before it is imported: it would tell its makers of our tests
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ["MLFLOW_ENABLE_MCP_TOOL_DISCOVERY"] = "false"

from budwood.wiring import served
from tests.carrying.judged import everything_judged, fill_judging, fill_traces, standing_at
from tests.carrying.reached import everything_reached, fill_mcp
from tests.servers.running import TOKEN, serving
from tests.servers.stock import Stock, stock_server

HERE = Path(__file__).parent
START = 1_700_000_000_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the client warns of is its own affair."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@dataclass(frozen=True)
class Both:
    """MLflow's client on a source, and on a server of ours, at one namespace."""

    there: Any
    here: Any


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a walk remembers of files is this test's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def stock() -> Iterator[Stock]:
    """A server with everything in it that is carried; tests read it only."""
    with stock_server() as server:
        fill(client_of(server.uri), server.uri)
        yield server


@pytest.fixture(scope="session")
def empty_stock() -> Iterator[Stock]:
    """Another one, to be written."""
    with stock_server() as server:
        yield server


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    """Fill any store that the client can write."""

    def fill_it(uri: str) -> None:
        import mlflow

        # The stores without a server ask for it in one place, and a database has its files where one stands.
        mlflow.set_tracking_uri(uri)
        with contextlib.chdir(tmp_path_factory.mktemp("stands")):
            try:
                fill(client_of(uri), uri)
            finally:
                mlflow.set_tracking_uri("")

    return fill_it


@pytest.fixture(scope="session")
def asked() -> Callable[[str], Any]:
    """MLflow's client on an address."""
    return client_of


@pytest.fixture
def team(tmp_path: Path) -> Iterator[str]:
    """The address of an empty server of ours, with the namespace ``risk``; its admin is ``mara``."""
    with serving(served(tmp_path / "team"), "mara") as address:
        yield address


@pytest.fixture
def both(team: str, stock: Stock, monkeypatch: pytest.MonkeyPatch) -> Both:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    return Both(client_of(stock.uri), client_of(f"{team}/ns/risk"))


@pytest.fixture
def shown() -> Callable[..., Mapping[str, Any]]:
    """Everything that MLflow's client can be told of a place."""
    return everything


def client_of(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri, registry_uri=uri)


@pytest.fixture
def judged() -> Callable[..., Mapping[str, Any]]:
    """The same of traces and of what judges them."""
    return everything_judged


@pytest.fixture
def reached() -> Callable[..., Mapping[str, Any]]:
    """The same of MCP servers."""
    return everything_reached


def fill(client: Any, uri: str) -> None:
    """Two experiments, nested and deleted runs, histories with NaN, data, files, models, aliases, stages, prompts; and
    traces, with what judges them, and MCP servers, where the store can keep them."""
    churn = client.create_experiment("churn", tags={"team": "risk", "mlflow.note.content": "Wer bleibt?"})
    gone = client.create_experiment("gone")
    runs = [_run(client, churn, number) for number in range(4)]
    client.set_tag(runs[1], "mlflow.parentRunId", runs[0])
    _data(client, runs[2])
    _models(client, churn, runs)
    with standing_at(uri, churn):
        traces = fill_traces(client)
        if not uri.startswith("file:"):
            fill_judging(client, churn, runs[2], traces)
            fill_mcp(client)
    client.delete_run(runs[3])
    _run(client, gone, 9)
    client.delete_experiment(gone)


def _run(client: Any, experiment: str, number: int) -> str:
    from mlflow.entities import Metric, Param, RunTag

    tags = {"mlflow.user": "bob", "number": str(number)}
    run = client.create_run(experiment, start_time=START + number, tags=tags, run_name=f"run {number}").info.run_id
    points = [Metric("loss", 1 / (step + 1 + number), START + step, step) for step in range(30)]
    odd = [Metric("nan", math.nan, 5, 1), Metric("inf", math.inf, 6, 1), Metric("a/b c", -0.5, 7, 0)]
    params = [Param("lr", str(0.1 * number)), Param("depth", "6"), Param("leer", "")]
    client.log_batch(run, metrics=[*points, *odd], params=params, tags=[RunTag("note", "héllo 'quoted'")])
    client.set_terminated(run, "FINISHED" if number else "FAILED", end_time=START + 100 + number)
    return str(run)


def _data(client: Any, run: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset("tickets", "d1gest", "local", "tickets.csv", '{"columns": 3}', '{"rows": 7}')
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _models(client: Any, experiment: str, runs: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "model" / "data").mkdir(parents=True)
        (place / "model" / "MLmodel").write_text("flavors: {}\n")
        (place / "model" / "data" / "weights.bin").write_bytes(os.urandom(300_000))
        (place / "empty.txt").touch()
        (place / "mit leerzeichen").mkdir()
        (place / "mit leerzeichen" / "ü.txt").write_text("größe")
        client.log_artifacts(runs[0], folder)
        logged = client.create_logged_model(
            experiment, "net", source_run_id=runs[2], tags={"a": "b"}, params={"p": "1"}, model_type="agent"
        )
        client.log_model_artifacts(logged.model_id, str(place / "model"))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_metric(runs[2], "auc", 0.9, model_id=logged.model_id, timestamp=START, step=3)
    source = f"{client.get_run(runs[0]).info.artifact_uri}/model"
    client.create_registered_model("Churn Model", tags={"tier": "1"}, description="Who leaves")
    for number in (1, 2, 3):
        tags = {"number": str(number)}
        client.create_model_version("Churn Model", source, runs[0], tags=tags, description=f"version {number}")
    client.delete_model_version("Churn Model", "2")
    client.set_registered_model_alias("Churn Model", "champion", "3")
    client.transition_model_version_stage("Churn Model", "1", "Production")
    client.create_registered_model("net")
    client.create_model_version("net", f"models:/{logged.model_id}", runs[2], model_id=logged.model_id)
    client.create_registered_model("copies")
    client.create_model_version("copies", "models:/net/1", runs[2])
    client.create_prompt("greet", tags={"owner": "ada"}) if hasattr(client, "create_prompt") else None
    client.register_prompt("greet", "Hello {{name}}", commit_message="first", tags={"kind": "short"})
    client.register_prompt("greet", "Good day, {{name}}")


def everything(client: Any, *, ids: bool = True) -> Mapping[str, Any]:
    """Without ``ids``, what a server names and times by itself is left out, and runs go by their names."""
    experiments = sorted(client.search_experiments(view_type=3), key=lambda each: each.name)
    by_id = {each.experiment_id: each.name for each in experiments}
    runs = [run for each in by_id for run in _all_runs(client, each)]
    names = {run.info.run_id: run.info.run_id if ids else run.info.run_name for run in runs}
    return {
        "experiments": [_experiment(each, ids) for each in experiments if each.name != "budwood versions"],
        "runs": sorted((_shown_run(client, each, by_id, names, ids) for each in runs), key=lambda each: each["id"]),
        "logged": sorted((_shown_logged(client, each, names, ids) for each in _logged(client, by_id)), key=str),
        "models": [_shown_model(client, each, names) for each in _all_models(client)],
    }


def _all_runs(client: Any, experiment: str) -> list[Any]:
    return list(client.search_runs([experiment], run_view_type=3, max_results=1000))


def _unmarked(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("budwood.")}


def _experiment(each: Any, ids: bool) -> tuple[Any, ...]:
    timed = (each.creation_time, each.last_update_time, each.experiment_id) if ids and each.name != "Default" else ()
    return each.name, each.lifecycle_stage, _unmarked(each.tags), *timed


def _shown_run(
    client: Any, run: Any, experiments: Mapping[str, str], names: Mapping[str, str], ids: bool
) -> dict[str, Any]:
    info, logged = run.info, run.data
    tags = _unmarked(logged.tags)
    if "mlflow.parentRunId" in tags:
        tags["mlflow.parentRunId"] = names[tags["mlflow.parentRunId"]]
    return {
        "id": names[info.run_id],
        "experiment": experiments[info.experiment_id],
        "info": (info.run_name, info.user_id, info.status, info.start_time, info.end_time, info.lifecycle_stage),
        "params": logged.params,
        "tags": tags,
        "metrics": {key: _history(client, info.run_id, key) for key in logged.metrics},
        "inputs": sorted(
            (str(each.dataset.to_dictionary()), [(tag.key, tag.value) for tag in each.tags])
            for each in run.inputs.dataset_inputs
        ),
        "outputs": len(run.outputs.model_outputs) if run.outputs else 0,
        "files": _files(client, info.run_id),
    }


def _history(client: Any, run: str, key: str) -> list[str]:
    return sorted(f"{each.timestamp} {each.step} {each.value!r}" for each in client.get_metric_history(run, key))


def _files(client: Any, run: str, folder: str = "") -> dict[str, int]:
    found: dict[str, int] = {}
    for each in client.list_artifacts(run, folder or None):
        found |= _files(client, run, each.path) if each.is_dir else {each.path: each.file_size or 0}
    return found


def _logged(client: Any, experiments: Mapping[str, str]) -> list[Any]:
    return list(client.search_logged_models(list(experiments)))


def _shown_logged(client: Any, each: Any, names: Mapping[str, str], ids: bool) -> tuple[Any, ...]:
    metrics = sorted((one.key, one.value, one.timestamp, one.step, names[one.run_id]) for one in each.metrics or ())
    named = (each.model_id, each.creation_timestamp) if ids else ()
    said = (each.name, each.model_type, each.status.value, names[each.source_run_id], _unmarked(each.tags), each.params)
    return *said, metrics, named


def _all_models(client: Any) -> list[Any]:
    plain = client.search_registered_models()
    prompts = client.search_registered_models("tags.`mlflow.prompt.is_prompt` = 'true'")
    return sorted({each.name: each for each in [*plain, *prompts]}.values(), key=lambda each: each.name)


def _shown_model(client: Any, model: Any, names: Mapping[str, str]) -> dict[str, Any]:
    quoted = f"name = '{model.name}'"
    prompts = f"{quoted} AND tags.`mlflow.prompt.is_prompt` = 'true'"
    versions = {each.version: each for text in (quoted, prompts) for each in client.search_model_versions(text)}
    return {
        "said": (model.name, model.description or "", _unmarked(model.tags)),
        "aliases": {alias: str(version) for alias, version in model.aliases.items()},
        "versions": [
            (
                int(each.version),
                each.description or "",
                names.get(each.run_id or "", ""),
                each.current_stage,
                _unmarked(each.tags),
            )
            for each in sorted(versions.values(), key=lambda each: int(each.version))
        ],
    }
