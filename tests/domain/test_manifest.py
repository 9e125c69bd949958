"""A manifest: its identity, its tiling, and that damage to it is always seen."""

import dataclasses
import hashlib

import pytest

from budwood.domain import canon
from budwood.domain.facts import Code, Environment, Facts, Field, FileFacts, Flag, Hardware, Parent, Schema
from budwood.domain.limits import BLOCK_BYTES, FILES_PER_VERSION, SPANS_PER_FILE
from budwood.domain.manifest import (
    MANIFEST_FORMAT,
    FileEntry,
    Manifest,
    Span,
    check_manifest,
    files_by_path,
    read_manifest,
)
from budwood.domain.names import Kind, Stage
from budwood.domain.records import ModelRecord, VersionRecord, model_path, stage_pointer
from budwood.errors import FileNotInVersion, LimitExceeded, ManifestDamaged, TensorNotInVersion, TooNew

_ID = bytes(range(32))
_HEADER = Span(0, 100, (_ID,))
_WEIGHT = Span(100, BLOCK_BYTES + 6, (_ID, _ID[::-1]), "w", "f16", (1024, 1027))
_ENTRY = FileEntry("model.safetensors", BLOCK_BYTES + 106, "ab" * 32, (_HEADER, _WEIGHT), "safetensors")
_FACTS = Facts(
    kind=Kind.ADAPTER,
    author="mara",
    created_ms=1_793_889_000_000,
    message="first",
    parents=(Parent("encoder", 3, "cd" * 32, "fine-tuned-from"),),
    datasets=("risk@v1",),
    metrics={"auc": 0.91},
    params={"lr": "1e-4"},
    formats=("safetensors",),
    frameworks={"torch": "2.1"},
    architecture="BertModel",
    parameters=7,
    dtypes={"f16": 7},
    schema=Schema((Field("x", "f32", (-1, 4)),), (Field("y"),), "config.json"),
    base_model="a/b",
    adapter={"r": 8, "target_modules": ["q", "v"]},
    code=Code("ef" * 20, "main", True, "https://example.org/x.git"),
    environment=Environment("3.11.7", "linux", {"numpy": "2.0"}, "uv.lock", "12" * 32),
    hardware=Hardware("x86_64", "cpu", 2, 8 << 30, ("gpu",)),
    flags=(Flag("pickle", "model.pt", "runs code when loaded"),),
)
_MANIFEST = Manifest((FileEntry("empty.txt", 0, "00" * 32, ()), _ENTRY), _FACTS)


def test_what_is_written_reads_back_with_every_fact() -> None:
    assert read_manifest(_MANIFEST.canonical, digest=_MANIFEST.digest) == _MANIFEST


def test_the_identity_is_the_digest_of_the_canonical_bytes() -> None:
    assert _MANIFEST.digest == hashlib.sha256(_MANIFEST.canonical).hexdigest()
    assert Manifest(_MANIFEST.files, dataclasses.replace(_FACTS, message="second")).digest != _MANIFEST.digest


def test_the_identity_of_a_known_manifest_never_changes() -> None:
    """A change of these digits would give every version ever pushed another identity."""
    manifest = Manifest((FileEntry("a", 1, "00" * 32, (Span(0, 1, (_ID,)),)),), Facts(author="mara", created_ms=1))
    assert manifest.digest == "27659e56d5f26e1bce59eaad0a06abb2ed32b598d56bcd8a55ad03abf072db14"


def test_a_flipped_bit_is_seen() -> None:
    written = bytearray(_MANIFEST.canonical)
    written[len(written) // 2] ^= 1
    with pytest.raises(ManifestDamaged, match="does not match"):
        read_manifest(bytes(written), digest=_MANIFEST.digest)


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"files":[]}',
        b'{"files":[],"facts":{},"facts":{}}',
        b'{"files":[{"path":5}],"facts":{}}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"files":[],"facts":{"kind":"tree"}}',
        b'{"files":[],"facts":{"metrics":{"a":NaN}}}',
    ],
)
def test_a_manifest_that_is_none_is_damage_not_a_crash(written: bytes) -> None:
    with pytest.raises(ManifestDamaged):
        read_manifest(written, digest=hashlib.sha256(written).hexdigest())


