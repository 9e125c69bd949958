"""The history of metrics: of one run, of several, and sampled for charts."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import HISTORY_PAGE, HISTORY_POINTS, HISTORY_RUNS
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow.shapes import metric_shown, run_metric_shown, run_of
from budwood.facades.mlflow.values import Values, filled, missing, needed, text, texts, whole
from budwood.verbs.tracking import history as verbs


def history(asked: Asked) -> Json:
    values = asked.values
    id_, key = run_of(values), needed(values, "metric_key")
    limit = whole(values, "max_results") if values.get("max_results") is not None else None
    found = verbs.metric_history(asked.whole, asked.namespace, id_, key, limit=limit, token=text(values, "page_token"))
    return filled(metrics=[metric_shown(each) for each in found.points], next_page_token=found.token)


def bulk(asked: Asked) -> Json:
    values = asked.values
    ids, key = texts(values, "run_id"), text(values, "metric_key")
    if not ids:
        raise BadValue("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(ids) > HISTORY_RUNS:
        raise BadValue(f"GetMetricHistoryBulk request cannot specify more than {HISTORY_RUNS} run_ids.")
    if not key:
        raise BadValue("GetMetricHistoryBulk request must specify a metric_key.")
    most = min(whole(values, "max_results", HISTORY_PAGE), HISTORY_PAGE)
    found = verbs.whole_histories(asked.whole, asked.namespace, ids, key, most)
    return {"metrics": [run_metric_shown(each) for each in found]}


def bulk_interval(asked: Asked) -> Json:
    values = asked.values
    ids = texts(values, "run_ids")
    if not ids:
        raise missing("run_ids")
    if len(ids) > HISTORY_RUNS:
        raise BadValue(f"GetMetricHistoryBulkInterval request must specify at most {HISTORY_RUNS} run_ids.")
    key = needed(values, "metric_key")
    bounds = _bounds(values)
    points = whole(values, "max_results", HISTORY_POINTS)
    if not 0 < points <= HISTORY_POINTS:
        raise BadValue(f"max_results must be between 1 and {HISTORY_POINTS}.")
    found = verbs.histories(asked.whole, asked.namespace, ids, key, bounds, points)
    return filled(metrics=[run_metric_shown(each) for each in found])


def _bounds(values: Values) -> tuple[int, int] | None:
    given = [values.get(field) is not None for field in ("start_step", "end_step")]
    if not any(given):
        return None
    if not all(given):
        raise BadValue("If either start step or end step are specified, both must be specified.")
    least, most = whole(values, "start_step"), whole(values, "end_step")
    if least > most:
        raise BadValue(f"end_step must be greater than start_step. Found start_step={least} and end_step={most}.")
    return least, most


_ROOT: Final = "/api/2.0/mlflow/metrics/"
ENDPOINTS: Final = (
    Endpoint("mlflow.metrics.get-history", "GET", _ROOT + "get-history", Permission.READ, history),
    Endpoint("mlflow.metrics.get-history-bulk", "GET", _ROOT + "get-history-bulk", Permission.READ, bulk),
    Endpoint(
        "mlflow.metrics.get-history-bulk-interval",
        "GET",
        _ROOT + "get-history-bulk-interval",
        Permission.READ,
        bulk_interval,
    ),
)
