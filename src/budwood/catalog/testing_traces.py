"""What traces must be in every catalog: found in their namespace only, by every comparison, in pages, and measured."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.testing_tracking import add_experiment
from budwood.catalog.traces_api import Linked, TraceSearch
from budwood.domain.canon import Json
from budwood.domain.traces.correlation import Counts
from budwood.domain.traces.fields import TRACES
from budwood.domain.traces.measures import Aggregation, Condition, Measuring, Subject
from budwood.domain.traces.records import (
    NAME_TAG,
    RUN_KEY,
    SESSION_KEY,
    TOKENS_KEY,
    Assessment,
    AssessmentKind,
    Span,
    Trace,
    TraceState,
)
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.domain.tracking.records import Experiment
from budwood.errors import BadValue

COUNT: Final = 40
RUN: Final = "a" * 32
_STATES: Final = (TraceState.OK, TraceState.ERROR, TraceState.IN_PROGRESS)
_TABLES: Final = ("trace", "trace_word", "span", "assessment", "trace_link")


def trace_of(experiment: Experiment, number: int) -> Trace:
    """The number decides all about it."""
    metadata = {RUN_KEY: RUN} if number % 10 == 1 else {}
    if number % 4 == 0:
        metadata[SESSION_KEY] = f"s{number % 8}"
    if number % 5:
        metadata[TOKENS_KEY] = f'{{"input_tokens": {number}, "output_tokens": 1, "total_tokens": {number + 1}}}'
    return Trace(
        0,
        f"tr-{number:032x}",
        experiment.id,
        experiment.number,
        1_000 + number // 2,
        None if number % 3 == 2 else number * 10,
        _STATES[number % 3],
        f"request-{number % 6}" if number % 2 else None,
        f"what is {number}?",
        None,
        True,
        {"team": f"Team-{number % 7}", **({NAME_TAG: f"name-{number % 5}"} if number % 5 else {})},
        metadata,
    )


def spans_of(number: int) -> list[Span]:
    """A root, and a child that says which model it asked."""
    start = (1_000 + number // 2) * 1_000_000
    trace = f"{number:032x}"
    asked: dict[str, Json] = {
        "mlflow.spanType": "LLM",
        "mlflow.llm.model": f"gpt-{number % 3}",
        "odd.key\"'": number,
        "text": "Füße",
    }
    cost: dict[str, Json] = (
        {"mlflow.llm.cost": {"input_cost": 0.5, "output_cost": 0.25, "total_cost": 0.75}} if number % 2 else {}
    )
    return [
        Span(trace, "01" * 8, "", f"root-{number % 4}", start, start + 9_000_000, "OK"),
        Span(trace, "02" * 8, "01" * 8, "ask", start + 1_000_000, start + 3_000_000, "ERROR", "no", {**asked, **cost}),
    ]


def said_of(number: int) -> list[Assessment]:
    """Feedback that is a word, a yes or a number; one of a session; one that was overruled; an issue."""
    value = ["good", number % 2 == 0, number / 10, "yes"][number % 4]
    found = [_said(f"f{number}", "quality", value)]
    if number % 8 == 4:
        found.append(replace(_said(f"s{number}", "kept", 5), metadata={SESSION_KEY: "s4"}))
    if number % 6 == 0:
        found.append(replace(_said(f"o{number}", "stale", "no"), valid=False))
    if number % 9 == 0:
        found.append(
            Assessment(f"i{number}", AssessmentKind.ISSUE, "iss-1", {"issue_name": "slow"}, "HUMAN", "a", 1, 1)
        )
    if number % 3 == 0:
        found.append(replace(_said(f"e{number}", "answer", {"a": [1]}), kind=AssessmentKind.EXPECTATION))
    return found


def _said(id_: str, name: str, value: object) -> Assessment:
    return Assessment(id_, AssessmentKind.FEEDBACK, name, value, "HUMAN", "ada", 7, 8)  # type: ignore[arg-type]


def fill_traces(catalog: Catalog, experiment: Experiment, namespace: str = "default", count: int = COUNT) -> None:
    def work(writes: Transaction) -> None:
        for number in range(count):
            kept = writes.put_trace(namespace, trace_of(experiment, number))
            writes.put_spans(kept, spans_of(number))
            for each in said_of(number):
                writes.put_assessment(kept, each)
            if number % 13 == 2:
                writes.link_traces(namespace, [kept.trace], Linked.RUN, RUN)
            if number % 11 == 3:
                writes.link_traces(namespace, [kept.trace], Linked.PROMPT, "ask/2")

    catalog.write(work)


Test = Callable[[int, Trace], bool]


def _name(trace: Trace) -> str:
    return trace.tags.get(NAME_TAG, "")


SEARCHES: Final[Mapping[str, Test]] = {
    "": lambda n, t: True,
    "status = 'OK'": lambda n, t: n % 3 == 0,
    "trace.status IN ('OK', 'ERROR')": lambda n, t: n % 3 < 2,
    "status NOT IN ('OK') AND timestamp_ms >= 1010": lambda n, t: n % 3 > 0 and t.at_ms >= 1010,
    "timestamp > 1003 AND timestamp <= 1007": lambda n, t: 1003 < t.at_ms <= 1007,
    "execution_time < 100": lambda n, t: t.duration_ms is not None and t.duration_ms < 100,
    "end_time = 1013": lambda n, t: t.at_ms + (t.duration_ms or 0) == 1013,
    "name = 'name-2'": lambda n, t: _name(t) == "name-2",
    "name != 'name-2'": lambda n, t: _name(t) not in ("name-2", ""),
    "name ILIKE 'NAME%'": lambda n, t: _name(t) != "",
    "name RLIKE '-[13]$'": lambda n, t: re.search("-[13]$", _name(t)) is not None,
    "client_request_id = 'request-3'": lambda n, t: t.client_request == "request-3",
    "client_request_id ILIKE '%T-5'": lambda n, t: t.client_request == "request-5",
    "request_id = 'tr-00000000000000000000000000000007'": lambda n, t: n == 7,
    "tags.team = 'Team-3'": lambda n, t: n % 7 == 3,
    "tags.team LIKE 'team%'": lambda n, t: False,
    "tags.nothing IS NULL AND tag.team IS NOT NULL AND tags.team != 'Team-1'": lambda n, t: n % 7 != 1,
    "metadata.`mlflow.trace.session` = 's4'": lambda n, t: n % 8 == 4,
    "metadata.mlflow.trace.session IS NULL": lambda n, t: n % 4 > 0,
    f"run_id = '{RUN}'": lambda n, t: n % 10 == 1 or n % 13 == 2,
    "prompt = 'ask/2'": lambda n, t: n % 11 == 3,
    "span.name = 'root-2'": lambda n, t: n % 4 == 2,
    "span.name = 'ask' AND span.status = 'OK'": lambda n, t: False,
    "span.type RLIKE 'L+M' AND span.status = 'ERROR'": lambda n, t: True,
    "span.attributes.mlflow.llm.model = 'gpt-1'": lambda n, t: n % 3 == 1,
    "span.attributes.`mlflow.llm.model` LIKE 'gpt-%'": lambda n, t: True,
    "span.attributes.text ILIKE 'f_SS%'": lambda n, t: False,
    "span.attributes.text = 'Füße'": lambda n, t: True,
    "span.attributes.nothing != 'x'": lambda n, t: False,
    "text LIKE '%gpt-2%'": lambda n, t: n % 3 == 2,
    "span.content ILIKE '%GPT-2%'": lambda n, t: n % 3 == 2,
    "feedback.quality = 'good'": lambda n, t: n % 4 == 0,
    "feedback.quality = 'true'": lambda n, t: False,
    "feedback.quality = 'false'": lambda n, t: n % 4 == 1,
    "feedback.quality > 1.5": lambda n, t: n % 4 == 2 and n / 10 > 1.5,
    "feedback.quality LIKE 'go%'": lambda n, t: n % 4 == 0,
    "feedback.quality RLIKE '^y.s$'": lambda n, t: n % 4 == 3,
    "feedback.quality != 'good'": lambda n, t: n % 4 > 0,
    "feedback.kept = '5'": lambda n, t: n % 8 == 4,
    "feedback.kept IS NOT NULL": lambda n, t: n % 8 == 4,
    "feedback.kept IS NULL": lambda n, t: n % 8 != 4,
    "feedback.stale = 'no'": lambda n, t: False,
    "expectation.answer LIKE '%1%'": lambda n, t: n % 3 == 0,
    "issue.id = 'iss-1'": lambda n, t: n % 9 == 0,
}
ORDERS: Final[Mapping[tuple[str, ...], Callable[[Trace], Sequence[object]]]] = {
    (): lambda t: (-t.at_ms, t.trace),
    ("timestamp ASC",): lambda t: (t.at_ms, t.trace),
    ("status", "name DESC"): lambda t: (t.state, not _name(t), [-ord(c) for c in _name(t)], -t.at_ms, t.trace),
    ("execution_time",): lambda t: (t.duration_ms is None, t.duration_ms or 0, -t.at_ms, t.trace),
    ("tags.team", "request_id DESC"): lambda t: (t.tags["team"], -int(t.trace[3:], 16)),
    ("run_id",): lambda t: (RUN_KEY not in t.metadata, -t.at_ms, t.trace),
}
MEASURED: Final = (
    (Measuring(Subject.TRACES, "trace_count", (Aggregation("COUNT"),), ("trace_status",)), COUNT),
    (Measuring(Subject.TRACES, "latency", (Aggregation("AVG"),)), sum(n % 3 != 2 for n in range(COUNT))),
    (Measuring(Subject.TRACES, "total_tokens", (Aggregation("SUM"),)), sum(n % 5 > 0 for n in range(COUNT))),
    (Measuring(Subject.TRACES, "session_count", (Aggregation("COUNT"),)), COUNT // 4),
    (Measuring(Subject.SPANS, "span_count", (Aggregation("COUNT"),), ("span_model_name",)), COUNT),
    (Measuring(Subject.SPANS, "latency", (Aggregation("MAX"),), start_ms=1_010, end_ms=1_011), 8),
    (Measuring(Subject.SPANS, "total_cost", (Aggregation("SUM"),)), COUNT // 2),
    (Measuring(Subject.ASSESSMENTS, "assessment_value", (Aggregation("AVG"),)), 3 * COUNT // 4 + 5),
    (
        Measuring(
            Subject.ASSESSMENTS,
            "assessment_count",
            (Aggregation("COUNT"),),
            conditions=(Condition("assessment", "name", "", "quality"), Condition("trace", "tag", "team", "Team-3")),
        ),
        sum(n % 7 == 3 for n in range(COUNT)),
    ),
    (
        Measuring(
            Subject.SPANS,
            "span_count",
            (Aggregation("COUNT"),),
            conditions=(Condition("trace", "metadata", RUN_KEY, RUN), Condition("span", "status", "", "OK")),
        ),
        sum(n % 10 == 1 or n % 13 == 2 for n in range(COUNT)),
    ),
)


class TracesSuite:
    """Needs the fixture ``catalog``."""

    def test_every_comparison_finds_what_it_says(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        fill_traces(catalog, experiment)
        expected = [trace_of(experiment, number) for number in range(COUNT)]
        with catalog.read() as view:
            for text, test in SEARCHES.items():
                search = TraceSearch(parse_filter(text, TRACES), (), (experiment.id,))
                found = view.find_traces("default", search, limit=COUNT).traces
                wanted = {each.trace for number, each in enumerate(expected) if test(number, each)}
                assert {each.trace for each in found} == wanted, text

    def test_pages_follow_every_order_and_miss_nothing(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        fill_traces(catalog, experiment)
        everything = [trace_of(experiment, number) for number in range(COUNT)]
        with catalog.read() as view:
            for words, key in ORDERS.items():
                search = TraceSearch((), parse_orders(words, TRACES), (experiment.id,))
                found: list[str] = []
                token = ""
                while True:
                    page = view.find_traces("default", search, token=token, limit=7)
                    found += [each.trace for each in page.traces]
                    token = page.token
                    if not token:
                        break
                assert found == [each.trace for each in sorted(everything, key=key)], words  # type: ignore[arg-type]
            page = view.find_traces("default", TraceSearch(experiments=(experiment.id,)), limit=1)
            other = TraceSearch(parse_filter("status = 'OK'", TRACES), (), (experiment.id,))
            try:
                view.find_traces("default", other, token=page.token)
            except BadValue:
                pass
            else:
                raise AssertionError("a token of another search was taken")

    def test_a_trace_is_read_back_with_all_that_hangs_from_it(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        fill_traces(catalog, experiment, count=13)
        with catalog.read() as view:
            (found,) = view.traces("default", [f"tr-{12:032x}"])
            assert replace(found, id=0) == trace_of(experiment, 12)
            assert list(view.assessments_of([found.id])[found.id]) == said_of(12)
            spans = view.spans_of([found.id], limit=10)[found.id]
            assert [(each.span, each.parent) for each in spans] == [("01" * 8, ""), ("02" * 8, "01" * 8)]
            assert view.span_count(found.id) == 2
            assert view.traces("risk", [found.trace]) == []

    def test_a_trace_of_one_namespace_is_none_in_another_though_it_has_its_id(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        mine, theirs = add_experiment(catalog, "a"), add_experiment(catalog, "a", namespace="risk")
        fill_traces(catalog, mine, count=2)
        fill_traces(catalog, theirs, "risk", count=1)
        with catalog.read() as view:
            assert len(view.traces("default", [f"tr-{0:032x}", f"tr-{1:032x}"])) == 2
            assert len(view.traces("risk", [f"tr-{0:032x}", f"tr-{1:032x}"])) == 1

    def test_what_is_put_again_takes_the_place_of_what_was(self, catalog: Catalog) -> None:
        experiment, other = add_experiment(catalog, "a"), add_experiment(catalog, "b", 6)
        fill_traces(catalog, experiment, count=5)
        with catalog.read() as view:
            (before,) = view.traces("default", [f"tr-{4:032x}"])
        after = replace(before, experiment_id=other.id, experiment=other.number, tags={**before.tags, "team": "x"})
        changed = replace(said_of(4)[0], value="bad", valid=False)

        def work(writes: Transaction) -> None:
            writes.put_trace("default", after)
            writes.put_spans(after, [replace(spans_of(4)[0], name="renamed")])
            writes.put_assessment(after, changed)
            writes.remove_assessment(after.id, said_of(4)[1].assessment)
            assert writes.remove_trace_tag(after, NAME_TAG)
            assert not writes.remove_trace_tag(after, NAME_TAG)

        catalog.write(work)
        with catalog.read() as view:
            (found,) = view.traces("default", [f"tr-{4:032x}"])
            assert (found.experiment, dict(found.tags)) == (other.number, {"team": "x"})
            assert list(view.assessments_of([found.id])[found.id]) == [changed]
            search = TraceSearch(parse_filter("span.name = 'renamed' AND name LIKE '%'", TRACES), (), (other.id,))
            assert not view.find_traces("default", search).traces
            search = TraceSearch(parse_filter("span.name = 'renamed' AND tags.team = 'x'", TRACES), (), (other.id,))
            assert [each.trace for each in view.find_traces("default", search).traces] == [found.trace]

    def test_two_conditions_are_counted_together(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        fill_traces(catalog, experiment)
        first, second = parse_filter("status = 'OK'", TRACES), parse_filter("feedback.quality = 'good'", TRACES)
        search = TraceSearch(parse_filter("timestamp_ms >= 1005", TRACES), (), (experiment.id,))
        numbers = range(10, COUNT)
        expected = Counts(
            sum(n % 3 == 0 for n in numbers),
            sum(n % 4 == 0 for n in numbers),
            sum(n % 12 == 0 for n in numbers),
            len(numbers),
        )
        with catalog.read() as view:
            assert view.count_traces("default", search, first, second) == expected

    def test_everything_that_counts_is_measured(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        fill_traces(catalog, experiment)
        with catalog.read() as view:
            for measuring, count in MEASURED:
                rows = view.measured("default", (experiment.id,), measuring, limit=1000)
                assert len(rows) == count, measuring
            rows = view.measured("default", (experiment.id,), MEASURED[1][0], limit=1000)
            assert sum(row[2] for row in rows) == sum(n * 10 for n in range(COUNT) if n % 3 != 2)

    def test_deleting_leaves_nothing_behind(self, catalog: Catalog) -> None:
        experiment = add_experiment(catalog, "a")
        fill_traces(catalog, experiment)
        with catalog.read() as view:
            oldest = view.traces_before(experiment.id, 1_002, 4)
            assert [each.trace for each in oldest] == [f"tr-{number:032x}" for number in range(4)]
            everything = view.traces_before(experiment.id, 9_999, COUNT)
        catalog.write(lambda transaction: transaction.remove_traces([each.id for each in everything]))
        with catalog.read() as view:
            for table in _TABLES:
                assert not [row for page in view.dump(table) for row in page], table

    def test_a_namespace_is_forgotten_with_its_traces(self, catalog: Catalog) -> None:
        fill_traces(catalog, add_experiment(catalog, "a"))
        catalog.write(lambda transaction: transaction.forget_experiments("default"))
        with catalog.read() as view:
            for table in _TABLES:
                assert not [row for page in view.dump(table) for row in page], table
