"""What notebooks show: nothing of it can be more than text, and what matters is there."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.client.html import ROWS_SHOWN, change_html, models_html, size_text, version_html, versions_html
from budwood.domain.change import (
    Change,
    CodeChange,
    ConfigChange,
    EnvironmentChange,
    FileChanges,
    FileMove,
    NamesChange,
    NumberChange,
    SchemaChange,
    Suggestion,
    TensorChange,
    TensorChanges,
    TensorHeld,
    TensorRenamed,
    TensorReshaped,
    TensorRetyped,
    TextChange,
    What,
)
from budwood.domain.facts import Code, Facts, Field, Flag
from budwood.domain.label import Level
from budwood.domain.names import Kind, Stage
from budwood.domain.records import ModelRecord, Move, MoveReason, Tag, VersionRecord
from budwood.domain.results import ModelSummary, VersionDetail

VERSION = VersionRecord(
    id=1,
    model_id=1,
    namespace="default",
    model="encoder",
    number=7,
    digest="ab" * 32,
    label="1.2.0",
    kind=Kind.MODEL,
    stage=Stage.PRODUCTION,
    author="Ada <ada@example.org>",
    created_ms=1_793_000_000_000,
    size_bytes=90_000_000,
    manifest_size=1,
    manifest_blocks=(),
    message="trained longer",
)
MODEL = ModelRecord(1, "risk", "fraud", Kind.MODEL, "ada", 0, 7)
MOVE = Move(1, 1, "stage:production", 1, 7, 0, "ada", MoveReason.SET)
PLAIN_TAGS = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "bdi", "p", "details", "summary"}
HOSTILE = "</td><script>alert('\"1\"')</script><img src=x onerror=alert(1)>&\u202e\x00\x1b[31m"


def detail_of(version: VersionRecord) -> VersionDetail:
    return VersionDetail(
        version=version,
        aliases=("champion",),
        holds_stage=True,
        tags=(Tag("team", "risk", "ada", 0),),
        parents=(replace(VERSION, number=6, label=""),),
        children=(),
        stages=(),
    )


def test_a_version_says_who_it_is_where_it_stands_and_what_it_came_from() -> None:
    facts = Facts(metrics={"auc": 0.91}, parameters=22_713_216, code=Code("c" * 40, "main", dirty=True))
    shown = text_of(version_html(VERSION, detail_of(VERSION), facts))
    for expected in ("encoder@1.2.0", "v7", "production", "champion", "85.8 MiB", "encoder@v6", "0.91", "22,713,216"):
        assert expected in shown
    assert "uncommitted changes" in shown
    assert "Ada <ada@example.org>" in shown
    assert f"sha256:{'ab' * 32}" in shown


def test_lists_show_a_line_each_and_say_how_many_were_left_out() -> None:
    many = [replace(VERSION, number=n, label="") for n in range(1, ROWS_SHOWN + 31)]
    drawn = versions_html(many)
    assert drawn.count("<tr>") == ROWS_SHOWN + 1
    assert "and 30 more" in text_of(drawn)
    assert "none" in text_of(versions_html([]))
    assert "production → v7" in text_of(models_html([ModelSummary(MODEL, 7, VERSION, (MOVE,))]))


def test_a_retired_version_says_so_in_words() -> None:
    gone = replace(VERSION, retired_ms=VERSION.created_ms, retired_reason="leaks training data")
    assert "leaks training data" in text_of(version_html(gone))
    assert "retired" in text_of(versions_html([gone]))


@given(st.one_of(st.just(HOSTILE), st.text(max_size=80), st.text("<>&\"'/= \u202e\x00script", max_size=80)))
def test_hostile_metadata_stays_text(hostile: str) -> None:
    version = replace(VERSION, message=hostile, author=hostile, retired_ms=5, retired_reason=hostile)
    detail = replace(detail_of(version), tags=(Tag("note", hostile, hostile, 0),), aliases=(hostile,))
    facts = Facts(
        architecture=hostile,
        base_model=hostile,
        metrics={hostile: 1.0},
        params={hostile: hostile},
        frameworks={hostile: hostile},
        datasets=(hostile,),
        code=Code("c" * 40, hostile),
        flags=(Flag(hostile, hostile, hostile),),
    )
    summary = ModelSummary(MODEL, 1, version, (replace(MOVE, pointer=hostile),))
    drawings = (
        version_html(version, detail, facts),
        versions_html([version]),
        models_html([summary]),
        change_html(change_named(hostile)),
    )
    for drawn in drawings:
        tags = tags_of(drawn)
        assert {name for name, _ in tags} <= PLAIN_TAGS
        assert {name for _, attributes in tags for name in attributes} <= {"style", "open"}
        assert not re.search(r"[\x00-\x1f\x7f]", drawn)
        assert drawn.count("<bdi>") == drawn.count("</bdi>")


def change_named(name: str) -> Change:
    text = TextChange(name, name, name)
    held = TensorHeld(name, name, (2,))
    return Change(
        before=name,
        after=name,
        files=FileChanges(1, (name,), (name,), (name,), (FileMove(name, name),)),
        tensors=TensorChanges(
            changed=(TensorChange(name, name, (2, 3), 0.0123, 0.5),),
            added=(held,),
            removed=(held,),
            renamed=(TensorRenamed(name, name),),
            reshaped=(TensorReshaped(name, name, (2, 3), (12, 3), 10),),
            retyped=(TensorRetyped(name, name, name),),
        ),
        identity=(text,),
        schema=(SchemaChange("input", name, What.CHANGED, Field(name, name, (-1, 3)), None, breaks=True),),
        config=(ConfigChange(name, name, What.CHANGED, {name: [name, 1, None]}, name),),
        environment=EnvironmentChange((text,), (text,)),
        datasets=NamesChange((name,), (name,)),
        code=CodeChange(name, name, dirty=True),
        metrics=(NumberChange(name, 0.5, 0.75, 0.25),),
        params=(text,),
        bump=Suggestion(Level.MINOR, (name,)),
        summary=name,
    )


def test_a_change_says_what_changed_and_by_how_much() -> None:
    shown = text_of(change_html(change_named("thing")))
    for expected in (
        "thing → thing",
        "minor",
        "relative L2 0.0123, 50.0% of values",
        "[2, 3] → [12, 3], 10 rows appended",
        "[?, 3]",
        "0.25",
        "with uncommitted changes",
    ):
        assert expected in shown


def test_a_change_of_nothing_draws_no_tables() -> None:
    drawn = change_html(Change("a@v1", "a@v2", summary="Nothing changed."))
    assert "<table>" not in drawn
    assert "Nothing changed." in drawn


def test_a_long_text_is_cut() -> None:
    assert len(version_html(replace(VERSION, message="m" * 60_000))) < 5_000


@pytest.mark.parametrize(
    ("size_bytes", "shown"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 60, "1048576.0 TiB")]
)
def test_sizes_are_said_in_binary_units(size_bytes: int, shown: str) -> None:
    assert size_text(size_bytes) == shown


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def tags_of(drawn: str) -> list[tuple[str, list[str]]]:
    reader = Reader()
    reader.feed(drawn)
    return reader.tags


def text_of(drawn: str) -> str:
    reader = Reader()
    reader.feed(drawn)
    reader.close()
    return " ".join(reader.text)
