"""What the routes of a carrying take and give. ``source`` is where it all came from, as people are told it."""

from dataclasses import dataclass

from budwood.domain.carrying.mcp import CarriedMcpServer, CarriedMcpVersion
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedFile,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Series,
)
from budwood.domain.carrying.traced import (
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedScorer,
    CarriedTrace,
)


@dataclass(frozen=True, slots=True)
class TakeExperiment:
    source: str
    experiment: CarriedExperiment


@dataclass(frozen=True, slots=True)
class TakeRuns:
    """All of one experiment, which is named by its number here."""

    source: str
    runs: tuple[CarriedRun, ...]


@dataclass(frozen=True, slots=True)
class TakePoints:
    run: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class TakeLogged:
    """All of one experiment, as with runs."""

    source: str
    models: tuple[CarriedLogged, ...]


@dataclass(frozen=True, slots=True)
class TakeModel:
    source: str
    model: CarriedModel


@dataclass(frozen=True, slots=True)
class TakeVersion:
    """``files`` is where its files lie, below the namespace; empty where it has none here."""

    source: str
    version: CarriedVersion
    files: str = ""


@dataclass(frozen=True, slots=True)
class PointTitled:
    title: str
    alias: str
    number: int


@dataclass(frozen=True, slots=True)
class StageTitled:
    title: str
    number: int
    stage: str


@dataclass(frozen=True, slots=True)
class TakeTraces:
    """All of one experiment, as with runs. Their spans come by themselves."""

    source: str
    traces: tuple[CarriedTrace, ...]


@dataclass(frozen=True, slots=True)
class TakeSpans:
    """Each is JSON."""

    trace: str
    spans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkTraces:
    """To a run, by hand."""

    run: str
    traces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakeDataset:
    source: str
    dataset: CarriedDataset


@dataclass(frozen=True, slots=True)
class TakeRecords:
    dataset: str
    records: tuple[CarriedRecord, ...]


@dataclass(frozen=True, slots=True)
class TakeJudging:
    """What judges in one experiment."""

    source: str
    scorers: tuple[CarriedScorer, ...] = ()
    labels: tuple[CarriedLabel, ...] = ()
    issues: tuple[CarriedIssue, ...] = ()


@dataclass(frozen=True, slots=True)
class TakeMcpServer:
    source: str
    server: CarriedMcpServer


@dataclass(frozen=True, slots=True)
class TakeMcpVersion:
    """Of a server that is here."""

    source: str
    version: CarriedMcpVersion


@dataclass(frozen=True, slots=True)
class Taken:
    """How many there are now of what was sent."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class ReadSome:
    """Where the answer before ended; empty at first."""

    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadRuns:
    """Those of an experiment, or those named."""

    experiment: str = ""
    runs: tuple[str, ...] = ()
    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadPoints:
    run: str
    key: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadLogged:
    """Those of an experiment that are not deleted, or those named."""

    experiment: str = ""
    models: tuple[str, ...] = ()
    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadVersions:
    title: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """``path`` is a folder below the namespace; ``after`` the last path that was told."""

    path: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class ReadTraces:
    """Those of an experiment, or those named. ``run``: those of it alone, and those that were linked to it; of these
    nothing is told of their spans."""

    experiment: str = ""
    traces: tuple[str, ...] = ()
    run: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadSpans:
    """``after`` is how many were told."""

    trace: str
    after: int = 0


@dataclass(frozen=True, slots=True)
class ReadRecords:
    dataset: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadJudging:
    """Of an experiment; the token is of its issues, which come page by page behind the rest."""

    experiment: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class ReadMcpVersions:
    server: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentsRead:
    experiments: tuple[CarriedExperiment, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class RunsRead:
    runs: tuple[CarriedRun, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class PointsRead:
    series: Series
    token: str = ""


@dataclass(frozen=True, slots=True)
class LoggedRead:
    models: tuple[CarriedLogged, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class ModelsRead:
    models: tuple[CarriedModel, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class VersionsRead:
    versions: tuple[CarriedVersion, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class FilesRead:
    files: tuple[CarriedFile, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class TracesRead:
    traces: tuple[CarriedTrace, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class SpansRead:
    """``after`` is 0 at the end."""

    spans: tuple[str, ...]
    after: int = 0


@dataclass(frozen=True, slots=True)
class DatasetsRead:
    datasets: tuple[CarriedDataset, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class RecordsRead:
    records: tuple[CarriedRecord, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class JudgingRead:
    scorers: tuple[CarriedScorer, ...] = ()
    labels: tuple[CarriedLabel, ...] = ()
    issues: tuple[CarriedIssue, ...] = ()
    token: str = ""


@dataclass(frozen=True, slots=True)
class McpServersRead:
    servers: tuple[CarriedMcpServer, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class McpVersionsRead:
    versions: tuple[CarriedMcpVersion, ...]
    token: str = ""
