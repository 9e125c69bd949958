"""What may be logged: names, lengths and amounts, refused in MLflow's own words.

Its users and its clients match on these texts. Values that are too long are cut, as MLflow does by default.
"""

import json
import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from budwood.domain.limits import (
    EXPERIMENT_NAME_CHARS,
    EXPERIMENT_TAG_CHARS,
    INPUT_TAG_CHARS,
    INPUT_TAG_KEY_CHARS,
    LOGGED_AT_ONCE,
    METRICS_AT_ONCE,
    PARAM_CHARS,
    PARAMS_AT_ONCE,
    RUN_NAME_CHARS,
    RUN_TAG_CHARS,
    TRACKING_KEY_CHARS,
)
from budwood.domain.tracking.records import Metric
from budwood.errors import BadValue, LimitExceeded

GREATEST: Final = 1.7976931348623157e308
"""Infinity is kept as the greatest number there is, as MLflow's databases keep it."""
_BAD_NAME: Final = re.compile(r"[^/\w.\- :]")
_RUN: Final = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_NAME_HINT: Final = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes "
    "(/)."
)
_LOCATION: Final = re.compile(
    r"(?:(?:s3|s3a|s3n|gs|r2|b2|oss|abfss?|wasbs?)://[\w.@-]+(?:/[^?#;\\\x00-\x20\x7f]*)?"
    r"|mlflow-artifacts:/(?!/)[^?#;\\\x00-\x20\x7f]*)"
)
_MOST: Final = (1 << 63) - 1


def check_experiment_name(name: str) -> None:
    """Raises BadValue, LimitExceeded."""
    if not name:
        raise BadValue(f"Invalid experiment name: '{name}'. It must not be empty.")
    _check_text("name", name)
    if len(name) > EXPERIMENT_NAME_CHARS:
        raise _too_long("name", EXPERIMENT_NAME_CHARS, "EXPERIMENT_NAME_CHARS")


def check_location(location: str) -> None:
    """Where an experiment says its artifacts lie: a bucket, or this server. Raises BadValue.

    A path of somebody's disk, or another server, would be read and written by whoever opens a run of the experiment.
    """
    match = _LOCATION.fullmatch(location)
    if match is None or ".." in re.split(r"[/\\]|%2f|%5c", location.lower().replace("%2e", ".")):
        raise BadValue(
            f"Invalid artifact location: '{location[:200]}'. It is a bucket such as s3://bucket/path, or "
            "mlflow-artifacts:/path; without parameters, fragments, hosts of servers and '..'."
        )


def experiment_number(text: str) -> int:
    """The number an id stands for. Raises BadValue."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise BadValue(f"Invalid experiment ID '{text[:200]}'. Experiment ID must be a valid integer.")
    return int(text)


def check_run(run: str) -> None:
    """That it could be the id of a run. Raises BadValue."""
    if not _RUN.fullmatch(run):
        raise BadValue(f"Invalid run ID: '{run[:300]}'")


def check_key(field: str, key: str) -> None:
    """The key of a metric, a parameter or a tag; ``field`` is what mistakes call it. Raises BadValue, LimitExceeded."""
    if not key:
        raise BadValue(f"Missing value for required parameter '{field}'. A key name must be provided.")
    if _BAD_NAME.search(key):
        raise BadValue(f"Invalid value {_quoted(key)} for parameter '{field}' supplied: {_NAME_HINT}")
    if key in (".", "..") or key.startswith("/") or _is_roundabout(key):
        message = "Names may be treated as files in certain cases, and must not resolve to other names when treated so."
        raise BadValue(f"Invalid value {_quoted(key)} for parameter '{field}' supplied: {message}")
    if len(key) > TRACKING_KEY_CHARS:
        raise _too_long(field, TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")


def param(key: str, value: str, field: str = "key") -> tuple[str, str]:
    """A parameter as it is kept. Raises BadValue, LimitExceeded."""
    check_key(field, key)
    _check_text("value", value)
    return key, value[:PARAM_CHARS]


def run_tag(key: str, value: str, field: str = "key") -> tuple[str, str]:
    """A tag of a run as it is kept. Raises BadValue, LimitExceeded."""
    check_key(field, key)
    _check_text("value", value)
    return key, value[:RUN_TAG_CHARS]


def experiment_tag(key: str, value: str) -> tuple[str, str]:
    """A tag of an experiment; one that is too long is not cut. Raises BadValue, LimitExceeded."""
    check_key("key", key)
    _check_text("value", value)
    if len(value) > EXPERIMENT_TAG_CHARS:
        raise _too_long("value", EXPERIMENT_TAG_CHARS, "EXPERIMENT_TAG_CHARS")
    return key, value


def run_name(name: str) -> str:
    """A run's name as it is kept. Raises BadValue."""
    _check_text("run_name", name)
    return name[:RUN_NAME_CHARS]


