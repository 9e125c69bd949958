"""Which version answered: a request is named either way, and once."""

from collections.abc import Callable
from typing import Any

import pytest

REQUEST = "0f8fad5b-d9cb-469f-a165-70867728950e"
Ask = Callable[..., Any]


@pytest.mark.parametrize("words", [(REQUEST,), ("--request", REQUEST)])
def test_a_request_is_named_by_itself_or_by_its_option(ask: Ask, words: tuple[str, ...]) -> None:
    said = ask("which", *words)
    assert (said.code, REQUEST in said.err) == (3, True)
    assert "known for 30 days" in said.err


@pytest.mark.parametrize("words", [(), (REQUEST, "--request", REQUEST)])
def test_one_request_is_asked_for(ask: Ask, words: tuple[str, ...]) -> None:
    said = ask("which", *words)
    assert (said.code, "One request" in said.err) == (2, True)
