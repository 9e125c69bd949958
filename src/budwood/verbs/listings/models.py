"""Making, renaming, describing, tagging, deleting and finding models by their titles.

A rename changes the title and never the name: what policies, endpoints, approvals and the ledger speak of stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction
from budwood.catalog.listing_api import ListingSearch
from budwood.domain import listing_checks as checks
from budwood.domain.limits import LISTED_MODELS_PAGE, TAGS_PER_VERSION
from budwood.domain.listing import PROMPT_MARK, ListedModel, name_from, numbered_name
from budwood.domain.listing_fields import MODELS
from budwood.domain.names import Kind, Stage
from budwood.domain.records import model_path
from budwood.domain.tracking.checks import check_page, too_many
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.errors import NamespaceNotFound, NameTaken
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.listings import found
from budwood.verbs.listings.removal import remove_version


@dataclass(frozen=True, slots=True)
class FoundModels:
    """A page; ``token`` is empty at the end."""

    models: tuple[found.WholeModel, ...]
    token: str = ""


def register(
    house: House, namespace: str, title: str, description: str = "", tags: Mapping[str, str] | None = None
) -> Callable[[Transaction], found.WholeModel]:
    """A model without versions. Raises BadValue, LimitExceeded; the work NameTaken and NamespaceNotFound, too."""
    wanted, said, kept = checks.title(title), checks.description(description), checks.tags(tags or {})
    too_many("tags", kept, TAGS_PER_VERSION, "TAGS_PER_VERSION")
    kind = Kind.PROMPT if kept.get(PROMPT_MARK, "").lower() == "true" else Kind.MODEL

    def work(transaction: Transaction) -> found.WholeModel:
        if transaction.namespace(namespace) is None:
            raise NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
        _refuse_taken(transaction.model_titled(namespace, wanted), kind)
        now = house.clock()
        made = transaction.add_model(namespace, _free_name(transaction, namespace, wanted), kind, house.author, now)
        transaction.list_model(made.id, wanted, said, at_ms=now)
        transaction.put_model_tags(made.id, kept)
        body = {"title": wanted, "description": found.shortened(said), "kind": str(kind), "tags": found.brief(kept)}
        transaction.add_ledger(now, house.author, "model.registered", made.path, body, namespace)
        listed = ListedModel(made.id, namespace, made.name, wanted, kind, made.owner, now, now, said)
        return found.WholeModel(listed, kept, (), ())

    return work


def get(house: House, namespace: str, title: str) -> found.WholeModel:
    """Raises ModelNotFound."""
    with house.catalog.read() as view:
        return found.whole_models(view, [found.model(view, namespace, title)])[0]


def find(house: House, namespace: str, text: str, orders: Sequence[str], token: str, limit: int) -> FoundModels:
    """Raises BadFilter, BadValue, LimitExceeded."""
    check_page("max_results", limit, LISTED_MODELS_PAGE)
    search = ListingSearch(parse_filter(text, MODELS), parse_orders(orders, MODELS))
    with house.catalog.read() as view:
        page = view.find_models(namespace, search, token=token, limit=limit)
        return FoundModels(found.whole_models(view, page.models), page.token)


def rename(house: House, namespace: str, title: str, to: str) -> found.WholeModel:
    """Raises BadValue, ModelNotFound, NameTaken."""
    wanted = checks.title(to, "new_name")

    def work(transaction: Transaction) -> found.WholeModel:
        before = found.model(transaction, namespace, title)
        if before.title != wanted:
            _refuse_taken(transaction.model_titled(namespace, wanted), before.kind)
            before = _change(
                house, transaction, replace(before, title=wanted), "model.retitled", {"from": before.title}
            )
        return found.whole_models(transaction, [before])[0]

    return house.catalog.write(work)


def describe(house: House, namespace: str, title: str, description: str) -> found.WholeModel:
    """Raises LimitExceeded, ModelNotFound."""
    said = checks.description(description)

    def work(transaction: Transaction) -> found.WholeModel:
        before = found.model(transaction, namespace, title)
        after = _change(
            house,
            transaction,
            replace(before, description=said),
            "model.described",
            {"description": found.shortened(said)},
        )
        return found.whole_models(transaction, [after])[0]

    return house.catalog.write(work)


def tag(house: House, namespace: str, title: str, key: str, value: str) -> None:
    """Raises BadValue, LimitExceeded, ModelNotFound."""
    kept = checks.tags({key: value})

    def work(transaction: Transaction) -> None:
        before = found.model(transaction, namespace, title)
        transaction.put_model_tags(before.id, kept)
        too_many("tags", transaction.model_tags([before.id])[before.id], TAGS_PER_VERSION, "TAGS_PER_VERSION")
        _change(house, transaction, before, "model.tagged", {"put": found.brief(kept), "removed": []})

    house.catalog.write(work)


def untag(house: House, namespace: str, title: str, key: str) -> None:
    """Nothing happens where there was none. Raises BadValue, ModelNotFound."""
    checks.tags({key: ""})

    def work(transaction: Transaction) -> None:
        before = found.model(transaction, namespace, title)
        transaction.remove_model_tag(before.id, key)
        _change(house, transaction, before, "model.tagged", {"put": {}, "removed": [key]})

    house.catalog.write(work)


def delete(house: House, namespace: str, title: str) -> None:
    """With its versions and aliases, unless something still needs one. Raises ModelNotFound, StillInUse, Held, Kept."""

    def work(transaction: Transaction) -> None:
        before = found.model(transaction, namespace, title)
        path = model_path(namespace, before.name)
        check_free(transaction, path, namespace, before.id)
        while versions := transaction.versions(before.id, limit=100):
            for each in versions:
                remove_version(house, transaction, each)
        transaction.remove_model(before.id)
        transaction.add_ledger(house.clock(), house.author, "model.deleted", path, {"title": before.title}, namespace)

    house.catalog.write(work)


def latest(house: House, namespace: str, title: str, stages: Sequence[str]) -> tuple[found.WholeVersion, ...]:
    """The newest version of a model in each of these stages, or in all. Raises BadValue, ModelNotFound."""
    wanted = frozenset(checks.stage(each) for each in stages) or frozenset(Stage)
    with house.catalog.read() as view:
        listed = found.model(view, namespace, title)
        newest = [each for each in view.newest_in_stages([listed.id]) if each.stage in wanted]
        return found.whole_versions(view, newest)


def _change(
    house: House, transaction: Transaction, after: ListedModel, action: str, body: Mapping[str, object]
) -> ListedModel:
    now = house.clock()
    transaction.list_model(after.id, after.title, after.description, at_ms=now)
    said = {"title": after.title, **body}
    subject = model_path(after.namespace, after.name)
    transaction.add_ledger(now, house.author, action, subject, said, after.namespace)
    return replace(after, updated_ms=now)


def _free_name(transaction: Transaction, namespace: str, title: str) -> str:
    plain = name = name_from(title)
    count = 1
    while transaction.model(namespace, name) is not None:
        count += 1
        name = numbered_name(plain, count)
    return name


def _refuse_taken(there: ListedModel | None, kind: Kind) -> None:
    if there is None:
        return
    if (kind is Kind.PROMPT) is (there.kind is Kind.PROMPT):
        called = "Prompt" if kind is Kind.PROMPT else "Registered Model"
        raise NameTaken(f"{called} (name={there.title}) already exists.", model=there.name)
    wanted, taken = ("prompt", "registered model") if kind is Kind.PROMPT else ("registered model", "prompt")
    message = f"Tried to create a {wanted} with name '{there.title}', but the name is already taken by a {taken}."
    raise NameTaken(message, model=there.name)
