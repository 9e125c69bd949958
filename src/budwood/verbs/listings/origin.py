"""Where a version says it comes from: checked against the run, logged model or version that it names."""

from budwood.catalog.api import View
from budwood.domain import listing_checks as checks
from budwood.domain.artifacts import artifact_path
from budwood.domain.listing import ListedVersion, Origin
from budwood.domain.listing_checks import OfArtifacts, OfBucket, OfLogged, OfRun, OfVersion
from budwood.domain.names import Kind
from budwood.domain.records import stage_pointer
from budwood.errors import BadValue, VersionNotFound
from budwood.verbs.artifacts import VERSIONS
from budwood.verbs.listings import found


def origin_of(view: View, namespace: str, source: str, run: str, logged: str, run_link: str, is_prompt: bool) -> Origin:
    """Raises BadValue, ModelNotFound, VersionNotFound."""
    if is_prompt:
        if source not in checks.PROMPT_SOURCES:
            raise BadValue(f"Invalid prompt source: '{source[:300]}'. Prompt sources must use an MLflow placeholder.")
        return Origin(source, "", run, logged, run_link)
    parsed = checks.source(source)
    if logged and not run:
        made = view.logged_model(namespace, logged)
        run = made.run if made is not None else ""
    match parsed:
        case OfRun(of, below):
            if of != run:
                raise checks.unmatched_source(source, "model_id" if logged else "run_id")
            return Origin(source, _in_run(view, namespace, of, below), run, logged, run_link)
        case OfLogged(model):
            if not logged or model.partition("/")[0] != logged:
                raise checks.unmatched_source(source, "model_id")
            return Origin(source, _of_logged(view, namespace, model), run, logged, run_link)
        case OfArtifacts(path):
            _check_owned(view, namespace, source, path, run, logged)
            return Origin(source, source, run, logged, run_link)
        case OfVersion() as wanted:
            return _copied(view, namespace, source, wanted, run, logged, run_link)
        case OfBucket():
            return Origin(source, source, run, logged, run_link)


def version_named(view: View, namespace: str, wanted: OfVersion) -> ListedVersion:
    """Raises BadValue, ModelNotFound, VersionNotFound."""
    if wanted.number:
        return found.version(view, namespace, wanted.title, wanted.number)
    if wanted.alias.lower() == "latest":
        listed = found.model(view, namespace, wanted.title)
        newest = view.newest_version(namespace, listed.name)
        there = view.version_listed(newest.id) if newest else None
    elif wanted.alias:
        return found.version_at(view, namespace, wanted.title, wanted.alias)
    else:
        assert wanted.stage is not None
        there = view.version_titled_at(namespace, wanted.title, stage_pointer(wanted.stage))
    if there is None:
        raise VersionNotFound(f"There is no such version of {wanted.title}.", model=wanted.title)
    return there


def kept_at(version: ListedVersion) -> str:
    """Where the files of a version are read in this server; empty when they are elsewhere."""
    return f"{checks.ARTIFACTS}{VERSIONS}{version.name}/{version.number}" if version.size_bytes else ""


def _in_run(view: View, namespace: str, run: str, below: str) -> str:
    there = view.run(namespace, run)
    return f"{there.location}/{below}".rstrip("/") if there is not None else ""


def _of_logged(view: View, namespace: str, path: str) -> str:
    model, _, below = path.partition("/")
    there = view.logged_model(namespace, model)
    return f"{there.location}/{below}".rstrip("/") if there is not None else ""


def _check_owned(view: View, namespace: str, source: str, path: str, run: str, logged: str) -> None:
    """That the run or the logged model is the artifact's own."""
    if logged:
        model = view.logged_model(namespace, logged)
        root = model.location if model is not None else ""
    else:
        owner = view.run(namespace, run) if run else None
        root = owner.location if owner is not None else ""
    base = artifact_path(root.removeprefix(checks.ARTIFACTS)) if root.startswith(checks.ARTIFACTS) else ""
    if not base or not f"{path}/".startswith(f"{base}/"):
        raise checks.unmatched_source(source, "model_id" if logged else "run_id")


def _copied(view: View, namespace: str, source: str, wanted: OfVersion, run: str, logged: str, run_link: str) -> Origin:
    """A copy has the origin of what it copies, and says which that was."""
    before = version_named(view, namespace, wanted)
    if before.kind is Kind.PROMPT:
        raise checks.bad_source(source, "Prompt versions cannot be used as model version sources.")
    origin = before.origin
    if (run and run != origin.run) or (logged and logged != origin.logged):
        why = "The run_id and model_id request parameters must match the referenced model version."
        raise checks.bad_source(source, why)
    location = kept_at(before) or origin.location or origin.source
    return Origin(f"models:/{before.title}/{before.number}", location, origin.run, origin.logged, run_link)
