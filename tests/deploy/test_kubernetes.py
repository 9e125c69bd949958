"""The Kubernetes manifests are what the API takes, and say nothing that the program does not know."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

import budwood
from budwood.config import SETTINGS
from budwood.domain.limits import STOPPING_S
from budwood.domain.routes import ROUTES
from budwood.server.run import REFUSING_S

OLDEST = "1.30"
PORT = 8484


class Asked(Protocol):
    """See conftest."""

    command: tuple[str, ...]
    values: dict[str, object]


Ask = Callable[[Sequence[str]], Asked]
Pods = dict[str, dict[str, Any]]


def containers(pods: Pods) -> Iterator[dict[str, Any]]:
    for pod in pods.values():
        yield from pod["containers"]


def one(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    found = [each for each in documents if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}"
    return found[0]


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_the_api_takes_every_document(version: str, documents: list[dict[str, Any]]) -> None:
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_schema_would_notice_a_mistake(documents: list[dict[str, Any]]) -> None:
    wrong = one(documents, "Deployment", "budwood-server")
    wrong = {**wrong, "spec": {**wrong["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_what_a_team_needs_is_there(documents: list[dict[str, Any]]) -> None:
    kinds = {document["kind"] for document in documents}
    assert kinds >= {"Namespace", "ConfigMap", "Secret", "Job", "Deployment", "Service", "PodDisruptionBudget"}
    assert kinds >= {"NetworkPolicy", "CronJob"}


def test_kustomization_takes_every_file_but_the_example(root: Path) -> None:
    folder = root / "deploy" / "kubernetes"
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    here = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(kustomization["resources"]) == here
    assert [image["newTag"] for image in kustomization["images"]] == [budwood.__version__]


def test_every_image_is_of_this_release_and_names_no_host(pods: Pods) -> None:
    assert {container["image"] for container in containers(pods)} == {f"budwood:{budwood.__version__}"}


def test_every_command_is_one_of_the_program(pods: Pods, ask: Ask) -> None:
    commands = {name: ask(pod["containers"][0]["args"]).command for name, pod in pods.items()}
    assert commands == {
        "budwood-migrate": ("db", "upgrade"),
        "budwood-server": ("serve",),
        "budwood-backup": ("backup",),
        "budwood-sweep": ("sweep",),
    }


def test_every_variable_is_a_setting_or_told_in_the_settings(
    documents: list[dict[str, Any]], pods: Pods, root: Path
) -> None:
    named = set(one(documents, "ConfigMap", "budwood")["data"])
    named |= set(one(documents, "Secret", "budwood")["stringData"])
    named |= {variable["name"] for container in containers(pods) for variable in container.get("env", [])}
    settings = {f"BUDWOOD_{setting.upper()}" for setting in SETTINGS}
    page = (root / "docs" / "settings.md").read_text("utf-8")
    assert {name for name in named - settings if name.startswith("BUDWOOD_") or name not in page} == set()


def test_no_secret_stands_among_the_settings(documents: list[dict[str, Any]]) -> None:
    for value in one(documents, "ConfigMap", "budwood")["data"].values():
        assert "@" not in value or ":" not in value.split("://")[1].split("@")[0]


def test_every_pod_gets_settings_and_secrets(documents: list[dict[str, Any]], pods: Pods) -> None:
    for container in containers(pods):
        sources = {kind: source["name"] for each in container["envFrom"] for kind, source in each.items()}
        assert sources == {"configMapRef": "budwood", "secretRef": "budwood"}


def test_every_path_asked_is_a_route(documents: list[dict[str, Any]], pods: Pods) -> None:
    server = pods["budwood-server"]["containers"][0]
    probed = {server[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    deployment = one(documents, "Deployment", "budwood-server")
    probed.add(deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"])
    anybody = {route.path for route in ROUTES if route.permission == "anyone" and route.method == "GET"}
    assert probed <= anybody


def test_a_database_that_is_away_stops_no_server(pods: Pods) -> None:
    server = pods["budwood-server"]["containers"][0]
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert server["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_server_listens_where_it_is_asked(documents: list[dict[str, Any]], pods: Pods, ask: Ask) -> None:
    server = pods["budwood-server"]["containers"][0]
    values = ask(server["args"]).values
    assert (values["host"], values["port"]) == ("0.0.0.0", PORT)
    assert values["allow_host"] == ["models.example.com"]
    assert server["ports"] == [{"name": "http", "containerPort": PORT}]
    assert one(documents, "Service", "budwood-server")["spec"]["ports"][0]["targetPort"] == "http"


def test_a_server_is_given_the_time_it_takes_to_stop(pods: Pods) -> None:
    pod = pods["budwood-server"]
    before_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > before_s + REFUSING_S + STOPPING_S


def test_no_pod_may_do_more_than_it_must(documents: list[dict[str, Any]], pods: Pods) -> None:
    labels = one(documents, "Namespace", "budwood")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            held = container["securityContext"]
            assert held["allowPrivilegeEscalation"] is False
            assert held["readOnlyRootFilesystem"] is True
            assert held["capabilities"] == {"drop": ["ALL"]}


def test_every_pod_can_write_where_the_program_writes(pods: Pods) -> None:
    for pod in pods.values():
        volumes = {volume["name"] for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts.keys() >= {"/tmp", "/var/lib/budwood"}
        assert set(mounts.values()) == volumes


def test_every_pod_is_bounded(pods: Pods) -> None:
    for container in containers(pods):
        assert "memory" in container["resources"]["limits"]
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}


def test_selectors_find_the_servers(documents: list[dict[str, Any]]) -> None:
    labels = one(documents, "Deployment", "budwood-server")["spec"]["template"]["metadata"]["labels"]
    assert one(documents, "Service", "budwood-server")["spec"]["selector"] == labels
    assert one(documents, "PodDisruptionBudget", "budwood-server")["spec"]["selector"]["matchLabels"] == labels
    assert one(documents, "NetworkPolicy", "budwood-server")["spec"]["podSelector"]["matchLabels"] == labels
    assert one(documents, "Deployment", "budwood-server")["spec"]["selector"]["matchLabels"] == labels


def test_one_server_always_stays(documents: list[dict[str, Any]]) -> None:
    deployment = one(documents, "Deployment", "budwood-server")["spec"]
    assert deployment["replicas"] > one(documents, "PodDisruptionBudget", "budwood-server")["spec"]["minAvailable"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_volumes_that_are_claimed_are_made(documents: list[dict[str, Any]], pods: Pods) -> None:
    claimed = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in pods.values()
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    made = {each["metadata"]["name"] for each in documents if each["kind"] == "PersistentVolumeClaim"}
    assert claimed == made