def test_a_manifest_of_a_newer_budwood_says_so() -> None:
    written = Manifest((), Facts(), MANIFEST_FORMAT + 1).canonical
    with pytest.raises(TooNew):
        read_manifest(written, digest=hashlib.sha256(written).hexdigest())


@pytest.mark.parametrize(
    "spans",
    [
        (),
        (_WEIGHT,),
        (_HEADER,),
        (_HEADER, _HEADER, _WEIGHT),
        (_WEIGHT, _HEADER),
        (_HEADER, dataclasses.replace(_WEIGHT, length=BLOCK_BYTES)),
        (_HEADER, dataclasses.replace(_WEIGHT, offset=101)),
        (_HEADER, dataclasses.replace(_WEIGHT, blocks=(_ID,))),
        (_HEADER, dataclasses.replace(_WEIGHT, blocks=(_ID, _ID, _ID))),
        (_HEADER, dataclasses.replace(_WEIGHT, blocks=(_ID, b"short"))),
        (_HEADER, Span(100, 0, ()), _WEIGHT),
        (_HEADER, _WEIGHT, Span(BLOCK_BYTES + 106, -1, ())),
        (_HEADER, _WEIGHT, Span(BLOCK_BYTES + 106, 1, (_ID,))),
    ],
)
def test_a_file_that_is_not_tiled_exactly_is_damage(spans: tuple[Span, ...]) -> None:
    with pytest.raises(ManifestDamaged):
        check_manifest(Manifest((dataclasses.replace(_ENTRY, spans=spans),), Facts()))


def test_files_and_spans_are_bounded() -> None:
    entry = FileEntry("a", 0, "00" * 32, ())
    check_manifest(Manifest((entry,) * FILES_PER_VERSION, Facts()))
    with pytest.raises(LimitExceeded):
        check_manifest(Manifest((entry,) * (FILES_PER_VERSION + 1), Facts()))
    with pytest.raises(LimitExceeded):
        check_manifest(Manifest((dataclasses.replace(entry, spans=(_HEADER,) * (SPANS_PER_FILE + 1)),), Facts()))


def test_blocks_are_cut_from_the_start_of_their_span() -> None:
    assert list(_WEIGHT.block_lengths()) == [BLOCK_BYTES, 6]
    assert list(Span(0, 2 * BLOCK_BYTES, (_ID, _ID)).block_lengths()) == [BLOCK_BYTES, BLOCK_BYTES]
    assert list(_MANIFEST.block_ids()) == [_ID, _ID, _ID[::-1]]


def test_files_and_tensors_are_found_by_name() -> None:
    assert _MANIFEST.file("model.safetensors") is _ENTRY
    assert _MANIFEST.tensor("w") == (_ENTRY, _WEIGHT)
    assert _ENTRY.tensors == (_WEIGHT,)
    assert _MANIFEST.size_bytes == _ENTRY.size
    assert files_by_path(_MANIFEST)["model.safetensors"] is _ENTRY
    with pytest.raises(FileNotInVersion):
        _MANIFEST.file("model")
    with pytest.raises(TensorNotInVersion):
        _MANIFEST.tensor("")


def test_the_facts_of_a_file_survive_packing() -> None:
    facts = FileFacts({"torch": ""}, _FACTS.schema, "Bert", "a/b", {"r": 8}, {"hidden": 384}, _FACTS.flags)
    assert canon.unpack(FileFacts, canon.pack(facts)) == facts


def test_a_record_is_named_as_people_name_it() -> None:
    version = VersionRecord(
        1, 1, "default", "encoder", 7, "0" * 64, "", Kind.MODEL, Stage.DEVELOPMENT, "mara", 1, 1, 1, ()
    )
    assert version.reference == "encoder@v7"
    assert dataclasses.replace(version, label="1.2.0", namespace="risk").reference == "risk/encoder@1.2.0"
    assert ModelRecord(1, "risk", "encoder", Kind.MODEL, "mara", 1).path == "risk/encoder"
    assert model_path("default", "encoder") == "encoder"
    assert canon.unpack(VersionRecord, canon.pack(version)) == version


def test_the_pointer_of_a_stage_can_be_no_alias() -> None:
    assert stage_pointer(Stage.PRODUCTION) == "stage:production"
