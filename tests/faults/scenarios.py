"""Every scenario by name: those of the registry, and those of the mini store that prove the tool itself."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.faults import mini_store
from tests.faults.mini_store import Bug
from tests.faults.registry_scenarios import REGISTRY_SCENARIOS
from tests.faults.scenario import Scenario


def _mini_prepare(folder: Path) -> None:
    mini_store.push(folder, [b"old" * 2000])


def _mini_push(folder: Path, *, bug: Bug) -> None:
    mini_store.push(folder, [b"old" * 2000, b"new" * 2000, b"other" * 2000], bug)


def _mini_state(folder: Path) -> str:
    return f"{mini_store.versions(folder)} versions"


MINI_SCENARIOS: Mapping[str, Scenario] = {
    f"mini:{bug}": Scenario(_mini_prepare, partial(_mini_push, bug=bug), _mini_state) for bug in Bug
}

SCENARIOS: Mapping[str, Scenario] = {**REGISTRY_SCENARIOS, **MINI_SCENARIOS}
