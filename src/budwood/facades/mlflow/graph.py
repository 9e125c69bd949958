"""``/graphql``: what MLflow's pages ask in one request, answered by the endpoints that its clients ask singly.

Nothing can be changed here: what the pages call mutations are searches. A mistake is told beside the data, as GraphQL
has it, and costs the other things that were asked for nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import GRAPH_RUNS
from budwood.errors import BadValue, BudwoodError
from budwood.facades.face import Asked, Endpoint, Pace
from budwood.facades.mlflow import artifacts, experiments, metrics, runs, versions
from budwood.facades.mlflow.graph_language import Field, operation
from budwood.facades.mlflow.graph_shapes import Answer, Beside, cut, snake
from budwood.facades.mlflow.values import Values, inner, needed, text, whole


@dataclass(frozen=True, slots=True)
class _Root:
    """What may be asked for at the top, and of which type the answer is."""

    kind: str
    run: Callable[[Asked], Json]


def graph(asked: Asked) -> Json:
    """The answer to one query."""
    try:
        wanted = operation(
            needed(asked.values, "query"), inner(asked.values, "variables") or {}, text(asked.values, "operationName")
        )
        roots = [(each, _root(each, _MUTATIONS if wanted.is_mutation else _QUERIES)) for each in wanted.fields]
    except BudwoodError as error:
        return {"data": None, "errors": [error.message]}
    found: dict[str, Json] = {}
    mistakes: list[Json] = []
    beside = _beside(asked)
    for each, root in roots:
        try:
            answer = root.run(replace(asked, values=_input(each)))
            found[each.shown_as] = cut(_mapping(answer), root.kind, each.inside, beside)
        except BudwoodError as error:
            found[each.shown_as] = None
            mistakes.append(error.message)
    return {"data": found, "errors": mistakes or None}


def _root(wanted: Field, there: Mapping[str, _Root]) -> _Root:
    if wanted.name not in there:
        raise BadValue(f"Cannot query field '{wanted.name[:80]}'.")
    return there[wanted.name]


def _input(wanted: Field) -> Values:
    """The fields of a request, in the words of its endpoint."""
    given = wanted.arguments.get("input", wanted.arguments)
    if not isinstance(given, Mapping):
        raise BadValue(f"The input of '{wanted.name[:80]}' is no object.")
    return {snake(name): value for name, value in given.items()}


def _beside(asked: Asked) -> Beside:
    """What a run is shown with; the runs of one experiment ask for it once."""

    @cache
    def experiment(id_: str) -> Json:
        return _mapping(experiments.get(replace(asked, values={"experiment_id": id_}))).get("experiment")

    def versions_of(run: Answer) -> Json:
        found = versions.search(replace(asked, values={"filter": f"run_id = '{_info(run)['run_id']}'"}))
        return _mapping(found).get("model_versions")

    return {
        ("Run", "experiment"): lambda run: experiment(str(_info(run)["experiment_id"])),
        ("Run", "modelVersions"): versions_of,
    }


def _info(run: Answer) -> Answer:
    return _mapping(run["info"])


def _mapping(value: Json) -> Answer:
    return value if isinstance(value, Mapping) else {}


def _echo(asked: Asked) -> Json:
    return {"output": text(asked.values, "input_string")}


def _search_runs(asked: Asked) -> Json:
    """Fewer on a page than elsewhere: each may bring its experiment and its versions."""
    most = min(whole(asked.values, "max_results", GRAPH_RUNS), GRAPH_RUNS)
    return runs.search(replace(asked, values={**asked.values, "max_results": most}))


_QUERIES: Final = {
    "test": _Root("Test", _echo),
    "mlflowGetExperiment": _Root("GetExperiment", experiments.get),
    "mlflowGetRun": _Root("GetRun", runs.get),
    "mlflowListArtifacts": _Root("ListArtifacts", artifacts.list_run),
    "mlflowSearchModelVersions": _Root("SearchModelVersions", versions.search),
    "mlflowGetMetricHistoryBulkInterval": _Root("GetMetricHistoryBulkInterval", metrics.bulk_interval),
    "mlflowSearchRuns": _Root("SearchRuns", _search_runs),
}
_MUTATIONS: Final = {
    "testMutation": _Root("Test", _echo),
    "mlflowSearchDatasets": _Root("SearchDatasets", experiments.search_datasets),
    "mlflowSearchRuns": _Root("SearchRuns", _search_runs),
}
ENDPOINTS: Final = (Endpoint("mlflow.graph", "POST", "/graphql", Permission.READ, graph, Pace.LONG, reads=True),)
