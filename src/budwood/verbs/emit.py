"""emit: a version, or an endpoint as it stands, in the language of another system. Nothing is changed or written.

What a version needs is said by the serving manifest that is asked with, else by ``budwood.serving.yaml`` among its
files; what neither says is guessed from what is known of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from budwood.catalog.api import View
from budwood.delivery.emit.release import ALL, Part, Release
from budwood.delivery.emit.targets import emitted
from budwood.domain.asks_emit import AskEmit, Emitted, EmittedFile
from budwood.domain.limits import SERVING_BYTES
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.rollout.records import Rollout, RolloutState
from budwood.domain.serving.defaults import defaults_for
from budwood.domain.serving.manifest import FILE, Serving
from budwood.domain.serving.reading import read_serving
from budwood.domain.traffic.records import RoutingRecord
from budwood.errors import BadServing, LimitExceeded
from budwood.store.read import read_file
from budwood.verbs.endpoints import unsalted
from budwood.verbs.house import House
from budwood.verbs.manifests import check_bytes, load_manifest
from budwood.verbs.resolve import resolve
from budwood.verbs.rollout_text import plan_from
from budwood.verbs.routing import endpoint_named, in_force
from budwood.verbs.yaml_text import document_from

ALONE = "stable"
"""The arm of a version that is emitted by itself."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """What an endpoint is at one moment."""

    routing: RoutingRecord
    rollout: Rollout | None
    versions: tuple[VersionRecord, ...]


def emit_version(house: House, reference: str, asked: AskEmit) -> Emitted:
    """One version, answering everything.

    Raises NotFound, BadServing, BadValue, NotOffered, BytesGone, LimitExceeded, Damaged.
    """
    with house.catalog.read() as view:
        version = resolve(view, reference)
        check_bytes(version)
    part = _part(house, version, ALONE, ALL, asked.serving)
    release = Release(model_path(version.namespace, version.model), (part,), ALONE)
    return _emitted(asked.target, release, version.reference)


def emit_endpoint(house: House, namespace: str, name: str, asked: AskEmit) -> Emitted:
    """An endpoint with the split of this moment, and the steps its rollout still has to do.

    Raises RecordNotFound, BadServing, BadValue, NotOffered, BytesGone, LimitExceeded, Damaged.
    """
    with house.catalog.read() as view:
        standing = _standing(view, namespace, name)
    routing, rollout = standing.routing, standing.rollout
    body, split = unsalted(routing.body), routing.table.split
    parts = tuple(
        _part(house, version, arm.name, split.get(arm.name, 0), asked.serving)
        for arm, version in zip(body.arms, standing.versions, strict=True)
    )
    release = Release(
        name,
        parts,
        body.baseline,
        generation=routing.generation,
        reason=routing.reason,
        sticky=body.sticky.header if body.sticky else "",
        rules=body.rules,
        shadow=routing.shadow,
        plan=plan_from(rollout.plan_text) if rollout else None,
        step=rollout.progress.step if rollout else 0,
        candidate=rollout.candidate if rollout else "",
        timeout_s=max(1, round(body.timeout_s)),
        retries=body.retry.times,
    )
    return _emitted(asked.target, release, f"{namespace}/{name}")


def _standing(view: View, namespace: str, name: str) -> _Standing:
    endpoint = endpoint_named(view, namespace, name)
    routing = in_force(view, endpoint)
    running = [each for each in view.rollouts(endpoint.id, limit=1) if each.state is RolloutState.RUNNING]
    found = [resolve(view, f"{namespace}/{routing.body.model}@v{arm.number}") for arm in routing.body.arms]
    for version in found:
        check_bytes(version)
    return _Standing(routing, running[0] if running else None, tuple(found))


def _part(house: House, version: VersionRecord, arm: str, points: int, text: str) -> Part:
    manifest = load_manifest(house, version)
    paths = [entry.path for entry in manifest.files]
    base = defaults_for(version.kind, manifest.facts, version.size_bytes, paths)
    own = text or _own_text(house, version, paths)
    serving = _read(own, base) if own else base
    return Part(
        *(arm, version.namespace, version.model, version.number, version.digest, points),
        *(serving, manifest.facts, version.message),
    )


def _own_text(house: House, version: VersionRecord, paths: Sequence[str]) -> str:
    """Of the manifest that lies at the top of the version's files; empty where there is none."""
    if FILE not in paths:
        return ""
    entry = load_manifest(house, version).file(FILE)
    if entry.size > SERVING_BYTES:
        message = f"{FILE} of {version.reference} has more than {SERVING_BYTES} bytes."
        raise LimitExceeded(message, limit="SERVING_BYTES")
    try:
        return read_file(house.reader(), entry).decode()
    except UnicodeDecodeError as error:
        hint = "Write it in UTF-8, or give another with --serving."
        raise BadServing(f"{FILE} of {version.reference} is no text.", hint=hint, field="document") from error


def _read(text: str, base: Serving) -> Serving:
    return read_serving(document_from(text, BadServing, most=SERVING_BYTES, limit="SERVING_BYTES"), base)


def _emitted(target: str, release: Release, of: str) -> Emitted:
    from budwood.delivery.emit.written import written

    files = tuple(EmittedFile(file.path, written(file)) for file in emitted(target, release))
    return Emitted(target, of, files, release.generation)
