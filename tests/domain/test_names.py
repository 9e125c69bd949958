"""Names cannot exist unless they are valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import KEY_CHARS, NAME_CHARS
from budwood.domain.names import AliasName, Kind, ModelName, Namespace, Stage, TagKey
from budwood.errors import BadName


@pytest.mark.parametrize("name", ["a", "0", "bert-base_uncased.v2", "a" * NAME_CHARS])
def test_a_model_name_is_its_own_text(name: str) -> None:
    assert ModelName(name) == name
    assert Namespace(name) == name


@pytest.mark.parametrize(
    "name", ["", "A", "-a", ".a", "_a", "a b", "a/b", "a@b", "é", "аbc", "a\n", "a\u202e", "a" * (NAME_CHARS + 1)]
)
def test_a_bad_name_cannot_exist(name: str) -> None:
    for kind in (ModelName, Namespace, AliasName):
        with pytest.raises(BadName) as caught:
            kind(name)
        assert caught.value.message.isprintable()


@pytest.mark.parametrize("alias", ["champion", "v", "v2-beta", "vision", "stage-1", "latest"])
def test_an_alias_is_a_word(alias: str) -> None:
    assert AliasName(alias) == alias


@pytest.mark.parametrize("alias", ["7up", "v1", "v007", "v1.2.0", "v1.0", *Stage])
def test_an_alias_is_no_number_label_or_stage(alias: str) -> None:
    with pytest.raises(BadName):
        AliasName(alias)


@pytest.mark.parametrize("key", ["team", "Team", "a.b/c:d@e-f", "_x", "9", "k" * KEY_CHARS])
def test_a_key_may_hold_what_other_tools_put_in_theirs(key: str) -> None:
    assert TagKey(key) == key


@pytest.mark.parametrize("key", ["", "a b", "-a", "a=b", "é", "a\n", "k" * (KEY_CHARS + 1)])
def test_a_bad_key_cannot_exist(key: str) -> None:
    with pytest.raises(BadName):
        TagKey(key)


def test_an_error_never_repeats_an_endless_name() -> None:
    for kind, text in (
        (ModelName, "A" * 10**6),
        (AliasName, "v" + "1" * 10**6),
        (TagKey, "k" * 10**6),
        (TagKey, "-" * 10**6),
    ):
        with pytest.raises(BadName) as caught:
            kind(text)
        assert len(str(caught.value.to_json())) < 1000


def test_words_of_one_kind_are_not_words_of_another() -> None:
    assert not {kind.value for kind in Kind} & {stage.value for stage in Stage}


@given(st.text(max_size=20))
def test_a_name_is_refused_or_stays_as_it_is(text: str) -> None:
    for kind in (ModelName, AliasName, TagKey):
        try:
            name = kind(text)
        except BadName:
            continue
        assert name == text
        assert name.isascii()
