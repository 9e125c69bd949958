"""Options for the whole suite."""

import pytest

pytest_plugins = ["tests.servers.azurite", "tests.servers.issuers", "tests.servers.postgres", "tests.servers.swift"]


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
        default="100",
        help="race tests: how many seeded schedules to play, or from which seed to which (20000:30000; all by hand)",
    )
