"""Finding a model or a version by title, or saying in MLflow's words that it is not there; with all that is listed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.listing import ListedModel, ListedVersion, Named, Texts
from budwood.domain.listing_checks import alias_of, pointer_of
from budwood.domain.records import VersionRecord
from budwood.errors import BadValue, ModelNotFound, VersionNotFound

BRIEF_CHARS: Final = 200
BRIEF_TAGS: Final = 30


@dataclass(frozen=True, slots=True)
class WholeVersion:
    """A version with its tags and the aliases that point at it."""

    version: ListedVersion
    tags: Texts
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WholeModel:
    """A model with its tags, its aliases, and the newest version in each stage."""

    model: ListedModel
    tags: Texts
    aliases: tuple[Named, ...]
    newest: tuple[WholeVersion, ...]


def model(view: View, namespace: str, title: str) -> ListedModel:
    """Raises ModelNotFound."""
    found = view.model_titled(namespace, title)
    if found is None:
        raise _no_model(title)
    return found


def touch(transaction: Transaction, listed: ListedModel, at_ms: int) -> None:
    """It changed, and is what it was when it was found. Raises ModelNotFound."""
    if not transaction.touch_model(listed.id, listed.title, at_ms=at_ms):
        raise _no_model(listed.title)


def version(view: View, namespace: str, title: str, number: int) -> ListedVersion:
    """Raises VersionNotFound."""
    found = view.version_titled(namespace, title, number)
    if found is None:
        raise VersionNotFound(f"Model Version (name={title[:300]}, version={number}) not found", model=title[:300])
    return found


def record(transaction: Transaction, namespace: str, title: str, number: int) -> VersionRecord:
    """The version itself. Raises VersionNotFound."""
    found = transaction.version_by_id(version(transaction, namespace, title, number).id)
    assert found is not None, "a listing goes with its version"
    return found


def version_at(view: View, namespace: str, title: str, alias: str) -> ListedVersion:
    """Raises BadValue, as MLflow does for an alias that is not there; ModelNotFound."""
    found = view.version_titled_at(namespace, title, pointer_of(alias))
    if found is None:
        model(view, namespace, title)
        raise BadValue(f"Registered model alias {alias} not found.", alias=alias)
    return found


def whole_versions(view: View, versions: Sequence[ListedVersion]) -> tuple[WholeVersion, ...]:
    """Tags and aliases of all in a handful of questions."""
    texts = view.version_texts([each.id for each in versions]) if versions else {}
    models = sorted({each.model_id for each in versions})
    named: dict[tuple[int, int], list[str]] = defaultdict(list)
    for each in view.names_of(models) if models else ():
        named[each.model_id, each.number].append(alias_of(each.pointer))
    return tuple(
        WholeVersion(each, texts.get(each.id, {}), tuple(named.get((each.model_id, each.number), ())))
        for each in versions
    )


def whole_models(view: View, models: Sequence[ListedModel]) -> tuple[WholeModel, ...]:
    """The same for models."""
    if not models:
        return ()
    ids = [each.id for each in models]
    texts = view.model_tags(ids)
    aliases: dict[int, list[Named]] = defaultdict(list)
    for named in view.names_of(ids):
        aliases[named.model_id].append(Named(named.model_id, alias_of(named.pointer), named.number))
    newest: dict[int, list[WholeVersion]] = defaultdict(list)
    for whole in whole_versions(view, view.newest_in_stages(ids)):
        newest[whole.version.model_id].append(whole)
    return tuple(
        WholeModel(each, texts.get(each.id, {}), tuple(aliases.get(each.id, ())), tuple(newest.get(each.id, ())))
        for each in models
    )


def brief(tags: Mapping[str, str]) -> dict[str, str]:
    """As the ledger keeps them: an entry is no place for texts of any length."""
    return {key: shortened(value) for key, value in list(tags.items())[:BRIEF_TAGS]}


def shortened(text: str) -> str:
    """As the ledger keeps it."""
    return text[:BRIEF_CHARS]


def _no_model(title: str) -> ModelNotFound:
    return ModelNotFound(f"Registered Model with name={title[:300]} not found", model=title[:300])
