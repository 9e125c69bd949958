"""What is carried here from MLflow, and read in its words, by route. All of it may be done again."""

from typing import Final

from budwood.domain.asks_carrying import (
    DatasetsRead,
    ExperimentsRead,
    FilesRead,
    JudgingRead,
    LoggedRead,
    McpServersRead,
    McpVersionsRead,
    ModelsRead,
    PointsRead,
    RecordsRead,
    RunsRead,
    SpansRead,
    Taken,
    TracesRead,
    VersionsRead,
)
from budwood.domain.carrying.records import CarriedExperiment, CarriedModel, CarriedVersion
from budwood.domain.routes import carrying as routes
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.carrying import (
    read,
    read_mcp,
    read_traced,
    take_judging,
    take_mcp,
    take_runs,
    take_traces,
    take_versions,
)
from budwood.verbs.house import House
from budwood.verbs.listings import pointing


def _experiment(asked: Asked) -> CarriedExperiment:
    return take_runs.take_experiment(_writes(asked), _room(asked), asked.body.source, asked.body.experiment)


def _runs(asked: Asked) -> Taken:
    return Taken(take_runs.take_runs(_writes(asked), _room(asked), asked.body.source, asked.body.runs))


def _points(asked: Asked) -> Taken:
    return Taken(take_runs.take_points(_writes(asked), _room(asked), asked.body.run, asked.body.series))


def _logged(asked: Asked) -> Taken:
    return Taken(take_runs.take_logged(_writes(asked), _room(asked), asked.body.source, asked.body.models))


def _model(asked: Asked) -> CarriedModel:
    return take_versions.take_model(_writes(asked), _room(asked), asked.body.source, asked.body.model)


def _version(asked: Asked) -> CarriedVersion:
    sent = asked.body
    return take_versions.take_version(_writes(asked), _room(asked), sent.source, sent.version, sent.files)


def _traces(asked: Asked) -> Taken:
    return Taken(take_traces.take_traces(_writes(asked), _room(asked), asked.body.source, asked.body.traces))


def _spans(asked: Asked) -> Taken:
    return Taken(take_traces.take_spans(_writes(asked), _room(asked), asked.body.trace, asked.body.spans))


def _links(asked: Asked) -> Taken:
    return Taken(take_traces.link_traces(_writes(asked), _room(asked), asked.body.run, asked.body.traces))


def _dataset(asked: Asked) -> Taken:
    return Taken(take_judging.take_dataset(_writes(asked), _room(asked), asked.body.source, asked.body.dataset))


def _records(asked: Asked) -> Taken:
    return Taken(take_judging.take_records(_writes(asked), _room(asked), asked.body.dataset, asked.body.records))


def _judging(asked: Asked) -> Taken:
    return Taken(take_judging.take_judging(_writes(asked), _room(asked), asked.body))


def _mcp_server(asked: Asked) -> Taken:
    return Taken(take_mcp.take_server(_writes(asked), _room(asked), asked.body.source, asked.body.server))


def _mcp_version(asked: Asked) -> Taken:
    return Taken(take_mcp.take_version(_writes(asked), _room(asked), asked.body.source, asked.body.version))


def _point(asked: Asked) -> Taken:
    house, sent = _writes(asked), asked.body
    house.catalog.write(pointing.point_alias(house, _room(asked), sent.title, sent.alias, sent.number))
    return Taken(1)


def _stage(asked: Asked) -> Taken:
    house, sent = _writes(asked), asked.body
    work = pointing.move_stage(house, _room(asked), sent.title, sent.number, sent.stage, archives_others=False)
    house.catalog.write(work)
    return Taken(1)


def _read_experiments(asked: Asked) -> ExperimentsRead:
    return read.read_experiments(asked.house, _room(asked), asked.body.token)


def _read_runs(asked: Asked) -> RunsRead:
    return read.read_runs(asked.house, _room(asked), asked.body)


