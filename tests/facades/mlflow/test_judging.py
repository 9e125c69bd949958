"""Scorers, label schemas and issues, by MLflow's own client; and by hand what its client would not send."""

import json
from typing import Any

import pytest

from budwood.domain.limits import SCORER_CHARS
from tests.facades.mlflow.conftest import Home

SCORERS = "/api/3.0/mlflow/scorers"
PLAIN = json.dumps({"name": "polite", "builtin_scorer_class": "Guidelines"})


@pytest.fixture
def experiment(client: Any) -> str:
    import mlflow

    made: str = client.create_experiment("answers")
    mlflow.set_experiment(experiment_id=made)
    return made


def polite(guidelines: str) -> Any:
    """The next version of one scorer."""
    from mlflow.genai.scorers import Guidelines

    return Guidelines(name="polite", guidelines=guidelines).register()


def test_a_scorer_is_registered_with_versions_and_loaded_again(experiment: str) -> None:
    from mlflow.genai.scorers import get_scorer, list_scorers
    from mlflow.genai.scorers.registry import list_scorer_versions

    for words in ("be polite", "be very polite"):
        polite(words)
    assert [each.guidelines for each in list_scorers()] == ["be very polite"]
    assert get_scorer(name="polite", version=1).guidelines == "be polite"
    assert [(each.guidelines, number) for each, number in list_scorer_versions(name="polite")] == [
        ("be polite", 1),
        ("be very polite", 2),
    ]


def test_the_number_of_a_deleted_version_is_not_given_again(experiment: str) -> None:
    from mlflow.exceptions import RestException
    from mlflow.genai.scorers import delete_scorer, get_scorer, list_scorers
    from mlflow.genai.scorers.registry import list_scorer_versions

    polite("1")
    polite("2")
    delete_scorer(name="polite", version=2)
    assert get_scorer(name="polite").guidelines == "1"
    polite("3")
    assert [number for _, number in list_scorer_versions(name="polite")] == [1, 3]
    missing = f"Scorer with name 'polite' and version 2 not found for experiment {experiment}."
    with pytest.raises(RestException, match=f"RESOURCE_DOES_NOT_EXIST: {missing}"):
        get_scorer(name="polite", version=2)
    delete_scorer(name="polite", version="all")
    assert list_scorers() == []
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: Scorer with name 'polite' not found"):
        delete_scorer(name="polite", version="all")


def test_a_scorer_runs_by_itself_nowhere_and_can_be_told_so(experiment: str) -> None:
    from mlflow.exceptions import RestException
    from mlflow.genai.scorers import ScorerSamplingConfig, get_scorer

    scorer = polite("be polite")
    scorer.stop()
    assert get_scorer(name="polite").sample_rate == 0
    with pytest.raises(RestException, match="this server offers no gateway"):
        scorer.start(sampling_config=ScorerSamplingConfig(sample_rate=0.5))


def test_scorers_of_several_experiments_are_listed(home: Home, client: Any, experiment: str) -> None:
    other = client.create_experiment("other")
    for place in (experiment, other):
        home.ask("POST", SCORERS + "/register", {"experiment_id": place, "name": "s", "serialized_scorer": PLAIN})

    def listed(**asked: Any) -> list[int]:
        return [each["experiment_id"] for each in home.ask("GET", SCORERS + "/list", fields=asked).get("scorers", [])]

    assert listed() == [*listed(experiment_ids=experiment), int(other)] == [int(experiment), int(other)]
    client.delete_experiment(other)
    assert listed() == [int(experiment)]
    assert listed(experiment_id="0") == []
    told = home.ask("GET", SCORERS + "/list", fields={"experiment_id": other})
    assert "must be in the 'active' state" in told["message"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": " "}, "Scorer name cannot be empty"),
        ({"name": "n" * 256}, "maximum length"),
        ({"name": "n\0"}, "not text"),
        ({"experiment_id": "../1"}, "valid integer"),
        ({"serialized_scorer": "{"}, "no JSON"),
        ({"serialized_scorer": "[]"}, "JSON object"),
        ({"serialized_scorer": '{"a":' * 500 + "1" + "}" * 500}, "nested deeper"),
        ({"serialized_scorer": json.dumps({"a": "x" * SCORER_CHARS})}, "maximum length"),
        ({"serialized_scorer": json.dumps({"call_source": "import os"})}, "Custom scorer registration"),
        ({"serialized_scorer": json.dumps({"ensemble": [{"x": {"call_source": ""}}]})}, "Custom scorer registration"),
        (
            {
                "serialized_scorer": json.dumps(
                    {"third_party_scorer_data": {"kwargs": {"a": [["api_base", "http://x"]]}}}
                )
            },
            "must not contain 'api_base'",
        ),
        ({"serialized_scorer": json.dumps({"third_party_scorer_data": {"kwargs": []}})}, "must be a JSON object"),
        ({"serialized_scorer": json.dumps({"builtin_scorer_pydantic_data": {"model": 1}})}, "Scorer model"),
    ],
)
def test_a_scorer_that_is_none_or_carries_a_program_is_refused(
    body: dict[str, str], says: str, home: Home, experiment: str
) -> None:
    asked = {"experiment_id": experiment, "name": "s", "serialized_scorer": PLAIN, **body}
    told = home.ask("POST", SCORERS + "/register", asked)
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert says in told["message"]
    assert "scorers" not in home.ask("GET", SCORERS + "/list")


