"""Importing traces with their spans, and what judges them; behind the runs of an experiment, as ``bring`` walks."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from budwood.client.carrying.batches import RECORDS_AT_ONCE, by_size, send
from budwood.client.carrying.counts import Counts
from budwood.client.carrying.ours_traced import OursTraced
from budwood.client.carrying.reader_traced import TracedReader
from budwood.client.carrying.refusing import refusals
from budwood.domain.batches import batched
from budwood.domain.carrying import compare_traced as compare
from budwood.domain.carrying.compare import Told
from budwood.domain.carrying.traced import CarriedDataset, CarriedRecord, CarriedTrace, Judged
from budwood.domain.limits import CARRIED_AT_ONCE, SPANS_AT_ONCE, TRACES_AT_ONCE

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BringingTraced:
    """What belongs to one experiment comes by ``experiment``, then all data sets by ``datasets``."""

    reader: TracedReader
    ours: OursTraced
    counts: Counts

    def experiment(self, threads: ThreadPoolExecutor, there: str, number: str, runs: Sequence[str]) -> None:
        """``there`` is its number at the source, ``number`` here; ``runs`` are those that came. Raises Unavailable."""
        # Issues first: assessments name them.
        self._judging(there, number)
        count = 0
        for some in batched(self.reader.traces(there), CARRIED_AT_ONCE):
            count += len(some)
            self._traces(threads, some, number)
        if count:
            list(threads.map(lambda run: self._links(there, number, run), runs))

    def datasets(self, numbers: Mapping[str, str]) -> None:
        """``numbers``: of experiments here, by those there. Raises Unavailable."""
        wanted = [_placed(each, numbers) for each in self.reader.datasets()]
        here = {each.dataset: each for each in self.ours.datasets()} if wanted else {}
        self.counts.found("evaluation datasets", len(wanted))
        for each in wanted:
            with refusals(self.counts, "evaluation datasets", each.name):
                self._dataset(each, here.get(each.dataset))
        after = {each.dataset: each for each in self.ours.datasets()} if wanted else {}
        for each in wanted:
            told = _told(compare.dataset_told, after.get(each.dataset))
            self.counts.compare("evaluation datasets", each.name, compare.dataset_told(each), told)

    # Traces

    def _traces(self, threads: ThreadPoolExecutor, some: Sequence[CarriedTrace], number: str) -> None:
        self.counts.found("traces", len(some))
        wanted = [replace(each, experiment=number) for each in some]
        ids = [each.trace for each in wanted]
        before = self.ours.traces_named(ids)
        new = [each for each in wanted if not _same(compare.trace_told, each, before.get(each.trace))]
        self.counts.kept("traces", len(wanted) - len(new))
        send(self.counts, "traces", new, self.ours.take_traces, lambda each: each.trace)
        there = self.ours.traces_named(ids)
        sources = [each for each in some if each.trace in there]
        told: dict[str, Told] = {}
        list(threads.map(lambda each: self._spans(each, there[each.trace], told), sources))
        after = self.ours.traces_named(ids)
        for each in wanted:
            now = after.get(each.trace)
            self.counts.compare("traces", each.trace, compare.trace_told(each), _told(compare.trace_told, now))
            if (spans := told.get(each.trace)) and now:
                self.counts.compare("spans", each.trace, spans, {"count": now.spans, "sha256": now.spans_sha256})

    def _spans(self, trace: CarriedTrace, here: CarriedTrace, told: dict[str, Told]) -> None:
        """``told`` gets what is to be here of them, where they can be read."""
        with refusals(self.counts, "spans", trace.trace):
            wanted = self.reader.spans(trace)
            self.counts.found("spans", len(wanted))
            wished = told[trace.trace] = compare.spans_told(wanted)
            if wished == {"count": here.spans, "sha256": here.spans_sha256}:
                self.counts.kept("spans", len(wanted))
                return
            for some in by_size(wanted, SPANS_AT_ONCE):
                self.ours.take_spans(trace.trace, some)
                self.counts.brought("spans", len(some))

    def _links(self, there: str, number: str, run: str) -> None:
        """Those that were made by hand; what names a run in its metadata needs none."""
        with refusals(self.counts, "traces", run):
            wanted = self.reader.linked(there, run)
            missing = sorted(set(wanted) - set(self.ours.linked(number, run))) if wanted else []
            for some in batched(missing, TRACES_AT_ONCE):
                self.ours.link(run, some)
            if wanted:
                here = set(self.ours.linked(number, run)) if missing else set(wanted)
                told: Told = {"traces": [each for each in wanted if each in here]}
                self.counts.compare("traces", f"of run {run}", {"traces": list(wanted)}, told)

    # What judges

    def _judging(self, there: str, number: str) -> None:
        wanted = {compare.judged_name(each): replace(each, experiment=number) for each in self.reader.judging(there)}
        if not wanted:
            return
        here = self._judging_here(number)
        for name, each in wanted.items():
            self.counts.found(name.kind)
            if _same(compare.judged_told, each, here.get(name)):
                self.counts.kept(name.kind)
                continue
            with refusals(self.counts, name.kind, name.name):
                self.ours.take_judging([each])
                self.counts.brought(name.kind)
        after = self._judging_here(number)
        for name, each in wanted.items():
            now = after.get(name)
            told = compare.judged_told(now) if now else None
            self.counts.compare(name.kind, f"{number} {name.name}", compare.judged_told(each), told)

    def _judging_here(self, number: str) -> dict[compare.Judges, Judged]:
        return {compare.judged_name(each): each for each in self.ours.judging(number)}

    # Data sets

    def _dataset(self, dataset: CarriedDataset, here: CarriedDataset | None) -> None:
        if _same(compare.dataset_told, dataset, here):
            self.counts.kept("evaluation datasets")
        else:
            self.ours.take_dataset(dataset)
            self.counts.brought("evaluation datasets")
        known = {each.record: compare.record_told(each) for each in self.ours.records(dataset)} if here else {}
        wanted: list[CarriedRecord] = []
        for some in batched(self.reader.records(dataset), RECORDS_AT_ONCE):
            wanted += some
            new = [each for each in some if compare.record_told(each) != known.get(each.record)]
            self.counts.found("evaluation records", len(some))
            self.counts.kept("evaluation records", len(some) - len(new))
            send(
                self.counts,
                "evaluation records",
                new,
                lambda those: self.ours.take_records(dataset.dataset, those),
                lambda each: each.record,
                RECORDS_AT_ONCE,
            )
        told = compare.records_told(list(self.ours.records(dataset)))
        self.counts.compare("evaluation records", dataset.name, compare.records_told(wanted), told)


def _placed(dataset: CarriedDataset, numbers: Mapping[str, str]) -> CarriedDataset:
    """In the experiments here; those that did not come are told with their experiment."""
    return replace(dataset, experiments=tuple(numbers[each] for each in dataset.experiments if each in numbers))


def _told(tell: Callable[[T], Told], each: T | None) -> Told | None:
    return None if each is None else tell(each)


def _same(tell: Callable[[T], Told], there: T, here: T | None) -> bool:
    return tell(there) == _told(tell, here)
