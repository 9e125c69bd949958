"""Options for the whole suite."""

import os

import pytest
from hypothesis import HealthCheck, settings

# What one test was sent must not be what another one finds; tests of the cache set a folder and a size of their own.
os.environ["BUDWOOD_CACHE_GB"] = "0"

# By itself hypothesis fails what takes longer than 200 ms once, as anything does on a busy machine.
settings.register_profile("budwood", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("budwood")

pytest_plugins = [
    "tests.servers.archives",
    "tests.servers.azurite",
    "tests.servers.issuers",
    "tests.servers.postgres",
    "tests.servers.swift",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-points",
        action="store_true",
        help="fault tests: fail every single system call in every mode, not a sample of them (minutes)",
    )
    parser.addoption(
        "--gate-steps",
        type=int,
        default=15_000,
        help="the machine of promotions: how many steps to play (1000000 takes a quarter of an hour)",
    )
    parser.addoption(
        "--schedules",
        type=int,
        default=200,
        help="race tests: how many seeded schedules to play (many more by hand: python -m tests.schedules)",
    )
