"""The SDK: a registry, and what can be asked of it. Every method is one verb; the CLI calls nothing else.

registry = budwood.connect("./registry")
pushed = registry.push("encoder/", "encoder", bump="auto", metrics={"accuracy": 0.91}, aliases=["champion"])
registry.diff("encoder@v1", "encoder@champion").summary
registry.pull("encoder@champion", "out/")
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from budwood.client.answers import Difference, Models, SearchPage
from budwood.client.capture import capture
from budwood.client.models import write_model
from budwood.client.near import Near
from budwood.client.place import Place
from budwood.client.version import Version
from budwood.domain.details import NO_DETAILS, Details, read_details
from budwood.domain.facts import FileFacts, read_parents
from budwood.domain.names import Kind
from budwood.domain.records import LedgerEntry, ModelRecord, Tag, VersionRecord
from budwood.domain.results import (
    BackedUp,
    Exported,
    Family,
    Imported,
    Moved,
    Pulled,
    Pushed,
    Swept,
    Usage,
    Verified,
)
from budwood.domain.trace import Impact, Trace, impact_of
from budwood.errors import BadValue, NotOffered
from budwood.store.api import Progress
from budwood.verbs.backup import backup
from budwood.verbs.describe import Declared
from budwood.verbs.house import House
from budwood.verbs.pull import PullRequest, pull
from budwood.verbs.push import PushRequest, push

if TYPE_CHECKING:
    # Imported when they are asked for: they bring the whole table of routes.
    from budwood.client.admin import Admin
    from budwood.client.audit import Audit
    from budwood.client.carrying.counts import Tell
    from budwood.client.datasets import Datasets
    from budwood.client.delivery import Endpoints, Rollouts
    from budwood.client.evaluating.evaluate import Evaluated
    from budwood.client.gates import Gates
    from budwood.client.gateways import Gateways
    from budwood.client.lineage import Lineage
    from budwood.client.retention import Holds, Retention
    from budwood.client.standards import Standards
    from budwood.client.storage_tiers import Tiers
    from budwood.domain.asks_emit import Emitted
    from budwood.domain.carrying.report import Carried
    from budwood.domain.dossier.signed import DossierChecked
    from budwood.domain.policy.evidence import Evidence
    from budwood.domain.reproduction import Reproduced
    from budwood.scan.report import Report


def no_progress(_: int) -> None:
    """The default progress: nothing is shown."""


class Registry:
    """An open registry. Safe to use from several threads; close it, or use it in a ``with`` block."""

    def __init__(self, place: Place, checkpoints: Path | None = None) -> None:
        self._place = place
        self._checkpoints = checkpoints

    @property
    def place(self) -> str:
        """Its folder or URL."""
        return self._place.name

    @property
    def made(self) -> bool:
        """Whether it was made just now, by opening it."""
        return self._place.made

    @property
    def admin(self) -> "Admin":
        """Namespaces, people, groups, grants and tokens."""
        from budwood.client.admin import Admin

        return Admin(self._place)

    @property
    def audit(self) -> "Audit":
        """The ledger's checkpoints, proofs and bundles."""
        from budwood.client.audit import Audit

        return Audit(self._place, self._checkpoints)

    @property
    def lineage(self) -> "Lineage":
        """What other programs tell of data and jobs."""
        from budwood.client.lineage import Lineage

        return Lineage(self._place)

    @property
    def datasets(self) -> "Datasets":
        """Data as versions: fingerprints, and whether data is still what they say."""
        from budwood.client.datasets import Datasets

        return Datasets(self)

    @property
    def gates(self) -> "Gates":
        """Policies, evidence and promotions."""
        from budwood.client.gates import Gates

        return Gates(self._place)

    @property
    def endpoints(self) -> "Endpoints":
        """Where traffic arrives, and which versions answer it."""
        from budwood.client.delivery import Endpoints

        return Endpoints(self._place)

    @property
    def gateways(self) -> "Gateways":
        """Who carries traffic."""
        from budwood.client.gateways import Gateways

        return Gateways(self._place)

    @property
    def rollouts(self) -> "Rollouts":
        """Moving traffic to a version step by step, on evidence."""
        from budwood.client.delivery import Rollouts

        return Rollouts(self._place)

    @property
    def retention(self) -> "Retention":
        """How long bytes are kept, what may go, and letting it go."""
        from budwood.client.retention import Retention

        return Retention(self._place)

    @property
    def tiers(self) -> "Tiers":
        """Where the bytes of versions lie, and what that costs."""
        from budwood.client.storage_tiers import Tiers

        return Tiers(self._place)

    @property
    def holds(self) -> "Holds":
        """Legal holds: what nobody may delete or let go."""
        from budwood.client.retention import Holds

        return Holds(self._place)

    @property
    def standards(self) -> "Standards":
        """The metadata standards of namespaces."""
        from budwood.client.standards import Standards

        return Standards(self._place)

    @property
    def house(self) -> House:
        """What verbs are given, for programs that go below this class. Raises NotOffered for a remote registry."""
        if not isinstance(self._place, Near):
            raise NotOffered(f"{self.place} is served by another process; its parts cannot be reached from here.")
        return self._place.house

    def push(
        self,
        source: object,
        model: str,
        *,
        label: str = "",
        bump: str = "",
        parents: Sequence[str | tuple[str, str]] = (),
        relation: str = "",
        aliases: Sequence[str] = (),
        datasets: Sequence[str] = (),
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
        message: str = "",
        kind: str = "",
        base_model: str = "",
        facts: Mapping[str, object] | Details = NO_DETAILS,
        keep_diff: bool = True,
        exclude: Sequence[str] = (),
        progress: Progress = no_progress,
    ) -> Pushed:
        """Keep files, or a model in memory, as a new version of ``model``.

        ``source`` is a folder, a file, a list of them, or a scikit-learn, PyTorch, ONNX or Transformers model,
        which is first written in its safest native format. A parent is a reference, or ("trained-on", reference).
        Facts about code, environment and hardware are captured; ``facts`` are what else is known (docs/facts.md), and
        ``keep_diff=False`` leaves uncommitted changes out of them. Raises Invalid, NotFound, LabelTaken, StandardUnmet,
        EdgeRefused, FileChanged, StorageFull, StorageFailed, FrameworkMissing.
        """
        origins = read_parents(parents)
        with contextlib.ExitStack() as stack:
            paths, said = _paths(source, stack)
            around = capture(Path.cwd() if said.frameworks else _nearest_folder(paths[0]), keep_diff=keep_diff)
            request = PushRequest(
                paths=paths,
                model=model,
                declared=Declared(
                    kind=_kind(kind),
                    message=message,
                    datasets=_each(datasets),
                    metrics={key: _number(key, value) for key, value in (metrics or {}).items()},
                    params={key: str(value) for key, value in (params or {}).items()},
                    base_model=base_model,
                    details=facts if isinstance(facts, Details) else read_details(facts),
                ),
                label=label,
                bump=bump,
                parents=origins.references,
                relations=origins.relations,
                relation=relation,
                aliases=_each(aliases),
                tags=dict(tags or {}),
                exclude=_each(exclude),
                code=around.code,
                environment=around.environment,
                hardware=around.hardware,
                said=said,
            )
            return push(self._place.work, request, progress=progress)

    def pull(
        self,
        reference: str,
        folder: str | Path,
        *,
        paths: Sequence[str] = (),
        overwrite: bool = False,
        progress: Progress = no_progress,
    ) -> Pulled:
        """Write a version's files (all, or those named) into a new or matching folder, verified.

        Raises NotFound, TargetDiffers, UnsafeEntry, Damaged, StorageFull, StorageFailed.
        """
        request = PullRequest(reference, Path(folder), _each(paths), overwrite)
        return pull(self._place.work, request, progress=progress)

    def get(self, reference: str) -> Version:
        """The version a reference names. Raises BadReference, NotFound."""
        return Version(self._place, self._place.get(reference))

    def list(self, *, after: str = "", limit: int = 100) -> "Models":
        """Models by name, those behind ``after``."""
        return Models(self._place.list_models(after=after, limit=limit))

    def search(self, text: str = "", *, cursor: str = "", limit: int = 100) -> SearchPage:
        """Versions that match a filter such as ``metrics.auc >= 0.9 and stage = production``. Raises BadFilter."""
        page = self._place.search(text, cursor=cursor, limit=limit)
        return SearchPage(tuple(Version(self._place, record) for record in page.versions), page.cursor)

    def log(self, model: str, *, before: int = 0, limit: int = 100) -> Family:
        """A model's versions, newest first, with edges, pointers and moves. Raises ModelNotFound."""
        return self._place.log(model, before=before, limit=limit)

    def diff(self, before: str, after: str, *, measure: bool = True, progress: Progress = no_progress) -> "Difference":
        """What changed between two versions, and what the label should therefore be.

        ``measure`` False leaves out how far tensors moved, and reads no weights.
        """
        change = self._place.diff(before, after, measured=measure, progress=progress)
        return Difference(**{part.name: getattr(change, part.name) for part in dataclasses.fields(change)})

    def trace(self, reference: str, direction: str = "up", *, depth: int = 50) -> Trace:
        """Where a version came from (``up``), or what came of it (``down``), nearest first.

        Raises BadReference, NotFound, BadValue, LimitExceeded.
        """
        return self._place.trace(reference, direction, depth=depth)

    def impact(self, reference: str, *, depth: int = 50) -> Impact:
        """What was made from a version: ``serving`` is what serves somebody now, ``others`` the rest, nearest first.

        Raises BadReference, NotFound, LimitExceeded.
        """
        return impact_of(self._place.trace(reference, "down", depth=depth))

    def tag(self, reference: str, put: Mapping[str, str] | None = None, remove: Sequence[str] = ()) -> tuple[Tag, ...]:
        """Put tags beside a version or take them away; all its tags afterwards."""
        return self._place.tag(reference, put or {}, _each(remove))

    def alias(self, reference: str, name: str) -> Moved:
        """Point an alias at a version. Raises BadName, Retired, NotFound."""
        return self._place.alias(reference, name)

    def remove_alias(self, model: str, name: str) -> Moved:
        """Take an alias away; its history stays."""
        return self._place.remove_alias(model, name)

    def stage(self, reference: str, to: str) -> Moved:
        """Put a version in development, staging, production or archived. Raises BadValue, Retired, NotFound."""
        return self._place.stage(reference, to)

    def roll_back(self, model: str, pointer: str) -> Moved:
        """An alias or stage returns to what it pointed at before. Raises NothingBefore."""
        return self._place.roll_back(model, pointer)

    def retire(self, reference: str, reason: str = "") -> Version:
        """Say that a version must not be used any more; it stays pullable. Raises StillInUse."""
        return Version(self._place, self._place.retire(reference, reason))

    def delete(self, reference: str) -> VersionRecord:
        """Remove a version for ever. Raises StillInUse while anything points to it."""
        return self._place.delete(reference)

    def delete_model(self, model: str) -> ModelRecord:
        """Remove a model that has no versions left. Raises StillInUse."""
        return self._place.delete_model(model)

    def verify(
        self,
        *,
        read_data: bool = False,
        mend: bool = False,
        backup: str | Path = "",
        progress: Progress = no_progress,
    ) -> Verified:
        """Check catalog, manifests, packs and, with ``read_data``, every byte. Problems are in the result.

        ``mend`` puts damaged blocks right from other copies in the store, and from the ``backup`` in a folder of this
        machine. Raises NoBackup, NotOffered for a backup with a server, StorageFailed.
        """
        if mend or backup:
            from budwood.client.mending import verify_and_mend

            return verify_and_mend(self._place, backup, read_data=read_data, progress=progress)
        return self._place.verify(read_data=read_data, progress=progress)

    def scan(self, reference: str, *, progress: Progress = no_progress) -> "Report":
        """Look through a version's files for code that loading would run; nothing is run. Raises NotFound."""
        from budwood.client.scanning import scan_version

        return scan_version(self._place.work, self.get(reference), progress)

    def evaluate(
        self,
        reference: str,
        entry: str,
        dataset: str,
        *,
        champion: str = "",
        python: str = "",
        time_s: float = 3_600,
        memory_bytes: int = 1 << 34,
        less_is_better: Sequence[str] = (),
        margin: float = 0.0,
        key: str | bytes = "",
        say: Callable[[str], None] = lambda _: None,
    ) -> "Evaluated":
        """Run your entry point, here, on a version's files and a dataset's, and keep what it measured as evidence.

        ``entry`` is a script, or ``module:function``; ``champion`` a version, or ``@alias``, to be compared with.
        Raises EvaluationFailed, BadValue, NotFound, SourceNotFound, LimitExceeded, Forbidden.
        """
        from budwood.client.evaluating.evaluate import Entry, Limits, Wishes, evaluate

        limits, less = Limits(time_s, memory_bytes), frozenset(_each(less_is_better))
        wishes = Wishes(Entry(entry), self._place.work.ids, python, limits, less, margin, key, say)
        return evaluate(self, reference, dataset, wishes, champion)

    def card(self, reference: str) -> str:
        """A model card as Markdown, with the front matter that model hubs read. Raises NotFound, ManifestDamaged."""
        from budwood.client.portraits import portrait_of
        from budwood.domain.card import model_card

        return model_card(portrait_of(self.get(reference), self.gates))

    def edit_card(self, reference: str, text: str) -> "Evidence":
        """Put one's own words into a version's card, in the place of those before, which stay as evidence.

        ``text`` is Markdown: headings, lists and paragraphs. Raises BadValue, LimitExceeded, NotFound, Forbidden.
        """
        from budwood.client.portraits import edit_card

        return edit_card(self.gates, reference, text)

    def bom(self, reference: str, *, form: str = "1.6") -> str:
        """A bill of materials in the JSON of CycloneDX, ``form`` 1.6 or 1.7. Raises NotFound, NotOffered."""
        from budwood.client.portraits import portrait_of
        from budwood.domain.bom import bill_of_materials

        return bill_of_materials(portrait_of(self.get(reference), self.gates), form)

    def dossier(self, reference: str, folder: str | Path) -> "DossierChecked":
        """Write all that is known of a version as one signed folder of pages and JSON; gaps are told as gaps.

        Raises NotFound, TargetDiffers, LimitExceeded, StorageFailed, FrameworkMissing.
        """
        from budwood.client.dossier import write_dossier

        return write_dossier(self._place, reference, Path(folder))

    def sign(self, reference: str, key: str | bytes, *, password: str = "") -> "Evidence":
        """Sign a version's files with a private key in PEM, and keep the signature beside it; no weights are read.

        Raises BadValue, FrameworkMissing, NotFound, LimitExceeded.
        """
        from budwood.client.signing import sign_files

        version = self.get(reference)
        bundle = sign_files(version.record.model, version.manifest.files, key, password)
        return self.gates.add_signature(f"{version.record.namespace}/{version.record.model}@v{version.number}", bundle)

    def verify_signature(self, reference: str, key: str, *, bundle: str = "") -> "tuple[Evidence, ...]":
        """The kept signatures that a public key in PEM made over exactly this version's files; checked here.

        ``bundle`` is looked at instead of what is kept. Raises BadValue, FrameworkMissing, NotFound.
        """
        from budwood.client.signing import signatures_by, told

        version = self.get(reference)
        exact = f"{version.record.namespace}/{version.record.model}@v{version.number}"
        given = (told(bundle, version.digest),) if bundle else self.gates.signatures(exact)
        return signatures_by(key, given, version.manifest.files)

    def reproduce(
        self,
        reference: str,
        folder: str | Path,
        *,
        code: str | Path = "",
        with_data: bool = True,
        progress: Progress = no_progress,
    ) -> "Reproduced":
        """Write code, locked packages, data, parameters and command of a version, and check them; nothing is run.

        ``code`` is a git repository with its commit; by default the one around here. ``folder`` is new or empty.
        Raises NotFound, TargetDiffers, Damaged, StorageFull, StorageFailed.
        """
        from budwood.client.reproducing import Here
        from budwood.verbs.reproduce import ReproduceRequest, reproduce

        request = ReproduceRequest(reference, Path(folder), with_data)
        return reproduce(self._place.work, request, Here(Path(code or Path.cwd()), self.datasets), progress=progress)

    def rebuild_index(self) -> int:
        """Make the block index anew from the packs alone; the number of blocks found."""
        return self._place.rebuild_index()

    def sweep(self, *, dry_run: bool = False, grace_s: float | None = None) -> Swept:
        """Free what no version needs, once it has waited ``grace_s`` seconds (default: the registry's setting)."""
        return self._place.sweep(dry_run=dry_run, grace_s=grace_s)

    def stats(self) -> Usage:
        """Logical and stored bytes, by model and encoding, and what is shared with what."""
        return self._place.stats()

    def export(self, references: Sequence[str], path: str | Path, *, progress: Progress = no_progress) -> Exported:
        """Write versions, and all they need, as one verifiable file."""
        return self._place.export(_each(references), Path(path), progress=progress)

    def emit(
        self, target: str, reference: str = "", *, endpoint: str = "", namespace: str = "default", serving: str = ""
    ) -> "Emitted":
        """A version, or an endpoint as it stands now, as manifests for kserve, istio, triton … (docs/emit.md).

        ``serving`` is the text of a serving manifest; without it the version's own is taken, or what is known of it.
        Raises BadValue, BadServing, NotOffered, NotFound, BytesGone, Forbidden.
        """
        from budwood.client.emitting import emit

        return emit(self._place, target, reference, endpoint=endpoint, namespace=namespace, serving=serving)

    def import_bundle(self, path: str | Path, *, progress: Progress = no_progress) -> Imported:
        """Take in an exported bundle, every byte verified first. Raises BadBundle, BundleDamaged, LabelTaken."""
        return self._place.import_bundle(Path(path), progress=progress)

    def import_mlflow(
        self,
        uri: str,
        namespace: str = "default",
        *,
        artifacts: Sequence[str | Path] = (),
        workspace: str = "",
        with_files: bool = True,
        dry_run: bool = False,
        tell: "Tell | None" = None,
    ) -> "Carried":
        """Bring over what an MLflow server, its database or its folder holds; again, what is new since.

        ``artifacts`` are folders, or places such as ``s3://team/mlflow``, from which its files may be read, beside its
        own. ``tell`` is called with a kind and a count as the work goes on. The report says what differs; what does not
        answer ends it, to be done again.
        Raises BadValue, NameTaken, SourceNotFound, ServerUnreachable, Malformed, Unauthenticated, Forbidden.
        """
        from budwood.client.carrying.importing import ImportRequest, import_mlflow

        places = tuple(map(str, artifacts))
        request = ImportRequest(uri, namespace, places, workspace, with_files, dry_run)
        return import_mlflow(self._place, request, tell or (lambda _, __: None))

    def export_mlflow(
        self,
        uri: str,
        namespace: str = "default",
        *,
        workspace: str = "",
        with_files: bool = True,
        dry_run: bool = False,
        tell: "Tell | None" = None,
    ) -> "Carried":
        """Write what a namespace holds into an MLflow server; again, what is new since. The report says what differs.

        Raises BadValue, NameTaken, ServerUnreachable, Malformed, Unauthenticated, Forbidden, NamespaceNotFound.
        """
        from budwood.client.carrying.exporting import export_mlflow

        told = tell or (lambda _, __: None)
        return export_mlflow(self._place, uri, namespace, told, workspace=workspace, with_files=with_files, dry=dry_run)

    def backup(self, folder: str | Path, *, progress: Progress = no_progress) -> BackedUp:
        """Copy catalog and packs, consistent, while others work; again into the same folder copies what is new.

        Only where the registry's own files are. Raises NotOffered, TargetDiffers, StorageFull, StorageFailed.
        """
        return backup(self.house, Path(folder), progress=progress)

    def ledger(self, *, after: int = 0, limit: int = 100, subject: str = "") -> Sequence[LedgerEntry]:
        """Every change of state, oldest first."""
        return self._place.ledger(after=after, limit=limit, subject=subject)

    def close(self) -> None:
        """Release files and connections."""
        self._place.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Registry({self.place!r})"


def _paths(source: object, stack: contextlib.ExitStack) -> tuple[tuple[Path, ...], FileFacts]:
    """The files a source stands for; a model in memory is written to a folder that lives as long as the stack,
    and says what its files cannot: the frameworks' versions, and the schema where it knows it."""
    if isinstance(source, str | Path):
        return (Path(source),), FileFacts()
    if isinstance(source, list | tuple) and source and all(isinstance(part, str | Path) for part in source):
        return tuple(Path(part) for part in source), FileFacts()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="budwood-")))
    written = write_model(source, folder)
    return (folder,), FileFacts(written.frameworks, written.schema, written.architecture)


def _nearest_folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _each(words: Sequence[str]) -> tuple[str, ...]:
    """One word given alone is one word, not its letters."""
    return (words,) if isinstance(words, str) else tuple(words)


def _number(metric: str, value: object) -> float:
    """Raises BadValue."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise BadValue(f"The metric {metric!r} is {value!r}, not a number.", metric=metric) from error


def _kind(text: str) -> Kind | None:
    try:
        return Kind(text) if text else None
    except ValueError as error:
        raise BadValue(f"{text!r} is not a kind.", hint=f"Kinds are {', '.join(Kind)}.") from error
