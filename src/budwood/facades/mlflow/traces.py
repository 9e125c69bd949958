"""Traces: told of, tagged, linked, found, measured, deleted; for clients of 3.0 and later, and for those before."""

from typing import Final

import msgspec

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import REQUEST_BYTES, TRACES_PAGE
from budwood.domain.traces import correlation
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint, Pace, Reply, Run, Work
from budwood.facades.mlflow.shapes import words_of
from budwood.facades.mlflow.trace_shapes import (
    data_shown,
    experiment_of,
    info_shown,
    old_info_shown,
    state_of,
    told_of,
    whole_shown,
)
from budwood.facades.mlflow.values import (
    between,
    filled,
    flag,
    inner,
    missing,
    needed,
    objects,
    shown,
    text,
    texts,
    whole,
)
from budwood.verbs.traces import finding, linking, removing, telling

_FILE: Final = "traces.json"


def tell(asked: Asked) -> Work:
    work = telling.tell_trace(asked.whole, asked.namespace, told_of(asked))
    return lambda transaction: {"trace": {"trace_info": info_shown(asked, work(transaction))}}


def get_info(asked: Asked) -> Json:
    found = finding.get_trace(asked.whole, asked.namespace, needed(asked.values, "trace_id"))
    return {"trace": {"trace_info": info_shown(asked, found)}}


def get(asked: Asked) -> Json:
    values = asked.values
    partial = flag(values, "allow_partial")
    found = finding.get_whole(asked.whole, asked.namespace, needed(values, "trace_id"), may_be_partial=partial)
    return {"trace": whole_shown(asked, found)}


def get_batch(asked: Asked) -> Json:
    found = finding.get_wholes(asked.whole, asked.namespace, _several(asked, "trace_ids"), _experiments(asked))
    return filled(traces=[whole_shown(asked, each) for each in found])


def get_infos(asked: Asked) -> Json:
    found = finding.get_several(asked.whole, asked.namespace, _several(asked, "trace_ids"), _experiments(asked))
    return filled(trace_infos=[info_shown(asked, each) for each in found])


def get_file(asked: Asked) -> Reply:
    values = asked.values
    if text(values, "path"):
        raise BadValue("Attachments of a trace are read as its artifacts.")
    found = finding.get_whole(asked.whole, asked.namespace, needed(values, "request_id"), may_be_partial=True)
    headers = (("content-disposition", f"attachment; filename={_FILE}"), ("x-content-type-options", "nosniff"))
    return Reply(msgspec.json.encode(data_shown(found)), "application/octet-stream", headers=headers)


def search(asked: Asked) -> Json:
    between(asked.values, "max_results", 100, 1, TRACES_PAGE)
    locations = objects(asked.values, "locations")
    if not locations:
        raise missing("locations")
    experiments = [experiment_of(each) for each in locations if inner(each, "mlflow_experiment") is not None]
    found = _search(asked, experiments)
    return filled(traces=[info_shown(asked, each) for each in found.traces], next_page_token=found.token)


def search_old(asked: Asked) -> Json:
    found = _search(asked, _several(asked, "experiment_ids"))
    traces = [old_info_shown(asked, each.trace) for each in found.traces]
    return filled(traces=traces, next_page_token=found.token)


def delete(asked: Asked) -> Json:
    values = asked.values
    until, most = values.get("max_timestamp_millis"), values.get("max_traces")
    count = removing.delete_traces(
        asked.whole,
        asked.namespace,
        needed(values, "experiment_id"),
        until_ms=None if until is None else whole(values, "max_timestamp_millis"),
        most=None if most is None else whole(values, "max_traces"),
        ids=texts(values, "request_ids"),
    )
    return {"traces_deleted": count}


def set_tag(asked: Asked) -> Work:
    values = asked.values
    id_, key = needed(values, "trace_id"), needed(values, "key")
    return telling.tag_trace(asked.whole, asked.namespace, id_, key, text(values, "value"))


def delete_tag(asked: Asked) -> Work:
    values = asked.values
    return telling.untag_trace(asked.whole, asked.namespace, needed(values, "trace_id"), needed(values, "key"))


def link_to_run(asked: Asked) -> Work:
    ids, run = _several(asked, "trace_ids"), needed(asked.values, "run_id")
    return linking.link_to_run(asked.whole, asked.namespace, ids, run)


def link_prompts(asked: Asked) -> Work:
    values = asked.values
    id_ = needed(values, "trace_id")
    named = objects(values, "prompt_versions")
    if not named:
        raise missing("prompt_versions")
    prompts = [(text(each, "name"), text(each, "version")) for each in named]
    return linking.link_prompts(asked.whole, asked.namespace, id_, prompts)


