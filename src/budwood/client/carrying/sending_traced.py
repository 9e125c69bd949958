"""Exporting traces with their spans, and what judges them; behind the runs of an experiment, as ``sending`` walks.

Compared is what went: the server may say more of a trace, and gives times and ids of its own to what judges.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from budwood.client.carrying.batches import RECORDS_AT_ONCE, by_size
from budwood.client.carrying.counts import Counts
from budwood.client.carrying.numbers import numbers_before
from budwood.client.carrying.ours_traced import OursTraced
from budwood.client.carrying.refusing import refusals
from budwood.client.carrying.stock_traced_writer import StockTracedWriter
from budwood.domain.batches import batched
from budwood.domain.carrying import compare_traced as compare
from budwood.domain.carrying.compare import Told
from budwood.domain.carrying.records import WENT_FROM, unmarked
from budwood.domain.carrying.traced import (
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedScorer,
    CarriedTrace,
    Judged,
)
from budwood.domain.limits import SPANS_AT_ONCE, TRACES_AT_ONCE
from budwood.domain.traces.records import FIXED_TAGS, LOCATION_TAG, RUN_KEY
from budwood.domain.traces.written import span_read
from budwood.errors import BadValue


@dataclass(slots=True)
class SendingTraced:
    """``experiments``, ``runs`` and ``issues``: ids there by ids here."""

    ours: OursTraced
    there: StockTracedWriter
    counts: Counts
    experiments: Mapping[str, str]
    runs: Mapping[str, str]
    issues: dict[str, str] = field(default_factory=dict)

    def experiment(self, here: str, runs: Sequence[str]) -> None:
        """What is in one; ``runs`` are those of it that went. Raises Unavailable."""
        there = self.experiments[here]
        # Issues first: assessments name them.
        self._judging(here, there)
        found = {each.trace: each for each in self.there.reader.traces(there)}
        traces = list(self.ours.traces(here))
        for each in traces:
            self.counts.found("traces")
            with refusals(self.counts, "traces", each.trace):
                self._trace(each, there, found.get(each.trace))
        for run in runs if traces else ():
            with refusals(self.counts, "traces", run):
                self._links(here, there, run)
        after = {each.trace: each for each in self.there.reader.traces(there)} if traces else {}
        for each in traces:
            wanted, now = self._as_there(each, there), after.get(each.trace)
            told = compare.trace_told(_as_asked(wanted, now)) if now else None
            self.counts.compare("traces", each.trace, compare.trace_told(wanted), told)

    def datasets(self) -> None:
        """Raises Unavailable."""
        there = {each.tags.get(WENT_FROM, ""): each for each in self.there.reader.datasets()}
        datasets = list(self.ours.datasets())
        for each in datasets:
            self.counts.found("evaluation datasets")
            with refusals(self.counts, "evaluation datasets", each.name):
                self._dataset(each, there.get(each.dataset))
        after = {each.tags.get(WENT_FROM, ""): each for each in self.there.reader.datasets()} if datasets else {}
        for each in datasets:
            now = after.get(each.dataset)
            told = _dataset_told(now.experiments, now) if now else None
            self.counts.compare("evaluation datasets", each.name, _dataset_told(self._uses(each), each), told)

    # Traces

    def _trace(self, trace: CarriedTrace, experiment: str, there: CarriedTrace | None) -> None:
        wanted = self._as_there(trace, experiment)
        self._spans(trace, experiment)
        if there is not None and compare.trace_told(_as_asked(wanted, there)) == compare.trace_told(wanted):
            self.counts.kept("traces")
            return
        known = {each.assessment for each in there.assessments} if there else set()
        new = [each for each in wanted.assessments if each.assessment not in known]
        # One that overrides another makes that one invalid, which is to be there before.
        self.there.tell_trace(wanted, experiment, [each for each in new if not each.overrides])
        for each in new:
            if each.overrides:
                self.there.assess(wanted.trace, each)
        self.counts.brought("traces")

    def _spans(self, trace: CarriedTrace, experiment: str) -> None:
        contents = self.ours.spans(trace)
        self.counts.found("spans", len(contents))
        if not contents:
            return
        wished = compare.spans_told(contents)
        if _spans_asked(contents, self.there.reader.spans(trace)) == wished:
            self.counts.kept("spans", len(contents))
        else:
            spans = [span_read(each) for each in contents]
            if any(trace.trace != f"tr-{each.trace}" for each in spans):
                raise BadValue("Its spans are of another id, which the server would give the trace.")
            for some in by_size(contents, SPANS_AT_ONCE):
                self.there.log_spans(experiment, [span_read(each) for each in some])
            self.counts.brought("spans", len(contents))
        told = _spans_asked(contents, self.there.reader.spans(trace))
        self.counts.compare("spans", trace.trace, wished, told)

    def _links(self, here: str, there: str, run: str) -> None:
        wanted = self.ours.linked(here, run)
        known = set(self.there.reader.linked(there, self.runs[run])) if wanted else set()
        for some in batched([each for each in wanted if each not in known], TRACES_AT_ONCE):
            self.there.link(self.runs[run], some)

    def _as_there(self, trace: CarriedTrace, experiment: str) -> CarriedTrace:
        """With the ids that its run and issues have there."""
        metadata = dict(trace.metadata)
        if RUN_KEY in metadata:
            metadata[RUN_KEY] = self.runs.get(metadata[RUN_KEY], metadata[RUN_KEY])
        tags = {key: value for key, value in trace.tags.items() if key not in FIXED_TAGS and key != LOCATION_TAG}
        said = tuple(replace(each, name=self.issues.get(each.name, each.name)) for each in trace.assessments)
        return replace(trace, experiment=experiment, tags=tags, metadata=metadata, assessments=said)

    # What judges

    def _judging(self, here: str, there: str) -> None:
        wanted = list(self.ours.judging(here))
        known = {_name(each): each for each in self.there.reader.judging(there)} if wanted else {}
        for each in wanted:
            kind = compare.judged_name(each).kind
            self.counts.found(kind)
            with refusals(self.counts, kind, each.name):
                if self._judge(each, there, known.get(_name(each))):
                    self.counts.brought(kind)
                else:
                    self.counts.kept(kind)
        after = {_name(each): each for each in self.there.reader.judging(there)} if wanted else {}
        for each in wanted:
            now = after.get(_name(each))
            kind = compare.judged_name(each).kind
            told = _judged_told(now) if now else None
            self.counts.compare(kind, f"{here} {each.name}", _judged_told(each), told)

    def _judge(self, wanted: Judged, experiment: str, there: Judged | None) -> bool:
        """Whether something had to be done."""
        if isinstance(wanted, CarriedIssue) and isinstance(there, CarriedIssue):
            self.issues[wanted.issue] = there.issue
        if there is not None and _judged_told(there) == _judged_told(wanted):
            return False
        match wanted:
            case CarriedScorer():
                self._scorer(wanted, experiment, there)
            case CarriedLabel() if isinstance(there, CarriedLabel):
                self.there.change_label(there.schema, wanted)
            case CarriedLabel():
                self.there.make_label(experiment, wanted)
            case CarriedIssue() if isinstance(there, CarriedIssue):
                self.there.change_issue(there.issue, wanted)
            case CarriedIssue():
                run = self.runs.get(wanted.run, "")
                self.issues[wanted.issue] = self.there.make_issue(experiment, run, wanted)
        return True

    def _scorer(self, scorer: CarriedScorer, experiment: str, there: Judged | None) -> None:
        """Numbers that are missing here are counted up with versions that go once the next is there."""
        known = {each.number for each in there.versions} if isinstance(there, CarriedScorer) else set()
        last = max(known, default=0)
        for each in scorer.versions:
            if each.number in known:
                continue
            fillers = [
                self.there.register_scorer(experiment, scorer.name, each.body)
                for _ in numbers_before(each.number, last)
            ]
            self.there.register_scorer(experiment, scorer.name, each.body)
            for number in fillers:
                self.there.delete_scorer(experiment, scorer.name, number)
            last = each.number

    # Data sets

    def _dataset(self, dataset: CarriedDataset, there: CarriedDataset | None) -> None:
        experiments = self._uses(dataset)
        if there is None:
            id_ = self.there.make_dataset(dataset, experiments)
            there = replace(dataset, dataset=id_)
            self.counts.brought("evaluation datasets")
        else:
            tags = {k: v for k, v in unmarked(dataset.tags).items() if there.tags.get(k) != v}
            if tags:
                self.there.tag_dataset(there.dataset, tags)
            if missing := sorted(set(experiments) - set(there.experiments)):
                self.there.use_dataset(there.dataset, missing)
            self.counts.kept("evaluation datasets")
        known = {compare.content_told(each) for each in self.there.reader.records(there)}
        wanted = list(self.ours.records(dataset))
        new = [each for each in wanted if compare.content_told(each) not in known]
        for some in by_size(new, RECORDS_AT_ONCE):
            self.there.put_records(there.dataset, some)
        self.counts.found("evaluation records", len(wanted))
        self.counts.brought("evaluation records", len(new))
        self.counts.kept("evaluation records", len(wanted) - len(new))
        told = compare.contents_told(list(self.there.reader.records(there)))
        self.counts.compare("evaluation records", dataset.name, compare.contents_told(wanted), told)

    def _uses(self, dataset: CarriedDataset) -> tuple[str, ...]:
        return tuple(self.experiments[each] for each in dataset.experiments if each in self.experiments)


def _as_asked(wanted: CarriedTrace, there: CarriedTrace) -> CarriedTrace:
    """What the server says of it, of what went."""
    tags = {key: value for key, value in there.tags.items() if key in wanted.tags}
    return replace(there, tags=tags, metadata={k: v for k, v in there.metadata.items() if k in wanted.metadata})


def _spans_asked(wanted: Sequence[str], there: Sequence[str]) -> Told:
    """The same of spans, whose attributes a server completes."""
    attributes = {each["span_id"]: each["attributes"].keys() for each in map(json.loads, wanted)}
    told: list[str] = []
    for each in map(json.loads, there):
        asked = attributes.get(each["span_id"], ())
        kept = {key: value for key, value in each["attributes"].items() if key in asked}
        told.append(json.dumps({**each, "attributes": kept}))
    return compare.spans_told(told)


def _name(each: Judged) -> compare.Judges:
    """What it is found by there, where an issue has another id."""
    return compare.Judges(compare.judged_name(each).kind, each.name)


def _judged_told(each: Judged) -> Told:
    """Without what the server gives itself."""
    match each:
        case CarriedScorer():
            bodies = tuple(replace(one, at_ms=0) for one in each.versions)
            return compare.judged_told(replace(each, experiment="", versions=bodies))
        case CarriedLabel():
            return compare.judged_told(replace(each, experiment="", created_ms=0, updated_ms=0))
        case CarriedIssue():
            return compare.judged_told(replace(each, issue="", experiment="", run="", created_ms=0, updated_ms=0))


def _dataset_told(experiments: Sequence[str], each: CarriedDataset) -> Told:
    return {"name": each.name, "tags": unmarked(each.tags), "experiments": sorted(experiments)}
