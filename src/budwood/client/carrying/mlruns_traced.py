"""Traces in a folder as MLflow's clients write it without a server; beside ``mlruns``. It holds nothing that judges."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from budwood.client.carrying.places import Places
from budwood.client.carrying.plain_files import folders_in, is_file, meta_of, names_in, values_in
from budwood.client.carrying.shapes_traced import trace_of
from budwood.client.carrying.spans_file import spans_in
from budwood.domain.carrying.traced import CarriedDataset, CarriedRecord, CarriedTrace, Judged
from budwood.domain.traces.conventions import ID

INFO: Final = "trace_info.yaml"
_IDS: Final = frozenset({"trace_id", "request_id"})
_METADATA: Final = ("request_metadata", "trace_metadata")


@dataclass(frozen=True, slots=True)
class FolderTraced:
    """``reader_traced.TracedReader`` over the folder. ``experiments`` says where each lies, by its id."""

    places: Places
    experiments: Callable[[], Mapping[str, Path]]

    def traces(self, experiment: str) -> Iterator[CarriedTrace]:
        for place in self._places(experiment):
            said: dict[str, Any] = {**meta_of(place, INFO), "tags": values_in(place / "tags")}
            metadata = {key: value for name in _METADATA for key, value in values_in(place / name).items()}
            assessments = [dict(meta_of(place / "assessments", name)) for name in names_in(place / "assessments")]
            named: dict[str, Any] = dict.fromkeys(_IDS & said.keys(), place.name)
            yield trace_of(
                {**said, **named, **dict.fromkeys(_METADATA, metadata), "assessments": assessments}, experiment
            )

    def spans(self, trace: CarriedTrace) -> Sequence[str]:
        """Beside its record: a folder that was moved still names where it was."""
        above = self._above(trace.experiment)
        return spans_in(self.places, str(above / trace.trace / "artifacts")) if above else ()

    def linked(self, experiment: str, run: str) -> Sequence[str]:
        return ()  # None is linked by hand.

    def datasets(self) -> Iterator[CarriedDataset]:
        return iter(())

    def records(self, dataset: CarriedDataset) -> Iterator[CarriedRecord]:
        return iter(())

    def judging(self, experiment: str) -> Sequence[Judged]:
        return ()

    def _places(self, experiment: str) -> list[Path]:
        above = self._above(experiment)
        listed = folders_in(above) if above else []
        return [each for each in listed if ID.fullmatch(each.name) and is_file(each / INFO)]

    def _above(self, experiment: str) -> Path | None:
        place = self.experiments().get(experiment)
        return place / "traces" if place else None
