"""Answers as JSON: every field, moments as text too, nothing of the registry's insides."""

import json
import math

import pytest

from budwood.cli.as_json import as_json, document
from budwood.domain.change import Change, TensorChange
from budwood.domain.names import Kind, Stage
from budwood.domain.records import Move, MoveReason, VersionRecord
from budwood.domain.results import Verified

VERSION = VersionRecord(
    id=9, model_id=4, namespace="default", model="encoder", number=2, digest="ab" * 32, label="", kind=Kind.MODEL,
    stage=Stage.STAGING, author="mara", created_ms=1_700_000_000_000, size_bytes=5, manifest_size=1,
    manifest_blocks=(b"x",),
)  # fmt: skip


def test_a_version_says_how_it_is_named_and_when_it_was_made() -> None:
    written = as_json(VERSION)
    assert isinstance(written, dict)
    assert written["reference"] == "encoder@v2"
    assert written["created_ms"] == 1_700_000_000_000
    assert written["created"] == "2023-11-14T22:13:20Z"
    assert written["stage"] == "staging"


def test_what_only_the_registry_needs_is_left_out() -> None:
    written = as_json(VERSION)
    assert isinstance(written, dict)
    assert not {"id", "model_id", "manifest_blocks", "sketch"} & written.keys()
    move = as_json(Move(1, 4, "champion", 9, 2, 5, "mara", MoveReason.SET))
    assert isinstance(move, dict)
    assert move == {
        "pointer": "champion", "version_number": 2, "at_ms": 5, "at": "1970-01-01T00:00:00.005Z",
        "author": "mara", "reason": "set",
    }  # fmt: skip


def test_empty_fields_are_there() -> None:
    assert as_json(Verified(1, 2, 3, 0, 0.5)) == {
        "versions": 1, "blocks": 2, "packs": 3, "bytes_read": 0, "seconds": 0.5, "problems": [], "mended": [],
    }  # fmt: skip
    written = as_json(Change("a@v1", "a@v2"))
    assert isinstance(written, dict)
    assert written["code"] is None
    assert written["metrics"] == []


def test_what_is_no_number_in_json_is_null() -> None:
    written = as_json(TensorChange("w", relative_l2=math.inf, changed_share=math.nan))
    assert isinstance(written, dict)
    assert written["relative_l2"] is written["changed_share"] is None


def test_a_document_holds_no_character_a_terminal_would_obey() -> None:
    text = document({"message": "\x1b[31m\x9b\u202e é"})
    assert text.replace("\n", "").isascii()
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == {"message": "\x1b[31m\x9b\u202e é"}


def test_a_value_without_a_form_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        as_json(object())
