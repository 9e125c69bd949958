"""Making a version of files that are kept already, those of a run or a logged model: no byte of them is copied.

What is written is a manifest that names the same blocks; the files may change or go afterwards, the version stays.
Its facts are those that the files told when they came, and what the run logged; it was built by that run.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.artifacts import StoredFile, model_id
from budwood.domain.canon import Json
from budwood.domain.entries import FileEntry
from budwood.domain.facts import Facts, FileFacts, Parent, Relation
from budwood.domain.limits import DATASETS_PER_VERSION, METRICS_PER_VERSION, PARAMS_PER_VERSION, VALUE_BYTES
from budwood.domain.manifest import Manifest, check_manifest, identity
from budwood.domain.names import Kind, ModelName, Namespace, TagKey
from budwood.domain.paths import check_paths
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference
from budwood.domain.trace import Edge, Named, NamedKind
from budwood.domain.tracking.records import Logged, Metric, Run, RunMetric
from budwood.errors import BadName, BadValue, BudwoodError, LeaseLost, RecordNotFound
from budwood.store.sketch import structure_of
from budwood.store.write import BlockWriter, Kept
from budwood.verbs.artifacts import LOCATION, VERSIONS, files_of, root_of
from budwood.verbs.describe import facts_of
from budwood.verbs.draft import Draft
from budwood.verbs.house import House
from budwood.verbs.lease import Held
from budwood.verbs.manifests import check_bytes, load_manifest
from budwood.verbs.publish import publishing
from budwood.verbs.resolve import resolve

TRIES: Final = 3
RUNS: Final = "runs:/"
MODELS: Final = "models:/"
SOURCE: Final = "mlflow"
"""Where the names of runs mean something, in lineage; and in a version's settings, where it came from."""


