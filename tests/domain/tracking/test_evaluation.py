"""Records of evaluation datasets and the bodies of scorers: whatever comes is kept as it is, or refused as a value."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from budwood.domain.limits import EVALUATION_FIELDS, JSON_DEPTH
from budwood.domain.tracking import evaluation, judging
from budwood.errors import BadValue, LimitExceeded, RecordNotFound

LEAVES = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8)
JSON = some.recursive(
    LEAVES, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=6), inner, max_size=4)
)
PARTS = some.dictionaries(some.text(max_size=6), JSON, max_size=4)
RECORDS = some.fixed_dictionaries({"inputs": PARTS}, optional={"outputs": JSON, "expectations": PARTS, "tags": PARTS})
ODD = some.dictionaries(some.sampled_from(["inputs", "outputs", "expectations", "tags", "source", "x"]), JSON)


def same(one: Any, other: Any) -> bool:
    """Equal, where none is equal to none."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(some.text() | some.lists(ODD).map(json.dumps) | JSON.map(json.dumps))
def test_any_text_is_records_or_a_mistake(text: str) -> None:
    try:
        found = evaluation.read_records(text)
    except (BadValue, LimitExceeded):
        return
    assert len(found) == len(json.loads(text))
    for each in found:
        evaluation.new_content(each).encode("ascii")
    evaluation.described("", found)


@given(RECORDS)
def test_a_record_is_kept_as_it_was_said(record: dict[str, Any]) -> None:
    (said,) = evaluation.read_records(json.dumps([record]))
    kept = json.loads(evaluation.new_content(said))
    assert same(kept["inputs"], record["inputs"])
    assert same(kept.get("outputs"), record.get("outputs", {}))
    assert same(kept.get("expectations"), record.get("expectations"))
    assert same(kept["tags"], record.get("tags", {}))


@given(RECORDS)
def test_the_mark_is_of_the_inputs_in_any_order(record: dict[str, Any]) -> None:
    turned = {"inputs": dict(reversed(record["inputs"].items())), "outputs": "other"}
    one, other = evaluation.read_records(json.dumps([record, turned]))
    assert one.mark == other.mark
    more = {"inputs": {**record["inputs"], "one more": 1}}
    assert evaluation.read_records(json.dumps([more]))[0].mark != one.mark


@given(RECORDS, RECORDS)
def test_what_comes_again_is_added_and_never_taken_away(first: dict[str, Any], again: dict[str, Any]) -> None:
    one, other = evaluation.read_records(json.dumps([first, again]))
    merged = json.loads(evaluation.merged_content(evaluation.new_content(one), other))
    assert same(merged["inputs"], first["inputs"])
    for part in ("expectations", "tags"):
        assert same(merged.get(part) or {}, {**first.get(part, {}), **again.get(part, {})})
    if "outputs" in again:
        assert same(merged.get("outputs"), again["outputs"])


@given(some.lists(RECORDS, max_size=4), some.lists(RECORDS, max_size=4))
def test_a_schema_grows_alike_in_one_step_and_in_two(first: list[dict[str, Any]], then: list[dict[str, Any]]) -> None:
    one, two = (evaluation.read_records(json.dumps(each)) for each in (first, then))
    assert evaluation.described(evaluation.described("", one), two) == evaluation.described("", [*one, *two])


def test_a_schema_names_no_more_fields_than_the_limit() -> None:
    many = {"inputs": {f"field {number}": number for number in range(EVALUATION_FIELDS + 50)}}
    schema = json.loads(evaluation.described("", evaluation.read_records(json.dumps([many]))))
    assert len(schema["inputs"]) == EVALUATION_FIELDS


@pytest.mark.parametrize(("levels", "is_fine"), [(JSON_DEPTH, True), (JSON_DEPTH + 1, False)])
def test_json_is_no_deeper_than_the_limit(levels: int, is_fine: bool) -> None:
    text = "[" * levels + "]" * levels
    if is_fine:
        assert evaluation.read_json("x", text) is not None
        return
    with pytest.raises(BadValue, match="nested deeper"):
        evaluation.read_json("x", text)


@given(some.text() | JSON.map(json.dumps))
def test_any_text_is_a_scorer_or_a_mistake(text: str) -> None:
    try:
        judging.check_scorer(text)
    except (BadValue, LimitExceeded, RecordNotFound):
        return
    assert isinstance(json.loads(text), dict)


@given(JSON, some.lists(some.sampled_from(["a", 0]), max_size=5))
def test_a_program_is_found_wherever_it_lies(rest: Any, path: list[Any]) -> None:
    hidden: Any = {"call_source": "import os"}
    for step in path:
        hidden = [rest, hidden] if step == 0 else {"a": hidden, "b": rest}
    with pytest.raises(BadValue, match="Custom scorer registration"):
        judging.check_scorer(json.dumps({"ensemble_scorer_data": hidden}))


@given(some.sampled_from(["pass_fail", "categorical", "numeric", "text", "", "other"]), PARTS)
def test_any_input_is_a_form_or_a_mistake(form: str, bounds: dict[str, Any]) -> None:
    try:
        judging.check_input(form, bounds)
    except (BadValue, LimitExceeded):
        return
    assert form in ("pass_fail", "categorical", "numeric", "text")
