"""What MLflow's pages ask by GraphQL, of runs that its client logged."""

from typing import Any

import pytest

from tests.facades.mlflow.conftest import Home


@pytest.fixture
def run(client: Any, tmp_path: Any) -> str:
    file = tmp_path / "note.txt"
    file.write_text("hello")
    made: str = client.create_run(client.create_experiment("graphs"), run_name="first").info.run_id
    for step in range(3):
        client.log_metric(made, "loss", 1 / (step + 1), timestamp=step, step=step)
    client.log_metric(made, "none", float("nan"))
    client.log_artifact(made, str(file), "notes")
    client.create_registered_model("net")
    client.create_model_version("net", f"runs:/{made}/notes", made)
    return made


def ask(home: Home, query: str, **words: Any) -> Any:
    return home.ask("POST", "/graphql", {"query": query, **words})


def test_a_run_comes_with_its_experiment_and_its_versions(home: Home, run: str) -> None:
    query = """query GetRun($data: MlflowGetRunInput!) @component(name: "Page") {
        # as the page of a run asks
        mlflowGetRun(input: $data) { apiError { code } run {
            info { runName, startTime status }
            data { metrics { key value step } }
            inputs { datasetInputs { dataset { name } } }
            experiment { name } modelVersions { name version } } }
    }"""
    answer = ask(home, query, variables={"data": {"runId": run}}, operationName="GetRun")
    assert answer["errors"] is None
    found = answer["data"]["mlflowGetRun"]
    assert found["apiError"] is None
    assert found["run"]["info"] == {
        "runName": "first",
        "startTime": found["run"]["info"]["startTime"],
        "status": "RUNNING",
    }
    assert int(found["run"]["info"]["startTime"]) > 0
    metrics = {each["key"]: each for each in found["run"]["data"]["metrics"]}
    assert metrics["loss"] == {"key": "loss", "value": pytest.approx(1 / 3), "step": "2"}
    assert metrics["none"]["value"] is None
    assert found["run"]["inputs"] == {"datasetInputs": []}
    assert found["run"]["experiment"] == {"name": "graphs"}
    assert found["run"]["modelVersions"] == [{"name": "net", "version": "1"}]


def test_several_things_are_asked_for_at_once_by_names_of_ones_own(home: Home, run: str, client: Any) -> None:
    experiment = client.get_experiment_by_name("graphs").experiment_id
    query = f"""{{
        top: mlflowListArtifacts(input: {{runId: "{run}"}}) {{ files {{ path isDir fileSize }} }}
        below: mlflowListArtifacts(input: {{runId: "{run}", path: "notes"}}) {{ files {{ path isDir fileSize }} }}
        all: mlflowSearchRuns(input: {{experimentIds: ["{experiment}"], maxResults: 5}}) {{
            runs {{ info {{ runId }} }} }}
        mlflowGetMetricHistoryBulkInterval(input: {{runIds: ["{run}"], metricKey: "loss"}}) {{ metrics {{ step }} }}
        mlflowSearchModelVersions(input: {{filter: "name = 'net'"}}) {{ modelVersions {{ runId }} }}
        mlflowGetExperiment(input: {{experimentId: "77"}}) {{ experiment {{ name }} }}
    }}"""
    answer = ask(home, query)
    assert answer["data"] == {
        "top": {"files": [{"path": "notes", "isDir": True, "fileSize": "0"}]},
        "below": {"files": [{"path": "notes/note.txt", "isDir": False, "fileSize": "5"}]},
        "all": {"runs": [{"info": {"runId": run}}]},
        "mlflowGetMetricHistoryBulkInterval": {"metrics": [{"step": "0"}, {"step": "1"}, {"step": "2"}]},
        "mlflowSearchModelVersions": {"modelVersions": [{"runId": run}]},
        "mlflowGetExperiment": None,
    }
    assert answer["errors"] == ["No Experiment with id=77 exists"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "required parameter 'query'"),
        ("query { mlflowGetRun", "a name belongs"),
        ("subscription { x }", "begins with query"),
        ("{ mlflowDeleteRun(input: {}) { x } }", "Cannot query field 'mlflowDeleteRun'"),
        ("{ mlflowSearchDatasets(input: {}) { x } }", "Cannot query field 'mlflowSearchDatasets'"),
        ('{ mlflowGetRun(input: "x") { run { info { runId } } } }', "is no object"),
        ("{ test(inputString: $x) { output } }", "'$x' is not defined"),
        ('{ test(inputString: "x") { output { more } } }', "must not have a selection"),
        ('{ test(inputString: "x") }', "must have a selection"),
        ("query A { test { output } } query B { test { output } }", "Must provide an operation name"),
        ("{" + " ".join(f"a{at}: test {{ output }}" for at in range(12)) + "}", "at most 10 aliases"),
        ("{" + " ".join(["test { output }"] * 12) + "}", "at most 10 root fields"),
        ("{ test { " + "output { " * 12 + "x" + " }" * 14, "maximum depth of 10"),
        ("{ test { " + "output " * 1_001 + "} }", "maximum total selections of 1000"),
        ("{ test(inputString: " + "[" * 500 + ") { output } }", "nested at most"),
        ("{ test" + " " * 40_000 + "{ output } }", "at most 32768 characters"),
    ],
)
def test_a_query_that_cannot_be_answered_is_told_why(home: Home, query: str, said: str) -> None:
    answer = ask(home, query)
    assert answer["status"] == 200
    assert said in answer["errors"][0]
    assert not any((answer["data"] or {}).values())
