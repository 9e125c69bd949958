"""Whether what was carried is the same on both sides, and in which fields it is not.

What cannot be the same is left out: where files lie, and with models and versions the times and users, which stand in
marks. Tags that are marks themselves are left out, too.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Point,
    unmarked,
)
from budwood.domain.tracking.records import DatasetUse, ModelUse

Told = Mapping[str, Json]
FIELDS_TOLD: Final = 6


def experiment_told(each: CarriedExperiment, *, timed: bool = True) -> Told:
    """The default one was made on both sides, each at its own time."""
    times = {"created_ms": each.created_ms, "updated_ms": each.updated_ms} if timed else {}
    return {"name": each.name, "deleted": each.deleted, "tags": unmarked(each.tags), **times}


def run_told(each: CarriedRun) -> Told:
    return {
        "run": each.run,
        "experiment": each.experiment,
        "name": each.name,
        "user": each.user,
        "status": each.status,
        "start_ms": each.start_ms,
        "end_ms": each.end_ms,
        "deleted": each.deleted,
        "params": dict(each.params),
        "tags": unmarked(each.tags),
        "datasets": sorted((_use_told(use) for use in each.datasets), key=canon.dumps),
        "models": sorted((_model_told(use) for use in each.models), key=canon.dumps),
    }


def points_told(points: Sequence[Point]) -> Told:
    """As text: a number is written in one way only, and none is lost."""
    lines = sorted({f"{each.at_ms} {each.step} {'nan' if each.nan else repr(float(each.value))}" for each in points})
    return {"count": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def logged_told(each: CarriedLogged) -> Told:
    measured: dict[str, Json] = {
        f"{one.run} {one.key} {one.dataset[0]} {one.dataset[1]}": [
            one.point.at_ms,
            one.point.step,
            "nan" if one.point.nan else repr(float(one.point.value)),
        ]
        for one in each.metrics
    }
    return {
        "model": each.model,
        "experiment": each.experiment,
        "name": each.name,
        "kind": each.kind,
        "status": each.status,
        "run": each.run,
        "created_ms": each.created_ms,
        "deleted": each.deleted,
        "tags": unmarked(each.tags),
        "params": dict(each.params),
        "metrics": measured,
    }


def model_told(each: CarriedModel) -> Told:
    return {"title": each.title, "description": each.description, "tags": unmarked(each.tags)}


def version_told(each: CarriedVersion) -> Told:
    return {
        "number": each.number,
        "run": each.run,
        "logged": each.logged,
        "run_link": each.run_link,
        "description": each.description,
        "tags": unmarked(each.tags),
    }


def same_json(text: str) -> str:
    """One way of writing for all that says the same; what is no JSON is as it is."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def digest(kind: str, name: str, told: Json) -> bytes:
    """Of one thing that is the same on both sides."""
    return hashlib.sha256(canon.dumps([kind, name, told])).digest()


def differing(there: Told, here: Told) -> str:
    """The fields that are not the same, as people read them; empty when all are."""
    return ", ".join(_fields(there, here, "")[:FIELDS_TOLD])


def _fields(there: Told, here: Told, within: str) -> list[str]:
    found: list[str] = []
    for key in sorted({*there, *here}):
        one, other = there.get(key), here.get(key)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += _fields(one, other, f"{within}{key}.")
        else:
            found.append(f"{within}{key}")
    return found


def _use_told(use: DatasetUse) -> Json:
    data = use.dataset
    return [data.name, data.digest, data.source_type, data.source, data.schema, data.profile, dict(use.tags)]


def _model_told(use: ModelUse) -> Json:
    return [use.model, use.step if use.is_output else 0, use.is_output]
