"""Bills of materials: valid by the schemas of CycloneDX themselves, offline, and the same each time."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from budwood.domain.bom import BOM_FORMATS, bill_of_materials
from budwood.domain.entries import FileEntry
from budwood.domain.facts import Code, Environment, Facts, Field, Parent, Schema
from budwood.domain.manifest import Manifest
from budwood.domain.names import Kind, Stage
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval
from budwood.domain.portrait import Portrait
from budwood.domain.records import VersionRecord
from budwood.domain.results import VersionDetail
from budwood.errors import NotOffered

SCHEMAS = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}
NASTY = 'a"b\\c\n<x> %20 [1] http://e \u202e\x1b é 🙂'


def portrait(words: str = "plain", kind: Kind = Kind.MODEL, facts: Facts | None = None) -> Portrait:
    version = VersionRecord(
        1, 1, "risk", "encoder", 2, "ab" * 32, "", kind, Stage.STAGING, words, 1_762_352_100_123, 3, 9, (),
        message=words,
    )  # fmt: skip
    files = (FileEntry("config.json", 3, "cd" * 32, ()), FileEntry(f"w/{words}", 3, "ef" * 32, ()))
    full = Facts(
        kind=kind,
        author=words,
        created_ms=1,
        parents=(Parent("encoder", 1, "12" * 32, "fine-tuned-from"), Parent("odd", 1, words)),
        datasets=(words, words, "tickets"),
        metrics={words: 0.5},
        params={words: words},
        architecture=words,
        parameters=7,
        schema=Schema((Field(words, "f32", (-1, 3)), Field("")), (Field("y"),)),
        base_model=words,
        settings={"README.md": {"license": [words, "mit"], "pipeline_tag": words}},
        code=Code(words, dirty=True, remote=words),
        environment=Environment("3.11", words, {"Py_YAML": "6.0", words: words}, "uv.lock", "aa" * 32),
    )
    given = Evidence(
        1, "ab" * 32, EvidenceKind.EVALUATION, words, words, (), 5, metrics={"auc": 0.9},
        intervals={"auc": Interval(0.8, 0.95)}, dataset=words, digest="ee" * 32,
    )  # fmt: skip
    return Portrait(VersionDetail(version, (), False, (), (), (), ()), Manifest(files, facts or full), (given,))


def bom(described: Portrait, form: str = "1.6") -> Any:
    written = bill_of_materials(described, form)
    found = JsonStrictValidator(SCHEMAS[form]).validate_str(written)
    assert found is None, found
    return json.loads(written)


@pytest.mark.parametrize("form", BOM_FORMATS)
@pytest.mark.parametrize("words", ["plain", NASTY, " "])
@pytest.mark.parametrize("kind", list(Kind))
def test_it_is_valid_whatever_was_typed(form: str, words: str, kind: Kind) -> None:
    bom(portrait(words, kind), form)


@pytest.mark.parametrize("form", BOM_FORMATS)
def test_it_is_valid_when_next_to_nothing_is_known(form: str) -> None:
    bom(replace(portrait(facts=Facts()), evidence=()), form)


def test_it_holds_files_packages_data_and_parents() -> None:
    found = bom(portrait())
    parts = {each["bom-ref"]: each for each in found["components"]}
    assert parts["file:config.json"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
    assert parts["package:Py_YAML@6.0"]["purl"] == "pkg:pypi/py-yaml@6.0"
    assert parts["data:tickets"]["type"] == "data"
    assert parts["version:encoder@v1"]["hashes"][0]["content"] == "12" * 32
    model = found["metadata"]["component"]
    assert found["dependencies"][0] == {"ref": model["bom-ref"], "dependsOn": list(parts)}
    assert {"type": "auc", "value": "0.9", "slice": "plain"}.items() <= (
        model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][1].items()
    )


def test_the_same_version_gives_the_same_bytes_and_serial() -> None:
    first, second = bom(portrait()), bom(replace(portrait(), evidence=()))
    assert bill_of_materials(portrait(), "1.6") == bill_of_materials(portrait(), "1.6")
    assert first["serialNumber"] == second["serialNumber"]
    assert first["version"] == second["version"] + 1
    assert first["metadata"]["timestamp"] == "2025-11-05T14:15:00.123Z"


def test_another_form_is_not_offered() -> None:
    with pytest.raises(NotOffered, match=r"1\.5"):
        bill_of_materials(portrait(), "1.5")
