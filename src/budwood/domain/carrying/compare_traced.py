"""Whether traces, evaluation data sets and what judges are the same on both sides; as ``compare`` does of the rest.

Left out is what says where something lies: the tags that name a place for files and for spans.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.carrying.compare import Told, same_json
from budwood.domain.carrying.records import unmarked
from budwood.domain.carrying.traced import (
    CarriedAssessment,
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedScorer,
    CarriedTrace,
    Judged,
)
from budwood.domain.traces.records import FIXED_TAGS, LOCATION_TAG

TOLD_KEY: Final = "mlflow.trace.infoFinalized"
"""Metadata by which MLflow's server says that a client told of a trace."""


@dataclass(frozen=True, slots=True)
class Judges:
    """One of what judges: its kind in a report, and its name."""

    kind: str
    name: str


def trace_told(each: CarriedTrace) -> Told:
    """Without its spans."""
    return {
        "trace": each.trace,
        "experiment": each.experiment,
        "at_ms": each.at_ms,
        "duration_ms": each.duration_ms,
        "state": each.state,
        "client_request": each.client_request,
        "request": each.request,
        "response": each.response,
        "tags": {key: value for key, value in each.tags.items() if key not in FIXED_TAGS and key != LOCATION_TAG},
        "metadata": {key: same_json(value) for key, value in each.metadata.items() if key != TOLD_KEY},
        "assessments": {one.assessment: dict(assessment_told(one)) for one in each.assessments},
    }


def assessment_told(each: CarriedAssessment) -> Told:
    return {
        "kind": each.kind,
        "name": each.name,
        "value": same_json(each.value),
        "error": same_json(each.error),
        "source_type": each.source_type,
        "source": each.source,
        "created_ms": each.created_ms,
        "updated_ms": each.updated_ms,
        "span": each.span,
        "rationale": each.rationale,
        "metadata": dict(each.metadata),
        "overrides": each.overrides,
        "valid": each.valid,
    }


def spans_told(contents: Iterable[str]) -> Told:
    """Of spans as ``stored.content_of`` writes them."""
    return _counted([same_json(each) for each in contents])


def dataset_told(each: CarriedDataset) -> Told:
    """Without its records."""
    return {
        "dataset": each.dataset,
        "name": each.name,
        "digest": each.digest,
        "schema": same_json(each.schema),
        "created_ms": each.created_ms,
        "updated_ms": each.updated_ms,
        "created_by": each.created_by,
        "updated_by": each.updated_by,
        "tags": unmarked(each.tags),
        "experiments": sorted(each.experiments),
    }


def record_told(each: CarriedRecord) -> Told:
    return {
        "record": each.record,
        "content": same_json(each.content),
        "created_ms": each.created_ms,
        "updated_ms": each.updated_ms,
        "created_by": each.created_by,
        "updated_by": each.updated_by,
    }


def content_told(each: CarriedRecord) -> str:
    """What it says, without its id and times."""
    return same_json(each.content)


def contents_told(several: Sequence[CarriedRecord]) -> Told:
    return _counted([content_told(each) for each in several])


def records_told(several: Sequence[CarriedRecord]) -> Told:
    return _counted([json.dumps(record_told(each), sort_keys=True) for each in several])


def judged_told(each: Judged) -> Told:
    """Ids only where others name them: scorers and label schemas go by their names."""
    match each:
        case CarriedScorer():
            return _scorer_told(each)
        case CarriedLabel():
            return _label_told(each)
        case CarriedIssue():
            return _issue_told(each)


def judged_name(each: Judged) -> Judges:
    """What it is told by, in its experiment."""
    match each:
        case CarriedScorer():
            return Judges("scorers", each.name)
        case CarriedLabel():
            return Judges("label schemas", each.name)
        case CarriedIssue():
            return Judges("issues", each.issue)


def _scorer_told(each: CarriedScorer) -> Told:
    versions: dict[str, Json] = {str(one.number): [same_json(one.body), one.at_ms] for one in each.versions}
    return {"experiment": each.experiment, "name": each.name, "versions": versions}


def _label_told(each: CarriedLabel) -> Told:
    return {
        "experiment": each.experiment,
        "name": each.name,
        "kind": each.kind,
        "form": each.form,
        "bounds": same_json(each.bounds),
        "instruction": each.instruction,
        "has_comment": each.has_comment,
        "created_ms": each.created_ms,
        "updated_ms": each.updated_ms,
    }


def _issue_told(each: CarriedIssue) -> Told:
    return {
        "issue": each.issue,
        "experiment": each.experiment,
        "name": each.name,
        "description": each.description,
        "status": each.status,
        "severity": each.severity,
        "root_causes": list(each.root_causes),
        "categories": list(each.categories),
        "run": each.run,
        "created_by": each.created_by,
        "created_ms": each.created_ms,
        "updated_ms": each.updated_ms,
    }


def _counted(lines: list[str]) -> Told:
    whole = "\n".join(sorted(lines)).encode("utf-8", "backslashreplace")
    return {"count": len(lines), "sha256": hashlib.sha256(whole).hexdigest()}
