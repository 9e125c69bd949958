"""The text of a manifest: piece by piece it is what it would be whole, both ways."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain import canon
from budwood.domain.facts import Facts
from budwood.domain.json_pieces import JsonPieces
from budwood.domain.manifest import FileEntry, Manifest, Span, read_manifest
from budwood.domain.manifest_text import SPANS_AT_ONCE, Parts, parse

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_BLOCKS = st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple)
_SHAPES = st.none() | st.lists(st.integers(-1, 1 << 40), max_size=3).map(tuple)
_NUMBERS = st.integers(-(1 << 60), 1 << 60)
_SPANS = st.builds(Span, _NUMBERS, _NUMBERS, _BLOCKS, _TEXTS, _TEXTS, _SHAPES)
_FILES = st.builds(FileEntry, _TEXTS, _NUMBERS, _TEXTS, st.lists(_SPANS, max_size=4).map(tuple), _TEXTS, st.booleans())
_FACTS = st.builds(Facts, author=_TEXTS, message=_TEXTS, params=st.dictionaries(_TEXTS, _TEXTS, max_size=3))
_MANIFESTS = st.builds(Manifest, st.lists(_FILES, max_size=3).map(tuple), _FACTS, _NUMBERS)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(_MANIFESTS)
def test_the_text_is_the_canonical_json_of_the_whole(manifest: Manifest) -> None:
    assert manifest.canonical == canon.dumps(canon.pack(manifest))


@given(_MANIFESTS)
def test_what_was_written_is_read_back(manifest: Manifest) -> None:
    assert parse([manifest.canonical]) == Parts(manifest.files, manifest.facts, manifest.format)


def test_a_file_longer_than_any_window_is_read_span_by_span() -> None:
    blocks = [hashlib.sha256(str(number).encode()).digest() for number in range(10 * SPANS_AT_ONCE)]
    spans = tuple(Span(number, 1, (block,), f"Schicht {number} 模") for number, block in enumerate(blocks))
    small = FileEntry("b", 1, "00" * 32, (Span(0, 1, (blocks[0],)),))
    manifest = Manifest((FileEntry("a", len(spans), "00" * 32, spans), small, small), Facts())
    assert manifest.canonical == canon.dumps(canon.pack(manifest))
    assert read_manifest(manifest.canonical, digest=manifest.digest) == manifest


def test_fields_of_a_newer_budwood_and_space_are_passed_over() -> None:
    span = {"offset": 0, "length": 1, "blocks": ["ab" * 32], "later": [1]}
    entry = {"path": "a", "size": 1, "sha256": "00" * 32, "spans": [span], "later": {"a": None}}
    whole = {"later": [{}], "facts": {"later": 1}, "files": [entry]}
    expected = Parts((FileEntry("a", 1, "00" * 32, (Span(0, 1, (b"\xab" * 32,)),)),), Facts(), 1)
    assert parse([json.dumps(whole, indent=4).encode()]) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        '{"path":"a","sha256":"","size":1}',
        '{"path":"a","sha256":"","size":true,"spans":[]}',
        '{"path":"a","sha256":"","size":1,"spans":{}}',
        '{"path":"a","sha256":"","size":1,"spans":[5]}',
        '{"path":"a","sha256":"","size":1,"spans":[{"blocks":[],"length":1}]}',
        '{"path":"a","sha256":"","size":1,"spans":[{"blocks":"ab","length":1,"offset":0}]}',
        '{"path":"a","sha256":"","size":1,"spans":[{"blocks":["xy"],"length":1,"offset":0}]}',
        '{"path":"a","sha256":"","size":1,"spans":[{"blocks":[],"length":1,"offset":0,"shape":[1.0]}]}',
        '{"path":"a","sha256":"","size":1,"spans":[],"executable":1}',
        '{"path":"a","path":"a","sha256":"","size":1,"spans":[]}',
        "null",
        "5",
        "",
    ],
)
def test_a_file_of_another_shape_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        parse([f'{{"facts":{{}},"files":[{wrong},{wrong}]}}'.encode()])


@given(_JSON, st.integers(1, 40), st.sampled_from([None, 1]))
def test_any_window_reads_the_same_value(value: canon.Json, window: int, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent).encode("utf-8", "surrogatepass")
    assert _walked(JsonPieces(_parts(text, window + 3), window=window), value) == value


@given(_JSON, st.integers(1, 40), st.data())
def test_a_text_cut_short_is_refused_or_another_value(value: canon.Json, window: int, cuts: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    cut = text[: cuts.draw(st.integers(0, len(text) - 1))]
    pieces = JsonPieces(_parts(cut, 7), window=window)
    try:
        expected = canon.loads(cut)
    except ValueError:
        with pytest.raises(ValueError):
            _whole(pieces)
    else:
        assert _whole(pieces) == expected


def _parts(text: bytes, length: int) -> list[bytes]:
    return [text[at : at + length] for at in range(0, len(text), length)]


def _whole(pieces: JsonPieces) -> canon.Json:
    value = pieces.value()
    pieces.end()
    return value


def _walked(pieces: JsonPieces, like: canon.Json) -> canon.Json:
    """The value, taken apart as ``like`` says and put together again."""
    if isinstance(like, dict) and like:
        keys = iter(like)
        found: canon.Json = {key: _walked(pieces, like[next(keys)]) for key in pieces.members()}
    elif isinstance(like, list) and like:
        each = iter(like)
        found = [_walked(pieces, next(each)) for _ in pieces.elements()]
    else:
        short = pieces.short_object()
        found = pieces.value() if short is None else short
    return found
