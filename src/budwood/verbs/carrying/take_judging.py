"""Evaluation data sets, scorers, label schemas and issues as they are elsewhere: with their ids, times and numbers.

Everything may be sent again, as with runs: what is here becomes what was sent. A scorer is checked as every other: none
comes with a program or an address in it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain import asks_carrying as asks
from budwood.domain.carrying.records import CAME_FROM, unmarked
from budwood.domain.carrying.traced import (
    CarriedBody,
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedScorer,
    Judged,
)
from budwood.domain.limits import (
    EVALUATION_RECORD_BYTES,
    EVALUATION_RECORDS_AT_ONCE,
    SCORER_VERSIONS,
    TRACKING_KEY_CHARS,
)
from budwood.domain.tracking import checks, judging
from budwood.domain.tracking import evaluation as rules
from budwood.domain.tracking.evaluation import EvaluationDataset, EvaluationRecord
from budwood.domain.tracking.judging import Issue, LabelKind, LabelSchema, Scorer, ScorerVersion
from budwood.domain.tracking.records import Experiment
from budwood.errors import BadValue, LimitExceeded, NameTaken, RecordNotFound
from budwood.verbs.carrying.take_runs import check_source, experiment_of, record_import
from budwood.verbs.house import House
from budwood.verbs.tracking import found, room

_LAST_NUMBER: Final = (1 << 31) - 1
_ID_CHARS: Final = (TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")
_ELSEWHERE: Final = "Bring a server into one namespace of a registry."


def take_dataset(house: House, namespace: str, source: str, sent: CarriedDataset) -> int:
    """Without its records. Raises BadValue, LimitExceeded, RecordNotFound, NameTaken for an id that is elsewhere."""
    check_source(source)
    wanted = _dataset(namespace, source, sent)
    numbers = [checks.experiment_number(each) for each in sent.experiments]

    def work(transaction: Transaction) -> int:
        known = transaction.experiment_numbers(namespace, numbers)
        if missing := [each for each in numbers if each not in known]:
            raise found.no_experiment(str(missing[0]))
        there = transaction.evaluation_dataset(namespace, sent.dataset)
        if there is None:
            _refuse_known(transaction, sent.dataset)
            room.for_a_dataset(transaction, namespace)
            there = transaction.add_evaluation_dataset(wanted)
        else:
            transaction.put_evaluation_tags(there.id, wanted.tags)
            transaction.change_evaluation_dataset(replace(wanted, id=there.id, records=there.records))
        transaction.add_evaluation_uses(there.id, list(known.values()))
        subject = f"evaluation-dataset:{namespace}/{sent.dataset}"
        body = {"name": sent.name, "source": source, "digest": sent.digest}
        transaction.add_ledger(house.clock(), house.author, "evaluation-dataset.imported", subject, body, namespace)
        return 1

    return house.catalog.write(work)


def take_records(house: House, namespace: str, id_: str, sent: Sequence[CarriedRecord]) -> int:
    """How many the data set has then. Raises BadValue, LimitExceeded, RecordNotFound."""
    checks.too_many("records", sent, EVALUATION_RECORDS_AT_ONCE, "EVALUATION_RECORDS_AT_ONCE")
    wanted = {each.mark: each for each in map(_record, sent)}

    def work(transaction: Transaction) -> int:
        dataset = transaction.evaluation_dataset(namespace, id_)
        if dataset is None:
            raise RecordNotFound(f"Evaluation dataset with id '{id_[:100]}' not found", dataset=id_[:100])
        there = transaction.evaluation_marked(dataset.id, list(wanted))
        new = [each for mark, each in wanted.items() if mark not in there]
        count = dataset.records + len(new)
        room.for_records(count)
        transaction.change_evaluation_records([replace(wanted[mark], id=each.id) for mark, each in there.items()])
        transaction.add_evaluation_records(dataset.id, new)
        transaction.change_evaluation_dataset(replace(dataset, records=count))
        return count

    return house.catalog.write(work)


def take_judging(house: House, namespace: str, sent: asks.TakeJudging) -> int:
    """All or none. Raises BadValue, LimitExceeded, RecordNotFound, NameTaken for an issue that is elsewhere."""
    check_source(sent.source)
    several: tuple[Judged, ...] = (*sent.scorers, *sent.labels, *sent.issues)
    number = experiment_of([each.experiment for each in several])

    def work(transaction: Transaction) -> int:
        experiment = found.experiment(transaction, namespace, number)
        for scorer in sent.scorers:
            _put_scorer(house, transaction, experiment, scorer)
        for label in sent.labels:
            _put_label(house, transaction, experiment, label)
        for issue in sent.issues:
            _put_issue(transaction, namespace, experiment, issue)
        ids = [
            *(each.scorer for each in sent.scorers),
            *(each.schema for each in sent.labels),
            *(each.issue for each in sent.issues),
        ]
        record_import(house, transaction, namespace, experiment, "judging.imported", sent.source, ids)
        return len(several)

    return house.catalog.write(work)


def _dataset(namespace: str, source: str, sent: CarriedDataset) -> EvaluationDataset:
    """Raises BadValue, LimitExceeded."""
    rules.check_name(sent.name)
    tags = {**unmarked(sent.tags), CAME_FROM: source}
    rules.check_tags(tags)
    for user in (sent.created_by, sent.updated_by):
        rules.check_user(user)
    _check_id(sent.dataset)
    rules.check_text("digest", sent.digest, *_ID_CHARS)
    schema = rules.write_json(rules.read_json("schema", sent.schema)) if sent.schema else ""
    if len(schema) > EVALUATION_RECORD_BYTES:
        raise LimitExceeded("The schema of a dataset is too long.", limit="EVALUATION_RECORD_BYTES")
    return EvaluationDataset(
        *(0, namespace, sent.dataset, sent.name, sent.digest, sent.created_ms, sent.updated_ms),
        *(sent.created_by, sent.updated_by, schema, 0, tags),
    )


def _record(sent: CarriedRecord) -> EvaluationRecord:
    """Raises BadValue, LimitExceeded."""
    several = rules.read_records(f"[{sent.content}]")
    if len(several) != 1:
        raise BadValue("A record comes as one.")
    # What is not said of its outputs is none: a record that is new would be given some.
    said = replace(several[0], said={"outputs": None, **several[0].said})
    for user in (sent.created_by, sent.updated_by):
        rules.check_user(user)
    _check_id(sent.record)
    times = (sent.created_ms, sent.updated_ms, sent.created_by, sent.updated_by)
    return EvaluationRecord(0, sent.record, said.mark, rules.new_content(said), *times)


def _put_scorer(house: House, transaction: Transaction, experiment: Experiment, sent: CarriedScorer) -> None:
    """Versions that are here already stay: none is ever changed."""
    judging.check_scorer_name(sent.name)
    scorer = transaction.scorer(experiment.id, sent.name)
    if scorer is None:
        room.for_a_scorer(transaction, experiment.id)
        id_ = _free_id(house, transaction, sent.scorer, "")
        scorer = transaction.add_scorer(Scorer(0, id_, experiment.id, experiment.number, sent.name))
    known = {each.number for each in transaction.scorer_versions(scorer, limit=SCORER_VERSIONS)}
    new = [each for each in sent.versions if each.number not in known]
    room.for_scorer_versions(len(known) + len(new))
    for each in sorted(new, key=lambda each: each.number):
        transaction.add_scorer_version(_version(house, scorer, each))


def _version(house: House, scorer: Scorer, sent: CarriedBody) -> ScorerVersion:
    """Raises BadValue, LimitExceeded, NameTaken for a number that was given to another."""
    judging.check_scorer(sent.body)
    if not 0 < sent.number <= _LAST_NUMBER:
        raise BadValue(f"{sent.number} is no number of a version.")
    if sent.number <= scorer.last_number:
        raise NameTaken(f"The number {sent.number} of {scorer.name} was given here already; numbers are given once.")
    return ScorerVersion(scorer, sent.number, sent.body, house.author, sent.at_ms)


def _put_label(house: House, transaction: Transaction, experiment: Experiment, sent: CarriedLabel) -> None:
    judging.check_label_name(sent.name)
    judging.check_instruction(sent.instruction)
    bounds = rules.read_json("input", sent.bounds)
    if sent.kind not in list(LabelKind) or not isinstance(bounds, Mapping):
        raise BadValue(f"{sent.name[:100]!r} is no label schema.")
    judging.check_input(sent.form, bounds)
    there = transaction.label_schema_named(experiment.id, sent.name)
    schema = LabelSchema(
        *(there.id if there else 0, sent.schema, experiment.id, experiment.number, sent.name, LabelKind(sent.kind)),
        *(json.dumps((sent.form, bounds)), sent.instruction, sent.has_comment, False, house.author),
        *(sent.created_ms, sent.updated_ms),
    )
    if there is not None:
        transaction.change_label_schema(schema)
        return
    room.for_a_label(transaction, experiment.id)
    transaction.add_label_schema(replace(schema, schema=_free_id(house, transaction, sent.schema, "ls-")))


def _put_issue(transaction: Transaction, namespace: str, experiment: Experiment, sent: CarriedIssue) -> None:
    judging.check_issue(sent.name, sent.description, *sent.root_causes, *sent.categories)
    rules.check_user(sent.created_by)
    _check_id(sent.issue)
    there = transaction.issue(namespace, sent.issue)
    issue = Issue(
        *(there.id if there else 0, sent.issue, experiment.id, experiment.number, sent.name, sent.description),
        *(judging.status_of(sent.status), judging.severity_of(sent.severity), sent.root_causes, sent.categories),
        *(sent.run, sent.created_by, sent.created_ms, sent.updated_ms),
    )
    if there is None:
        _refuse_known(transaction, sent.issue)
        room.for_an_issue(transaction, experiment.id)
        transaction.add_issue(issue)
    elif there.experiment_id != experiment.id:
        raise NameTaken(f"The issue {sent.issue} is here already, in another experiment.", issue=sent.issue)
    else:
        transaction.change_issue(issue)


def _refuse_known(transaction: Transaction, id_: str) -> None:
    """Raises NameTaken."""
    if transaction.evaluation_id_is_known(id_):
        raise NameTaken(f"{id_} is in another namespace.", hint=_ELSEWHERE, id=id_)


def _free_id(house: House, transaction: Transaction, id_: str, prefix: str) -> str:
    """The one it has there, where that is free. Nothing else names it."""
    fresh = f"{prefix}{house.ids().replace('-', '')}" if prefix else house.ids()
    return fresh if not id_ or transaction.evaluation_id_is_known(id_) else _check_id(id_)


def _check_id(id_: str) -> str:
    """Raises BadValue, LimitExceeded."""
    if not id_:
        raise BadValue("It has no id.")
    rules.check_text("id", id_, *_ID_CHARS)
    return id_
