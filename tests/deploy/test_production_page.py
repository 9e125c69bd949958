"""docs/production.md and the alerts speak of what there is: commands, flags, settings, metrics, routes."""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from budwood.cli.main import app
from budwood.config import SETTINGS
from budwood.domain.routes import ROUTES
from budwood.server.exchange import Exchange
from budwood.server.metrics import Metrics

Ask = Callable[[Sequence[str]], Any]
OURS = re.compile(r"\b(?:budwood|process)_[a-z_]+\b")


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "production.md").read_text("utf-8")


@pytest.fixture(scope="module")
def alerts(root: Path) -> list[dict[str, Any]]:
    loaded = yaml.safe_load((root / "deploy" / "alerts.yaml").read_text("utf-8"))
    rules: list[dict[str, Any]] = [rule for group in loaded["groups"] for rule in group["rules"]]
    return rules


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """The names a server gives."""
    counted = Metrics("1", {"stopping": lambda: 0.0, "promotions_overdue": lambda: 0.0}, started=0.0)
    counted(Exchange("r", "GET", 0.0))
    written = counted.page(0.0).decode()
    return set(re.findall(r"^(\w+)\{", written, re.M)) | set(re.findall(r"^# TYPE (\w+)", written, re.M))


def test_every_command_of_the_page_can_be_typed(page: str, ask: Ask) -> None:
    typed = [line for fence in re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S) for line in fence.splitlines()]
    ours = [line for line in typed if line.startswith("budwood ")]
    assert len(ours) >= 3
    for line in ours:
        ask(shlex.split(line)[1:])


def test_every_command_the_page_mentions_is_one(page: str) -> None:
    commands: Any = typer.main.get_command(app)
    for words in re.findall(r"`budwood ([a-z][a-z-]*(?: --?[a-z-]+)*)", page):
        name, *flags = words.split()
        assert name in commands.commands
        options = {option for each in commands.commands[name].params for option in each.opts}
        assert set(flags) <= options


def test_every_setting_the_page_names_is_one(page: str) -> None:
    assert set(re.findall(r"BUDWOOD_([A-Z_]+)", page)) <= {setting.upper() for setting in SETTINGS}


def test_every_metric_of_the_page_is_given(page: str, metrics: set[str]) -> None:
    named = set(OURS.findall(page))
    assert named
    assert named <= metrics


def test_every_alert_asks_for_what_is_given(alerts: list[dict[str, Any]], metrics: set[str]) -> None:
    names = {route.name for route in ROUTES} | {"none"}
    for alert in alerts:
        asked = set(OURS.findall(alert["expr"]))
        assert asked <= metrics, alert["alert"]
        for routes in re.findall(r'route!?~?="?~?"?([\w.|]+)"', alert["expr"]):
            assert set(routes.split("|")) <= names, alert["alert"]
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"].endswith(".")


def test_every_alert_says_how_long_and_has_a_name_of_its_own(alerts: list[dict[str, Any]]) -> None:
    names = [alert["alert"] for alert in alerts]
    assert len(set(names)) == len(names) >= 5
    assert all(re.fullmatch(r"\d+m", alert["for"]) for alert in alerts)
