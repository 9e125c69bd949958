"""What travels: everything a route takes or gives comes back as it was, and nothing else gets in."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.asks import ChangeTags, Compare, ListModels, Search, SetAlias
from budwood.domain.names import AliasName
from budwood.domain.routes import ROUTES
from budwood.errors import BadValue, BudwoodError, LimitExceeded, Malformed
from budwood.verbs.wire import decode, decode_query, decode_strictly, encode, query_pairs

TRAVELLING = sorted(
    {kind for route in ROUTES for kind in (route.request, route.response, route.query) if kind is not None},
    key=lambda kind: kind.__name__,
)
JSON = st.recursive(st.one_of(st.none(), st.booleans(), st.text(), st.integers(-9, 9)), st.lists, max_leaves=3)


def strategy(hint: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a type, as its annotation says."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=8),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        bytes: st.binary(max_size=8),
        Any: JSON,
    }
    if hint in plain:
        return plain[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(strategy(arguments[0], depth + 1), max_size=2 if depth < 3 else 0).map(tuple)
        return st.tuples(*(strategy(each, depth + 1) for each in arguments))
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return st.dictionaries(strategy(arguments[0], depth + 1), strategy(arguments[1], depth + 1), max_size=2)
    if origin is UnionType or str(origin) == "typing.Union":
        return st.one_of(*(st.none() if each is type(None) else strategy(each, depth + 1) for each in arguments))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    assert isinstance(hint, type)
    assert dataclasses.is_dataclass(hint)
    hints = get_type_hints(hint)
    parts = {field.name: strategy(hints[field.name], depth + 1) for field in dataclasses.fields(hint)}
    return st.builds(hint, **parts)


@pytest.mark.parametrize("kind", TRAVELLING, ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_whatever_travels_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(strategy(kind))
    assert decode(kind, encode(value)) == value
    assert decode_strictly(kind, encode(value)) == value


@pytest.mark.parametrize("kind", [route.query for route in ROUTES if route.query], ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_query_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    from urllib.parse import urlencode

    value = data.draw(strategy(kind))
    # An empty text is the same as none, and is then read as what none means.
    written = {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    kept = all(each not in ("", ()) or each == defaults[name] for name, each in written.items())
    if kept and not any("" in each for each in written.values() if isinstance(each, tuple)):
        assert decode_query(kind, urlencode(query_pairs(value)).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_refused_in_words(content: bytes) -> None:
    assert refused(lambda: decode_strictly(SetAlias, content)) in (0, 400, 422)
    assert refused(lambda: decode_query(Search, content)) in (0, 400, 422)


def refused(read: Callable[[], object]) -> int:
    """The status of the refusal; 0 when it was read."""
    try:
        read()
    except BudwoodError as error:
        return error.http_status
    return 0


def test_a_name_travels_as_text() -> None:
    assert encode({"name": AliasName("champion")}) == b'{"name":"champion"}'


WRONG: dict[bytes, type[BudwoodError]] = {
    b'{"put": {"a": "1"}, "put": {}}': Malformed,
    b'{"put": {"a": "1", "a": "2"}}': Malformed,
    b'{"put": {"a": "\\ud800"}}': Malformed,
    b'{"put": {"a": "\xed\xa0\x80"}}': Malformed,
    b'{"put": Infinity}': Malformed,
    b'{"put": {"a": 1}}': BadValue,
    b'{"puts": {}}': BadValue,
    b'{"remove": "a"}': BadValue,
    b"null": BadValue,
    b"[" * 200_000: BadValue,
}


@pytest.mark.parametrize("content", WRONG, ids=lambda content: content[:30].decode("latin-1"))
def test_what_is_wrong_is_refused_by_its_kind(content: bytes) -> None:
    with pytest.raises(WRONG[content]):
        decode_strictly(ChangeTags, content)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**200])
def test_a_number_that_no_database_holds_is_refused(number: int) -> None:
    from budwood.domain.transfers import BeginPack

    with pytest.raises((LimitExceeded, BadValue)):
        decode_strictly(BeginPack, b'{"name": "x", "size": %d}' % number)
    with pytest.raises((LimitExceeded, BadValue)):
        decode_query(ListModels, b"limit=%d" % number)


def test_a_query_takes_booleans_as_words() -> None:
    wanted = Compare("a@v1", "a@v2", measure=False)
    assert dict(query_pairs(wanted))["measure"] == "false"
    assert decode_query(Compare, b"before=a@v1&after=a@v2&measure=false") == wanted
    with pytest.raises(BadValue):
        decode_query(Compare, b"before=a@v1")


def test_no_number_that_is_none_gets_in() -> None:
    from budwood.domain.asks import Sweep

    for text in (b"NaN", b"1e999", b"-Infinity"):
        with pytest.raises(BudwoodError):
            decode_strictly(Sweep, b'{"grace_s": %s}' % text)
    assert math.isfinite(decode_strictly(Sweep, b'{"grace_s": 1e300}').grace_s or 0.0)
