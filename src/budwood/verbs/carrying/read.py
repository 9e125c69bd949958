"""What a namespace holds of tracking and of listed models, in the words of a carrying; page by page."""

from collections.abc import Sequence
from typing import Final

from budwood.catalog.api import View
from budwood.catalog.listing_api import ListingSearch
from budwood.catalog.tracking_api import TrackingSearch
from budwood.domain import asks_carrying as asks
from budwood.domain.artifacts import Described, artifact_path
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedFile,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Measured,
    Point,
    Series,
)
from budwood.domain.limits import CARRIED_AT_ONCE, POINTS_AT_ONCE
from budwood.domain.listing_checks import STAGE_WORDS
from budwood.domain.tracking import checks
from budwood.domain.tracking.fields import EXPERIMENTS
from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Operator, Place, parse_orders
from budwood.domain.tracking.records import Experiment, Showing
from budwood.errors import LimitExceeded
from budwood.verbs import logged_models
from budwood.verbs.artifacts import VERSIONS
from budwood.verbs.house import House
from budwood.verbs.listings import found as listed
from budwood.verbs.listings import models
from budwood.verbs.listings.origin import kept_at
from budwood.verbs.manifests import load_manifest
from budwood.verbs.resolve import resolve
from budwood.verbs.tracking.history import metric_history
from budwood.verbs.tracking.runs import FoundRun, find_runs, get_run

LISTED_AT_ONCE: Final = 1_000
FILES_AT_ONCE: Final = 1_000


def read_experiments(house: House, namespace: str, token: str) -> asks.ExperimentsRead:
    """By age. Whoever only looks makes no default one. Raises BadValue."""
    search = TrackingSearch(orders=parse_orders(["creation_time ASC"], EXPERIMENTS), showing=Showing.ALL)
    with house.catalog.read() as view:
        page = view.find_experiments(namespace, search, token=token, limit=LISTED_AT_ONCE)
    return asks.ExperimentsRead(tuple(_experiment(each) for each in page.experiments), page.token)


def read_runs(house: House, namespace: str, asked: asks.ReadRuns) -> asks.RunsRead:
    """Those named that are there, or a page of an experiment's. Raises BadValue, LimitExceeded."""
    if asked.runs:
        checks.too_many("runs", asked.runs, CARRIED_AT_ONCE, "CARRIED_AT_ONCE")
        with house.catalog.read() as view:
            known = [each for each in asked.runs if view.run(namespace, each) is not None]
        return asks.RunsRead(tuple(_run(get_run(house, namespace, each)) for each in known))
    page = find_runs(house, namespace, [asked.experiment], "", [], Showing.ALL, asked.token, CARRIED_AT_ONCE)
    return asks.RunsRead(tuple(_run(each) for each in page.runs), page.token)


def read_points(house: House, namespace: str, asked: asks.ReadPoints) -> asks.PointsRead:
    """By time. Raises BadValue, RecordNotFound."""
    page = metric_history(house, namespace, asked.run, asked.key, limit=POINTS_AT_ONCE, token=asked.token)
    points = [Point.of(each.at_ms, each.step, each.value) for each in page.points]
    return asks.PointsRead(Series.of(asked.key, points), page.token)


def read_logged(house: House, namespace: str, asked: asks.ReadLogged) -> asks.LoggedRead:
    """Those named that are there, or a page of an experiment's. Raises BadValue, LimitExceeded."""
    if asked.models:
        checks.too_many("models", asked.models, CARRIED_AT_ONCE, "CARRIED_AT_ONCE")
        with house.catalog.read() as view:
            there = [model for each in asked.models if (model := view.logged_model(namespace, each)) is not None]
            whole = [Described(*pair) for pair in zip(there, view.said_of(there), strict=True)]
        return asks.LoggedRead(tuple(_logged(each) for each in whole))
    search = logged_models.ModelSearch((asked.experiment,))
    page = logged_models.find_models(house, namespace, search, asked.token, CARRIED_AT_ONCE)
    return asks.LoggedRead(tuple(_logged(each) for each in page.models), page.token)


def read_models(house: House, namespace: str, token: str) -> asks.ModelsRead:
    """By title. Raises BadValue."""
    page = models.find(house, namespace, "", ("name ASC",), token, LISTED_AT_ONCE)
    return asks.ModelsRead(tuple(_model(each) for each in page.models), page.token)