@dataclass(frozen=True, slots=True)
class Registering:
    """``source`` is where the files lie: ``runs:/RUN/PATH``, ``models:/m-…``, ``models:/NAME/NUMBER``,
    ``models:/NAME@ALIAS`` or ``mlflow-artifacts:/PATH``. Anything else is written down, but nobody looks there: such a
    version has no files.
    """

    namespace: str
    model: str
    source: str
    run: str = ""
    message: str = ""
    kind: Kind | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    label: str = ""
    bump: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a source names."""

    entries: tuple[FileEntry, ...]
    said: tuple[FileFacts, ...]
    run: Run | None
    logged: Logged
    metrics: tuple[RunMetric, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    parent: VersionRecord | None = None


def register_version(
    house: House, wish: Registering, also: Callable[[Transaction, VersionRecord], None] = lambda _, __: None
) -> VersionRecord:
    """``also`` runs in the transaction that makes the version visible, behind it; what it raises unmakes it.

    ``house`` is that of the whole registry: the caller's right to push to the namespace was asked before.
    Raises BadName, BadValue, RecordNotFound, NotFound, QuotaExceeded, LimitExceeded, StandardUnmet, StorageFailed.
    """
    for last in range(TRIES):
        try:
            return _attempt(house, wish, also)
        except LeaseLost:
            # Blocks of a file that was removed meanwhile were swept.
            if last == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _attempt(house: House, wish: Registering, also: Callable[[Transaction, VersionRecord], None]) -> VersionRecord:
    target = Reference(Namespace(wish.namespace), ModelName(wish.model))
    with house.catalog.read() as view:
        found = _found(house, view, wish)
    manifest = Manifest(found.entries, _facts(house, wish, found))
    check_manifest(manifest)
    lease = Held(house, f"register {target.path}", namespace=wish.namespace)
    try:
        draft = _written(house, manifest, found, lease)
        publish = publishing(house, draft, target, wish, lease)

        def work(transaction: Transaction) -> VersionRecord:
            version = publish(transaction)
            if found.run is not None:
                _tell_run(transaction, house, wish.namespace, version, found.run)
            also(transaction, version)
            return version

        return house.catalog.write(work)
    except BaseException:
        # It runs out by itself if this fails too; what went wrong first is what the caller must hear.
        with suppress(BudwoodError):
            lease.drop()
        raise


# What a source names


def _found(house: House, view: View, wish: Registering) -> _Found:
    source, namespace = wish.source, wish.namespace
    if source.startswith(RUNS):
        id_, _, path = source.removeprefix(RUNS).strip("/").partition("/")
        run = _run(view, namespace, id_)
        root = root_of(run.location, namespace)
        return _of_files(view, wish, files_of(view, namespace, f"{root}/{path}" if path else root), run)
    if source.startswith(f"{MODELS}m-"):
        return _of_model(view, wish, model_id(source.removeprefix(MODELS).strip("/")))
    if source.startswith(MODELS):
        return _of_version(house, view, wish, source.removeprefix(MODELS))
    if source.startswith(LOCATION):
        root = root_of(source, namespace)
        if root.startswith(VERSIONS):
            return _of_version(house, view, wish, root.removeprefix(VERSIONS))
        return _of_files(view, wish, files_of(view, namespace, root) if root else (), None)
    return _of_files(view, wish, (), None)


def _run(view: View, namespace: str, id_: str) -> Run:
    run = view.run(namespace, id_)
    if run is None:
        raise RecordNotFound(f"Run with id={id_[:100]} not found", run=id_[:100])
    return run


def _of_files(view: View, wish: Registering, files: Sequence[StoredFile], run: Run | None) -> _Found:
    if run is None and wish.run:
        run = view.run(wish.namespace, wish.run)
    (logged,) = view.logged_by([run]) if run else (Logged(),)
    files = sorted(files, key=lambda each: each.entry.path)
    check_paths([each.entry.path for each in files])
    return _Found(tuple(each.entry for each in files), tuple(each.facts for each in files), run, logged)


def _of_model(view: View, wish: Registering, id_: str) -> _Found:
    model = view.logged_model(wish.namespace, id_)
    if model is None or model.removed_ms:
        raise RecordNotFound(f"Logged model with ID '{id_}' not found.", model=id_)
    run = view.run(wish.namespace, model.run) if model.run else None
    (said,) = view.said_of([model])
    found = _of_files(view, wish, files_of(view, wish.namespace, root_of(model.location, wish.namespace)), run)
    return _Found(found.entries, found.said, found.run, found.logged, said.metrics, said.params)


def _of_version(house: House, view: View, wish: Registering, place: str) -> _Found:
    """A copy of another version of the namespace: the same files, come from that one."""
    name, _, number = place.strip("/").partition("/")
    reference = f"{name}@v{number}" if number.isdecimal() else name
    if number and not number.isdecimal():
        raise BadValue(f"Invalid source: {wish.source[:200]!r}. It names no version.")
    version = resolve(view, f"{wish.namespace}/{reference}")
    check_bytes(version)
    manifest = load_manifest(house, version)
    facts = manifest.facts
    said = FileFacts(frameworks=facts.frameworks, schema=facts.schema, architecture=facts.architecture)
    # What the files said together; nobody reads them again.
    each = (said, *(FileFacts() for _ in manifest.files[1:]))[: len(manifest.files)]
    return _Found(manifest.files, each, None, Logged(), params=facts.params, parent=version)


# What is said of it


def _facts(house: House, wish: Registering, found: _Found) -> Facts:
    metrics = [*found.logged.metrics, *(each.metric for each in found.metrics)]
    params = {**dict(found.logged.params), **found.params}
    where: dict[str, Json] = {"source": wish.source[:VALUE_BYTES]}
    if found.run is not None:
        where["run"] = found.run.run
    facts = Facts(
        author=house.author,
        created_ms=house.clock(),
        message=wish.message,
        datasets=tuple(dict.fromkeys(f"{use.dataset.name}@{use.dataset.digest}" for use in found.logged.datasets))[
            :DATASETS_PER_VERSION
        ],
        metrics=dict(list(_finite(metrics).items())[:METRICS_PER_VERSION]),
        params=dict(list(_short(params).items())[:PARAMS_PER_VERSION]),
        parents=_parents(found.parent),
    )
    whole = facts_of(facts, found.entries, found.said, wish.kind, FileFacts())
    return replace(whole, settings={**whole.settings, SOURCE: where})


def _finite(metrics: Sequence[Metric]) -> dict[str, float]:
    return {each.key: each.value for each in metrics if math.isfinite(each.value) and _is_key(each.key)}


def _short(params: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if _is_key(key) and len(value.encode()) <= VALUE_BYTES}


def _is_key(text: str) -> bool:
    """What a run calls a metric may be no name here; the run still has it."""
    try:
        TagKey(text)
    except BadName:
        return False
    return True


def _parents(parent: VersionRecord | None) -> tuple[Parent, ...]:
    if parent is None:
        return ()
    return (Parent(parent.reference.partition("@")[0], parent.number, parent.digest, Relation.DERIVED_FROM.value),)


def _tell_run(transaction: Transaction, house: House, namespace: str, version: VersionRecord, run: Run) -> None:
    """The run it was built by, in its lineage."""
    now = house.clock()
    named = Named(0, namespace, NamedKind.JOB, SOURCE, run.name or run.run, run.run)
    built = transaction.name_thing(named, at_ms=now)
    transaction.add_edge(Edge(version.id, built.id, Relation.BUILT_BY.value, house.author, now))


# What is written


def _written(house: House, manifest: Manifest, found: _Found, lease: Held) -> Draft:
    named = [(span.name, span.dtype, span.shape) for entry in manifest.files for span in entry.tensors if span.dtype]
    content = manifest.canonical
    with BlockWriter(house.objects, house.index, lease.new_pack_name, threads=1) as writer:
        blocks = writer.write_blob(content, is_manifest=True)
        kept: Kept = writer.finish()
    return Draft(
        facts=manifest.facts,
        size_bytes=manifest.size_bytes,
        digest=identity(content),
        manifest_size=len(content),
        manifest_blocks=blocks,
        structure=structure_of(named) if named else "",
        sketch=b"",
        kept=kept,
        shared=kept.shared.union(manifest.block_ids()),
        parents=(found.parent,) if found.parent else (),
    )
