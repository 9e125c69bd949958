"""What a run logs: metrics, parameters, tags, the datasets and models it read and wrote."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction
from budwood.domain.canon import Json
from budwood.domain.limits import (
    DATASET_DIGEST_CHARS,
    DATASET_NAME_CHARS,
    DATASET_PROFILE_BYTES,
    DATASET_SCHEMA_BYTES,
    DATASET_SOURCE_CHARS,
    INPUTS_AT_ONCE,
    RUN_TAG_CHARS,
)
from budwood.domain.tracking import checks
from budwood.domain.tracking.records import RUN_NAME_TAG, Dataset, DatasetUse, Metric, ModelUse, Run
from budwood.errors import BadValue, RecordNotFound
from budwood.verbs import logged_models
from budwood.verbs.house import House
from budwood.verbs.tracking import found


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything one request logs. ``single``: there is one thing, and mistakes name no place in a list."""

    metrics: Sequence[Metric] = ()
    params: Sequence[tuple[str, str]] = ()
    tags: Sequence[tuple[str, str]] = ()
    single: bool = False


def log_batch(house: House, namespace: str, id_: str, batch: Batch) -> Callable[[Transaction], None]:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, too. All of it is logged, or nothing."""
    checks.check_amounts(len(batch.metrics), len(batch.params), len(batch.tags))
    several = not batch.single
    metrics = checks.metrics(batch.metrics, several=several)
    params = checks.distinct(
        checks.param(*each, f"params[{at}].key" if several else "key") for at, each in enumerate(batch.params)
    )
    tags = dict(checks.run_tag(*each, f"tags[{at}].key" if several else "key") for at, each in enumerate(batch.tags))

    def work(transaction: Transaction) -> None:
        run = found.active_run(transaction, namespace, id_)
        if params:
            transaction.log_params(run, _new_params(transaction, run, params))
        if metrics:
            transaction.log_metrics(run, metrics)
            logged_models.log_metrics(transaction, namespace, run, metrics)
        if tags:
            _put_tags(transaction, run, tags)

    return work


def remove_tag(house: House, namespace: str, id_: str, key: str) -> Callable[[Transaction], None]:
    """The work raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        run = found.active_run(transaction, namespace, id_)
        if not transaction.remove_run_tag(run.id, key):
            raise RecordNotFound(f"No tag with name: {key} in run with id {id_}", tag=key)

    return work


def append_model(
    house: House, namespace: str, id_: str, tag: str, model: Mapping[str, Json]
) -> Callable[[Transaction], None]:
    """One more model in the list that a tag holds. The work raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        run = found.active_run(transaction, namespace, id_)
        (logged,) = transaction.logged_by([run])
        listed = [*_listed(dict(logged.tags).get(tag, "[]")), model]
        while len(listed) > 1 and len(json.dumps(listed)) > RUN_TAG_CHARS:
            listed.pop(0)  # A list that is cut in the middle would be none.
        transaction.put_run_tags(run, dict([checks.run_tag(tag, json.dumps(listed))]))

    return work


def log_inputs(
    house: House, namespace: str, id_: str, datasets: Sequence[DatasetUse], models: Sequence[ModelUse]
) -> Callable[[Transaction], None]:
    """Inputs, or outputs, of a run. Raises BadValue, LimitExceeded; the work RecordNotFound, too."""
    checks.too_many("datasets", datasets, INPUTS_AT_ONCE, "INPUTS_AT_ONCE")
    checks.too_many("models", models, INPUTS_AT_ONCE, "INPUTS_AT_ONCE")
    kept = [DatasetUse(checked_dataset(use.dataset), dict(checks.input_tag(*tag) for tag in use.tags.items()))
            for use in datasets]  # fmt: skip

    def work(transaction: Transaction) -> None:
        run = found.active_run(transaction, namespace, id_)
        transaction.add_inputs(run, kept)
        transaction.add_models(run, models)

    return work


def _new_params(transaction: Transaction, run: Run, params: Mapping[str, str]) -> Mapping[str, str]:
    """Those that are not there. Raises BadValue for one that has another value."""
    there = transaction.run_params(run.id, list(params))
    for key, before in there.items():
        if params[key] != before:
            raise checks.changed_param(run.run, key, before, params[key])
    return {key: value for key, value in params.items() if key not in there}


def _listed(text: str) -> list[Json]:
    try:
        listed = json.loads(text)
    except ValueError:
        return []
    return listed if isinstance(listed, list) else []


def _put_tags(transaction: Transaction, run: Run, tags: Mapping[str, str]) -> None:
    transaction.put_run_tags(run, tags)
    if tags.get(RUN_NAME_TAG):
        transaction.change_run(replace(run, name=tags[RUN_NAME_TAG]))


def checked_dataset(dataset: Dataset) -> Dataset:
    """Raises BadValue."""
    bounds = (
        ("name", dataset.name, DATASET_NAME_CHARS),
        ("digest", dataset.digest, DATASET_DIGEST_CHARS),
        ("source", dataset.source, DATASET_SOURCE_CHARS),
        ("schema", dataset.schema, DATASET_SCHEMA_BYTES),
        ("profile", dataset.profile, DATASET_PROFILE_BYTES),
    )
    for name, value, most in bounds:
        if len(value) > most:
            raise BadValue(f"'{name}' exceeds the maximum length of {most} characters.")
    return dataset
