"""Random requests against the table: whatever is sent, the answer is one the table knows, and never 5xx."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.routes import ROUTES
from budwood.domain.routes.route import Body, Route
from budwood.verbs.wire import _names

TEXTS = st.one_of(
    st.sampled_from(["v1", "~", "1.0.0", "champion", "production", "encoder", "ours/encoder@v1", "stage:staging", "0"]),
    st.text(max_size=12),
    st.sampled_from(["", "-", "@", "sha256:00", "git:0000000", "2026-01-01T00:00Z", "a" * 300, "é", "\x7f", "‮"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)
# These two read or change all there is; each has tests of its own.
HEAVY = {"registry.sweep", "registry.rebuild_index"}


def fields(kind: type | None) -> list[str]:
    return sorted(_names(kind)) if kind is not None else []


@pytest.mark.parametrize("route", [r for r in ROUTES if r.name not in HEAVY], ids=lambda route: route.name)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_makes_the_server_fail(route: Route, data: st.DataObject, team: Any) -> None:
    known = {"namespace": st.sampled_from(["ours", "ours", "theirs"]), "model": st.sampled_from(["encoder", "new"])}
    holes = {hole: data.draw(st.one_of(known.get(hole, TEXTS), TEXTS)) or "x" for hole in route.holes}
    path = route.path.format(**{hole: quote(value, safe="") for hole, value in holes.items()})
    if route.query is not None:
        wanted = data.draw(st.dictionaries(st.sampled_from(fields(route.query)), st.one_of(TEXTS, st.integers())))
        path += "?" + urlencode({key: str(value) for key, value in wanted.items()})
    body: Any = None
    if route.request is not None:
        body = data.draw(st.one_of(st.dictionaries(st.sampled_from(fields(route.request)), VALUES), VALUES))
    raw = data.draw(st.binary(max_size=64)) if route.takes is Body.BYTES else None
    by = data.draw(st.sampled_from(["owner", "admin"]))
    reply = team.ask(route.method, path, by=by, json=body, body=raw)
    assert reply.status < 500, (path, body, reply)
    if reply.status >= 400:
        assert reply.problem["code"]
    assert team.child.poll() is None
