"""A bill of materials of a version, in the JSON of CycloneDX (ECMA-424): files, packages, data, parents, model card.

The same version with the same evidence gives the same bytes: the serial number is made from the manifest's digest, the
time is when the version was made, and the document's own version counts the evidence. Nothing is guessed: a licence
stands as it was written, and what the manifest does not hold is left out.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from budwood.domain.canon import Json
from budwood.domain.facts import Facts, Field
from budwood.domain.policy.evidence import Evidence
from budwood.domain.portrait import Portrait
from budwood.domain.records import model_path
from budwood.errors import NotOffered

BOM_FORMATS: Final = ("1.6", "1.7")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def bill_of_materials(portrait: Portrait, form: str) -> str:
    """The document, which ends with one newline. Raises NotOffered for a ``form`` that is not in BOM_FORMATS."""
    if form not in BOM_FORMATS:
        raise NotOffered(f"There is no bill of materials in the form {form[:80]!r}.", hint=f"{', '.join(BOM_FORMATS)}.")
    model = _model(portrait)
    parts = _unique([*_files(portrait), *_packages(portrait.facts), *_datasets(portrait.facts), *_parents(portrait)])
    document: dict[str, Json] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{form}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": form,
        "serialNumber": f"urn:uuid:{_uuid(portrait.version.digest)}",
        "version": 1 + len(portrait.evidence),
        "metadata": {
            "timestamp": _moment(portrait.version.created_ms),
            "tools": {"components": [{"type": "application", "name": "budwood"}]},
            "component": model,
        },
        "components": list(parts.values()),
        "dependencies": [{"ref": model["bom-ref"], "dependsOn": list(parts)}, *({"ref": name} for name in parts)],
    }
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


Component = dict[str, Json]


def _unique(components: list[Component]) -> dict[str, Component]:
    """By their names within the document; what is named twice stands once."""
    return {str(component["bom-ref"]): component for component in components}


# What the document is about


def _model(portrait: Portrait) -> Component:
    version, facts = portrait.version, portrait.facts
    path = model_path(version.namespace, version.model)
    component: Component = {
        "type": "data" if version.kind == "dataset" else "machine-learning-model",
        "bom-ref": f"version:{path}@v{version.number}",
        "group": version.namespace,
        "name": version.model,
        "version": version.label or f"v{version.number}",
        "description": version.message,
        "hashes": [_hash(version.digest)],
        "licenses": [{"license": {"name": word}} for word in portrait.words("license")],
        "properties": [{"name": f"budwood:{name}", "value": value} for name, value in _properties(portrait)],
    }
    if component["type"] != "data":
        component["modelCard"] = _model_card(portrait)
    if facts.author:
        component["authors"] = [{"name": facts.author}]
    return _said(component)


def _model_card(portrait: Portrait) -> Json:
    facts = portrait.facts
    schema = facts.schema
    card: Component = {
        "modelParameters": _said(
            {
                "task": next(iter(portrait.words("pipeline_tag")), ""),
                "modelArchitecture": facts.architecture,
                "datasets": [{"ref": _data_name(name)} for name in dict.fromkeys(facts.datasets)],
                "inputs": [{"format": _form(field)} for field in (schema.inputs if schema else ())],
                "outputs": [{"format": _form(field)} for field in (schema.outputs if schema else ())],
            }
        ),
        "quantitativeAnalysis": _said({"performanceMetrics": list(_metrics(portrait))}),
        "considerations": _said({"technicalLimitations": [f"Not known: {gap}." for gap in portrait.gaps()]}),
        "properties": [{"name": f"budwood:param:{name}", "value": facts.params[name]} for name in sorted(facts.params)],
    }
    return _said(card)


def _metrics(portrait: Portrait) -> Iterator[Json]:
    for name, value in sorted(portrait.facts.metrics.items()):
        yield {"type": name, "value": repr(value)}
    for each in portrait.evidence:
        yield from _measured(each)


def _measured(each: Evidence) -> Iterator[Json]:
    for name, value in sorted(each.metrics.items()):
        metric: dict[str, Json] = {"type": name, "value": repr(value)}
        if each.dataset:
            metric["slice"] = each.dataset
        if between := each.intervals.get(name):
            metric["confidenceInterval"] = {"lowerBound": repr(between.low), "upperBound": repr(between.high)}
        yield metric


def _properties(portrait: Portrait) -> Iterator[tuple[str, str]]:
    version, facts = portrait.version, portrait.facts
    yield "manifest", f"sha256:{version.digest}"
    yield "stage", str(version.stage)
    if facts.parameters:
        yield "parameters", str(facts.parameters)
    if facts.base_model:
        yield "base-model", facts.base_model
    if facts.code is not None:
        yield "commit", facts.code.commit
        yield "commit:dirty", "true" if facts.code.dirty else "false"
        if facts.code.remote:
            yield "commit:remote", facts.code.remote
    if facts.environment is not None:
        yield "python", facts.environment.python
        if facts.environment.lock_sha256:
            yield "lock", f"{facts.environment.lock} sha256:{facts.environment.lock_sha256}"
    for each in portrait.evidence:
        yield f"evidence:{each.kind}", each.digest


def _form(field: Field) -> str:
    shape = "" if field.shape is None else str(list(field.shape))
    return " ".join(word for word in (field.name, field.dtype, shape) if word) or "unnamed"


# What it is made of and from


def _files(portrait: Portrait) -> Iterator[Component]:
    for entry in portrait.files:
        yield {
            "type": "file",
            "bom-ref": f"file:{entry.path}",
            "name": entry.path,
            "hashes": [_hash(entry.sha256)],
            "properties": [{"name": "budwood:size", "value": str(entry.size)}],
        }


def _packages(facts: Facts) -> Iterator[Component]:
    packages = facts.environment.packages if facts.environment else {}
    for name, release in sorted(packages.items()):
        # The address of a package is made of its normal name: https://packaging.python.org/specifications.
        normal = re.sub(r"[-_.]+", "-", name).lower()
        address = f"pkg:pypi/{quote(normal, safe='')}@{quote(release, safe='')}"
        component: Component = {"type": "library", "bom-ref": f"package:{name}@{release}", "name": name}
        yield component | {"version": release, "purl": address}


def _datasets(facts: Facts) -> Iterator[Component]:
    for name in facts.datasets:
        yield {"type": "data", "bom-ref": _data_name(name), "name": name, "data": [{"type": "dataset", "name": name}]}


def _data_name(name: str) -> str:
    return f"data:{name}"


def _parents(portrait: Portrait) -> Iterator[Component]:
    for parent in portrait.facts.parents:
        component: Component = {
            "type": "machine-learning-model",
            "bom-ref": f"version:{parent.model}@v{parent.number}",
            "name": parent.model,
            "version": f"v{parent.number}",
            "properties": [{"name": "budwood:relation", "value": parent.relation}],
        }
        if _SHA256.fullmatch(parent.digest):
            component["hashes"] = [_hash(parent.digest)]
        yield component


# Words of the form


def _hash(digest: str) -> Json:
    return {"alg": "SHA-256", "content": digest}


def _said(fields: Mapping[str, Json]) -> Component:
    """Without what is empty."""
    return {name: value for name, value in fields.items() if value}


def _moment(at_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _uuid(digest: str) -> str:
    """Version 8 of RFC 9562: ours to fill, from the digest."""
    hexes = hashlib.sha256(f"cyclonedx {digest}".encode()).hexdigest()
    variant = "89ab"[int(hexes[16], 16) % 4]
    return f"{hexes[:8]}-{hexes[8:12]}-8{hexes[13:16]}-{variant}{hexes[17:20]}-{hexes[20:32]}"
