"""Label schemas: the questions people answer about traces. Every experiment has one for free words, which
nobody made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction, View
from budwood.domain.canon import Json
from budwood.domain.limits import LABEL_SCHEMAS_PER_EXPERIMENT, RUNS_PAGE
from budwood.domain.tracking import checks, judging
from budwood.domain.tracking.judging import LabelKind, LabelSchema
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT, Experiment
from budwood.domain.tracking.tokens import read_token, write_token
from budwood.errors import BadValue, NameTaken, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.tracking import found, room


@dataclass(frozen=True, slots=True)
class LabelWish:
    """What a schema is to say. None leaves it as it is; ``input`` is a form and its bounds."""

    name: str | None = None
    input: tuple[str, Mapping[str, Json]] | None = None
    instruction: str | None = None
    has_comment: bool | None = None


@dataclass(frozen=True, slots=True)
class LabelPage:
    """The newest first; ``token`` is empty at the end."""

    schemas: tuple[LabelSchema, ...]
    token: str = ""


def create_label(house: House, namespace: str, experiment: str, kind: LabelKind, wish: LabelWish) -> LabelSchema:
    """Raises BadValue, LimitExceeded, NameTaken, RecordNotFound."""
    name, form = wish.name or "", wish.input or ("", {})
    judging.check_label_name(name)
    judging.check_instruction(wish.instruction or "")
    judging.check_input(*form)

    def work(transaction: Transaction) -> LabelSchema:
        place = _experiment(house, transaction, namespace, experiment)
        _refuse_taken(transaction, place.id, name, place.number)
        room.for_a_label(transaction, place.id)
        made = transaction.add_label_schema(_new(house, place, name, kind, replace(wish, input=form)))
        _record(house, transaction, namespace, made, "created")
        return made

    return house.catalog.write(work)


def get_label(house: House, namespace: str, id_: str) -> LabelSchema:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        return _there(view, namespace, id_)


def get_label_named(house: House, namespace: str, experiment: str, name: str) -> LabelSchema:
    """Raises BadValue, RecordNotFound."""
    with house.catalog.read() as view:
        place = view.experiment(namespace, checks.experiment_number(experiment))
        if place is None and checks.experiment_number(experiment) != DEFAULT_EXPERIMENT:
            raise found.no_experiment(experiment)
        schema = view.label_schema_named(place.id, name) if place is not None else None
    if schema is None:
        message = f"Label schema with name '{name[:250]}' not found for experiment '{experiment}'."
        raise RecordNotFound(message, label=name[:250])
    return schema


def list_labels(house: House, namespace: str, experiment: str, token: str, limit: int) -> LabelPage:
    """The default one among them, which is made when it is first looked for. Raises BadValue, RecordNotFound."""
    checks.check_page("max_results", limit, RUNS_PAGE)
    mark = ["label schemas", experiment]
    before = int(read_token(mark, token, (int,))[0]) if token else 0
    limit = min(limit, LABEL_SCHEMAS_PER_EXPERIMENT)
    if not _has_default(house, namespace, experiment):
        house.catalog.write(lambda transaction: _with_default(house, transaction, namespace, experiment))
    with house.catalog.read() as view:
        place = found.experiment(view, namespace, experiment)
        schemas = view.label_schemas(place.id, before=before, limit=limit + 1)
    page = tuple(schemas[:limit])
    return LabelPage(page, write_token(mark, (page[-1].id,)) if len(schemas) > limit else "")


def change_label(house: House, namespace: str, id_: str, wish: LabelWish) -> LabelSchema:
    """Raises BadValue, LimitExceeded, NameTaken, RecordNotFound."""

    def work(transaction: Transaction) -> LabelSchema:
        before = _there(transaction, namespace, id_)
        if before.is_default:
            raise BadValue("The experiment's default question cannot be edited.")
        after = _changed(before, wish)
        if after.name != before.name:
            _refuse_taken(transaction, before.experiment_id, after.name, before.experiment)
        after = replace(after, updated_ms=house.clock())
        transaction.change_label_schema(after)
        _record(house, transaction, namespace, after, "changed")
        return after

    return house.catalog.write(work)


def delete_label(house: House, namespace: str, id_: str) -> None:
    """One that is not there is as good as deleted; what was answered to it stays. Raises BadValue."""

    def work(transaction: Transaction) -> None:
        schema = transaction.label_schema(namespace, id_)
        if schema is None:
            return
        if schema.is_default:
            raise BadValue("The experiment's default question cannot be deleted.")
        transaction.remove_label_schema(schema.id)
        _record(house, transaction, namespace, schema, "deleted")

    house.catalog.write(work)


def input_of(schema: LabelSchema) -> tuple[str, Mapping[str, Json]]:
    """The form of its answers, and its bounds."""
    form, bounds = json.loads(schema.input)
    return form, bounds


def _changed(before: LabelSchema, wish: LabelWish) -> LabelSchema:
    """Raises BadValue, LimitExceeded."""
    if wish.name is not None:
        judging.check_label_name(wish.name)
        before = replace(before, name=wish.name)
    if wish.instruction is not None:
        judging.check_instruction(wish.instruction)
        before = replace(before, instruction=wish.instruction)
    if wish.has_comment is not None:
        before = replace(before, has_comment=wish.has_comment)
    if wish.input is not None:
        judging.check_input(*wish.input)
        judging.check_same_input(input_of(before), wish.input)
        before = replace(before, input=_written(wish.input))
    return before


def _new(
    house: House, place: Experiment, name: str, kind: LabelKind, wish: LabelWish, *, default: bool = False
) -> LabelSchema:
    assert wish.input is not None
    now = house.clock()
    return LabelSchema(
        *(0, f"ls-{house.ids().replace('-', '')}", place.id, place.number, name, kind, _written(wish.input)),
        *(wish.instruction or "", bool(wish.has_comment), default, house.author, now, now),
    )


def _has_default(house: House, namespace: str, experiment: str) -> bool:
    with house.catalog.read() as view:
        place = view.experiment(namespace, checks.experiment_number(experiment))
        return place is not None and view.label_schema_named(place.id, judging.DEFAULT_LABEL) is not None


def _with_default(house: House, transaction: Transaction, namespace: str, experiment: str) -> None:
    place = _experiment(house, transaction, namespace, experiment)
    if transaction.label_schema_named(place.id, judging.DEFAULT_LABEL) is None:
        wish = LabelWish(input=("text", {}), instruction=judging.DEFAULT_INSTRUCTION)
        schema = _new(house, place, judging.DEFAULT_LABEL, LabelKind.FEEDBACK, wish, default=True)
        _record(house, transaction, namespace, transaction.add_label_schema(schema), "created")


def _experiment(house: House, transaction: Transaction, namespace: str, id_: str) -> Experiment:
    """Raises BadValue, RecordNotFound."""
    if checks.experiment_number(id_) == DEFAULT_EXPERIMENT:
        found.make_default(house, transaction, namespace)
    return found.experiment(transaction, namespace, id_)


def _there(view: View, namespace: str, id_: str) -> LabelSchema:
    """Raises RecordNotFound."""
    schema = view.label_schema(namespace, id_)
    if schema is None:
        raise RecordNotFound(f"Label schema with id '{id_[:100]}' not found.", label=id_[:100])
    return schema


def _refuse_taken(view: View, experiment_id: int, name: str, number: int) -> None:
    """Raises NameTaken."""
    if view.label_schema_named(experiment_id, name) is not None:
        raise NameTaken(f"Label schema with name '{name}' already exists for experiment '{number}'.")


def _written(form: tuple[str, Mapping[str, Json]]) -> str:
    return json.dumps(form)


def _record(house: House, transaction: Transaction, namespace: str, schema: LabelSchema, action: str) -> None:
    subject, body = f"label-schema:{namespace}/{schema.schema}", {"name": schema.name}
    transaction.add_ledger(house.clock(), house.author, f"label-schema.{action}", subject, body, namespace)
