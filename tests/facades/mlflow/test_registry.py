"""The registry as users of MLflow know it: models, versions, aliases, stages, and what is found of them."""

import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException, RestException

from budwood.errors import BadValue
from budwood.verbs.export import export
from budwood.verbs.listings.versions import NewListed, create
from budwood.verbs.manifests import load_manifest
from budwood.verbs.policies import put_policy
from budwood.verbs.resolve import resolve

BUCKET = "s3://models/credit"
GUARD = """
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: release}
spec:
  stages: [production]
  aliases: [champion]
  models: ["*"]
  requires: {facts: [formats]}
"""


def make(client: Any, name: str, count: int = 1) -> None:
    client.create_registered_model(name)
    for number in range(count):
        client.create_model_version(name, f"{BUCKET}/{number}")


def test_a_model_is_made_described_tagged_renamed_and_deleted(client: Any) -> None:
    made = client.create_registered_model("My Model", tags={"team": "risk"}, description="first")
    assert (made.name, made.description, made.tags) == ("My Model", "first", {"team": "risk"})
    with pytest.raises(RestException, match=r"Registered Model \(name=My Model\) already exists") as taken:
        client.create_registered_model("My Model")
    assert taken.value.error_code == "RESOURCE_ALREADY_EXISTS"
    client.update_registered_model("My Model", "second")
    client.set_registered_model_tag("My Model", "tier", "1")
    client.delete_registered_model_tag("My Model", "team")
    client.rename_registered_model("My Model", "Our Model")
    renamed = client.get_registered_model("Our Model")
    assert (renamed.name, renamed.description, renamed.tags) == ("Our Model", "second", {"tier": "1"})
    with pytest.raises(RestException, match="Registered Model with name=My Model not found") as gone:
        client.get_registered_model("My Model")
    assert gone.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    client.create_registered_model("My Model")
    client.delete_registered_model("Our Model")
    assert [each.name for each in client.search_registered_models()] == ["My Model"]


def test_a_model_with_capitals_and_spaces_lives_in_both_worlds(client: Any, home: Any) -> None:
    make(client, "My Model", 2)
    client.set_registered_model_alias("My Model", "champion", 2)
    with home.house.catalog.read() as view:
        ours = resolve(view, f"{home.namespace}/my-model@champion")
    assert (ours.number, ours.model) == (2, "my-model")
    assert client.get_model_version_by_alias("My Model", "champion").version == "2"
    client.create_registered_model("my model")
    with home.house.catalog.read() as view:
        assert view.model_titled(home.namespace, "my model").name == "my-model-2"


def test_a_version_says_what_it_was_made_from(client: Any, home: Any) -> None:
    client.create_registered_model("m")
    run = client.create_run("0").info.run_id
    made = client.create_model_version(
        "m", f"runs:/{run}/model", run, tags={"a": "b"}, run_link="http://ci/1", description="d"
    )
    found = client.get_model_version("m", "1")
    assert (found.version, found.source, found.run_id) == ("1", f"runs:/{run}/model", run)
    assert (found.run_link, found.description, found.tags) == ("http://ci/1", "d", {"a": "b"})
    assert (found.status, found.current_stage, made.aliases) == ("READY", "None", [])
    assert client.get_model_version_download_uri("m", "1") == f"mlflow-artifacts:/0/{run}/artifacts/model"
    client.update_model_version("m", "1", "better")
    client.set_model_version_tag("m", "1", "long name/with: all", "x" * 90_000)
    client.delete_model_version_tag("m", "1", "a")
    found = client.get_model_version("m", "1")
    assert found.description == "better"
    assert found.tags == {"long name/with: all": "x" * 90_000}
    client.delete_model_version("m", "1")
    with pytest.raises(RestException, match=r"Model Version \(name=m, version=1\) not found"):
        client.get_model_version("m", "1")


def test_a_number_is_never_given_twice(client: Any) -> None:
    make(client, "m", 2)
    client.delete_model_version("m", "2")
    assert client.create_model_version("m", BUCKET).version == "3"


def test_an_alias_is_set_moved_and_goes_with_its_version(client: Any) -> None:
    make(client, "m", 2)
    for alias in ("Champion", "production", "_x", "1st"):
        client.set_registered_model_alias("m", alias, "1")
    client.set_registered_model_alias("m", "Champion", "2")
    assert client.get_registered_model("m").aliases == {"Champion": "2", "production": "1", "_x": "1", "1st": "1"}
    assert sorted(client.get_model_version("m", "1").aliases) == ["1st", "_x", "production"]
    client.delete_registered_model_alias("m", "_x")
    client.delete_registered_model_alias("m", "_x")
    client.delete_model_version("m", "1")
    assert client.get_registered_model("m").aliases == {"Champion": "2"}
    with pytest.raises(RestException, match="Registered model alias _x not found"):
        client.get_model_version_by_alias("m", "_x")


