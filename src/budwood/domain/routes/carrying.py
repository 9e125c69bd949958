"""Bringing over what an MLflow server holds, and reading what is here in the same words.

What is written here may say when and by whom it was made elsewhere; who brings it is the author all the same.
"""

from typing import Final

from budwood.domain import asks_carrying as asks
from budwood.domain.access import Permission
from budwood.domain.carrying.records import CarriedExperiment, CarriedModel, CarriedVersion
from budwood.domain.routes.route import Route
from budwood.errors import BudwoodError, GateClosed, LimitExceeded, NameTaken, NotFound, QuotaExceeded, Retired

_ROOM: Final = "/v1/namespaces/{namespace}/carried"


def _take(noun: str, request: type, response: type, summary: str, *errors: type[BudwoodError]) -> Route:
    return Route(
        name=f"carried.take_{noun.replace('-', '_')}",
        method="POST",
        path=f"{_ROOM}/{noun}",
        permission=Permission.PUSH,
        summary=summary,
        request=request,
        response=response,
        errors=(LimitExceeded, NameTaken, *errors),
    )


def _read(noun: str, request: type, response: type, summary: str) -> Route:
    return Route(
        name=f"carried.read_{noun.replace('-', '_')}",
        method="POST",
        path=f"{_ROOM}/{noun}/read",
        permission=Permission.READ,
        summary=summary,
        request=request,
        response=response,
        errors=(NotFound,),
        reads=True,
    )


TAKE_EXPERIMENT: Final = _take(
    "experiments",
    asks.TakeExperiment,
    CarriedExperiment,
    "Have an experiment of an MLflow server here, as it is there.",
)
TAKE_RUNS: Final = _take("runs", asks.TakeRuns, asks.Taken, "The same with runs of one experiment.", NotFound)
TAKE_POINTS: Final = _take("points", asks.TakePoints, asks.Taken, "The same with points of a run's metrics.", NotFound)
TAKE_LOGGED: Final = _take("logged-models", asks.TakeLogged, asks.Taken, "The same with logged models.", NotFound)
TAKE_MODEL: Final = _take("models", asks.TakeModel, CarriedModel, "The same with a registered model or a prompt.")
TAKE_VERSION: Final = _take(
    "versions", asks.TakeVersion, CarriedVersion, "The same with a version, under its number.", NotFound, QuotaExceeded
)
TAKE_TRACES: Final = _take("traces", asks.TakeTraces, asks.Taken, "The same with traces of one experiment.", NotFound)
TAKE_SPANS: Final = _take("spans", asks.TakeSpans, asks.Taken, "The same with spans of a trace.", NotFound)
LINK_TRACES: Final = _take("links", asks.LinkTraces, asks.Taken, "Link traces to a run.", NotFound)
TAKE_DATASET: Final = _take(
    "evaluation-datasets", asks.TakeDataset, asks.Taken, "The same with an evaluation dataset.", NotFound
)
TAKE_RECORDS: Final = _take("evaluation-records", asks.TakeRecords, asks.Taken, "The same with its records.", NotFound)
TAKE_JUDGING: Final = _take(
    "judging", asks.TakeJudging, asks.Taken, "The same with scorers, label schemas and issues.", NotFound
)
TAKE_MCP_SERVER: Final = _take(
    "mcp-servers", asks.TakeMcpServer, asks.Taken, "The same with an MCP server, and where it is reached."
)
TAKE_MCP_VERSION: Final = _take(
    "mcp-versions", asks.TakeMcpVersion, asks.Taken, "The same with a version of an MCP server.", NotFound
)
POINT: Final = Route(
    name="carried.point_alias",
    method="POST",
    path=f"{_ROOM}/aliases",
    permission=Permission.PUSH,
    also=(Permission.RELEASE,),
    summary="Point an alias at a version, by the title of its model.",
    request=asks.PointTitled,
    response=asks.Taken,
    errors=(NotFound, GateClosed, Retired),
)
STAGE: Final = Route(
    name="carried.move_stage",
    method="POST",
    path=f"{_ROOM}/stages",
    permission=Permission.RELEASE,
    summary="Put a version into a stage, by the title of its model.",
    request=asks.StageTitled,
    response=asks.Taken,
    errors=(NotFound, GateClosed, Retired),
)
READ_EXPERIMENTS: Final = _read("experiments", asks.ReadSome, asks.ExperimentsRead, "Experiments, deleted ones too.")
READ_RUNS: Final = _read("runs", asks.ReadRuns, asks.RunsRead, "Runs with what they logged, deleted ones too.")
READ_POINTS: Final = _read("points", asks.ReadPoints, asks.PointsRead, "All points of a metric, by time.")
READ_LOGGED: Final = _read(
    "logged-models", asks.ReadLogged, asks.LoggedRead, "Logged models with what was said of them."
)
READ_MODELS: Final = _read("models", asks.ReadSome, asks.ModelsRead, "Models and prompts with their aliases.")
READ_VERSIONS: Final = _read("versions", asks.ReadVersions, asks.VersionsRead, "The versions of a model.")
READ_TRACES: Final = _read("traces", asks.ReadTraces, asks.TracesRead, "Traces with what is thought of them.")
READ_SPANS: Final = _read("spans", asks.ReadSpans, asks.SpansRead, "The spans of a trace.")
READ_DATASETS: Final = _read("evaluation-datasets", asks.ReadSome, asks.DatasetsRead, "Evaluation datasets.")
READ_RECORDS: Final = _read("evaluation-records", asks.ReadRecords, asks.RecordsRead, "The records of a dataset.")
READ_JUDGING: Final = _read(
    "judging", asks.ReadJudging, asks.JudgingRead, "Scorers, label schemas and issues of an experiment."
)
READ_MCP_SERVERS: Final = _read(
    "mcp-servers", asks.ReadSome, asks.McpServersRead, "MCP servers, and where they are reached."
)
READ_MCP_VERSIONS: Final = _read(
    "mcp-versions", asks.ReadMcpVersions, asks.McpVersionsRead, "The versions of an MCP server."
)
READ_FILES: Final = _read("files", asks.ReadFiles, asks.FilesRead, "Files below a folder with their SHA-256.")

ROUTES: Final = (
    TAKE_EXPERIMENT,
    TAKE_RUNS,
    TAKE_POINTS,
    TAKE_LOGGED,
    TAKE_MODEL,
    TAKE_VERSION,
    TAKE_TRACES,
    TAKE_SPANS,
    LINK_TRACES,
    TAKE_DATASET,
    TAKE_RECORDS,
    TAKE_JUDGING,
    TAKE_MCP_SERVER,
    TAKE_MCP_VERSION,
    POINT,
    STAGE,
    READ_EXPERIMENTS,
    READ_RUNS,
    READ_POINTS,
    READ_LOGGED,
    READ_MODELS,
    READ_VERSIONS,
    READ_TRACES,
    READ_SPANS,
    READ_DATASETS,
    READ_RECORDS,
    READ_JUDGING,
    READ_MCP_SERVERS,
    READ_MCP_VERSIONS,
    READ_FILES,
)