def test_a_scorer_by_way_of_the_gateway_is_refused(home: Home, experiment: str) -> None:
    inside = {
        "memory_augmented_judge_data": {"base_judge": {"instructions_judge_pydantic_data": {"model": "gateway:/x"}}}
    }
    asked = {"experiment_id": experiment, "name": "s", "serialized_scorer": json.dumps(inside)}
    told = home.ask("POST", SCORERS + "/register", asked)
    assert (told["status"], told["message"]) == (404, "GatewayEndpoint not found (name='x')")


@pytest.mark.parametrize("rate", [-0.1, 1.5, "NaN", "x", None])
def test_a_share_is_from_zero_to_one(rate: object, home: Home, experiment: str) -> None:
    polite("be polite")
    told = home.ask(
        "PUT", SCORERS + "/online-config", {"experiment_id": experiment, "name": "polite", "sample_rate": rate}
    )
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_another_namespace_s_scorer_is_not_there(home: Home, experiment: str) -> None:
    polite("be polite")
    elsewhere = Home(home.address, home.house, "default")
    for path in ("/get", "/versions"):
        told = elsewhere.ask("GET", SCORERS + path, fields={"experiment_id": experiment, "name": "polite"})
        assert told["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    (known,) = home.ask("GET", SCORERS + "/list")["scorers"]
    home.ask("PUT", SCORERS + "/online-config", {"experiment_id": experiment, "name": "polite", "sample_rate": 0})
    asked = {"scorer_ids": known["scorer_id"]}
    assert len(home.ask("GET", SCORERS + "/online-configs", fields=asked)["configs"]) == 1
    assert elsewhere.ask("GET", SCORERS + "/online-configs", fields=asked)["configs"] == []


def test_every_experiment_has_a_question_that_stays(experiment: str) -> None:
    from mlflow.exceptions import RestException
    from mlflow.genai import label_schemas

    for _ in range(2):
        (default,) = label_schemas.list_label_schemas(experiment_id=experiment)
    assert (default.name, default.is_default, type(default.input).__name__) == ("Feedback", True, "InputText")
    with pytest.raises(RestException, match="default question cannot be deleted"):
        label_schemas.delete_label_schema(schema_id=default.schema_id)
    with pytest.raises(RestException, match="default question cannot be edited"):
        label_schemas.update_label_schema(default.schema_id, name="other")


def test_questions_are_asked_changed_and_withdrawn(experiment: str) -> None:
    from mlflow.exceptions import RestException
    from mlflow.genai import label_schemas as labels

    forms = {
        "right": labels.InputPassFail(positive_label="yes", negative_label="no"),
        "tone": labels.InputCategorical(options=["warm", "cold"], multi_select=True),
        "stars": labels.InputNumeric(min_value=0.5, max_value=5),
        "why": labels.InputText(max_length=80),
    }
    made = {
        name: labels.create_label_schema(
            name, type="expectation", input=form, instruction=f"{name}?", enable_comment=True, experiment_id=experiment
        )
        for name, form in forms.items()
    }
    for name, schema in made.items():
        again = labels.get_label_schema(schema_id=schema.schema_id)
        assert (again.name, again.input, str(again.type), again.enable_comment) == (
            name,
            forms[name],
            "expectation",
            True,
        )
        assert (again.instruction, again.experiment_id) == (f"{name}?", experiment)
    page = labels.list_label_schemas(experiment_id=experiment, max_results=3)
    rest = labels.list_label_schemas(experiment_id=experiment, max_results=3, page_token=page.token)
    assert [each.name for each in [*page, *rest]] == ["Feedback", "why", "stars", "tone", "right"]
    wider = labels.InputCategorical(options=["warm", "cold", "none"], multi_select=True)
    changed = labels.update_label_schema(made["tone"].schema_id, name="mood", input=wider, enable_comment=False)
    assert (changed.name, changed.input, changed.enable_comment, changed.instruction) == ("mood", wider, False, "tone?")
    with pytest.raises(RestException, match="input type cannot be changed"):
        labels.update_label_schema(made["tone"].schema_id, input=forms["why"])
    with pytest.raises(RestException, match="RESOURCE_ALREADY_EXISTS: Label schema with name 'why'"):
        labels.update_label_schema(made["tone"].schema_id, name="why")
    for _ in range(2):
        labels.delete_label_schema(schema_id=made["tone"].schema_id)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: Label schema with id"):
        labels.get_label_schema(schema_id=made["tone"].schema_id)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "feedback "},
        {"name": "n" * 251},
        {"type": "OPINION"},
        {"instruction": "i" * 1_001},
        {"enable_comment": "perhaps"},
        {"input": {}},
        {"input": {"pass_fail": {"positive_label": "a", "negative_label": "a"}}},
        {"input": {"pass_fail": {"positive_label": "a"}}},
        {"input": {"categorical": {"options": []}}},
        {"input": {"categorical": {"options": ["a", "a"]}}},
        {"input": {"categorical": {"options": [str(n) for n in range(11)]}}},
        {"input": {"categorical": {"options": ["o" * 65]}}},
        {"input": {"numeric": {"min_value": 2, "max_value": 1}}},
        {"input": {"text": {"max_length": 0}}},
    ],
)
def test_a_question_that_is_none_is_refused(body: dict[str, Any], home: Home, experiment: str) -> None:
    asked = {"experiment_id": experiment, "name": "q", "type": "FEEDBACK", "input": {"text": {}}, **body}
    told = home.ask("POST", "/api/3.0/mlflow/label-schemas/create", asked)
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_issues_are_told_the_worst_first(client: Any, experiment: str) -> None:
    from mlflow.entities.issue import IssueSeverity, IssueStatus
    from mlflow.exceptions import RestException

    store = client._tracking_client.store
    run = client.create_run(experiment).info.run_id
    mild = store.create_issue(experiment, "slow", "it takes long")
    bad = store.create_issue(
        experiment,
        "wrong",
        "it lies",
        severity=IssueSeverity.HIGH,
        root_causes=["old data"],
        categories=["truth"],
        source_run_id=run,
        created_by="mara",
    )
    assert store.get_issue(bad.issue_id).to_dictionary() == bad.to_dictionary()
    assert (bad.root_causes, bad.categories, bad.created_by, bad.source_run_id) == (
        ["old data"],
        ["truth"],
        "mara",
        run,
    )
    page = store.search_issues(experiment, max_results=1)
    rest = store.search_issues(experiment, max_results=1, page_token=page.token)
    assert [each.name for each in [*page, *rest]] == ["wrong", "slow"]
    store.update_issue(mild.issue_id, status=IssueStatus.RESOLVED, name="slower", severity=IssueSeverity.LOW)
    (found,) = store.search_issues(filter_string="status = 'resolved'")
    assert (found.name, found.severity, found.description) == ("slower", IssueSeverity.LOW, "it takes long")
    assert [each.name for each in store.search_issues(filter_string=f"source_run_id = '{run}'")] == ["wrong"]
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: Issue with ID 'iss-none' not found"):
        store.get_issue("iss-none")
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: Run with id=none not found"):
        store.create_issue(experiment, "x", "y", source_run_id="none")


