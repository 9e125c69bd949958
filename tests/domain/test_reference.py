"""References: every form of the grammar is read, no text can be two of them, and refusals help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.label import Label
from budwood.domain.names import AliasName, ModelName, Namespace, Stage
from budwood.domain.reference import (
    ByAlias,
    ByCommit,
    ByDigest,
    ByLabel,
    ByNumber,
    ByStage,
    ByTime,
    Newest,
    Reference,
    Selector,
    parse_reference,
)
from budwood.errors import BadName, BadReference, Invalid

_NOON = 1_793_889_000_000
"""2026-11-05T14:30Z."""


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("encoder", Newest()),
        ("encoder@2.1.3", ByLabel(Label(2, 1, 3))),
        ("encoder@2.0.0-rc.1+cuda", ByLabel(Label(2, 0, 0, ("rc", "1"), "cuda"))),
        ("encoder@v7", ByNumber(7)),
        ("encoder@champion", ByAlias(AliasName("champion"))),
        ("encoder@v2-beta", ByAlias(AliasName("v2-beta"))),
        ("encoder@production", ByStage(Stage.PRODUCTION)),
        ("encoder@sha256:0123abcd", ByDigest("0123abcd")),
        ("encoder@sha256:" + "AB" * 32, ByDigest("ab" * 32)),
        ("encoder@git:abc1234", ByCommit("abc1234")),
        ("encoder@git:abc123", ByCommit("abc123")),
        ("encoder@2026-11-05T14:30Z", ByTime(_NOON)),
        ("encoder@2026-11-05T14:30:00Z", ByTime(_NOON)),
        ("encoder@2026-11-05T14:30:01.5Z", ByTime(_NOON + 1500)),
        ("encoder@2026-11-05T16:00+01:30", ByTime(_NOON)),
        ("encoder@2026-11-05T09:30-0500", ByTime(_NOON)),
        ("encoder@2026-11-05", ByTime(_NOON - 52_200_000)),
    ],
)
def test_every_form_of_the_grammar_is_read(text: str, selector: Selector) -> None:
    assert parse_reference(text) == Reference(Namespace("default"), ModelName("encoder"), selector)


def test_a_namespace_stands_before_the_model() -> None:
    reference = parse_reference("risk/encoder@v7")
    assert (reference.namespace, reference.model) == ("risk", "encoder")
    assert str(reference) == "risk/encoder@v7"
    assert reference.path == "risk/encoder"


def test_the_default_namespace_is_left_out_when_written() -> None:
    assert str(parse_reference("default/encoder@v7")) == "encoder@v7"


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("", 1, "Write [namespace/]model"),
        ("encoder@", 8, "Leave out the '@'"),
        ("@v7", 1, ""),
        ("/encoder", 1, ""),
        ("risk/", 6, ""),
        ("a/b/c", 2, ""),
        ("Encoder", 1, "Write encoder."),
        ("risk/My Model", 6, "Write my-model."),
        ("Risk/encoder", 1, "Write risk."),
        ("encoder@v1@v2", 11, ""),
        ("encoder@1.2", 9, "looks like a label but has two parts; write 1.2.0"),
        ("encoder@7", 9, "Write v7 for version number 7, or 7.0.0"),
        ("encoder@v1.2.0", 9, "Write 1.2.0, without the v"),
        ("encoder@v1.2", 9, "write 1.2.0"),
        ("encoder@v0", 9, "start at v1"),
        ("encoder@v007", 9, "Write v7."),
        ("encoder@V7", 9, "Write v7."),
        ("encoder@Production", 9, "Did you mean production?"),
        ("encoder@sha256:abc", 16, "Give 8 to 64"),
        ("encoder@sha256:" + "a" * 65, 16, "Give 8 to 64"),
        ("encoder@git:abc12", 13, "Give 6 to 40"),
        ("encoder@git:abc12xyz", 18, "0-9 and a-f"),
        ("encoder@md5:0123456789", 9, "sha256 (a digest)"),
        ("encoder@7d1e0a9f", 9, "Write git:7d1e0a9f"),
        ("encoder@2026-11-05T14:30", 25, "Write 2026-11-05T14:30Z"),
        ("encoder@2026-13-05", 9, "Write a date"),
        ("encoder@2026-02-29", 9, "Write a date"),
        ("encoder@2026-11-05T24:00Z", 9, "Write a date"),
        ("encoder@1969-11-05", 9, "Write a date"),
        ("encoder@2026-11-05T14:30+25:00", 9, "Write a date"),
        ("encoder@ champion", 9, ""),
        ("encoder@" + "9" * 6000, 9, ""),
    ],
)
def test_a_refusal_says_where_and_what_to_write(text: str, position: int, hint: str) -> None:
    with pytest.raises((BadReference, BadName)) as caught:
        parse_reference(text)
    assert caught.value.facts["position"] == position
    assert hint in caught.value.hint


def test_a_bad_name_is_told_from_a_bad_selector() -> None:
    with pytest.raises(BadName):
        parse_reference("Encoder@v1")
    with pytest.raises(BadReference):
        parse_reference("encoder@V1")


def test_an_error_never_repeats_an_endless_text() -> None:
    with pytest.raises(Invalid) as caught:
        parse_reference("x" * 1_000_000 + "@" + "é" * 1_000_000)
    assert len(str(caught.value.to_json())) < 1000


@pytest.mark.parametrize(
    "text", ["production", "v1", "v1.2.0", "v1.2.0-rc.1", "1.2.0", "2026-11-05", "a:b", "Champion", ""]
)
def test_an_alias_never_reads_as_something_else(text: str) -> None:
    with pytest.raises(BadName):
        AliasName(text)


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
hexes = st.text("0123456789abcdef", min_size=8, max_size=40)


def _is_alias(text: str) -> bool:
    try:
        return bool(AliasName(text))
    except BadName:
        return False


selectors: st.SearchStrategy[Selector] = st.one_of(
    st.just(Newest()),
    st.builds(ByLabel, st.builds(Label, *[st.integers(0, 10**9)] * 3, st.sampled_from([(), ("rc", "1")]))),
    st.builds(ByNumber, st.integers(1, 10**18 - 1)),
    st.builds(ByAlias, st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True).filter(_is_alias).map(AliasName)),
    st.builds(ByStage, st.sampled_from(list(Stage))),
    st.builds(ByDigest, hexes),
    st.builds(ByCommit, hexes),
    st.builds(ByTime, st.integers(0, 253_402_300_799_999)),
)


@given(names, names, selectors)
def test_what_is_written_reads_back_as_the_same_kind(namespace: str, model: str, selector: Selector) -> None:
    reference = Reference(Namespace(namespace), ModelName(model), selector)
    assert parse_reference(str(reference)) == reference


@given(st.text() | st.text("abcv0123456789.-+:@/TZ", max_size=40) | st.builds("m@{}".format, st.text(max_size=30)))
def test_no_text_breaks_the_reader_and_what_is_read_is_stable(text: str) -> None:
    try:
        reference = parse_reference(text)
    except Invalid as error:
        position = error.facts["position"]
        assert isinstance(position, int)
        assert 1 <= position <= len(text) + 1
        return
    assert parse_reference(str(reference)) == reference