def read_versions(house: House, namespace: str, asked: asks.ReadVersions) -> asks.VersionsRead:
    """Raises BadValue."""
    wanted = Comparison(Place(ATTRIBUTE, "name"), Operator.EQ, asked.title)
    with house.catalog.read() as view:
        if view.model_titled(namespace, asked.title) is None:
            return asks.VersionsRead(())
        page = view.find_versions(namespace, ListingSearch((wanted,)), token=asked.token, limit=LISTED_AT_ONCE)
        whole = listed.whole_versions(view, page.versions)
    return asks.VersionsRead(tuple(_version(each) for each in whole), page.token)


def read_files(house: House, namespace: str, asked: asks.ReadFiles) -> asks.FilesRead:
    """By path, files of runs and logged models, or below ``versions/NAME/NUMBER`` those of a version.

    Raises BadValue, NotFound, BytesGone.
    """
    folder = artifact_path(asked.path)
    if folder.startswith(VERSIONS):
        return asks.FilesRead(_of_version(house, namespace, folder))
    with house.catalog.read() as view:
        files = _below(view, namespace, folder, asked.after)
    more = files[-1].path if len(files) == FILES_AT_ONCE else ""
    return asks.FilesRead(tuple(files), f"{folder}/{more}" if more else "")


def _below(view: View, namespace: str, folder: str, after: str) -> Sequence[CarriedFile]:
    start = len(folder) + 1
    page = view.stored_files(namespace, folder, after=after, limit=FILES_AT_ONCE)
    return [CarriedFile(each.path[start:], each.entry.size, each.entry.sha256) for each in page]


def _of_version(house: House, namespace: str, folder: str) -> tuple[CarriedFile, ...]:
    name, _, number = folder.removeprefix(VERSIONS).partition("/")
    if not number.isdecimal():
        raise LimitExceeded("Files are listed of one version at a time.", limit="FILES_PER_VERSION")
    with house.catalog.read() as view:
        version = resolve(view, f"{namespace}/{name}@v{number}")
    files = load_manifest(house, version).files
    return tuple(CarriedFile(each.path, each.size, each.sha256) for each in files)


def _experiment(each: Experiment) -> CarriedExperiment:
    return CarriedExperiment(
        str(each.number),
        each.name,
        each.location,
        each.created_ms,
        each.updated_ms,
        bool(each.removed_ms),
        dict(each.tags),
    )


def _run(whole: FoundRun) -> CarriedRun:
    run, logged = whole.run, whole.logged
    return CarriedRun(
        run.run,
        str(run.experiment),
        run.name,
        run.user,
        str(run.status),
        run.start_ms,
        run.end_ms,
        run.location,
        bool(run.removed_ms),
        dict(logged.params),
        dict(logged.tags),
        logged.datasets,
        logged.models,
        tuple(sorted(each.key for each in logged.metrics)),
    )


def _logged(whole: Described) -> CarriedLogged:
    model, said = whole.model, whole.said
    measured = [
        Measured(
            each.run,
            each.metric.key,
            Point.of(each.metric.at_ms, each.metric.step, each.metric.value),
            each.metric.dataset,
        )
        for each in said.metrics
    ]
    return CarriedLogged(
        model.model,
        str(model.experiment),
        model.name,
        model.kind,
        str(model.status),
        model.run,
        model.location,
        model.created_ms,
        model.updated_ms,
        bool(model.removed_ms),
        dict(said.tags),
        dict(said.params),
        tuple(measured),
    )


def _model(whole: listed.WholeModel) -> CarriedModel:
    model = whole.model
    aliases = {each.pointer: each.number for each in whole.aliases}
    return CarriedModel(model.title, model.description, model.created_ms, model.updated_ms, dict(whole.tags), aliases)


def _version(whole: listed.WholeVersion) -> CarriedVersion:
    version = whole.version
    origin = version.origin
    return CarriedVersion(
        version.title,
        version.number,
        origin.source,
        kept_at(version) or origin.location or origin.source,
        origin.run,
        origin.logged,
        origin.run_link,
        version.author,
        version.description,
        version.created_ms,
        version.updated_ms,
        STAGE_WORDS[version.stage],
        dict(whole.tags),
    )
