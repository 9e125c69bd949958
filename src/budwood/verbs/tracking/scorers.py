"""Scorers: registered by experiment and name, each time with a new version, and found again. None is ever run here."""

from collections.abc import Mapping, Sequence

from budwood.catalog.api import Transaction, View
from budwood.domain.limits import SCORER_VERSIONS, SCORERS_PER_EXPERIMENT, SEARCHED_EXPERIMENTS
from budwood.domain.tracking import checks, judging
from budwood.domain.tracking.judging import Sampling, Scorer, ScorerVersion
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT, Experiment, Showing
from budwood.errors import LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.tracking import experiments as all_experiments
from budwood.verbs.tracking import found, room


def register_scorer(house: House, namespace: str, experiment: str, name: str, body: str) -> ScorerVersion:
    """One more version of it. Raises BadValue, LimitExceeded, RecordNotFound."""
    judging.check_scorer_name(name)
    judging.check_scorer(body)

    def work(transaction: Transaction) -> ScorerVersion:
        place = found.active_or_default(house, transaction, namespace, experiment)
        scorer = transaction.scorer(place.id, name) or _new(house, transaction, place, name)
        room.for_scorer_versions(len(transaction.scorer_versions(scorer, limit=SCORER_VERSIONS)) + 1)
        version = ScorerVersion(scorer, scorer.last_number + 1, body, house.author, house.clock())
        transaction.add_scorer_version(version)
        _record(house, transaction, namespace, scorer, "registered", {"version": version.number})
        return version

    return house.catalog.write(work)


def list_scorers(house: House, namespace: str, experiments: Sequence[str]) -> Sequence[ScorerVersion]:
    """The newest version of each. Those of deleted experiments are left out when several are named. Raises BadValue,
    LimitExceeded, RecordNotFound."""
    checks.too_many("experiments", experiments, SEARCHED_EXPERIMENTS, "SEARCHED_EXPERIMENTS")
    with house.catalog.read() as view:
        if len(experiments) == 1:
            place = _active(view, namespace, experiments[0])
            ids = [place.id] if place is not None else []
        else:
            ids = _active_ids(view, namespace, experiments)
        return _bounded(view.scorers_newest(ids, limit=SCORERS_PER_EXPERIMENT + 1))


def list_all_scorers(house: House, namespace: str) -> Sequence[ScorerVersion]:
    """The newest version of each in a namespace. Raises LimitExceeded."""
    ids: list[int] = []
    token = ""
    while True:
        page = all_experiments.find_experiments(house, namespace, "", (), Showing.ACTIVE, token, SEARCHED_EXPERIMENTS)
        ids += [each.id for each in page.experiments]
        token = page.token
        if not token:
            break
    with house.catalog.read() as view:
        return _bounded(view.scorers_newest(ids, limit=SCORERS_PER_EXPERIMENT + 1))


def list_versions(house: House, namespace: str, experiment: str, name: str) -> Sequence[ScorerVersion]:
    """The oldest first. Raises BadValue, RecordNotFound."""
    with house.catalog.read() as view:
        scorer = _there(view, namespace, experiment, name)
        versions = view.scorer_versions(scorer, limit=SCORER_VERSIONS)
    if not versions:
        raise _missing(experiment, name)
    return versions


def get_scorer(house: House, namespace: str, experiment: str, name: str, number: int | None = None) -> ScorerVersion:
    """This version, or the newest. Raises BadValue, RecordNotFound."""
    with house.catalog.read() as view:
        scorer = _there(view, namespace, experiment, name)
        if number is not None:
            version = view.scorer_version(scorer, number)
        else:
            version = next(iter(reversed(view.scorer_versions(scorer, limit=SCORER_VERSIONS))), None)
    if version is None:
        raise _missing(experiment, name, number)
    return version


def delete_scorer(house: House, namespace: str, experiment: str, name: str, number: int | None = None) -> None:
    """This version, or the scorer with all of them. Raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        scorer = _there(transaction, namespace, experiment, name)
        if number is None:
            transaction.remove_scorer(scorer.id)
        elif not transaction.remove_scorer_version(scorer.id, number):
            raise _missing(experiment, name, number)
        body: dict[str, object] = {} if number is None else {"version": number}
        _record(house, transaction, namespace, scorer, "deleted", body)

    house.catalog.write(work)


def set_sampling(house: House, namespace: str, experiment: str, name: str, rate: float, filter_: str) -> Scorer:
    """How much of what comes in it is to score. Raises BadValue, LimitExceeded, RecordNotFound."""

    def work(transaction: Transaction) -> Scorer:
        scorer = _there(transaction, namespace, experiment, name)
        judging.check_sampling(name, rate, filter_)
        transaction.set_sampling(scorer.id, Sampling(house.ids().replace("-", ""), rate, filter_))
        _record(house, transaction, namespace, scorer, "sampled", {"rate": rate})
        return _there(transaction, namespace, experiment, name)

    return house.catalog.write(work)


def sampled(house: House, namespace: str, scorers: Sequence[str]) -> Sequence[Scorer]:
    """Those of these of which it was said how much they score. Raises LimitExceeded."""
    checks.too_many("scorers", scorers, SCORERS_PER_EXPERIMENT, "SCORERS_PER_EXPERIMENT")
    with house.catalog.read() as view:
        return [each for each in view.scorers_known(namespace, scorers) if each.sampling is not None]


def _new(house: House, transaction: Transaction, place: Experiment, name: str) -> Scorer:
    """Raises LimitExceeded."""
    room.for_a_scorer(transaction, place.id)
    return transaction.add_scorer(Scorer(0, house.ids(), place.id, place.number, name))


def _active(view: View, namespace: str, id_: str) -> Experiment | None:
    """None for a default experiment that nobody needed yet. Raises BadValue, RecordNotFound."""
    if checks.experiment_number(id_) == DEFAULT_EXPERIMENT and view.experiment(namespace, DEFAULT_EXPERIMENT) is None:
        return None
    return found.active_experiment(view, namespace, id_)


def _active_ids(view: View, namespace: str, experiments: Sequence[str]) -> list[int]:
    there = [view.experiment(namespace, checks.experiment_number(each)) for each in experiments]
    return sorted({each.id for each in there if each is not None and not each.removed_ms})


def _there(view: View, namespace: str, experiment: str, name: str) -> Scorer:
    """Raises BadValue, RecordNotFound."""
    place = _active(view, namespace, experiment)
    scorer = view.scorer(place.id, name) if place is not None else None
    if scorer is None:
        raise _missing(experiment, name)
    return scorer


def _missing(experiment: str, name: str, number: int | None = None) -> RecordNotFound:
    version = "" if number is None else f" and version {number}"
    return RecordNotFound(f"Scorer with name '{name[:300]}'{version} not found for experiment {experiment}.")


def _bounded(versions: Sequence[ScorerVersion]) -> Sequence[ScorerVersion]:
    """Raises LimitExceeded."""
    if len(versions) > SCORERS_PER_EXPERIMENT:
        hint = "Ask for the scorers of one experiment."
        message = f"More than {SCORERS_PER_EXPERIMENT} scorers are not listed at once."
        raise LimitExceeded(message, hint=hint, limit="SCORERS_PER_EXPERIMENT")
    return versions


def _record(
    house: House, transaction: Transaction, namespace: str, scorer: Scorer, action: str, body: Mapping[str, object]
) -> None:
    subject = f"scorer:{namespace}/{scorer.experiment}/{scorer.name}"
    transaction.add_ledger(house.clock(), house.author, f"scorer.{action}", subject, body, namespace)
