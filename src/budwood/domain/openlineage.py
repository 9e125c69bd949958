"""OpenLineage: events of other programs as what lineage keeps, and entries of the ledger as events for them.

An event tells of a run of a job, its inputs and its outputs. Here the run becomes a node between them, so that what
comes at its start and at its end joins by itself, and telling the same twice changes nothing. A data set whose
``namespace`` is ``budwood``, or ``budwood://`` and this registry's own id, is a version: its name is a reference,
or a model with the version in the facet ``version``. Every other one is kept as the name it has.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

from budwood.domain.canon import Json
from budwood.domain.limits import LINEAGE_DATASETS, LINEAGE_NAME_CHARS
from budwood.errors import BadValue, LimitExceeded

OWN: Final = "budwood"
SCHEME: Final = "budwood://"
READS: Final = "reads"
BUILT_BY: Final = "built-by"
UNDONE: Final = frozenset({"FAIL", "ABORT"})
"""Types of runs that came to nothing: what they would have written was not."""
EMITTED: Final = (
    "alias.set",
    "endpoint.routed",
    "pointer.rolled-back",
    "promotion.applied",
    "promotion.glass-broken",
    "version.pushed",
    "version.staged",
)
"""The actions that become events."""
PRODUCER: Final = "urn:budwood:registry"
RUN_EVENT: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
VERSION_FACET: Final = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json"


@dataclass(frozen=True, slots=True)
class LineageEvent:
    """A RunEvent, JobEvent or DatasetEvent as it travels; what else it carries is not looked at."""

    takes_more: ClassVar[bool] = True

    eventTime: str  # noqa: N815 the names are the standard's
    producer: str = ""
    schemaURL: str = ""  # noqa: N815
    eventType: str | None = None  # noqa: N815
    run: Mapping[str, Json] | None = None
    job: Mapping[str, Json] | None = None
    dataset: Mapping[str, Json] | None = None
    inputs: tuple[Mapping[str, Json], ...] | None = None
    outputs: tuple[Mapping[str, Json], ...] | None = None


@dataclass(frozen=True, slots=True)
class ReadLineage:
    """``namespace`` is the room the event is told in; empty: as the job's namespace says."""

    namespace: str = ""


@dataclass(frozen=True, slots=True)
class LineageTold:
    """Where an event was told, and how many edges were new."""

    namespace: str
    edges: int


@dataclass(frozen=True, slots=True)
class Thing:
    """A data set or job by its name. ``version`` is what a facet says, where one does."""

    source: str
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What an event says: ``job`` None for one that speaks of a data set alone."""

    job: Thing | None
    run: str
    inputs: tuple[Thing, ...]
    outputs: tuple[Thing, ...]


def read_event(event: LineageEvent) -> Told:
    """Raises BadValue for what is no event, LimitExceeded."""
    _moment(event.eventTime)
    if event.dataset is not None and event.job is None and event.run is None:
        return Told(None, "", (), (_thing(event.dataset, "dataset"),))
    if event.job is None:
        raise BadValue("An event speaks of a job or a dataset.", hint="See https://openlineage.io/spec.", at="job")
    job = _thing(event.job, "job")
    run = _text(event.run, "runId", "run") if event.run is not None else ""
    inputs, outputs = _things(event.inputs, "inputs"), _things(event.outputs, "outputs")
    undone = (event.eventType or "").upper() in UNDONE
    return Told(job, run, inputs, () if undone else outputs)


def own_reference(thing: Thing, registry_id: str) -> str:
    """The version of this registry that a thing names, as a reference; empty where it names none."""
    if thing.source.rstrip("/") not in (OWN, f"{SCHEME}{registry_id}" if registry_id else OWN):
        return ""
    if "@" in thing.name:
        return thing.name
    return f"{thing.name}@{'v' if thing.version.isdigit() else ''}{thing.version}" if thing.version else ""


@dataclass(frozen=True, slots=True)
class Emitted:
    """A run of ours: ``job`` did something at ``at_ms``, from ``inputs``, that gave ``outputs``."""

    registry_id: str
    sequence: int
    at_ms: int
    job: str
    inputs: Sequence[Thing]
    outputs: Sequence[Thing]


def event_of(said: Emitted) -> dict[str, Json]:
    """The RunEvent, the same each time it is made."""
    return {
        "eventType": "COMPLETE",
        "eventTime": datetime.fromtimestamp(said.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "producer": PRODUCER,
        "schemaURL": RUN_EVENT,
        "run": {"runId": run_id(said.registry_id, said.sequence)},
        "job": {"namespace": own_source(said.registry_id), "name": said.job},
        "inputs": [_dataset(each) for each in said.inputs],
        "outputs": [_dataset(each) for each in said.outputs],
    }


def own_source(registry_id: str) -> str:
    """The namespace of this registry's versions in events."""
    return f"{SCHEME}{registry_id}" if registry_id else OWN


def run_id(registry_id: str, sequence: int) -> str:
    """A UUID (version 8, RFC 9562) of one entry of one ledger."""
    raw = bytearray(hashlib.sha256(f"{registry_id}/{sequence}".encode()).digest()[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _dataset(thing: Thing) -> dict[str, Json]:
    said: dict[str, Json] = {"namespace": thing.source, "name": thing.name}
    if thing.version:
        facet: Json = {"_producer": PRODUCER, "_schemaURL": VERSION_FACET, "datasetVersion": thing.version}
        said["facets"] = {"version": facet}
    return said


def _things(said: Sequence[Mapping[str, Json]] | None, at: str) -> tuple[Thing, ...]:
    if said is not None and len(said) > LINEAGE_DATASETS:
        message = f"An event names at most {LINEAGE_DATASETS} {at}, not {len(said)}."
        raise LimitExceeded(message, limit="LINEAGE_DATASETS")
    found = (_thing(each, f"{at}[{number}]") for number, each in enumerate(said or ()))
    return tuple(dict.fromkeys(found))


def _thing(said: Mapping[str, Json], at: str) -> Thing:
    return Thing(_text(said, "namespace", at), _text(said, "name", at), _version(said.get("facets")))


def _version(facets: Json) -> str:
    facet = facets.get("version") if isinstance(facets, Mapping) else None
    said = facet.get("datasetVersion") if isinstance(facet, Mapping) else None
    return said.removeprefix("v") if isinstance(said, str) and len(said) <= LINEAGE_NAME_CHARS else ""


def _text(said: Mapping[str, Json], key: str, at: str) -> str:
    found = said.get(key)
    if not isinstance(found, str) or not found:
        raise BadValue(f"An event's {at} has a {key}, as text.", hint="See https://openlineage.io/spec.", at=at)
    if len(found) > LINEAGE_NAME_CHARS:
        message = f"The {key} of {at} has {len(found)} characters; at most {LINEAGE_NAME_CHARS}."
        raise LimitExceeded(message, limit="LINEAGE_NAME_CHARS")
    if not all(letter.isprintable() for letter in found):
        raise BadValue(f"The {key} of {at} holds characters that cannot be shown.", at=at)
    return found


def _moment(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise BadValue("The eventTime is a date and time as in RFC 3339.", at="eventTime") from error
