"""JSON and the values in it, sent to a real server: what is out of bounds is refused by its kind, and nothing moves."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from budwood.domain.routes import ROUTES
from budwood.domain.routes.route import Route
from budwood.verbs.wire import _names
from tests.attacks.siege import Siege

ENCODER = "/v1/models/ours/encoder"
TAGS = f"{ENCODER}/versions/v1/tags"
FOUND = "/v1/namespaces/ours/pushes/{push}/find"
WITH_BODY = [route for route in ROUTES if route.request is not None]


def address(route: Route) -> str:
    known = {"namespace": "ours", "model": "encoder", "selector": "v1", "alias": "next"}
    return route.path.format(**{hole: known.get(hole, "nothing") for hole in route.holes})


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
def test_what_is_no_json_or_says_a_thing_twice_is_malformed_everywhere(route: Route, unmoved: Siege) -> None:
    assert route.request is not None
    key = sorted(_names(route.request))[0].encode()
    for content in (
        b'{"%b": 1, "%b": 2}' % (key, key),
        b'{"%b": "\\ud800"}' % key,
        b'{"%b": "\xff\xfe"}' % key,
        b'{"%b": NaN}' % key,
        b"\xef\xbb\xbf{}",
        b'{"%b": %b}' % (key, b"[" * 200_000),
        b"{" * 200_000,
    ):
        reply = unmoved.ask(route.method, address(route), by="admin", body=content)
        # 403 where even an admin needs a role, 413 where bodies are small, 501 where nothing is set up for it.
        assert reply.status in (400, 401, 403, 413, 422, 501), (content[:40], reply)


@pytest.mark.parametrize("number", [2**63, 2**200, -1, 1.5, "5", 1e400, None, [], True], ids=str)
@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("PATCH", "/v1/namespaces/ours/quota", "bytes"),
        ("PATCH", "/v1/namespaces/ours/quota", "requests"),
        ("POST", "/v1/tokens", "good_s"),
        ("POST", "/v1/namespaces/ours/pushes/nothing/packs/nothing/complete", "size"),
        ("POST", "/v1/namespaces/ours/pushes/nothing/find", "first"),
        ("POST", "/v1/namespaces/ours/pushes/reuse", "number"),
    ],
)
def test_a_number_that_is_none_is_refused(method: str, path: str, field: str, number: object, unmoved: Siege) -> None:
    if number is None and field != "size":
        return  # In a change it says: as it is.
    rest: dict[str, object] = {"good_s": {"name": "t"}, "first": {"ids": []}}.get(field, {})  # type: ignore[assignment]
    if field == "number":
        rest = {"model": "encoder", "digest": "0" * 64}
    # Python writes what no JSON may hold: 1e400 as Infinity.
    reply = unmoved.ask(method, path, by="admin", json={**rest, field: number})
    # What has another sign is of the right kind: it is looked up, and is not there.
    absent = (404, 409) if number == -1 and field in ("size", "number", "first") else ()
    assert reply.status in (400, 422, *absent), reply


TAG_LIES: dict[str, object] = {
    "10,001 pairs": {f"k{number}": "v" for number in range(10_001)},
    "a value of 1 MB": {"k": "x" * 1_000_000},
    "no key": {"": "v"},
    "__proto__ as an object": {"__proto__": {"admin": "true"}},
    "a reference": {"$ref": "#/components/schemas/x"},
    "a key of spaces": {" ": "v"},
    "a key with a line break": {"a\nb": "v"},
    "a key that turns around": {"a\u202eb": "v"},
    "a key of 251 characters": {"k" * 251: "v"},
    "NUL": {"k": "a\0b"},
    "a number": {"k": 5},
    "nothing": {"k": None},
    "a list": ["k", "v"],
}


@pytest.mark.parametrize("name", TAG_LIES)
def test_a_tag_that_is_none_is_refused(name: str, unmoved: Siege) -> None:
    reply = unmoved.ask("PATCH", TAGS, by="writer", json={"put": TAG_LIES[name]})
    assert (reply.status, reply.problem["code"] != "") == (422, True)


def test_keys_that_mean_something_elsewhere_are_plain_keys_here(besieged: Siege) -> None:
    put = {
        "constructor": "1",
        "prototype": "{{7*7}}",
        "html": "<script>alert(1)</script>",
        "sheet": "=cmd|' /C calc'!A0",
    }
    reply = besieged.ask("PATCH", TAGS, by="writer", json={"put": put})
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert put.items() <= {tag["key"]: tag["value"] for tag in reply.value["tags"]}.items()


LABELS = ["1.0", "01.0.0", "1.0.0-01", "v1.0.0", "1.0.0-", "1.0.0+", "1" * 300 + ".0.0", "１.0.0", "1.0.0\n", " 1.0.0"]


@pytest.mark.parametrize("label", LABELS)
def test_a_label_that_is_no_semantic_version_is_refused(label: str, unmoved: Siege) -> None:
    push = unmoved.ask("POST", "/v1/namespaces/ours/pushes", by="writer", json={"model": "encoder"}).value["id"]
    asked = {"digest": "0" * 64, "manifest_size": 1, "manifest_blocks": ["A" * 43 + "="], "label": label}
    reply = unmoved.ask("POST", f"/v1/namespaces/ours/pushes/{push}/publish", by="writer", json=asked)
    assert (reply.status, reply.problem["code"]) == (422, "bad_label")
    assert unmoved.ask("DELETE", f"/v1/namespaces/ours/pushes/{push}", by="writer").status == 204


FILTERS = [
    "name; drop table version",
    "1=1--",
    "name' or ''='",
    'name = "x" or 1=1',
    'name = "x" union all',
    'name = "a" order by 1; --',
    'name like "%" escape "\\"',
    "(" * 3_000,
    "not " * 3_000 + 'name = "a"',
    'name = "a" and ' * 200 + 'name = "a"',
    "metrics.auc > nan",
    "metrics.auc > 1e999",
    "number = 99999999999999999999999",
    'created > "9999999-01-01"',
    'name = "\u202e',
    "\0",
]


@pytest.mark.parametrize("text", FILTERS, ids=lambda text: text[:20])
def test_a_filter_that_does_not_parse_is_refused_and_runs_nothing(text: str, unmoved: Siege) -> None:
    reply = unmoved.ask("GET", f"/v1/search?{urlencode({'q': text})}", by="reader", within_s=2)
    assert reply.status in (400, 414, 422), reply
    assert reply.problem["code"] in ("bad_filter", "limit_exceeded", "url_too_long", "bad_query")


def test_a_value_in_a_filter_is_bound_and_never_part_of_a_statement(unmoved: Siege) -> None:
    for value in ("' or '1'='1", "%", "_", "x'; drop table version; --", "\\\\", "${1}", ":param", "%s", "?"):
        for asked in (
            f"name = {json.dumps(value)}",
            f"tags.$a.b = {json.dumps(value)}",
            f"message = {json.dumps(value)}",
        ):
            reply = unmoved.ask("GET", f"/v1/search?{urlencode({'q': asked})}", by="reader")
            assert (reply.status, reply.value["versions"] if reply.status == 200 else []) in ((200, []), (422, [])), (
                asked
            )


CURSORS = ["x", "AAAA", "0", "-1", "../..", "e30=", "eyJhIjoxfQ==", "\u00e9", "A" * 40_000, "null"]


@pytest.mark.parametrize("cursor", CURSORS, ids=lambda cursor: cursor[:12])
def test_a_cursor_that_nobody_gave_is_refused(cursor: str, unmoved: Siege) -> None:
    reply = unmoved.ask("GET", f"/v1/search?cursor={quote(cursor)}", by="reader")
    assert reply.status in (400, 414, 422), reply


NAMES = [
    "",
    ".",
    "..",
    "a/b",
    "a b",
    "A",
    "a" * 129,
    "раypal",
    "a\u202eb",
    "a\u200bb",
    "-a",
    ".a",
    "con\0",
    "a\n",
    "ａ",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_names_nothing_new(name: str, unmoved: Siege) -> None:
    asks: list[tuple[str, str, Any]] = [
        ("POST", "/v1/namespaces", {"name": name}),
        ("POST", "/v1/namespaces/ours/pushes", {"model": name}),
    ]
    for method, path, body in asks:
        reply = unmoved.ask(method, path, by="admin", json=body)
        assert (reply.status, reply.problem["code"]) in ((422, "bad_name"), (422, "bad_value")), (path, reply)


def test_a_key_for_another_request_is_refused_whatever_else_is_sent_with_it(besieged: Siege) -> None:
    key = {"Idempotency-Key": "one-for-all"}
    first = besieged.ask("PATCH", TAGS, by="writer", json={"put": {"a": "1"}}, headers=key)
    assert first.status == 200
    entries = besieged.entries()
    others: list[tuple[str, str, object]] = [
        ("PATCH", TAGS, {"put": {"a": "2"}}),
        ("PATCH", TAGS + "?x=1", {"put": {"a": "1"}}),
        ("PATCH", f"{ENCODER}/versions/v2/tags", {"put": {"a": "1"}}),
        ("PUT", f"{ENCODER}/aliases/next", {"version": "v1"}),
        ("POST", "/v1/namespaces/ours/pushes", {"model": "encoder"}),
    ]
    for method, path, body in others:
        reply = besieged.ask(method, path, by="writer", json=body, headers=key)
        assert reply.status in (400, 409), (path, reply)
    assert besieged.entries() == entries
    again = besieged.ask("PATCH", TAGS, by="writer", json={"put": {"a": "1"}}, headers=key)
    assert (again.status, again.body) == (200, first.body)
    assert besieged.entries() == entries
