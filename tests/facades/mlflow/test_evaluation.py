"""Evaluation datasets, by MLflow's own client: made, filled, searched, tied to experiments, removed; and by hand what
its client would not send."""

import hashlib
import json
from typing import Any

import pytest

from budwood.domain.limits import EVALUATION_RECORD_BYTES, EVALUATION_RECORDS_AT_ONCE
from budwood.errors import StillInUse
from budwood.verbs.namespaces import remove_namespace
from tests.facades.mlflow.conftest import Home

ROOT = "/api/3.0/mlflow/datasets"


@pytest.fixture
def experiment(client: Any) -> str:
    made: str = client.create_experiment("questions")
    return made


@pytest.fixture
def dataset(client: Any, experiment: str) -> Any:
    """Two questions."""
    made = client.create_dataset("qa", experiment_id=experiment, tags={"team": "risk", "mlflow.user": "mara"})
    made.merge_records(
        [
            {
                "inputs": {"q": "one?"},
                "expectations": {"a": float("nan"), "ok": True},
                "tags": {"part": "1", "mlflow.user": "mara"},
                "source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}},
            },
            {
                "inputs": {"q": "two?", "n": 2},
                "outputs": "yes",
                "source": {"source_type": "human", "source_data": {"source_id": "u-1"}},
                "tags": {"mlflow.user": "juno"},
            },
        ]
    )
    return client.get_dataset(made.dataset_id)


def records(home: Home, dataset: Any, **asked: Any) -> list[Any]:
    found = home.ask("GET", f"{ROOT}/{dataset.dataset_id}/records", fields=asked)
    listed: list[Any] = json.loads(found["records"])
    return listed


def test_a_dataset_is_described_by_what_it_holds(dataset: Any, experiment: str) -> None:
    assert dataset.dataset_id.startswith("d-")
    assert dataset.experiment_ids == [experiment]
    assert (dataset.created_by, dataset.last_updated_by, dataset.tags["team"]) == ("mara", "juno", "risk")
    assert json.loads(dataset.schema) == {
        "inputs": {"q": "string", "n": "integer"},
        "outputs": "string",
        "expectations": {"a": "float", "ok": "boolean"},
        "version": "1.0",
    }
    assert json.loads(dataset.profile) == {"num_records": 2}
    named = f"qa:{dataset.last_update_time}"
    assert dataset.digest == hashlib.sha256(named.encode()).hexdigest()[:8]


def test_records_come_back_as_they_were_said(home: Home, dataset: Any) -> None:
    first, second = dataset.records
    assert first.inputs == {"q": "one?"}
    assert first.expectations["a"] != first.expectations["a"]
    assert (first.outputs, first.tags["part"], first.source_type, first.source_id) == ({}, "1", "TRACE", "tr-1")
    assert (first.created_by, second.created_by) == ("mara", "juno")
    assert (second.outputs, second.source_type, second.source_id) == ("yes", "HUMAN", "u-1")
    assert second.source.source_data == {"source_id": "u-1"}
    assert list(dataset.to_df()["dataset_record_id"]) == [each["dataset_record_id"] for each in records(home, dataset)]


def test_the_same_inputs_are_the_same_record(client: Any, dataset: Any) -> None:
    again = [{"inputs": {"n": 2, "q": "two?"}, "expectations": {"a": 1}}, {"inputs": {"q": "three?"}}]
    assert client._tracking_client.store.upsert_dataset_records(dataset.dataset_id, [*again, *again]) == {
        "inserted": 1,
        "updated": 3,
    }
    _, second, third = client.get_dataset(dataset.dataset_id).records
    assert (second.expectations, second.outputs, third.inputs) == ({"a": 1}, "yes", {"q": "three?"})
    no_longer = [{"inputs": {"q": "two?", "n": 2}, "outputs": None, "expectations": {"b": 2}, "tags": {"x": "y"}}]
    client._tracking_client.store.upsert_dataset_records(dataset.dataset_id, no_longer)
    second = client.get_dataset(dataset.dataset_id).records[1]
    assert (second.outputs, second.expectations, second.tags) == (
        None,
        {"a": 1, "b": 2},
        {"mlflow.user": "juno", "x": "y"},
    )