def correlate(asked: Asked) -> Json:
    values = asked.values
    first, second = needed(values, "filter_string1"), needed(values, "filter_string2")
    ids, base = texts(values, "experiment_ids"), text(values, "base_filter")
    if not ids:
        raise missing("experiment_ids")
    counts = finding.count_traces(asked.whole, asked.namespace, ids, first, second, base)
    plain, smoothed = correlation.plain(counts), correlation.smoothed(counts)
    return {
        "npmi": shown(plain),
        "npmi_smoothed": shown(smoothed),
        "filter1_count": counts.first,
        "filter2_count": counts.second,
        "joint_count": counts.both,
        "total_count": counts.total,
    }


def begin(asked: Asked) -> Work:
    values = asked.values
    work = telling.begin_trace(
        asked.whole,
        asked.namespace,
        text(values, "experiment_id") or "0",
        whole(values, "timestamp_ms"),
        dict(words_of(values, "request_metadata")),
        dict(words_of(values, "tags")),
    )
    return lambda transaction: {"trace_info": old_info_shown(asked, work(transaction))}


def end(asked: Asked) -> Work:
    values = asked.values
    work = telling.end_trace(
        asked.whole,
        asked.namespace,
        needed(values, "trace_id"),
        whole(values, "timestamp_ms"),
        state_of(values.get("status")),
        dict(words_of(values, "request_metadata")),
        dict(words_of(values, "tags")),
    )
    return lambda transaction: {"trace_info": old_info_shown(asked, work(transaction))}


def get_old(asked: Asked) -> Json:
    found = finding.get_trace(asked.whole, asked.namespace, needed(asked.values, "trace_id"))
    return {"trace_info": old_info_shown(asked, found.trace)}


def _search(asked: Asked, experiments: list[str] | tuple[str, ...]) -> finding.FoundTraces:
    values = asked.values
    return finding.find_traces(
        asked.whole,
        asked.namespace,
        experiments,
        text(values, "filter"),
        texts(values, "order_by"),
        text(values, "page_token"),
        between(values, "max_results", 100, 1, TRACES_PAGE),
    )


def _several(asked: Asked, field: str) -> tuple[str, ...]:
    found = texts(asked.values, field)
    if not found:
        raise missing(field)
    return found


def _experiments(asked: Asked) -> tuple[str, ...] | None:
    return None if asked.values.get("experiment_ids") is None else texts(asked.values, "experiment_ids")


def _writes(name: str, method: str, path: str, run: Run) -> Endpoint:
    return Endpoint(f"mlflow.traces.{name}", method, path, Permission.PUSH, run, Pace.SOON)


def _reads(name: str, method: str, path: str, run: Run) -> Endpoint:
    return Endpoint(f"mlflow.traces.{name}", method, path, Permission.READ, run, reads=method == "POST")


_NEW: Final = "/api/3.0/mlflow/traces"
_OLD: Final = "/api/2.0/mlflow/traces"
ENDPOINTS: Final = (
    Endpoint("mlflow.traces.tell", "POST", _NEW, Permission.PUSH, tell, Pace.SOON, body_bytes=2 * REQUEST_BYTES),
    _reads("get-info", "GET", _NEW + "/{trace_id}", get_info),
    _reads("get", "GET", _NEW + "/get", get),
    _reads("get-batch", "GET", _NEW + "/batchGet", get_batch),
    _reads("get-infos", "POST", _NEW + "/batchGetInfos", get_infos),
    _reads("search", "POST", _NEW + "/search", search),
    _reads("correlate", "POST", _NEW + "/calculate-filter-correlation", correlate),
    *(
        Endpoint(f"mlflow.traces.delete{which}", "POST", root + "/delete-traces", Permission.PUSH, delete)
        for which, root in (("", _NEW), ("-2", _OLD))
    ),
    *(
        _writes(f"set-tag{which}", "PATCH", root + "/{trace_id}/tags", set_tag)
        for which, root in (("", _NEW), ("-2", _OLD))
    ),
    *(
        _writes(f"delete-tag{which}", "DELETE", root + "/{trace_id}/tags", delete_tag)
        for which, root in (("", _NEW), ("-2", _OLD))
    ),
    _writes("link-to-run", "POST", _OLD + "/link-to-run", link_to_run),
    _writes("link-prompts", "POST", _OLD + "/link-prompts", link_prompts),
    _writes("begin", "POST", _OLD, begin),
    _writes("end", "PATCH", _OLD + "/{trace_id}", end),
    _reads("get-old", "GET", _OLD + "/{trace_id}/info", get_old),
    _reads("search-old", "GET", _OLD, search_old),
    *(
        _reads(f"get-file-{release}", "GET", f"/ajax-api/{release}.0/mlflow/get-trace-artifact", get_file)
        for release in (2, 3)
    ),
)