def metrics(said: Sequence[Metric], *, several: bool) -> list[Metric]:
    """As they are kept; each key is looked at once. Raises BadValue, LimitExceeded."""
    first = {each.key: at for at, each in reversed(list(enumerate(said)))}
    for key, at in first.items():
        check_key(f"metrics[{at}].name" if several else "name", key)
    return [_bounded(each) for each in said]


def input_tag(key: str, value: str) -> tuple[str, str]:
    """What a run says of a dataset it read. Raises LimitExceeded."""
    for what, text, most, name in (
        ("key", key, INPUT_TAG_KEY_CHARS, "INPUT_TAG_KEY_CHARS"),
        ("value", value, INPUT_TAG_CHARS, "INPUT_TAG_CHARS"),
    ):
        _check_text(what, text)
        if len(text) > most:
            raise _too_long(what, most, name)
    return key, value


def check_amounts(metrics: int, params: int, tags: int) -> None:
    """What one batch holds. Raises LimitExceeded."""
    for what, count, limit, name in (
        ("metrics", metrics, METRICS_AT_ONCE, "METRICS_AT_ONCE"),
        ("params", params, PARAMS_AT_ONCE, "PARAMS_AT_ONCE"),
        ("tags", tags, PARAMS_AT_ONCE, "PARAMS_AT_ONCE"),
    ):
        if count > limit:
            message = f"A batch logging request can contain at most {limit} {what}. Got {count} {what}."
            raise LimitExceeded(f"{message} Please split up {what} across multiple requests and try again.", limit=name)
    total = metrics + params + tags
    if total > LOGGED_AT_ONCE:
        message = f"A batch logging request can contain at most {LOGGED_AT_ONCE} metrics, params, and tags in total."
        raise LimitExceeded(f"{message} Got {total}.", limit="LOGGED_AT_ONCE")


def distinct(params: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters by key. Raises BadValue for one that is given twice, differently."""
    found: dict[str, str] = {}
    for key, value in params:
        if found.setdefault(key, value) != value:
            raise BadValue(f"Duplicate parameter keys have been submitted: ['{key}']. Please ensure the request "
                           "contains only one param value per param key.")  # fmt: skip
    return found


def check_page(name: str, asked: int, most: int) -> None:
    """How many rows a page may have. Raises BadValue."""
    if not 0 < asked <= most:
        bounds = f"It must be at least 1 and at most {most}, but got {asked}."
        raise BadValue(f"Invalid value {asked} for parameter '{name}' supplied: {bounds}")


def changed_param(run: str, key: str, before: str, after: str) -> BadValue:
    """For a parameter that has another value already."""
    return BadValue(
        f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{before}' for "
        f"run ID='{run}'. Attempted logging new value '{after}'."
    )


def not_active(run: str) -> BadValue:
    """For a run that was deleted."""
    return BadValue(f"The run {run} must be in the 'active' state. Current state is deleted.")


def too_many(what: str, found: Collection[object], most: int, limit: str) -> None:
    """Raises LimitExceeded when there are more than a limit allows."""
    if len(found) > most:
        raise LimitExceeded(f"A request can have at most {most} {what}; got {len(found)}.", limit=limit)


def _bounded(said: Metric) -> Metric:
    for name, number in (("timestamp", said.at_ms), ("step", said.step)):
        if not -_MOST <= number <= _MOST:
            raise BadValue(f"Invalid value {number} for parameter '{name}' supplied: it has more than 64 bits.")
    if not math.isinf(said.value):
        return said
    return replace(said, value=math.copysign(GREATEST, said.value))


def _check_text(what: str, text: str) -> None:
    if "\0" in text:
        raise BadValue(f"Invalid value for parameter '{what}' supplied: it holds a NUL.")


def _is_roundabout(key: str) -> bool:
    """Whether it would be another name as the path of a file."""
    parts = key.split("/")
    return any(part in ("", ".", "..") for part in parts)


def _too_long(what: str, limit: int, name: str) -> LimitExceeded:
    return LimitExceeded(f"'{what}' exceeds the maximum length of {limit} characters.", limit=name)


def _quoted(text: str) -> str:
    """As JSON writes it."""
    return json.dumps(text[:300], ensure_ascii=False)
