"""Options for the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-points",
        action="store_true",
        help="fault tests: fail every single system call in every mode, not a sample of them (minutes)",
    )
