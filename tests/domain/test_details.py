"""What an author says beside message, data, metrics and parameters: it is read, or refused with a hint."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.canon import dumps, pack
from budwood.domain.details import Details, read_details
from budwood.domain.facts import Hardware, Training, read_parents
from budwood.domain.limits import DETAILS_BYTES
from budwood.errors import BadValue, BudwoodError, LimitExceeded
from budwood.verbs.describe import Declared, check_declared
from budwood.verbs.yaml_text import document_from

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)
NAMED = st.dictionaries(st.text(max_size=5), ANY, max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "frameworks": ANY | st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
        "training": ANY
        | st.fixed_dictionaries({}, optional={"seconds": ANY, "began_ms": ANY, "hardware": ANY, "command": ANY}),
        "statistics": ANY | NAMED,
        "search": ANY | NAMED,
        "fairness": ANY | NAMED,
        "resources": ANY | st.dictionaries(st.text(max_size=5), st.integers() | st.floats()),
    },
)


def outcome(document: Any) -> Details | BudwoodError:
    try:
        details = read_details(document)
        check_declared(Declared(details=details))
    except (BadValue, LimitExceeded) as refused:
        return refused
    return details


@given(ANY | DOCUMENTS)
def test_what_is_read_can_be_kept_and_the_rest_is_refused_with_a_hint(document: Any) -> None:
    found = outcome(document)
    if isinstance(found, BudwoodError):
        assert found.message
        return
    assert dumps(pack(found))


@given(st.text() | st.binary().map(lambda some: some.decode("utf-8", "replace")))
def test_whatever_a_file_holds_it_is_a_document_or_refused(text: str) -> None:
    def read() -> Any:
        try:
            return outcome(document_from(text, BadValue, most=DETAILS_BYTES, limit="DETAILS_BYTES"))
        except BudwoodError as refused:
            return refused

    assert isinstance(read(), Details | BudwoodError)


@pytest.mark.parametrize(
    "training",
    [
        {"seconds": 10**400},
        {"seconds": -1},
        {"began_ms": 10**30},
        {"began_ms": -1},
        {"hardware": {"cores": 10**400}},
        {"hardware": {"memory_bytes": -1}},
        {"hardware": {"accelerators": ["H100\0"]}},
    ],
)
def test_a_training_nobody_could_show_is_refused(training: Any) -> None:
    assert isinstance(outcome({"training": training}), BadValue)
    assert isinstance(outcome({"resources": {"energy": 10**400}}), BadValue)


def test_training_is_read_with_its_machine() -> None:
    hardware = {"accelerators": ["H100"], "cores": 8, "memory_bytes": 1 << 40}
    found = read_details({"training": {"seconds": 5, "hardware": hardware}})
    assert found.training == Training(5.0, hardware=Hardware(cores=8, memory_bytes=1 << 40, accelerators=("H100",)))
    assert read_details({}) == Details()
    assert not read_details({}).say_something


@pytest.mark.parametrize("parents", [[("trained-on",)], [("trained-on", 3)], [("encoder@v1", "trained-on")]])
def test_a_pair_that_is_no_parent_is_refused(parents: Any) -> None:
    with pytest.raises(BadValue):
        read_parents(parents)


def test_one_parent_given_alone_is_one_parent() -> None:
    assert read_parents("adapter-of=base@v1").references == ("base@v1",)