def _read_points(asked: Asked) -> PointsRead:
    return read.read_points(asked.house, _room(asked), asked.body)


def _read_logged(asked: Asked) -> LoggedRead:
    return read.read_logged(asked.house, _room(asked), asked.body)


def _read_models(asked: Asked) -> ModelsRead:
    return read.read_models(asked.house, _room(asked), asked.body.token)


def _read_versions(asked: Asked) -> VersionsRead:
    return read.read_versions(asked.house, _room(asked), asked.body)


def _read_traces(asked: Asked) -> TracesRead:
    return read_traced.read_traces(asked.house, _room(asked), asked.body)


def _read_spans(asked: Asked) -> SpansRead:
    return read_traced.read_spans(asked.house, _room(asked), asked.body)


def _read_datasets(asked: Asked) -> DatasetsRead:
    return read_traced.read_datasets(asked.house, _room(asked), asked.body.token)


def _read_records(asked: Asked) -> RecordsRead:
    return read_traced.read_records(asked.house, _room(asked), asked.body)


def _read_judging(asked: Asked) -> JudgingRead:
    return read_traced.read_judging(asked.house, _room(asked), asked.body)


def _read_mcp_servers(asked: Asked) -> McpServersRead:
    return read_mcp.read_servers(asked.house, _room(asked), asked.body.token)


def _read_mcp_versions(asked: Asked) -> McpVersionsRead:
    return read_mcp.read_versions(asked.house, _room(asked), asked.body)


def _read_files(asked: Asked) -> FilesRead:
    return read.read_files(asked.house, _room(asked), asked.body)


def _room(asked: Asked) -> str:
    return asked.holes["namespace"]


def _writes(asked: Asked) -> House:
    """Without the answers that are kept for repeated requests: to do any of this again does no harm."""
    return asked.beside or asked.whole


DEEDS: Final = {
    routes.TAKE_EXPERIMENT.name: Deed(_experiment),
    routes.TAKE_RUNS.name: Deed(_runs),
    routes.TAKE_POINTS.name: Deed(_points),
    routes.TAKE_LOGGED.name: Deed(_logged),
    routes.TAKE_MODEL.name: Deed(_model),
    routes.TAKE_VERSION.name: Deed(_version, long=True),
    routes.TAKE_TRACES.name: Deed(_traces, long=True),
    routes.TAKE_SPANS.name: Deed(_spans, long=True),
    routes.LINK_TRACES.name: Deed(_links),
    routes.TAKE_DATASET.name: Deed(_dataset),
    routes.TAKE_RECORDS.name: Deed(_records, long=True),
    routes.TAKE_JUDGING.name: Deed(_judging),
    routes.TAKE_MCP_SERVER.name: Deed(_mcp_server),
    routes.TAKE_MCP_VERSION.name: Deed(_mcp_version),
    routes.POINT.name: Deed(_point),
    routes.STAGE.name: Deed(_stage),
    routes.READ_EXPERIMENTS.name: Deed(_read_experiments),
    routes.READ_RUNS.name: Deed(_read_runs),
    routes.READ_POINTS.name: Deed(_read_points),
    routes.READ_LOGGED.name: Deed(_read_logged),
    routes.READ_MODELS.name: Deed(_read_models),
    routes.READ_VERSIONS.name: Deed(_read_versions),
    routes.READ_TRACES.name: Deed(_read_traces, long=True),
    routes.READ_SPANS.name: Deed(_read_spans, long=True),
    routes.READ_DATASETS.name: Deed(_read_datasets),
    routes.READ_RECORDS.name: Deed(_read_records),
    routes.READ_JUDGING.name: Deed(_read_judging),
    routes.READ_MCP_SERVERS.name: Deed(_read_mcp_servers),
    routes.READ_MCP_VERSIONS.name: Deed(_read_mcp_versions),
    routes.READ_FILES.name: Deed(_read_files),
}
