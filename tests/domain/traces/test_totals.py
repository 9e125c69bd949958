"""What spans say of their trace: tokens and costs without counting twice, a line of the conversation, their kind."""

import json
import math
from typing import Any

import pytest

from budwood.domain.limits import TRACE_PREVIEW_CHARS
from budwood.domain.traces import conventions, correlation, measures, totals
from budwood.domain.traces.correlation import Counts
from budwood.domain.traces.measures import Aggregation, Measuring, Subject
from budwood.domain.traces.records import Span
from budwood.domain.traces.totals import Node
from budwood.errors import BadValue


def node(span: str, parent: str = "", **usage: int) -> Node:
    return Node(span, parent, {conventions.USAGE: usage} if usage else {})


def span(**attributes: Any) -> Span:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span("0" * 32, "1" * 16, "", "ask", 1, 2, attributes=named)


def test_tokens_of_siblings_are_summed_and_those_below_a_sum_are_not() -> None:
    tree = [
        node("root"),
        node("agent", "root", input_tokens=10, output_tokens=5, total_tokens=15),
        node("inside", "agent", input_tokens=9, output_tokens=5, total_tokens=14),
        node("other", "root", input_tokens=1, output_tokens=1, total_tokens=2, cache_read_input_tokens=4),
    ]
    assert totals.tokens(tree) == {
        "input_tokens": 11,
        "output_tokens": 6,
        "total_tokens": 17,
        "cache_read_input_tokens": 4,
    }
    assert totals.tokens([node("root")]) is None


def test_spans_that_are_their_own_parents_end() -> None:
    assert totals.tokens([node("a", "a", input_tokens=1)]) == {"input_tokens": 1, "output_tokens": 0, "total_tokens": 0}
    assert totals.tokens([node("a", "b", input_tokens=1), node("b", "a", input_tokens=1)]) is None


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"openinference.span.kind": "LLM"}, {"mlflow.spanType": "LLM"}),
        ({"input.value": "hi"}, {"mlflow.spanInputs": "hi"}),
        ({"traceloop.span.kind": "tool"}, {"mlflow.spanType": "TOOL"}),
        ({"gen_ai.operation.name": "chat", "mlflow.spanType": "AGENT"}, {"mlflow.spanType": "AGENT"}),
        ({"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": "4"},
         {"mlflow.chat.tokenUsage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}),
        ({"gen_ai.output.messages": '[{"role": "assistant"}]'}, {"mlflow.spanOutputs": [{"role": "assistant"}]}),
        ({"gen_ai.request.model": "small", "gen_ai.response.model": "small-2"}, {"mlflow.llm.model": "small-2"}),
        ({"mlflow.spanInputs": {"model": "tiny"}}, {"mlflow.llm.model": "tiny"}),
        ({"gen_ai.system": "openai"}, {"mlflow.llm.provider": "openai"}),
    ],
)  # fmt: skip
def test_other_conventions_are_told_in_mlflows_words(attributes: dict[str, Any], expected: dict[str, Any]) -> None:
    found = conventions.completed(Span("0" * 32, "1" * 16, "", "ask", 1, 2, attributes=attributes)).attributes
    assert {key: found[key] for key in expected} == expected


def test_a_span_is_of_the_trace_that_its_client_names_when_that_is_a_name() -> None:
    assert conventions.trace_of(span()) == "tr-" + "0" * 32
    assert conventions.trace_of(span(mlflow__traceRequestId="tr-abc")) == "tr-abc"
    for odd in ("../x", "", "a" * 101, 5, "a\n"):
        assert conventions.trace_of(span(mlflow__traceRequestId=odd)) == "tr-" + "0" * 32


@pytest.mark.parametrize(
    ("value", "role", "expected"),
    [
        ("hello", "user", '"hello"'),
        ({"q": 1}, "user", '{"q": 1}'),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "user", "a"),
        ({"choices": [{"message": {"role": "assistant", "content": "b"}}]}, "assistant", "b"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "c"}]}]}, "user", "c"),
        ({"request": {"input": [{"role": "user", "content": "d"}]}}, "user", "d"),
        ({"messages": "odd"}, "user", '{"messages": "odd"}'),
        (None, "user", None),
    ],
)
def test_a_conversation_is_shown_by_its_last_message(value: Any, role: str, expected: str | None) -> None:
    assert totals.preview(value, role) == expected
    deep: Any = {"request": value}
    for _ in range(60):
        deep = {"request": deep}
    assert len(totals.preview(deep, role) or "") <= TRACE_PREVIEW_CHARS


def test_what_is_long_is_cut_to_what_is_shown() -> None:
    shown = totals.preview("x" * 5_000, "user")
    assert shown is not None
    assert (len(shown), shown[-3:]) == (TRACE_PREVIEW_CHARS, "...")


def test_numbers_that_are_none_count_nothing() -> None:
    usage = {"input_tokens": -1, "output_tokens": 1.5, "total_tokens": True, "cache_read_input_tokens": "7"}
    assert conventions.usage_of({conventions.USAGE: json.dumps(usage)}) == {"cache_read_input_tokens": 7}
    assert conventions.cost_of({conventions.COST: {"total_cost": math.inf, "input_cost": 10**400}}) == {}


@pytest.mark.parametrize(
    ("counts", "plain"),
    [
        (Counts(5, 5, 5, 10), 1.0),
        (Counts(5, 5, 0, 10), -1.0),
        (Counts(10, 10, 10, 10), 1.0),
        (Counts(5, 4, 2, 10), 0.0),
        (Counts(0, 5, 0, 10), math.nan),
        (Counts(0, 0, 0, 0), math.nan),
    ],
)
def test_conditions_correlate_between_never_and_always(counts: Counts, plain: float) -> None:
    assert correlation.plain(counts) == pytest.approx(plain, nan_ok=True, abs=1e-12)
    smoothed = correlation.smoothed(counts)
    assert math.isnan(plain) == math.isnan(smoothed)
    assert math.isnan(smoothed) or -1 <= smoothed <= 1


def test_numbers_are_gathered_by_time_and_dimension() -> None:
    words = (Aggregation("COUNT"), Aggregation("AVG"), Aggregation("PERCENTILE", 50))
    asked = Measuring(Subject.SPANS, "latency", words, ("span_name",), interval_s=1, start_ms=0, end_ms=9)
    rows = [(1_500, ("b",), 1.0), (1_999, ("b",), 4.0), (-1, ("a",), 7.0), (10, ("a",), 2.0)]
    points = measures.gathered(asked, rows, 10)
    assert [(each.bucket_ms, each.dimensions) for each in points] == [(-1000, ("a",)), (0, ("a",)), (1000, ("b",))]
    assert points[2].values == {"COUNT": 2, "AVG": 2.5, "P50": 2.5}
    assert len(measures.gathered(asked, rows, 2)) == 2


@pytest.mark.parametrize(
    "asked",
    [
        Measuring(Subject.TRACES, "nothing", (Aggregation("COUNT"),)),
        Measuring(Subject.TRACES, "trace_count", (Aggregation("SUM"),)),
        Measuring(Subject.TRACES, "trace_count", (Aggregation("COUNT"),), ("span_name",)),
        Measuring(Subject.TRACES, "trace_count", (Aggregation("COUNT"),), interval_s=5),
    ],
)
def test_what_cannot_be_measured_is_refused(asked: Measuring) -> None:
    with pytest.raises(BadValue):
        measures.check(asked)