def test_issues_of_one_severity_come_by_how_many_traces_show_them(client: Any, experiment: str) -> None:
    import mlflow
    from mlflow.entities.assessment import IssueReference

    store = client._tracking_client.store
    rare, common, none = (store.create_issue(experiment, name, "d") for name in ("rare", "common", "none"))
    for shown in ([rare, common], [common], [common, common]):
        trace = client.start_trace("asked", experiment_id=experiment).trace_id
        client.end_trace(trace)
        mlflow.flush_trace_async_logging()
        for issue in shown:
            store.create_assessment(IssueReference(issue.issue_id, issue.name, trace_id=trace))
    found = store.search_issues(experiment, include_trace_count=True)
    assert [(each.name, each.trace_count) for each in found] == [("common", 3), ("rare", 1), ("none", 0)]
    assert [each.issue_id for each in found][2] == none.issue_id
    assert {each.trace_count for each in store.search_issues(experiment)} == {None}
    page = store.search_issues(experiment, include_trace_count=True, max_results=2)
    rest = store.search_issues(experiment, include_trace_count=True, max_results=2, page_token=page.token)
    assert [each.name for each in rest] == ["none"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"name": "", "description": "d"}),
        ("", {"name": "n" * 251, "description": "d"}),
        ("", {"name": "n", "description": "d" * 32_769}),
        ("", {"name": "n", "description": "d", "status": "odd"}),
        ("", {"name": "n", "description": "d", "severity": "odd"}),
        ("", {"name": "n", "description": "d", "categories": ["c"] * 101}),
        ("", {"name": "n", "description": "d", "root_causes": "\0"}),
        ("/search", {"filter_string": "name = 'x'"}),
        ("/search", {"filter_string": "status LIKE 'x"}),
        ("/search", {"max_results": 0}),
        ("/search", {"page_token": "-5"}),
    ],
)
def test_an_issue_that_is_none_is_refused(path: str, body: dict[str, Any], home: Home, experiment: str) -> None:
    told = home.ask("POST", "/api/3.0/mlflow/issues" + path, {"experiment_id": experiment, **body})
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