@pytest.mark.parametrize(
    ("alias", "why"), [("latest", "reserved"), ("v7", "reserved"), ("a b", "may only contain"), ("x" * 256, "length")]
)
def test_an_alias_that_would_mislead_is_refused(home: Any, client: Any, alias: str, why: str) -> None:
    make(client, "m")
    path = "/api/2.0/mlflow/registered-models/alias"
    answer = home.ask("POST", path, {"name": "m", "alias": alias, "version": "1"})
    assert (answer["status"], answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert why in answer["message"]


def test_stages_are_entered_and_others_are_archived(client: Any) -> None:
    make(client, "m", 3)
    client.transition_model_version_stage("m", "1", "Production")
    client.transition_model_version_stage("m", "2", "Production")
    moved = client.transition_model_version_stage("m", "3", "production", archive_existing_versions=True)
    assert moved.current_stage == "Production"
    assert [client.get_model_version("m", each).current_stage for each in "123"] == [
        "Archived",
        "Archived",
        "Production",
    ]
    assert [each.version for each in client.get_latest_versions("m")] == ["2", "3"]
    assert [each.version for each in client.get_latest_versions("m", ["Production"])] == ["3"]
    with pytest.raises(RestException, match="Invalid Model Version stage: Live"):
        client.transition_model_version_stage("m", "1", "Live")
    with pytest.raises(RestException, match="not an Active stage"):
        client.transition_model_version_stage("m", "1", "Archived", archive_existing_versions=True)


def test_a_policy_guards_a_stage_and_an_alias_however_it_is_spelt(client: Any, home: Any) -> None:
    make(client, "m")
    put_policy(home.house, home.namespace, GUARD)
    for alias in ("champion", "Champion", "production"):
        with pytest.raises(RestException, match="guarded by release") as refused:
            client.set_registered_model_alias("m", alias, "1")
        assert refused.value.error_code == "PERMISSION_DENIED"
        assert "budwood promotion request" in refused.value.message
    with pytest.raises(RestException, match="guarded by release"):
        client.transition_model_version_stage("m", "1", "Production")
    client.transition_model_version_stage("m", "1", "Staging")


def test_models_are_searched_ordered_and_paged(client: Any) -> None:
    for name in ("Alpha", "beta", "alphabet"):
        client.create_registered_model(name, tags={"first": name[0]})
        time.sleep(0.002)

    def names(**words: Any) -> list[str]:
        return [each.name for each in client.search_registered_models(**words)]

    assert names() == ["Alpha", "alphabet", "beta"]
    assert names(filter_string="name LIKE 'alpha%'") == ["alphabet"]
    assert names(filter_string="name ILIKE 'alpha%'") == ["Alpha", "alphabet"]
    assert names(filter_string="tags.first = 'b' AND name != 'x'") == ["beta"]
    assert names(filter_string="name IN ('beta', 'Alpha')") == ["Alpha", "beta"]
    assert names(order_by=["creation_timestamp DESC"]) == ["alphabet", "beta", "Alpha"]
    first = client.search_registered_models(max_results=2)
    second = client.search_registered_models(max_results=2, page_token=first.token)
    assert [each.name for each in (*first, *second)] == ["Alpha", "alphabet", "beta"]
    assert not second.token
    with pytest.raises(RestException, match="Invalid attribute key 'colour'") as wrong:
        client.search_registered_models(filter_string="colour = 'red'")
    assert wrong.value.error_code == "INVALID_PARAMETER_VALUE"


def test_versions_are_searched_ordered_and_paged(client: Any) -> None:
    run = client.create_run("0").info.run_id
    make(client, "one", 3)
    make(client, "two", 1)
    client.create_model_version("two", f"runs:/{run}/model", run, tags={"good": "yes"})

    def found(text: str = "", **words: Any) -> list[tuple[str, int]]:
        return [(each.name, int(each.version)) for each in client.search_model_versions(text, **words)]

    assert found("name = 'one'", order_by=["version_number ASC"]) == [("one", 1), ("one", 2), ("one", 3)]
    assert found("name = 'one' AND version_number >= 2", order_by=["version_number DESC"]) == [("one", 3), ("one", 2)]
    assert found(f"run_id = '{run}'") == [("two", 2)]
    assert found("tags.good = 'yes'") == [("two", 2)]
    assert found("tags.good = 'no'") == []
    assert found(f"source_path = '{BUCKET}/1'") == [("one", 2)]
    everything = found(order_by=["name ASC", "version_number ASC"])
    assert everything == [("one", 1), ("one", 2), ("one", 3), ("two", 1), ("two", 2)]
    pages, token = [], ""
    while True:
        page = client.search_model_versions(max_results=2, order_by=["name", "version_number"], page_token=token)
        pages += [(each.name, int(each.version)) for each in page]
        token = page.token
        if not token:
            break
    assert pages == everything
    time.sleep(0.002)
    client.update_model_version("one", "1", "touched")
    assert found()[0] == ("one", 1)


@pytest.mark.parametrize("token", ["eyJvZmZzZXQiOiAtNX0=", "x", "W10=", "A" * 10_000])
def test_a_forged_page_token_is_refused(home: Any, client: Any, token: str) -> None:
    for what in ("registered-models", "model-versions"):
        answer = home.ask("GET", f"/api/2.0/mlflow/{what}/search?page_token={token}")
        assert (answer["status"], answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("name", ["a/b", "a:b", " ", "..", "x" * 257])
def test_a_name_that_would_be_a_path_is_refused(home: Any, name: str) -> None:
    answer = home.ask("POST", "/api/2.0/mlflow/registered-models/create", {"name": name})
    assert (answer["status"], answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    "source",
    [
        *("/etc", "etc/passwd", "file:///etc/", "file://./x", "FILE:/etc", "//proc/self/root", "C:\\windows", "~/x"),
        *("%2fetc", "file%3a///etc", "mlflow-artifacts:/../../etc", "mlflow-artifacts:/%252e%252e/etc", "runs:/../etc"),
        *(
            "http://host#/../../etc/",
            "http:///#/..",
            "http://169.254.169.254/latest",
            "https://other/model",
            "ftp://h/x",
        ),
        *("mlflow-artifacts://other/0/x", "models://other/m/1", "runs://other/x/model", "hdfs://h/x", "dbfs:/x"),
        *("s3://b/../x", "s3://b/%2e%2e/x", "s3://b/x?a=b", "s3://b/x#y", "s3://b/x;y", "sftp://h/x", "javascript:1"),
    ],
)
@pytest.mark.parametrize("tags", [[], [{"key": "mlflow.prompt.is_prompt", "value": "true"}]])
def test_a_local_or_foreign_source_is_refused(home: Any, client: Any, source: str, tags: list[Any]) -> None:
    client.create_registered_model("m")
    asked = {"name": "m", "source": source, "tags": tags, "run_id": "abc"}
    answer = home.ask("POST", "/api/2.0/mlflow/model-versions/create", asked)
    assert (answer["status"], answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer
    assert list(client.search_model_versions("name = 'm'")) == []


def test_a_source_must_be_of_the_run_it_names(client: Any) -> None:
    client.create_registered_model("m")
    mine, other = client.create_run("0").info, client.create_run("0").info
    assert client.create_model_version("m", f"{mine.artifact_uri}/model", mine.run_id).version == "1"
    for source, run in (
        (f"{mine.artifact_uri}/model", other.run_id),
        (f"{mine.artifact_uri}x/model", mine.run_id),
        (f"{mine.artifact_uri}/model", None),
        (f"runs:/{mine.run_id}/model", other.run_id),
    ):
        with pytest.raises(RestException, match="must identify the resource that contains the source"):
            client.create_model_version("m", source, run)


def test_a_version_is_copied_to_another_model(client: Any) -> None:
    make(client, "staging", 2)
    client.set_registered_model_alias("staging", "best", "2")
    copied = client.copy_model_version("models:/staging@best", "production")
    assert (copied.name, copied.version, copied.source) == ("production", "1", "models:/staging/2")
    assert client.get_model_version_download_uri("production", "1") == f"{BUCKET}/1"


def test_a_model_that_was_logged_is_registered_staged_and_loaded_by_every_name(home: Any, client: Any) -> None:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    with mlflow.start_run() as run:
        mlflow.log_metric("acc", 1.0)
        info = mlflow.sklearn.log_model(fitted, name="model", registered_model_name="Credit Risk")
    assert info.registered_model_version == "1"
    client.set_registered_model_alias("Credit Risk", "champion", "1")
    client.transition_model_version_stage("Credit Risk", "1", "Production")
    for uri in ("models:/Credit Risk/1", "models:/Credit Risk@champion", "models:/Credit Risk/Production"):
        assert list(mlflow.sklearn.load_model(uri).predict([[0.0], [3.0]])) == [0, 1]
    assert client.get_model_version("Credit Risk", "1").run_id == run.info.run_id
    with home.house.catalog.read() as view:
        ours = resolve(view, f"{home.namespace}/credit-risk@production")
    assert ours.size_bytes > 0
    copied = client.copy_model_version("models:/Credit Risk/1", "Live")
    assert list(mlflow.sklearn.load_model(f"models:/Live/{copied.version}").predict([[3.0]])) == [1]


def test_a_prompt_is_registered_loaded_searched_and_left_out_of_models(client: Any) -> None:
    client.create_registered_model("plain")
    made = mlflow.genai.register_prompt("greeting", "Hello {{name}}!", commit_message="first", tags={"tone": "warm"})
    mlflow.genai.register_prompt("greeting", "Good day {{name}}." + "x" * 20_000)
    mlflow.genai.set_prompt_alias("greeting", "live", 1)
    assert made.version == 1
    assert mlflow.genai.load_prompt("prompts:/greeting@live").format(name="Ada") == "Hello Ada!"
    assert mlflow.genai.load_prompt("greeting", version=2).template.startswith("Good day")
    assert [each.name for each in mlflow.genai.search_prompts()] == ["greeting"]
    assert [each.name for each in client.search_registered_models()] == ["plain"]
    mlflow.genai.delete_prompt_alias("greeting", "live")
    with pytest.raises(MlflowException):
        mlflow.genai.load_prompt("prompts:/greeting@live")


def test_a_version_whose_files_are_elsewhere_is_whole_but_not_bundled(client: Any, home: Any, tmp_path: Path) -> None:
    make(client, "m")
    with home.house.catalog.read() as view:
        version = resolve(view, f"{home.namespace}/m@v1")
    manifest = load_manifest(home.house, version)
    assert (manifest.digest, manifest.files) == (version.digest, ())
    with pytest.raises(BadValue, match="no files here"):
        export(home.house, [version.reference], tmp_path / "bundle")


def test_a_version_without_files_is_of_one_moment_however_time_passes(client: Any, home: Any) -> None:
    client.create_registered_model("m")
    ticks = count(home.house.clock())
    late = replace(home.house, clock=lambda: next(ticks))
    home.house.catalog.write(create(late, home.namespace, NewListed("m", f"{BUCKET}/1")))
    with home.house.catalog.read() as view:
        version = resolve(view, f"{home.namespace}/m@v1")
    assert load_manifest(home.house, version).digest == version.digest


def test_a_prompt_that_is_too_long_is_told_so_and_leaves_nothing_behind(client: Any) -> None:
    from mlflow.exceptions import RestException

    with pytest.raises(RestException, match="Prompt text exceeds max length of 100000 characters"):
        client.register_prompt("long", "a" * 100_001)
    assert client.search_prompts() == []


def test_a_search_that_says_nothing_of_prompts_finds_none(client: Any) -> None:
    from mlflow.entities.model_registry import RegisteredModelTag

    client.create_registered_model("net")
    store = client._get_registry_client().store
    store.create_registered_model("ask", [RegisteredModelTag("mlflow.prompt.is_prompt", "true")])
    assert [each.name for each in store.search_registered_models()] == ["net"]
    assert [each.name for each in store.search_registered_models("name LIKE '%'")] == ["net"]
    prompts = store.search_registered_models("tags.`mlflow.prompt.is_prompt` = 'true'")
    assert [each.name for each in prompts] == ["ask"]


def test_a_name_that_is_taken_says_by_what(client: Any) -> None:
    from mlflow.entities.model_registry import RegisteredModelTag
    from mlflow.exceptions import RestException

    mark = [RegisteredModelTag("mlflow.prompt.is_prompt", "true")]
    store = client._get_registry_client().store
    store.create_registered_model("net")
    store.create_registered_model("ask", mark)
    for name, tags, told in (
        ("net", [], r"Registered Model \(name=net\) already exists"),
        ("ask", mark, r"Prompt \(name=ask\) already exists"),
        ("net", mark, "create a prompt with name 'net', but the name is already taken by a registered model"),
        ("ask", [], "create a registered model with name 'ask', but the name is already taken by a prompt"),
    ):
        with pytest.raises(RestException, match=told):
            store.create_registered_model(name, tags)
