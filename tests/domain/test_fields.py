"""Which facts a version has, by name, and which it lacks."""

from dataclasses import replace

import pytest

from budwood.domain.facts import Code, Facts, Hardware, Parent, Relation, Training, relation_named
from budwood.domain.fields import AT_BIRTH, FIELDS, OPEN, how_to_give, is_field, known_fields, missing_fields, words_of
from budwood.domain.names import Kind
from budwood.errors import BadValue

WHOLE = Facts(
    datasets=("reviews@v3",),
    code=Code("ab" * 20),
    frameworks={"pytorch": "2.9.1"},
    training=Training(12.5, hardware=Hardware("x86_64")),
    metrics={"accuracy": 0.9},
)


def test_there_are_nine_relations_and_another_word_is_refused_naming_them() -> None:
    assert len(Relation) == 9
    assert relation_named("quantized-from") is Relation.QUANTIZED_FROM
    with pytest.raises(BadValue, match="no relation") as refused:
        relation_named("stolen-from")
    assert all(word in refused.value.hint for word in Relation)


def test_who_says_nothing_lacks_everything_and_who_says_all_lacks_nothing() -> None:
    assert missing_fields(Facts()) == tuple(name for name in AT_BIRTH if name != "code.diff")
    assert missing_fields(WHOLE) == ()


@pytest.mark.parametrize("kind", [Kind.PROMPT, Kind.DATASET, Kind.RETRIEVAL, Kind.BUNDLE])
def test_what_is_not_trained_lacks_nothing(kind: Kind) -> None:
    assert missing_fields(Facts(kind=kind)) == ()


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        (Code("ab" * 20, dirty=True), ("code.diff",)),
        (Code("ab" * 20, dirty=True, diff="-a\n+b\n"), ()),
        (Code("ab" * 20, dirty=True, diff="-a\n", diff_lacks="rest"), ("code.diff",)),
        (Code("ab" * 20), ()),
        (None, ("code",)),
    ],
)
def test_changes_that_are_in_no_commit_are_missing_unless_all_of_them_are_kept(
    code: Code | None, missing: tuple[str, ...]
) -> None:
    assert missing_fields(replace(WHOLE, code=code)) == missing


def test_data_is_known_only_with_its_version_or_as_a_parent() -> None:
    assert missing_fields(replace(WHOLE, datasets=("reviews",))) == ("data",)
    assert missing_fields(replace(WHOLE, datasets=("reviews@",))) == ("data",)
    trained = Parent("reviews", 3, "cd" * 32, "trained-on")
    assert missing_fields(replace(WHOLE, datasets=(), parents=(trained,))) == ()
    assert missing_fields(replace(WHOLE, datasets=(), parents=(replace(trained, relation="built-by"),))) == ("data",)


def test_a_framework_without_its_version_is_not_known() -> None:
    assert missing_fields(replace(WHOLE, frameworks={"pytorch": ""})) == ("frameworks",)
    assert "frameworks.pytorch" not in known_fields(replace(WHOLE, frameworks={"pytorch": ""}))


def test_what_is_held_by_name_is_known_by_name() -> None:
    known = known_fields(replace(WHOLE, parents=(Parent("a", 1, "", "adapter-of"),), fairness={"gap": 0.1}))
    assert {"metrics.accuracy", "frameworks.pytorch", "parents.adapter-of", "fairness.gap", "code.clean"} <= set(known)
    assert all(is_field(name) for name in known)


def test_what_a_model_card_says_is_known_by_its_key() -> None:
    said = {"license": "mit", "intended_use": "triage", "language": "", "a b": "x"}
    known = known_fields(replace(WHOLE, settings={"README.md": said, "config.json": {"owner": "mara"}}))
    assert [name for name in known if name.startswith("card")] == ["card", "card.intended_use", "card.license"]
    assert "card" not in known_fields(replace(WHOLE, settings={"README.md": {}}))
    many = {f"key{number}": "x" for number in range(1_000)}
    assert len(known_fields(replace(WHOLE, settings={"README.md": many}))) < 200


def test_a_word_nobody_knows_is_no_field() -> None:
    for name in ("", "metric", "metrics.", "code.branch", "parents.stolen-from", "datasets.a", "."):
        assert not is_field(name), name


def test_every_field_says_what_it_is_and_how_it_is_given() -> None:
    for name in (*FIELDS, *(f"{first}.x" for first in OPEN)):
        assert words_of(name)
        assert len(how_to_give(name)) > 10
