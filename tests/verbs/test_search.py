"""search and list: pages join without gaps or repeats, and bad questions are answered with words."""

from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.domain.limits import FILTER_CHARS, PAGE_ROWS
from budwood.errors import Invalid, LimitExceeded


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Seven versions of two models."""
    folder = tmp_path_factory.mktemp("shelf")
    registry = budwood.in_memory(author="mara")
    for number in range(7):
        (folder / "w").write_text(str(number))
        tags = {"team": "search" if number % 2 else "ads"}
        registry.push(folder / "w", f"m{number % 2}", metrics={"auc": number / 10}, tags=tags)
    return registry


def test_pages_join_without_gaps_or_repeats(shelf: Registry) -> None:
    whole = [version.reference for version in shelf.search("metrics.auc >= 0.1")]
    cursor, joined = "", []
    while True:
        page = shelf.search("metrics.auc >= 0.1", cursor=cursor, limit=2)
        joined += [version.reference for version in page]
        cursor = page.cursor
        if not cursor:
            break
    assert joined == whole
    assert len(set(joined)) == 6


def test_a_version_pushed_between_two_pages_does_not_shift_the_second(tmp_path: Path) -> None:
    with budwood.in_memory(author="mara") as registry:
        for number in range(4):
            (tmp_path / "w").write_text(str(number))
            registry.push(tmp_path / "w", "m")
        first = registry.search("", limit=2)
        (tmp_path / "w").write_text("new")
        registry.push(tmp_path / "w", "m")
        second = registry.search("", cursor=first.cursor, limit=2)
        assert [v.number for v in (*first, *second)] == [4, 3, 2, 1]


@pytest.mark.parametrize("limit", [0, -1, PAGE_ROWS + 1, 10**30])
def test_a_page_has_bounds(shelf: Registry, limit: int) -> None:
    for ask in (
        lambda: shelf.search("", limit=limit),
        lambda: shelf.list(limit=limit),
        lambda: shelf.log("m0", limit=limit),
        lambda: shelf.ledger(limit=limit),
    ):
        with pytest.raises(LimitExceeded):
            ask()


@pytest.mark.parametrize(
    "text",
    [
        "name; drop table version",
        "1=1--",
        "name' or ''='",
        "metrics.auc >=",
        "(" * 5000,
        "not " * 5000,
        "x" * (FILTER_CHARS + 1),
        "name = \0",
        "metrics.auc = 1e999",
        "tags.a = '\ud800'",
        "created > 2026-13-45",
    ],
)
def test_a_question_that_is_none_is_refused(shelf: Registry, text: str) -> None:
    with pytest.raises(Invalid):
        shelf.search(text)


@pytest.mark.parametrize("cursor", ["x", "a" * 100_000, "eyJhIjoxfQ==", "\0", "\ud800", "-1", "é"])
def test_a_cursor_from_elsewhere_is_refused_or_finds_nothing(shelf: Registry, cursor: str) -> None:
    try:
        found = len(shelf.search("", cursor=cursor))
    except Invalid:
        return
    assert found == 0


def test_values_are_bound_and_never_spliced(shelf: Registry) -> None:
    assert len(shelf.search("tags.team = \"search' or '1'='1\"")) == 0
    assert len(shelf.search('tags.team = "search"')) == 3
