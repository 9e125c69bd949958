"""Model versions: registered, described, tagged, deleted, searched, moved between stages."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import LISTED_VERSIONS_PAGE
from budwood.domain.listing_checks import ARTIFACTS, number
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.facades.face import Asked, Endpoint, Pace, Work
from budwood.facades.mlflow.listed import version_shown
from budwood.facades.mlflow.shapes import WORKSPACES, located, words_of
from budwood.facades.mlflow.values import between, filled, flag, missing, needed, text, texts, wrong
from budwood.verbs.apart import Apart
from budwood.verbs.listings import pointing
from budwood.verbs.listings import versions as verbs
from budwood.verbs.listings.origin import kept_at


def create(asked: Asked) -> Work | Apart[Json]:
    values = asked.values
    new = verbs.NewListed(
        title=needed(values, "name"),
        source=_source_of(asked),
        run=text(values, "run_id"),
        logged=text(values, "model_id"),
        run_link=text(values, "run_link"),
        description=text(values, "description"),
        tags=dict(words_of(values, "tags")),
    )
    work = verbs.create(asked.whole, asked.namespace, new)
    if isinstance(work, Apart):
        return Apart(lambda: {"model_version": version_shown(asked, work.run())})
    return lambda transaction: {"model_version": version_shown(asked, work(transaction))}


def get(asked: Asked) -> Json:
    found = verbs.get(asked.whole, asked.namespace, needed(asked.values, "name"), number_of(asked))
    return {"model_version": version_shown(asked, found)}


def search(asked: Asked) -> Json:
    values = asked.values
    page = verbs.find(
        asked.whole,
        asked.namespace,
        text(values, "filter"),
        texts(values, "order_by"),
        text(values, "page_token"),
        between(values, "max_results", 10_000, 1, LISTED_VERSIONS_PAGE),
    )
    return filled(model_versions=[version_shown(asked, each) for each in page.versions], next_page_token=page.token)


def download_uri(asked: Asked) -> Json:
    found = verbs.get(asked.whole, asked.namespace, needed(asked.values, "name"), number_of(asked)).version
    return {"artifact_uri": located(asked, kept_at(found) or found.origin.location or found.origin.source)}


def update(asked: Asked) -> Json:
    name, said = needed(asked.values, "name"), text(asked.values, "description")
    found = verbs.describe(asked.whole, asked.namespace, name, number_of(asked), said)
    return {"model_version": version_shown(asked, found)}


def delete(asked: Asked) -> Json:
    verbs.delete(asked.whole, asked.namespace, needed(asked.values, "name"), number_of(asked))
    return None


def set_tag(asked: Asked) -> Json:
    name, key = needed(asked.values, "name"), needed(asked.values, "key")
    if asked.values.get("value") is None:
        raise missing("value")
    verbs.tag(asked.whole, asked.namespace, name, number_of(asked), key, text(asked.values, "value"))
    return None


def delete_tag(asked: Asked) -> Json:
    name, key = needed(asked.values, "name"), needed(asked.values, "key")
    verbs.untag(asked.whole, asked.namespace, name, number_of(asked), key)
    return None


def move_stage(asked: Asked) -> Work:
    values = asked.values
    work = pointing.move_stage(
        asked.whole,
        asked.namespace,
        needed(values, "name"),
        number_of(asked),
        needed(values, "stage"),
        archives_others=flag(values, "archive_existing_versions"),
    )
    return lambda transaction: {"model_version": version_shown(asked, work(transaction))}


def number_of(asked: Asked) -> int:
    """Which version a request is about. Raises BadValue."""
    value = asked.values.get("version")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise wrong("version", value)
    return number(value) if value else number(needed(asked.values, "version"))


def _source_of(asked: Asked) -> str:
    """As we keep it: artifacts are asked for with the namespace in front where the client has no other way."""
    source = needed(asked.values, "source")
    prefix = f"{WORKSPACES}{asked.namespace}/"
    if asked.namespace != DEFAULT_NAMESPACE and source.startswith(prefix):
        return ARTIFACTS + source.removeprefix(prefix)
    return source


_ROOT: Final = "/api/2.0/mlflow/model-versions/"
ENDPOINTS: Final = (
    Endpoint("mlflow.versions.create", "POST", _ROOT + "create", Permission.PUSH, create, Pace.SOON),
    Endpoint("mlflow.versions.get", "GET", _ROOT + "get", Permission.READ, get, Pace.POINT),
    Endpoint("mlflow.versions.search", "GET", _ROOT + "search", Permission.READ, search),
    Endpoint("mlflow.versions.download-uri", "GET", _ROOT + "get-download-uri", Permission.READ, download_uri),
    Endpoint("mlflow.versions.update", "PATCH", _ROOT + "update", Permission.PUSH, update),
    Endpoint("mlflow.versions.delete", "DELETE", _ROOT + "delete", Permission.REMOVE, delete),
    Endpoint("mlflow.versions.set-tag", "POST", _ROOT + "set-tag", Permission.PUSH, set_tag),
    Endpoint("mlflow.versions.delete-tag", "DELETE", _ROOT + "delete-tag", Permission.PUSH, delete_tag),
    Endpoint("mlflow.versions.stage", "POST", _ROOT + "transition-stage", Permission.RELEASE, move_stage, Pace.SOON),
)
