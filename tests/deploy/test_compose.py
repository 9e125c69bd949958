"""The compose file is what compose takes, and says nothing that the program does not know."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

import budwood
from budwood.config import SETTINGS
from budwood.domain.limits import STOPPING_S
from budwood.domain.routes import ROUTES

OURS = f"budwood:{budwood.__version__}"
HOLE = re.compile(r"\$\{(\w+)")


class Asked(Protocol):
    """See conftest."""

    command: tuple[str, ...]
    values: dict[str, object]


Ask = Callable[[Sequence[str]], Asked]


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if service["image"] == OURS}


def check(path: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(words, capture_output=True, text=True)


def test_the_specification_takes_it(root: Path) -> None:
    checked = check(root / "deploy" / "compose.yaml")
    assert checked.returncode == 0, checked.stdout


def test_the_specification_would_notice_a_mistake(root: Path, tmp_path: Path) -> None:
    written = (root / "deploy" / "compose.yaml").read_text("utf-8")
    (tmp_path / "compose.yaml").write_text(written.replace("stop_grace_period:", "stop_grace_time:"), "utf-8")
    assert check(tmp_path / "compose.yaml").returncode != 0


def test_two_servers_a_database_a_store_and_a_migration(compose: dict[str, Any], ask: Ask) -> None:
    commands = {name: ask(service["command"]).command for name, service in ours(compose).items()}
    assert commands == {
        "migrate": ("db", "upgrade"),
        "server-a": ("serve",),
        "server-b": ("serve",),
        "upkeep": ("backup",),
    }
    assert compose["services"].keys() >= {"postgres", "store", "proxy"}


def test_servers_start_when_the_schema_is_there(compose: dict[str, Any]) -> None:
    for name in ("server-a", "server-b"):
        waits = compose["services"][name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
        assert waits["store"] == {"condition": "service_healthy"}
    assert compose["services"]["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_what_others_wait_for_says_when_it_is_healthy(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in compose["services"][name]


def test_every_variable_is_a_setting_or_told_in_the_settings(compose: dict[str, Any], root: Path) -> None:
    named = {key for service in ours(compose).values() for key in service["environment"]}
    settings = {f"BUDWOOD_{setting.upper()}" for setting in SETTINGS}
    page = (root / "docs" / "settings.md").read_text("utf-8")
    assert {name for name in named - settings if name.startswith("BUDWOOD_") or name not in page} == set()


def test_every_secret_comes_from_outside(compose: dict[str, Any], root: Path) -> None:
    written = (root / "deploy" / "compose.yaml").read_text("utf-8")
    secret = re.compile(r"^\s*(\w*(?:PASSWORD|SECRET|ACCESS_KEY)\w*): (?!\$\{|/run/secrets/|POSTGRES_PASSWORD$)", re.M)
    assert secret.findall(written) == []
    example = (root / "deploy" / "example.env").read_text("utf-8")
    asked = {*HOLE.findall(written), *(secret["environment"] for secret in compose["secrets"].values())}
    assert asked == set(re.findall(r"^(\w+)=", example, re.M))
    assert re.findall(r"^\w*(?:PASSWORD|SECRET)\w*=.+", example, re.M) == []


@pytest.mark.parametrize("file", ["compose.yaml", "Caddyfile"])
def test_every_path_asked_of_a_server_is_a_route(file: str, root: Path) -> None:
    written = (root / "deploy" / file).read_text("utf-8")
    asked = set(re.findall(r"(?:127\.0\.0\.1:8484|health_uri )(/\w+)", written))
    assert asked
    assert asked <= {route.path for route in ROUTES if route.permission == "anyone"}


def test_the_proxy_knows_every_server_and_its_port(compose: dict[str, Any], root: Path, ask: Ask) -> None:
    caddyfile = (root / "deploy" / "Caddyfile").read_text("utf-8")
    serving = {
        f"{name}:{ask(service['command']).values['port']}"
        for name, service in ours(compose).items()
        if ask(service["command"]).command == ("serve",)
    }
    assert set(re.findall(r"server-\w+:\d+", caddyfile)) == serving


def test_a_server_is_given_the_time_it_takes_to_stop(compose: dict[str, Any]) -> None:
    for name in ("server-a", "server-b"):
        service = compose["services"][name]
        assert int(service["stop_grace_period"].removesuffix("s")) > STOPPING_S + 1
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_every_volume_that_is_used_is_made(compose: dict[str, Any]) -> None:
    used = {
        place.split(":")[0]
        for service in compose["services"].values()
        for place in service.get("volumes", [])
        if not place.startswith(("/", "."))
    }
    assert used == set(compose["volumes"])


def test_every_image_has_a_version_and_no_registry_host(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        name, _, tag = service["image"].partition(":")
        assert tag not in ("", "latest")
        assert "." not in name.split("/")[0]
