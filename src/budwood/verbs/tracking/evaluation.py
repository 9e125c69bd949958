"""Evaluation datasets: made, found, filled, tied to experiments, removed. What changes one is in the ledger, with the
digest that its records have then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction, View
from budwood.catalog.evaluation_api import EvaluationPage, EvaluationSearch
from budwood.domain.limits import (
    EVALUATION_RECORDS_AT_ONCE,
    EVALUATION_RECORDS_PAGE,
    RUNS_PAGE,
    SEARCHED_EXPERIMENTS,
)
from budwood.domain.tracking import checks
from budwood.domain.tracking import evaluation as rules
from budwood.domain.tracking.evaluation import EVALUATION_DATASETS as GRAMMAR
from budwood.domain.tracking.evaluation import EvaluationDataset, EvaluationRecord, SaidRecord
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT
from budwood.domain.tracking.tokens import read_token, write_token
from budwood.errors import NamespaceNotFound, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.tracking import found, room


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Records in the order they came; ``token`` is empty at the end."""

    records: tuple[EvaluationRecord, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Upserted:
    """How many records were new, and how many were there already."""

    inserted: int
    updated: int


def create_dataset(
    house: House, namespace: str, name: str, tags: Mapping[str, str], experiments: Sequence[str]
) -> EvaluationDataset:
    """Raises BadValue, LimitExceeded, RecordNotFound, NamespaceNotFound."""
    rules.check_name(name)
    rules.check_tags(tags)
    user = tags.get(rules.USER_TAG, "")
    rules.check_user(user)

    def work(transaction: Transaction) -> EvaluationDataset:
        if transaction.namespace(namespace) is None:
            raise NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
        room.for_a_dataset(transaction, namespace)
        now = house.clock()
        id_ = f"d-{_fresh(house)}"
        digest = rules.digest_of(name, now)
        made = transaction.add_evaluation_dataset(
            EvaluationDataset(0, namespace, id_, name, digest, now, now, user, user, tags=tags)
        )
        transaction.add_evaluation_uses(made.id, _experiment_ids(house, transaction, namespace, experiments))
        _record(house, transaction, made, "created", {"name": name})
        return made

    return house.catalog.write(work)


def get_dataset(house: House, namespace: str, id_: str) -> EvaluationDataset:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        return _there(view, namespace, id_)


def delete_dataset(house: House, namespace: str, id_: str) -> None:
    """With its records, for good. One that is not there is as good as deleted."""

    def work(transaction: Transaction) -> None:
        dataset = transaction.evaluation_dataset(namespace, id_)
        if dataset is not None:
            transaction.remove_evaluation_dataset(dataset.id)
            _record(house, transaction, dataset, "deleted", {"name": dataset.name, "records": dataset.records})

    house.catalog.write(work)


def find_datasets(
    house: House, namespace: str, text: str, orders: Sequence[str], experiments: Sequence[str], token: str, limit: int
) -> EvaluationPage:
    """``experiments`` empty: wherever they are used. Raises BadFilter, BadValue, LimitExceeded."""
    checks.check_page("max_results", limit, RUNS_PAGE)
    checks.too_many("experiments", experiments, SEARCHED_EXPERIMENTS, "SEARCHED_EXPERIMENTS")
    comparisons, ordered = parse_filter(text, GRAMMAR), parse_orders(orders, GRAMMAR)
    numbers = [checks.experiment_number(each) for each in experiments]
    with house.catalog.read() as view:
        ids = tuple(sorted(view.experiment_numbers(namespace, numbers).values())) if experiments else None
        search = EvaluationSearch(comparisons, ordered, ids)
        return view.find_evaluation_datasets(namespace, search, token=token, limit=limit)


def tag_dataset(house: House, namespace: str, id_: str, tags: Mapping[str, str]) -> EvaluationDataset:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    rules.check_tags(tags)

    def work(transaction: Transaction) -> EvaluationDataset:
        dataset = _there(transaction, namespace, id_)
        all_tags = {**dataset.tags, **tags}
        rules.check_tags(all_tags)
        transaction.put_evaluation_tags(dataset.id, tags)
        _record(house, transaction, dataset, "tagged", {"keys": sorted(tags)})
        return replace(dataset, tags=all_tags)

    return house.catalog.write(work)


def untag_dataset(house: House, namespace: str, id_: str, key: str) -> None:
    """A tag, or a dataset, that is not there is as good as removed."""

    def work(transaction: Transaction) -> None:
        dataset = transaction.evaluation_dataset(namespace, id_)
        if dataset is not None and transaction.remove_evaluation_tag(dataset.id, key):
            _record(house, transaction, dataset, "untagged", {"key": key})

    house.catalog.write(work)


def upsert_records(house: House, namespace: str, id_: str, text: str) -> Upserted:
    """``text`` is a JSON list of records; all of it is kept, or nothing. Raises BadValue, LimitExceeded,
    RecordNotFound."""
    said = rules.read_records(text)

    def work(transaction: Transaction) -> Upserted:
        dataset = _there(transaction, namespace, id_)
        now = house.clock()
        batch = _Batch(house, transaction.evaluation_marked(dataset.id, [each.mark for each in said]), now)
        for each in said:
            batch.take(each)
        room.for_records(dataset.records + len(batch.new))
        transaction.add_evaluation_records(dataset.id, list(batch.new.values()))
        transaction.change_evaluation_records(list(batch.changed.values()))
        after = replace(
            dataset,
            updated_ms=now,
            updated_by=next((each.user for each in reversed(said) if each.user), ""),
            digest=rules.digest_of(dataset.name, now),
            schema=rules.described(dataset.schema, said),
            records=dataset.records + len(batch.new),
        )
        transaction.change_evaluation_dataset(after)
        done = Upserted(len(batch.new), len(said) - len(batch.new))
        body = {"inserted": done.inserted, "updated": done.updated, "digest": after.digest}
        _record(house, transaction, after, "filled", body)
        return done

    return house.catalog.write(work)


def list_records(house: House, namespace: str, id_: str, token: str, limit: int) -> RecordPage:
    """Raises BadValue, RecordNotFound."""
    checks.check_page("max_results", limit, RUNS_PAGE)
    mark = ["evaluation records", id_]
    after = int(read_token(mark, token, (int,))[0]) if token else 0
    with house.catalog.read() as view:
        dataset = _there(view, namespace, id_)
        page = view.evaluation_records(dataset.id, after=after, limit=min(limit, EVALUATION_RECORDS_PAGE))
        more = bool(page) and bool(view.evaluation_records(dataset.id, after=page[-1].id, limit=1))
    return RecordPage(tuple(page), write_token(mark, (page[-1].id,)) if more else "")


def delete_records(house: House, namespace: str, id_: str, records: Sequence[str]) -> int:
    """How many there were. Raises LimitExceeded, RecordNotFound."""
    checks.too_many("records", records, EVALUATION_RECORDS_AT_ONCE, "EVALUATION_RECORDS_AT_ONCE")

    def work(transaction: Transaction) -> int:
        dataset = _there(transaction, namespace, id_)
        count = transaction.remove_evaluation_records(dataset.id, records)
        if count:
            after = replace(dataset, records=max(0, dataset.records - count))
            transaction.change_evaluation_dataset(after)
            _record(house, transaction, after, "emptied", {"removed": count})
        return count

    return house.catalog.write(work)


def list_uses(house: House, namespace: str, id_: str) -> Sequence[int]:
    """The numbers of the experiments it is used in; none for a dataset that is not there."""
    with house.catalog.read() as view:
        dataset = view.evaluation_dataset(namespace, id_)
        return view.evaluation_uses(dataset.id) if dataset is not None else ()


def use_dataset(house: House, namespace: str, id_: str, experiments: Sequence[str]) -> EvaluationDataset:
    """Tie it to experiments. Raises BadValue, LimitExceeded, RecordNotFound."""

    def work(transaction: Transaction) -> EvaluationDataset:
        dataset = _there(transaction, namespace, id_, "Dataset '{}' not found")
        transaction.add_evaluation_uses(dataset.id, _experiment_ids(house, transaction, namespace, experiments))
        return _touched(house, transaction, dataset, "used", experiments)

    return house.catalog.write(work)


def disuse_dataset(house: House, namespace: str, id_: str, experiments: Sequence[str]) -> EvaluationDataset:
    """Untie it; an experiment it was not tied to is passed over. Raises BadValue, LimitExceeded, RecordNotFound."""
    checks.too_many("experiments", experiments, SEARCHED_EXPERIMENTS, "SEARCHED_EXPERIMENTS")
    numbers = [checks.experiment_number(each) for each in experiments]

    def work(transaction: Transaction) -> EvaluationDataset:
        dataset = _there(transaction, namespace, id_, "Dataset '{}' not found")
        ids = list(transaction.experiment_numbers(namespace, numbers).values())
        if not transaction.remove_evaluation_uses(dataset.id, ids):
            return dataset
        return _touched(house, transaction, dataset, "disused", experiments)

    return house.catalog.write(work)


class _Batch:
    """Records as they come, merged into those that are there and into each other."""

    def __init__(self, house: House, there: Mapping[str, EvaluationRecord], now: int) -> None:
        self._house, self._there, self._now = house, there, now
        self.new: dict[str, EvaluationRecord] = {}
        self.changed: dict[str, EvaluationRecord] = {}

    def take(self, said: SaidRecord) -> None:
        """Raises LimitExceeded."""
        mark = said.mark
        if mark in self.new:
            self.new[mark] = self._merged(self.new[mark], said)
        elif mark in self._there:
            self.changed[mark] = self._merged(self.changed.get(mark, self._there[mark]), said)
        else:
            content, id_ = rules.new_content(said), f"dr-{_fresh(self._house)}"
            self.new[mark] = EvaluationRecord(0, id_, mark, content, self._now, self._now, said.user, said.user)

    def _merged(self, before: EvaluationRecord, said: SaidRecord) -> EvaluationRecord:
        content = rules.merged_content(before.content, said)
        return replace(before, content=content, updated_ms=self._now, updated_by=said.user or before.updated_by)


def _there(
    view: View, namespace: str, id_: str, words: str = "Evaluation dataset with id '{}' not found"
) -> EvaluationDataset:
    """Raises RecordNotFound."""
    dataset = view.evaluation_dataset(namespace, id_)
    if dataset is None:
        raise RecordNotFound(words.format(id_[:100]), dataset=id_[:100])
    return dataset


def _experiment_ids(house: House, transaction: Transaction, namespace: str, experiments: Sequence[str]) -> list[int]:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    checks.too_many("experiments", experiments, SEARCHED_EXPERIMENTS, "SEARCHED_EXPERIMENTS")
    numbers = [checks.experiment_number(each) for each in experiments]
    if DEFAULT_EXPERIMENT in numbers:
        found.make_default(house, transaction, namespace)
    known = transaction.experiment_numbers(namespace, numbers)
    for text, number in zip(experiments, numbers, strict=True):
        if number not in known:
            raise found.no_experiment(text)
    return list(known.values())


def _touched(
    house: House, transaction: Transaction, dataset: EvaluationDataset, action: str, experiments: Sequence[str]
) -> EvaluationDataset:
    after = replace(dataset, updated_ms=house.clock())
    transaction.change_evaluation_dataset(after)
    _record(house, transaction, after, action, {"experiments": sorted(experiments)})
    return after


def _record(
    house: House, transaction: Transaction, dataset: EvaluationDataset, action: str, body: Mapping[str, object]
) -> None:
    subject = f"evaluation-dataset:{dataset.namespace}/{dataset.dataset}"
    named = f"evaluation-dataset.{action}"
    transaction.add_ledger(house.clock(), house.author, named, subject, body, dataset.namespace)


def _fresh(house: House) -> str:
    return house.ids().replace("-", "")
