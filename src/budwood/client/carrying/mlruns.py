"""A folder as MLflow's clients write it without a server, ``mlruns``: a file a value, a folder a run.

What is in it may have been put there by anybody: documents are read as plain values, no link is followed, and a name
that is no id is passed over.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from budwood.client.carrying import shapes
from budwood.client.carrying.mlruns_traced import FolderTraced
from budwood.client.carrying.places import Places, places_of
from budwood.client.carrying.plain_files import (
    META,
    folders_in,
    is_file,
    is_folder,
    lines_in,
    meta_of,
    names_in,
    values_in,
)
from budwood.client.carrying.reader import LOGGED, RUN, Root
from budwood.client.carrying.reader_mcp import NoMcp
from budwood.domain.artifacts import MODEL_ID
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedFile,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Measured,
    Point,
)
from budwood.domain.tracking.records import Dataset, DatasetUse, ModelUse
from budwood.errors import BadValue, Malformed, SourceNotFound

TRASH: Final = ".trash"
DELETED: Final = "Deleted_Internal"
_RUN: Final = re.compile(r"[0-9a-f]{32}")
_EXPERIMENT: Final = re.compile(r"[0-9]{1,18}")
_VERSION: Final = re.compile(r"version-([0-9]{1,9})")
_NOT_MODELS: Final = frozenset({"models", TRASH})
_USE_TYPES: Final = {1: "RUN", 2: "DATASET", 3: "MODEL"}


@dataclass(frozen=True, slots=True)
class FolderReader:
    """``reader.Reader`` over the folder."""

    folder: Path
    places: Places

    @property
    def name(self) -> str:
        return self.folder.as_uri()

    @property
    def traced(self) -> FolderTraced:
        return FolderTraced(self.places, self._experiment_folders)

    @property
    def mcp(self) -> NoMcp:
        return NoMcp()

    def experiments(self) -> Iterator[CarriedExperiment]:
        for place in self._experiment_folders().values():
            said = meta_of(place)
            yield CarriedExperiment(
                shapes.text(said, "experiment_id"),
                shapes.text(said, "name"),
                shapes.text(said, "artifact_location"),
                shapes.whole(said, "creation_time"),
                shapes.whole(said, "last_update_time"),
                place.parent.name == TRASH or shapes.text(said, "lifecycle_stage") == "deleted",
                values_in(place / "tags"),
            )

    def runs(self, experiment: str) -> Iterator[CarriedRun]:
        place = self._experiment_folders().get(experiment)
        for run in folders_in(place) if place else ():
            if _RUN.fullmatch(run.name) and is_file(run / META):
                yield self._run(run)

    def points(self, run: CarriedRun, key: str) -> Sequence[Point]:
        place = self._experiment_folders()[run.experiment] / run.run / "metrics"
        return sorted({_point(line.split(" ")) for line in lines_in(place, key)})

    def logged(self, experiment: str) -> Iterator[CarriedLogged]:
        place = self._experiment_folders().get(experiment)
        for model in folders_in(place / "models") if place else ():
            if MODEL_ID.fullmatch(model.name) and is_file(model / META):
                yield self._logged(model)

    def models(self) -> Iterator[CarriedModel]:
        for place in folders_in(self.folder / "models"):
            if not is_file(place / META):
                continue
            said = meta_of(place)
            aliases = {key: _number(value) for key, value in values_in(place / "aliases").items()}
            yield CarriedModel(
                # Its folder's name and no other: a title is looked for as a folder.
                place.name,
                shapes.text(said, "description"),
                shapes.whole(said, "creation_timestamp"),
                shapes.whole(said, "last_updated_timestamp"),
                values_in(place / "tags"),
                aliases,
            )

    def versions(self, title: str) -> Iterator[CarriedVersion]:
        found = {}
        for place in folders_in(self.folder / "models" / title):
            if (named := _VERSION.fullmatch(place.name)) and is_file(place / META):
                found[int(named[1])] = place
        for number in sorted(found):
            said = meta_of(found[number])
            source, stage = shapes.text(said, "source"), shapes.text(said, "current_stage") or "None"
            if stage == DELETED:
                continue
            yield CarriedVersion(
                title,
                number,
                source,
                shapes.text(said, "storage_location") or source,
                shapes.text(said, "run_id"),
                shapes.text(said, "model_id") or shapes.logged_in(source),
                shapes.text(said, "run_link"),
                shapes.text(said, "user_id"),
                shapes.text(said, "description"),
                shapes.whole(said, "creation_timestamp"),
                shapes.whole(said, "last_updated_timestamp"),
                stage,
                values_in(found[number] / "tags"),
            )

    def files(self, root: Root) -> Sequence[CarriedFile]:
        return self.places.files(self._location(root))

    def open(self, root: Root, path: str) -> AbstractContextManager[Iterator[bytes]]:
        return self.places.open(self._location(root), path)

    def close(self) -> None:
        """Nothing is held open."""

    # Where things lie

    def _experiment_folders(self) -> dict[str, Path]:
        """By id; one that is in the trash, too."""
        found = {}
        for place in (*folders_in(self.folder), *folders_in(self.folder / TRASH)):
            if _EXPERIMENT.fullmatch(place.name) and is_file(place / META):
                found[place.name] = place
        return found

    def _location(self, root: Root) -> str:
        """Beside its record: a folder that was moved still names where it was."""
        if root.kind not in (RUN, LOGGED):
            return root.location
        for place in self._experiment_folders().values():
            own = place / root.id if root.kind == RUN else place / "models" / root.id
            if is_folder(own) and (is_folder(own / "artifacts") or not root.location):
                return str(own / "artifacts")
        return root.location

    # Runs and logged models

    def _run(self, place: Path) -> CarriedRun:
        said = meta_of(place)
        tags = values_in(place / "tags")
        end = said.get("end_time")
        return CarriedRun(
            place.name,
            shapes.text(said, "experiment_id"),
            shapes.text(said, "run_name") or tags.get("mlflow.runName", ""),
            shapes.text(said, "user_id"),
            shapes.status(said.get("status")),
            shapes.whole(said, "start_time"),
            None if end is None else shapes.whole(said, "end_time"),
            shapes.text(said, "artifact_uri"),
            shapes.text(said, "lifecycle_stage") == "deleted",
            values_in(place / "params"),
            tags,
            tuple(self._datasets(place)),
            tuple(self._models(place)),
            tuple(names_in(place / "metrics")),
        )

    def _datasets(self, run: Path) -> Iterator[DatasetUse]:
        for use in folders_in(run / "inputs"):
            said = meta_of(use)
            kept = run.parent / "datasets" / use_id(said, "source_id")
            if _use_type(said, "source_type") == "DATASET" and is_file(kept / META):
                data = meta_of(kept)
                fields = ("name", "digest", "source_type", "source", "schema", "profile")
                tags = {str(key): str(value) for key, value in shapes.inner(said, "tags").items()}
                yield DatasetUse(Dataset(*(shapes.text(data, field) for field in fields)), tags)

    def _models(self, run: Path) -> Iterator[ModelUse]:
        for use in folders_in(run / "inputs"):
            said = meta_of(use)
            if _use_type(said, "source_type") == "MODEL":
                yield ModelUse(use_id(said, "source_id"))
        for use in folders_in(run / "outputs"):
            said = meta_of(use)
            yield ModelUse(use_id(said, "destination_id"), shapes.whole(said, "step"), True)

    def _logged(self, place: Path) -> CarriedLogged:
        said = meta_of(place)
        measured = [
            _measured(key, line.split(" "))
            for key in names_in(place / "metrics")
            for line in lines_in(place / "metrics", key)
        ]
        return CarriedLogged(
            place.name,
            shapes.text(said, "experiment_id"),
            shapes.text(said, "name"),
            shapes.text(said, "model_type"),
            shapes.logged_status(said.get("status")),
            shapes.text(said, "source_run_id"),
            shapes.text(said, "artifact_location"),
            shapes.whole(said, "creation_timestamp"),
            shapes.whole(said, "last_updated_timestamp"),
            shapes.text(said, "lifecycle_stage") == "deleted",
            values_in(place / "tags"),
            values_in(place / "params"),
            shapes.newest(measured),
        )


def open_folder(uri: str, artifacts: Sequence[str]) -> FolderReader:
    """Raises SourceNotFound, BadValue."""
    place = Path(unquote(uri.removeprefix("file://")) if uri.startswith("file:") else uri).absolute()
    if not place.is_dir():
        raise SourceNotFound(f"There is no folder {str(place)!r}.", path=str(place))
    reader = FolderReader(place, places_of(artifacts, (place,)))
    if not any(True for _ in reader._experiment_folders()) and not (place / "models").is_dir():
        hint = "It is the folder that holds folders named 0, 1 … with a meta.yaml each: mlruns."
        raise BadValue(f"{place} holds no experiments of MLflow's.", hint=hint)
    return reader


def use_id(said: Mapping[str, Any], field: str) -> str:
    """An id that is also a folder's name. Raises Malformed."""
    id_ = shapes.text(said, field)
    if not re.fullmatch(r"[\w-]{1,64}", id_):
        raise Malformed(f"{id_[:100]!r} is no id.")
    return id_


def _use_type(said: Mapping[str, Any], field: str) -> str:
    value = said.get(field)
    return _USE_TYPES.get(value, "") if isinstance(value, int) else str(value)


def _point(parts: Sequence[str]) -> Point:
    try:
        at, value = int(parts[0]), float(parts[1])
        step = int(parts[2]) if len(parts) > 2 else 0
    except (ValueError, IndexError) as error:
        raise Malformed(f"{' '.join(parts)[:100]!r} is no line of a metric.") from error
    return Point.of(at, step, shapes.real({"value": value}, "value"))


def _measured(key: str, parts: Sequence[str]) -> Measured:
    if len(parts) not in (4, 6):
        raise Malformed(f"{' '.join(parts)[:100]!r} is no line of a logged model's metric.")
    dataset = (parts[4], parts[5]) if len(parts) == 6 else ("", "")
    return Measured(parts[3], key, _point(parts[:3]), dataset)


def _number(text: str) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
        raise Malformed(f"{text[:50]!r} is no number of a version.")
    return int(text)
