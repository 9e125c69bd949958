"""Logged models: models that are no version yet, with tags, parameters, and metrics that runs measured on data sets."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.artifacts import Described, LoggedModel, ModelStatus, model_id
from budwood.domain.limits import LOGGED_MODELS_SEARCHED, SEARCHED_EXPERIMENTS
from budwood.domain.logged_search import LOGGED_MODELS, ModelOrder, OnDataset, in_order, looks_inside, matches
from budwood.domain.tracking import checks
from budwood.domain.tracking.filters import parse_filter
from budwood.domain.tracking.records import Metric, Run, RunMetric
from budwood.domain.tracking.tokens import mark_of, read_token, write_token
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.tracking import found
from budwood.verbs.tracking.run_names import name_from

Work = Callable[[Transaction], Described]
VERSIONS_TAG: Final = "mlflow.modelVersions"
VERSIONS_NOTED: Final = 100
_NOT_IN_NAMES: Final = frozenset("/:.%\"'")
_DIFFERENCES: Final = (
    "Experiment IDs in the page token do not match",
    "Filter string in the page token does not match",
    "Order by in the page token does not match",
)


@dataclass(frozen=True, slots=True)
class NewModel:
    """A logged model about to be. ``model`` is its id, fresh; ``run`` may be empty."""

    model: str
    experiment: str
    name: str = ""
    kind: str = ""
    run: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """``filter`` is text; a search that names ``datasets`` looks at what was measured on those."""

    experiments: tuple[str, ...]
    filter: str = ""
    datasets: tuple[OnDataset, ...] = ()
    orders: tuple[ModelOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundModels:
    """A page; ``token`` is empty at the end."""

    models: tuple[Described, ...]
    token: str = ""


def create_model(house: House, namespace: str, new: NewModel) -> Work:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, too."""
    if _NOT_IN_NAMES.intersection(new.name):
        raise BadValue(
            f"Invalid model name ({new.name[:200]}) provided. Model name must be a non-empty string and cannot contain "
            "the following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )
    name = checks.run_name(new.name) or name_from(model_id(new.model)[2:])
    tags, params = _tags(new.tags), _params(new.params)

    def work(transaction: Transaction) -> Described:
        experiment = found.active_or_default(house, transaction, namespace, new.experiment)
        now = house.clock()
        model = transaction.add_logged_model(
            LoggedModel(
                0,
                new.model,
                experiment.id,
                experiment.number,
                name,
                new.kind,
                ModelStatus.PENDING,
                new.run,
                f"{experiment.location.rstrip('/')}/models/{new.model}/artifacts",
                house.author,
                now,
                now,
            )
        )
        transaction.put_logged_tags(model.id, tags)
        transaction.put_logged_params(model.id, params)
        _record(house, transaction, namespace, model, "logged-model.created")
        return _described(transaction, model)

    return work


def get_model(house: House, namespace: str, id_: str, *, deleted_too: bool = False) -> Described:
    """Raises BadValue, RecordNotFound."""
    with house.catalog.read() as view:
        return _described(view, _there(view, namespace, id_, deleted_too=deleted_too))


def finalize_model(house: House, namespace: str, id_: str, status: ModelStatus) -> Work:
    """The work raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> Described:
        return _changed(house, transaction, replace(_there(transaction, namespace, id_), status=status))

    return work


def delete_model(house: House, namespace: str, id_: str) -> Work:
    """Hide it; its files stay until they are removed. The work raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> Described:
        model = _there(transaction, namespace, id_)
        _record(house, transaction, namespace, model, "logged-model.deleted")
        return _changed(house, transaction, replace(model, removed_ms=house.clock()))

    return work


def tag_model(house: House, namespace: str, id_: str, tags: Mapping[str, str]) -> Work:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, too."""
    kept = _tags(tags)

    def work(transaction: Transaction) -> Described:
        model = _there(transaction, namespace, id_)
        transaction.put_logged_tags(model.id, kept)
        return _changed(house, transaction, model)

    return work


def note_version(transaction: Transaction, namespace: str, id_: str, title: str, number: int) -> None:
    """Write down in its tags which version it became, as MLflow's clients read it; nothing where it is gone."""
    model = transaction.logged_model(namespace, id_)
    if model is None:
        return
    (said,) = transaction.said_of([model])
    try:
        before = json.loads(said.tags.get(VERSIONS_TAG, "[]"))
    except ValueError:
        before = []
    now = {"name": title, "version": number}
    known = [each for each in before if each != now] if isinstance(before, list) else []
    transaction.put_logged_tags(model.id, {VERSIONS_TAG: json.dumps([*known, now][-VERSIONS_NOTED:])})


def untag_model(house: House, namespace: str, id_: str, key: str) -> Work:
    """The work raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> Described:
        model = _there(transaction, namespace, id_)
        if not transaction.remove_logged_tag(model.id, key):
            raise RecordNotFound(f"No tag with key {key[:250]!r} found for model with ID {id_!r}.", tag=key[:250])
        return _changed(house, transaction, model)

    return work


def log_params(house: House, namespace: str, id_: str, params: Mapping[str, str]) -> Work:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, too, and BadValue for one that has another value."""
    kept = _params(params)

    def work(transaction: Transaction) -> Described:
        model = _there(transaction, namespace, id_)
        (said,) = transaction.said_of([model])
        for key, value in kept.items():
            if said.params.get(key, value) != value:
                raise checks.changed_param(id_, key, said.params[key], value)
        transaction.put_logged_params(model.id, kept)
        return _described(transaction, model)

    return work


def log_metrics(transaction: Transaction, namespace: str, run: Run, metrics: Sequence[Metric]) -> None:
    """Those of a run that are about a logged model; a model that is not there is passed over, the run has them."""
    about: dict[str, list[RunMetric]] = {}
    for each in metrics:
        if each.model:
            about.setdefault(each.model, []).append(RunMetric(run.run, each))
    for id_, measured in about.items():
        model = transaction.logged_model(namespace, id_)
        if model is not None:
            transaction.put_logged_metrics(model.id, measured)


def find_models(house: House, namespace: str, search: ModelSearch, token: str, limit: int) -> FoundModels:
    """Raises BadFilter, BadValue, LimitExceeded."""
    checks.too_many("experiments", search.experiments, SEARCHED_EXPERIMENTS, "SEARCHED_EXPERIMENTS")
    comparisons = parse_filter(search.filter, LOGGED_MODELS)
    start = _start(search, token) if token else 0
    numbers = [checks.experiment_number(id_) for id_ in search.experiments]
    inside = bool(search.datasets) or looks_inside(comparisons, search.orders)
    with house.catalog.read() as view:
        ids = view.experiment_numbers(namespace, numbers)
        models = view.logged_models(sorted(ids.values()), limit=LOGGED_MODELS_SEARCHED + 1)
        if len(models) > LOGGED_MODELS_SEARCHED:
            hint = "Search fewer experiments at a time."
            message = f"More than {LOGGED_MODELS_SEARCHED} logged models are not searched at once."
            raise LimitExceeded(message, hint=hint, limit="LOGGED_MODELS_SEARCHED")
        said = view.said_of(models) if inside else ()
        whole = (
            [Described(*pair) for pair in zip(models, said, strict=True)] if inside else list(map(Described, models))
        )
        ordered = in_order((each for each in whole if matches(each, comparisons, search.datasets)), search.orders)
        page = ordered[start : start + limit]
        if not inside:
            chosen = [each.model for each in page]
            page = [Described(*pair) for pair in zip(chosen, view.said_of(chosen), strict=True)]
    more = start + limit < len(ordered)
    return FoundModels(tuple(page), _token(search, start + limit) if more else "")


def _start(search: ModelSearch, token: str) -> int:
    """Where the page of a token begins. Raises BadValue for one of another search, and says what is different."""
    start, *before = read_token(_datasets(search), token, (int, str, str, str))
    for was, now, difference in zip(before, _marks(search), _DIFFERENCES, strict=True):
        if was != now:
            raise BadValue(f"{difference} what this search asks for.")
    if int(start) < 0:
        raise BadValue("Invalid page token: it begins before the first page.")
    return int(start)


def _token(search: ModelSearch, start: int) -> str:
    return write_token(_datasets(search), (start, *_marks(search)))


def _datasets(search: ModelSearch) -> list[str]:
    return [repr(each) for each in search.datasets]


def _marks(search: ModelSearch) -> tuple[str, str, str]:
    return mark_of(search.experiments), mark_of(search.filter), mark_of([repr(each) for each in search.orders])


def _there(view: View, namespace: str, id_: str, *, deleted_too: bool = False) -> LoggedModel:
    """Raises RecordNotFound."""
    model = view.logged_model(namespace, id_)
    if model is None or (model.removed_ms and not deleted_too):
        raise RecordNotFound(f"Logged model with ID '{id_[:100]}' not found.", model=id_[:100])
    return model


def _described(view: View, model: LoggedModel) -> Described:
    (said,) = view.said_of([model])
    return Described(model, said)


def _changed(house: House, transaction: Transaction, model: LoggedModel) -> Described:
    now = replace(model, updated_ms=house.clock())
    transaction.change_logged_model(now)
    return _described(transaction, now)


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return dict(checks.run_tag(key, value) for key, value in tags.items())


def _params(params: Mapping[str, str]) -> dict[str, str]:
    return checks.distinct(checks.param(key, value) for key, value in params.items())


def _record(house: House, transaction: Transaction, namespace: str, model: LoggedModel, action: str) -> None:
    body = {"name": model.name, "experiment": model.experiment}
    transaction.add_ledger(
        house.clock(), house.author, action, f"logged-model:{namespace}/{model.model}", body, namespace
    )
