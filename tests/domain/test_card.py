"""Model cards: read back by other readers, whatever was typed."""

import re
import warnings
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.card import model_card, quoted, text
from budwood.domain.entries import FileEntry
from budwood.domain.facts import Code, Environment, Facts, Flag
from budwood.domain.manifest import Manifest
from budwood.domain.names import Kind, Stage
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval
from budwood.domain.portrait import Portrait, Words
from budwood.domain.records import Tag, VersionRecord
from budwood.domain.results import VersionDetail

NASTY = (
    'a"b\\c\n---\n# x | y <script>alert(1)</script> [l](http://e) ![i](http://e/p.png) \u202e\u200b\x1b[31m \u2028 é 🙂'
)


def portrait(message: str = "First", dataset: str = "holdout", author: str = "mara", **facts: Any) -> Portrait:
    version = VersionRecord(
        1, 1, "default", "encoder", 1, "ab" * 32, "1.0.0", Kind.MODEL, Stage.DEVELOPMENT, author, 1_000, 3, 9, (),
        message=message,
    )  # fmt: skip
    file = FileEntry("model.safetensors", 3, "cd" * 32, ())
    given = (
        Evidence(
            1, "ab" * 32, EvidenceKind.EVALUATION, author, author, (), 5,
            metrics={"accuracy": 0.9, "loss": 1e-05}, intervals={"accuracy": Interval(0.8, 0.95)},
            dataset=dataset, samples=2_000,
        ),
        Evidence(2, "ab" * 32, EvidenceKind.FAIRNESS, author, author, (), 6, summary=message),
    )  # fmt: skip
    detail = VersionDetail(version, ("champion",), False, (Tag("team", message, author, 1),), (), (), ())
    return Portrait(detail, Manifest((file,), Facts(author=author, message=message, **facts)), given)


def front_matter(card: str) -> Any:
    return yaml.safe_load(card.split("\n---\n", 1)[0].removeprefix("---\n"))


def full(words: str) -> Portrait:
    readme = {"license": "apache-2.0", "pipeline_tag": "text-classification", "language": ["en", words], "tags": words}
    return portrait(
        words,
        words,
        words,
        datasets=(words,),
        metrics={words: 0.5},
        params={words: words},
        base_model=words,
        settings={"README.md": readme},
        code=Code(words, remote=words, dirty=True),
        environment=Environment(words, words, {words: words}),
        flags=(Flag("pickle", words, words),),
    )


def test_a_hub_reads_the_front_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from huggingface_hub import ModelCard, ModelCardData
    said = ModelCard(model_card(full("tickets"))).data
    assert isinstance(said, ModelCardData)
    assert (said.license, said.base_model, said.datasets) == ("apache-2.0", "tickets", ["tickets"])
    results = {each.metric_type: each.metric_value for each in said.eval_results or []}
    assert results == {"accuracy": 0.9, "loss": 1e-05}
    assert said.model_name == "encoder"


@pytest.mark.parametrize("words", [NASTY, "---\n", "yes", "- x", "`", "|", "\\", "null", "1e5", "www.evil.example"])
def test_the_front_matter_says_just_what_was_typed(words: str) -> None:
    said = front_matter(model_card(full(words)))
    assert said["base_model"] == words
    assert said["datasets"] == [words]
    assert said["model-index"][0]["results"][0]["dataset"]["name"] == words


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_text_is_read_back_as_it_was(words: str) -> None:
    assert yaml.safe_load(quoted(words)) == words


@given(st.text())
def test_text_stays_on_its_line_and_makes_no_markdown(words: str) -> None:
    shown = text(words)
    assert len(shown.splitlines()) <= 1
    bare = shown.replace("\\\\", "")
    for sign in "`*_<>[]|#!&~:":
        assert bare.count(sign) == bare.count("\\" + sign)


def test_nothing_typed_becomes_markup() -> None:
    from markdown_it import MarkdownIt

    shown = MarkdownIt("gfm-like", {"linkify": False}).render(model_card(full(NASTY)).split("\n---\n", 1)[1])
    assert "<script" not in shown
    assert "<img" not in shown
    assert "<a " not in shown
    assert "\u202e" not in shown
    assert shown.count("<h1>") == 1


def test_what_nobody_said_is_listed_as_missing() -> None:
    card = model_card(portrait())
    missing = card.partition("## What is not known")[2]
    assert "its licence" in missing
    assert "the commit of its code" in missing
    assert "whether it is fair" not in missing
    assert "license" not in front_matter(card)


def test_an_evaluation_on_unnamed_data_is_no_entry_of_a_leaderboard() -> None:
    readme = {"README.md": {"pipeline_tag": "text-classification"}}
    assert "model-index" not in front_matter(model_card(portrait(dataset="", settings=readme)))
    assert "model-index" not in front_matter(model_card(portrait()))


@given(st.text())
def test_own_words_hold_headings_lists_and_text_and_nothing_that_works(words: str) -> None:
    written = model_card(replace(portrait(), own_words=Words("mara", 5, f"# Use\n- x{words}\n{NASTY}")))
    section = written.split("## In the words of mara", 1)[1].split("\n\n", 1)[1].split("\n- Version: number", 1)[0]
    assert section.startswith("### Use\n- ")
    assert not re.search(r"(?<!\\)(<|\]\(|!\[)|[\x1b\u202e]", section)
    assert "\n# " not in section
    assert front_matter(written) == front_matter(model_card(portrait()))