def test_the_digest_changes_with_the_records_and_not_with_tags(client: Any, dataset: Any) -> None:
    client.set_dataset_tags(dataset.dataset_id, {"team": "fraud", "size": 3, "none": None})
    client.delete_dataset_tag(dataset.dataset_id, "mlflow.user")
    tagged = client.get_dataset(dataset.dataset_id)
    assert tagged.tags == {"team": "fraud", "size": "3"}
    assert tagged.digest == dataset.digest
    tagged.merge_records([{"inputs": {"q": "three?"}}])
    later = client.get_dataset(dataset.dataset_id)
    assert later.last_update_time >= dataset.last_update_time
    assert later.digest == hashlib.sha256(f"qa:{later.last_update_time}".encode()).hexdigest()[:8]


def test_records_are_deleted(client: Any, dataset: Any) -> None:
    ids = [each.dataset_record_id for each in dataset.records]
    assert dataset.delete_records([ids[0], "dr-none"]) == 1
    assert dataset.delete_records([ids[0]]) == 0
    after = client.get_dataset(dataset.dataset_id)
    assert ([each.dataset_record_id for each in after.records], after.profile) == ([ids[1]], '{"num_records": 1}')
    assert after.delete_records([ids[1]]) == 1
    assert client.get_dataset(dataset.dataset_id).profile is None


def test_records_are_paged(home: Home, client: Any, dataset: Any) -> None:
    dataset.merge_records([{"inputs": {"q": f"more {number}"}} for number in range(1_500)])
    assert len(client.get_dataset(dataset.dataset_id).records) == 1_502
    found, token = client._tracking_client.store._load_dataset_records(dataset.dataset_id, max_results=1_501)
    last, token = client._tracking_client.store._load_dataset_records(dataset.dataset_id, 1, token)
    assert (len(found), last[0].inputs, token) == (1_501, {"q": "more 1499"}, None)


def test_datasets_are_searched(client: Any, dataset: Any, experiment: str) -> None:
    for number in range(5):
        client.create_dataset(f"n{number}", tags={"part": str(number % 2)})

    def names(**asked: Any) -> list[str]:
        return [each.name for each in client.search_datasets(**asked)]

    assert names() == ["n4", "n3", "n2", "n1", "n0", "qa"]
    assert names(experiment_ids=[experiment]) == ["qa"]
    assert names(experiment_ids=["404"]) == []
    assert names(filter_string="tags.part = '1' AND name LIKE 'n%'", order_by=["name ASC"]) == ["n1", "n3"]
    assert names(filter_string="created_by = 'mara'") == ["qa"]
    assert names(filter_string="name IN ('n0', 'qa')") == ["n0", "qa"]
    page = client.search_datasets(max_results=4, order_by=["created_time DESC"])
    rest = client.search_datasets(max_results=4, order_by=["created_time DESC"], page_token=page.token)
    assert [each.name for each in [*page, *rest]] == names()


def test_a_dataset_is_tied_to_experiments_and_untied(client: Any, dataset: Any, experiment: str) -> None:
    from mlflow.exceptions import RestException

    other = client.create_experiment("answers")
    tied = client.add_dataset_to_experiments(dataset.dataset_id, [other, experiment])
    assert tied.experiment_ids == [experiment, other]
    assert client.remove_dataset_from_experiments(dataset.dataset_id, [experiment]).experiment_ids == [other]
    assert client.remove_dataset_from_experiments(dataset.dataset_id, [experiment]).experiment_ids == [other]
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: No Experiment with id=404"):
        client.add_dataset_to_experiments(dataset.dataset_id, ["404"])
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: No Experiment with id=404"):
        client.create_dataset("nowhere", experiment_id=["404"])


def test_a_deleted_dataset_is_not_there_and_may_be_deleted_again(client: Any, dataset: Any) -> None:
    from mlflow.exceptions import RestException

    client.delete_dataset(dataset.dataset_id)
    client.delete_dataset(dataset.dataset_id)
    client.delete_dataset_tag(dataset.dataset_id, "team")
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: Evaluation dataset with id 'd-"):
        client.get_dataset(dataset.dataset_id)


def test_what_changes_a_dataset_is_in_the_ledger(home: Home, dataset: Any) -> None:
    with home.house.catalog.read() as view:
        told = view.ledger(subject=f"evaluation-dataset:{home.namespace}/{dataset.dataset_id}")
    assert [each.action for each in told] == ["evaluation-dataset.created", "evaluation-dataset.filled"]


