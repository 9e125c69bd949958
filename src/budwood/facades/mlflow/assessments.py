"""Assessments of traces: feedback, expectations, and the issues they show."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint, Pace, Work
from budwood.facades.mlflow.trace_shapes import assessment_of, assessment_shown, judged, mapping_of, new_id
from budwood.facades.mlflow.values import Values, flag, inner, missing, needed, text
from budwood.verbs.traces import assessing

_MASKS: Final = {"assessmentName": "assessment_name"}


def create(asked: Asked) -> Work:
    id_, said = _said(asked)
    made = assessment_of(said, new_id(asked), asked.house.clock())
    work = assessing.assess(asked.whole, asked.namespace, id_, made)
    return lambda transaction: {"assessment": assessment_shown(work(transaction), id_)}


def get(asked: Asked) -> Json:
    id_, assessment = needed(asked.values, "trace_id"), needed(asked.values, "assessment_id")
    found = assessing.get_assessment(asked.whole, asked.namespace, id_, assessment)
    return {"assessment": assessment_shown(found, id_)}


def update(asked: Asked) -> Work:
    id_, said = _said(asked)
    mask = asked.values.get("update_mask")
    if mask is None:
        raise missing("update_mask")
    paths = text(mask, "paths") if isinstance(mask, dict) and isinstance(mask.get("paths"), str) else mask
    if isinstance(paths, dict):
        paths = ",".join(str(each) for each in paths.get("paths") or ())
    if not isinstance(paths, str):
        raise BadValue("Invalid value for parameter 'update_mask' supplied.")
    change = _change(said, {_MASKS.get(each, each) for each in paths.split(",")})
    assessment = needed(asked.values, "assessment_id")
    work = assessing.change_assessment(asked.whole, asked.namespace, id_, assessment, change)
    return lambda transaction: {"assessment": assessment_shown(work(transaction), id_)}


def delete(asked: Asked) -> Work:
    id_, assessment = needed(asked.values, "trace_id"), needed(asked.values, "assessment_id")
    return assessing.remove_assessment(asked.whole, asked.namespace, id_, assessment)


def _said(asked: Asked) -> tuple[str, Values]:
    said = inner(asked.values, "assessment")
    if said is None:
        raise missing("assessment")
    return needed(asked.values, "trace_id"), said


def _change(said: Values, fields: set[str]) -> assessing.Change:
    changes_value = bool(fields & {"feedback", "expectation"})
    if {"feedback", "expectation"} <= fields:
        raise BadValue("Cannot specify both `expectation` and `feedback` parameters.")
    kind, value, error = judged(said) if changes_value else (None, None, None)
    return assessing.Change(
        name=text(said, "assessment_name") if "assessment_name" in fields else None,
        kind=kind,
        value=value,
        error=error,
        rationale=text(said, "rationale") if "rationale" in fields else None,
        metadata=mapping_of(said, "metadata", "assessment.") if "metadata" in fields else None,
        valid=flag(said, "valid") if "valid" in fields else None,
    )


_ALL: Final = "/api/3.0/mlflow/traces/{trace_id}/assessments"
_ONE: Final = _ALL + "/{assessment_id}"
ENDPOINTS: Final = (
    Endpoint("mlflow.assessments.create", "POST", _ALL, Permission.PUSH, create, Pace.SOON),
    Endpoint("mlflow.assessments.get", "GET", _ONE, Permission.READ, get),
    Endpoint("mlflow.assessments.update", "PATCH", _ONE, Permission.PUSH, update, Pace.SOON),
    Endpoint("mlflow.assessments.delete", "DELETE", _ONE, Permission.PUSH, delete, Pace.SOON),
)
