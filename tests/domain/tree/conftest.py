"""How many mutated proofs are tried."""

import pytest


@pytest.fixture
def mutations(request: pytest.FixtureRequest) -> int:
    """A sample for every day; ``--all-points`` tries a hundred thousand."""
    return 100_000 if request.config.getoption("--all-points") else 5_000
