"""Bundles and statements: whatever comes in is read, or refused in words that can be sent on."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.entries import FileEntry
from budwood.domain.signature import (
    BUNDLE_TYPE,
    PAYLOAD_TYPE,
    Bundle,
    bundle_text,
    check_statement,
    read_bundle,
    statement_of,
)
from budwood.errors import BadValue, Invalid

FILES = (FileEntry("b/c", 1, "ab" * 32, ()), FileEntry("a", 1, "cd" * 32, ()))
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
names = st.sampled_from(["mediaType", "dsseEnvelope", "verificationMaterial", "publicKey", "hint", "payload"])


def sendable(error: Invalid) -> None:
    json.dumps([error.message, error.hint, dict(error.facts)], ensure_ascii=False).encode()


@given(st.text() | st.dictionaries(names, values).map(json.dumps) | values.map(json.dumps))
def test_what_is_no_bundle_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_bundle(text)
    sendable(refused.value)


@given(values, values, values, values)
def test_a_bundle_of_the_right_shape_holds_anything(payload: Any, sig: Any, hint: Any, kind: Any) -> None:
    envelope = {"payload": payload, "payloadType": kind or PAYLOAD_TYPE, "signatures": [{"sig": sig}]}
    material = {"publicKey": {"hint": hint or "ab" * 32}}
    document = {"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
    try:
        read_bundle(json.dumps(document))
    except Invalid as error:
        sendable(error)


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_a_statement_of_something_else_is_refused(payload: bytes) -> None:
    with pytest.raises(BadValue) as refused:
        check_statement(payload, FILES)
    sendable(refused.value)


@given(st.text(min_size=1), st.sampled_from(["name", "digest", "algorithm"]))
def test_a_statement_with_one_word_changed_is_refused(word: str, field: str) -> None:
    said = json.loads(statement_of("encoder", FILES))
    resource = said["predicate"]["resources"][0]
    if resource[field] == word:
        return
    resource[field] = word
    with pytest.raises(BadValue) as refused:
        check_statement(json.dumps(said).encode(), FILES)
    sendable(refused.value)


def test_a_statement_names_each_file_once_and_all_of_them() -> None:
    said = json.loads(statement_of("encoder", FILES))
    check_statement(json.dumps(said).encode(), FILES)
    resources = said["predicate"]["resources"]
    for changed in (resources[:1], [*resources, resources[0]], [], None):
        with pytest.raises(BadValue):
            check_statement(
                json.dumps(said | {"predicate": said["predicate"] | {"resources": changed}}).encode(), FILES
            )


def test_a_bundle_is_read_back_as_it_was() -> None:
    bundle = Bundle(statement_of("encoder", FILES), b"signed", "ab" * 32)
    assert read_bundle(bundle_text(bundle)) == bundle
    assert bundle.message.startswith(b"DSSEv1 28 application/vnd.in-toto+json ")
    assert base64.b64encode(bundle.payload).decode() in bundle_text(bundle)