def test_a_namespace_with_datasets_is_not_removed(home: Home, client: Any) -> None:
    made = client.create_dataset("qa")
    with pytest.raises(StillInUse, match="still holds evaluation datasets"):
        remove_namespace(home.house, home.namespace)
    client.delete_dataset(made.dataset_id)
    remove_namespace(home.house, home.namespace)
    assert home.ask("GET", f"{ROOT}/{made.dataset_id}")["status"] == 404


def deep(levels: int) -> str:
    return '[{"inputs": {"q": ' + "[" * levels + "]" * levels + "}}]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("{}", "no list"),
        ("[1]", "records[0]"),
        ('[{"inputs": 1}]', "records[0].inputs"),
        ('[{"inputs": null}]', "records[0].inputs"),
        ('[{"inputs": {}, "tags": []}]', "records[0].tags"),
        ('[{"inputs": {}, "expectations": "x"}]', "records[0].expectations"),
        ('[{"inputs": {}, "source": {"source_type": "MOON"}}]', "Invalid dataset record source type: MOON"),
        ('[{"inputs": {}, "source": {"kind": "HUMAN"}}]', "records[0].source"),
        ('[{"inputs": {}, "tags": {"mlflow.user": "\\ud800"}}]', "not text"),
        (deep(500), "nested deeper"),
        (deep(100_000), "no JSON"),
        (json.dumps([{"inputs": {"q": "x" * EVALUATION_RECORD_BYTES}}]), "the limit is 1048576"),
        (json.dumps([{}] * (EVALUATION_RECORDS_AT_ONCE + 1)), "at most 20000 records"),
    ],
)
def test_records_that_are_none_are_refused_and_nothing_is_kept(text: str, says: str, home: Home, dataset: Any) -> None:
    told = home.ask("POST", f"{ROOT}/{dataset.dataset_id}/records", {"records": text})
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert says in told["message"]
    assert len(records(home, dataset)) == 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/create", {}),
        ("POST", "/create", {"name": " "}),
        ("POST", "/create", {"name": "x" * 256}),
        ("POST", "/create", {"name": "a\0b"}),
        ("POST", "/create", {"name": "x", "tags": "[]"}),
        ("POST", "/create", {"name": "x", "tags": json.dumps({"k": "v" * 5_001})}),
        ("POST", "/create", {"name": "x", "tags": json.dumps({str(n): "v" for n in range(1_001)})}),
        ("POST", "/create", {"name": "x", "experiment_ids": ["../1"]}),
        ("POST", "/create", {"name": "x", "experiment_ids": ["1"] * 1_001}),
        ("POST", "/search", {"filter_string": "name = 'x' OR name = 'y'"}),
        ("POST", "/search", {"filter_string": "digest = 'x'"}),
        ("POST", "/search", {"order_by": ["digest"]}),
        ("POST", "/search", {"max_results": -1}),
        ("POST", "/search", {"max_results": 50_001}),
        ("POST", "/search", {"page_token": "-5"}),
        ("POST", "/search", {"page_token": "x" * 100_000}),
    ],
)
def test_requests_that_are_none_are_refused(method: str, path: str, body: Any, home: Home) -> None:
    told = home.ask(method, ROOT + path, body)
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_page_of_records_belongs_to_its_dataset(home: Home, client: Any, dataset: Any) -> None:
    other = client.create_dataset("other")
    token = home.ask("GET", f"{ROOT}/{dataset.dataset_id}/records", fields={"max_results": 1})["next_page_token"]
    for asked in ({"page_token": token}, {"page_token": "-5"}, {"page_token": "MTox"}, {"max_results": -1}):
        told = home.ask("GET", f"{ROOT}/{other.dataset_id}/records", fields=asked)
        assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_another_namespace_s_dataset_is_not_there(home: Home, dataset: Any) -> None:
    elsewhere = Home(home.address, home.house, "default")
    path = f"{ROOT}/{dataset.dataset_id}"
    assert elsewhere.ask("GET", path)["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert elsewhere.ask("GET", path + "/records")["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    written = json.dumps([{"inputs": {}}])
    assert elsewhere.ask("POST", path + "/records", {"records": written})["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert elsewhere.ask("DELETE", path)["status"] == 200
    assert home.ask("GET", path)["status"] == 200
