"""Killed or failed at any call that changes files, a registry holds the old state or the new, and goes on."""

import pytest

from tests.faults.registry_scenarios import REGISTRY_SCENARIOS
from tests.faults.sweep import Sweep

pytestmark = pytest.mark.faults


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scenario", REGISTRY_SCENARIOS)
def test_an_interrupted_verb_leaves_the_old_state_or_the_new(sweep: Sweep, points: int | None, scenario: str) -> None:
    assert [str(broken) for broken in sweep.broken(scenario, points=points)] == []


@pytest.mark.parametrize("scenario", REGISTRY_SCENARIOS)
def test_nothing_acknowledged_is_lost_with_the_power(sweep: Sweep, scenario: str) -> None:
    assert sweep.unordered(scenario) == []
