"""Scorers, as MLflow 3 registers them: kept as they were written, and never run here."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.tracking.judging import Scorer, ScorerVersion
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint, Run
from budwood.facades.mlflow.values import filled, missing, needed, real, text, texts, whole
from budwood.verbs.tracking import scorers as verbs


def register(asked: Asked) -> Json:
    values = asked.values
    experiment, name = needed(values, "experiment_id"), needed(values, "name")
    body = needed(values, "serialized_scorer")
    made = verbs.register_scorer(asked.whole, asked.namespace, experiment, name, body)
    return {
        "version": made.number,
        "scorer_id": made.scorer.scorer,
        "experiment_id": str(made.scorer.experiment),
        "name": made.scorer.name,
        "serialized_scorer": made.body,
        "creation_time": made.at_ms,
    }


def find(asked: Asked) -> Json:
    one, several = text(asked.values, "experiment_id"), texts(asked.values, "experiment_ids")
    if one and several:
        raise BadValue("Cannot specify both 'experiment_id' and 'experiment_ids'.")
    if one or several:
        listed = verbs.list_scorers(asked.whole, asked.namespace, (one,) if one else several)
    else:
        listed = verbs.list_all_scorers(asked.whole, asked.namespace)
    return filled(scorers=[_shown(each) for each in listed])


def versions(asked: Asked) -> Json:
    return {"scorers": [_shown(each) for each in verbs.list_versions(asked.whole, asked.namespace, *_named(asked))]}


def get(asked: Asked) -> Json:
    return {"scorer": _shown(verbs.get_scorer(asked.whole, asked.namespace, *_named(asked), _number(asked)))}


def delete(asked: Asked) -> Json:
    verbs.delete_scorer(asked.whole, asked.namespace, *_named(asked), _number(asked))
    return None


def set_config(asked: Asked) -> Json:
    rate, filter_ = real(asked.values, "sample_rate"), text(asked.values, "filter_string")
    return {"config": _config(verbs.set_sampling(asked.whole, asked.namespace, *_named(asked), rate, filter_))}


def configs(asked: Asked) -> Json:
    wanted = texts(asked.values, "scorer_ids")
    if not wanted:
        raise missing("scorer_ids")
    return {"configs": [_config(each) for each in verbs.sampled(asked.whole, asked.namespace, wanted)]}


def _named(asked: Asked) -> tuple[str, str]:
    return needed(asked.values, "experiment_id"), needed(asked.values, "name")


def _number(asked: Asked) -> int | None:
    return whole(asked.values, "version") if asked.values.get("version") is not None else None


def _shown(version: ScorerVersion) -> Json:
    """MLflow's Scorer; its experiment is a number here."""
    return {
        "experiment_id": version.scorer.experiment,
        "scorer_name": version.scorer.name,
        "scorer_version": version.number,
        "serialized_scorer": version.body,
        "creation_time": version.at_ms,
        "scorer_id": version.scorer.scorer,
    }


def _config(scorer: Scorer) -> Json:
    assert scorer.sampling is not None
    return {
        "online_scoring_config_id": scorer.sampling.config,
        "scorer_id": scorer.scorer,
        "sample_rate": scorer.sampling.rate,
        "experiment_id": str(scorer.experiment),
        "filter_string": scorer.sampling.filter or None,
    }


def _endpoint(name: str, method: str, path: str, permission: Permission, run: Run) -> Endpoint:
    return Endpoint(f"mlflow.scorers.{name}", method, f"/api/3.0/mlflow/scorers/{path}", permission, run)


ENDPOINTS: Final = (
    _endpoint("register", "POST", "register", Permission.PUSH, register),
    _endpoint("list", "GET", "list", Permission.READ, find),
    _endpoint("versions", "GET", "versions", Permission.READ, versions),
    _endpoint("get", "GET", "get", Permission.READ, get),
    _endpoint("delete", "DELETE", "delete", Permission.PUSH, delete),
    _endpoint("set-config", "PUT", "online-config", Permission.PUSH, set_config),
    _endpoint("configs", "GET", "online-configs", Permission.READ, configs),
)
