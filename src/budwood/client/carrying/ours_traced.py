"""Traces and what judges them in a registry of ours, read and written in the words of a carrying; beside ``ours``."""

from collections.abc import Iterable, Iterator, Sequence

from budwood.client.carrying.asking import Ask, pages
from budwood.domain import asks_carrying as asks
from budwood.domain.carrying.traced import (
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedScorer,
    CarriedTrace,
    Judged,
)
from budwood.domain.routes import carrying as routes


class OursTraced:
    """``reader_traced.TracedReader`` over one namespace, and what is written there."""

    def __init__(self, ask: Ask, source: str = "") -> None:
        self._ask, self._source = ask, source

    # Reading

    def traces(self, experiment: str) -> Iterator[CarriedTrace]:
        for page in pages(self._ask, routes.READ_TRACES, asks.ReadTraces(experiment)):
            yield from page.traces

    def traces_named(self, ids: Sequence[str]) -> dict[str, CarriedTrace]:
        """Those that are there, by id."""
        page: asks.TracesRead = self._ask(routes.READ_TRACES, asks.ReadTraces(traces=tuple(ids)))
        return {each.trace: each for each in page.traces}

    def spans(self, trace: CarriedTrace) -> Sequence[str]:
        found: list[str] = []
        after = 0
        while True:
            page: asks.SpansRead = self._ask(routes.READ_SPANS, asks.ReadSpans(trace.trace, after))
            found += page.spans
            if not (after := page.after):
                return found

    def linked(self, experiment: str, run: str) -> Sequence[str]:
        several = pages(self._ask, routes.READ_TRACES, asks.ReadTraces(experiment, run=run))
        return sorted(each.trace for page in several for each in page.traces)

    def datasets(self) -> Iterator[CarriedDataset]:
        for page in pages(self._ask, routes.READ_DATASETS, asks.ReadSome()):
            yield from page.datasets

    def records(self, dataset: CarriedDataset) -> Iterator[CarriedRecord]:
        for page in pages(self._ask, routes.READ_RECORDS, asks.ReadRecords(dataset.dataset)):
            yield from page.records

    def judging(self, experiment: str) -> Sequence[Judged]:
        found: list[Judged] = []
        for page in pages(self._ask, routes.READ_JUDGING, asks.ReadJudging(experiment)):
            found += (*page.scorers, *page.labels, *page.issues)
        return found

    # Writing

    def take_traces(self, traces: Iterable[CarriedTrace]) -> None:
        """All of one experiment, as many as one request takes."""
        self._ask(routes.TAKE_TRACES, asks.TakeTraces(self._source, tuple(traces)))

    def take_spans(self, trace: str, spans: Sequence[str]) -> None:
        """As many as one request takes."""
        self._ask(routes.TAKE_SPANS, asks.TakeSpans(trace, tuple(spans)))

    def link(self, run: str, traces: Sequence[str]) -> None:
        """As many as one request takes."""
        self._ask(routes.LINK_TRACES, asks.LinkTraces(run, tuple(traces)))

    def take_dataset(self, dataset: CarriedDataset) -> None:
        self._ask(routes.TAKE_DATASET, asks.TakeDataset(self._source, dataset))

    def take_records(self, dataset: str, records: Sequence[CarriedRecord]) -> None:
        """As many as one request takes."""
        self._ask(routes.TAKE_RECORDS, asks.TakeRecords(dataset, tuple(records)))

    def take_judging(self, several: Sequence[Judged]) -> None:
        """All of one experiment, as much as one request takes."""
        scorers = tuple(each for each in several if isinstance(each, CarriedScorer))
        labels = tuple(each for each in several if isinstance(each, CarriedLabel))
        issues = tuple(each for each in several if isinstance(each, CarriedIssue))
        self._ask(routes.TAKE_JUDGING, asks.TakeJudging(self._source, scorers, labels, issues))
