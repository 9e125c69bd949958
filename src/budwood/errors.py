"""Every error Budwood raises on purpose, one family per thing the caller can do about it.

    BudwoodError
    ├── Invalid        the request is wrong; fix it and send it again          exit 2
    │   ├── BadName            a namespace, model, alias, tag key
    │   ├── BadLabel           not a semantic version
    │   ├── BadReference       not namespace/model@selector
    │   ├── BadFilter          a search that does not parse; carries the position
    │   ├── BadEndpoint        an endpoint that cannot be; names the field
    │   ├── BadSplit           weights that are no split of traffic
    │   ├── BadServing         a serving manifest that cannot be; names the field
    │   ├── BadPlan            a rollout's plan that cannot be followed; names the field
    │   ├── BadPolicy          a policy that does not say what it asks for; names the field
    │   ├── BadStandard        a metadata standard that does not say what it asks for; names the field
    │   ├── EvaluationFailed   an evaluation that crashed, took too long or said what is no result
    │   ├── BadPath            a file name no version may hold
    │   ├── BadValue           a metric, parameter, tag or setting out of its range
    │   ├── UnsafeEntry        a symlink, FIFO, device or socket among the files
    │   ├── BadBundle          an export that is not one
    │   ├── BadParcel          bytes sent to a server that are not what they claim
    │   ├── Malformed          a request or answer of another shape
    │   └── LimitExceeded      larger than a named limit
    ├── NotFound       no such thing, or not yours                             exit 3
    │   ├── NamespaceNotFound, PrincipalNotFound, RecordNotFound
    │   ├── RegistryNotFound, ModelNotFound, VersionNotFound
    │   ├── FileNotInVersion, TensorNotInVersion, SourceNotFound
    │   ├── BytesGone          the version's record is here; its bytes were let go
    │   └── NoBackup           a folder that holds none
    ├── Conflict       not now                                                 exit 4
    │   ├── NameTaken          somebody or something has this name
    │   ├── PreconditionFailed it was changed since it was read
    │   ├── KeyReused          an idempotency key that stood for another request
    │   ├── LabelTaken         the label names another version, or did until that was deleted
    │   ├── RegistryNotEmpty   a backup is restored into an empty place only
    │   ├── FileChanged        a file changed while it was read
    │   ├── TargetDiffers      the folder to pull into holds something else
    │   ├── LeaseLost          a sweep ran while the push slept; push again
    │   ├── RolloutRunning     a rollout moves this traffic
    │   └── NothingBefore      there is nothing to roll back to
    ├── Refused        rules forbid it                                         exit 5
    │   ├── Unauthenticated    no token, or not a valid one
    │   ├── Forbidden          your role does not allow it
    │   ├── StillInUse         something points to it; lists what
    │   ├── Retired            the version was retired
    │   ├── Held               a legal hold keeps it; names the hold
    │   ├── Kept               its class of retention keeps it yet
    │   ├── GateClosed         a policy guards it; lists the open gates
    │   ├── StandardUnmet      facts that the namespace's standard asks for are missing; names them
    │   ├── EdgeRefused        a parent in another namespace, and not both allow it
    │   └── QuotaExceeded      the namespace holds as much as it may
    ├── Damaged        bytes or records are not what they claim                exit 6
    │   ├── BlockDamaged, PackDamaged, ManifestDamaged, BundleDamaged, BackupDamaged
    │   ├── LedgerDamaged      the ledger is not what was signed; names the first bad index
    │   └── CatalogDamaged     the metadata database is not intact, or not ours
    ├── Unavailable    a part we need does not answer, or is full              exit 7
    │   ├── GatewayDown        a gateway that does not start or answer
    │   ├── ModelDown          a version that cannot be loaded, so that nobody answers for it
    │   ├── TooManyRequests    more than the namespace's rate
    │   ├── TargetUnreachable  an address outside does not answer, or is none we speak to
    │   ├── StorageFull, StorageFailed, RegistryBusy, ServerUnreachable, ClusterGone
    │   ├── Archived           bytes in an archive of the object store: to be restored there first
    └── Unsupported    understood, not offered                                 exit 8
        ├── FrameworkMissing   an optional library is not installed
        ├── TooNew             written by a newer Budwood
        ├── TooOld             a shared database with an older schema: 'budwood db upgrade'
        └── NotOffered         this part of a request has no meaning here

Over HTTP each class has a status, and ``from_problem`` makes the same error again on the other side.

Each carries a stable ``code``, a one-sentence ``message``, a ``hint`` (what to do next) and ``facts``
(plain values for programs). They are rendered in the faces only; in between they just pass.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

Fact = str | int | float | bool | None | tuple[str, ...]


class BudwoodError(Exception):
    """The root. ``exit_code`` belongs to the family, ``code`` to the class."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70
    http_status: ClassVar[int] = 500
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.facts: Mapping[str, Fact] = facts

    def to_json(self) -> dict[str, object]:
        """The error as the value every ``--json`` face prints under ``error``."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "facts": dict(self.facts)}


class Invalid(BudwoodError):
    code, exit_code, http_status = "invalid", 2, 422


class BadName(Invalid):
    code = "bad_name"
    default_hint = (
        "Names are lower-case letters, digits, '.', '_' and '-', at most 128, starting with a letter or digit."
    )


class EvaluationFailed(Invalid):
    code = "evaluation_failed"


class BadLabel(Invalid):
    code = "bad_label"
    default_hint = "A label is a semantic version such as 1.2.0 or 2.0.0-rc.1 (https://semver.org)."


class BadReference(Invalid):
    code = "bad_reference"
    default_hint = "Write [namespace/]model[@selector], for example encoder@1.2.0, encoder@v7 or encoder@production."


class BadFilter(Invalid):
    code = "bad_filter"
    default_hint = "See 'budwood search --help' for the filter language."


class BadEndpoint(Invalid):
    code = "bad_endpoint"


class BadSplit(Invalid):
    code = "bad_split"


class BadServing(Invalid):
    code = "bad_serving"


class BadPlan(Invalid):
    code = "bad_plan"


class BadPolicy(Invalid):
    code = "bad_policy"


class BadStandard(Invalid):
    code = "bad_standard"


class BadPath(Invalid):
    code = "bad_path"
    default_hint = "Rename the file: paths are relative, without '..', control or direction-changing characters."


class BadValue(Invalid):
    code = "bad_value"


class UnsafeEntry(Invalid):
    code = "unsafe_entry"
    default_hint = "Push regular files and folders only; copy what a link points to, or leave it out with --exclude."


class BadBundle(Invalid):
    code = "bad_bundle"
    default_hint = "A bundle is the single file that 'budwood export' writes."


class BadParcel(Invalid):
    code = "bad_parcel"
    default_hint = "Nothing of it was kept. Upgrade Budwood on both sides; if it happens again, report it."


class Malformed(Invalid):
    code, http_status = "malformed", 400
    default_hint = "docs/api.md gives the shape of each request and answer."


class LimitExceeded(Invalid):
    code = "limit_exceeded"
    default_hint = "docs/limits.md lists every limit."


class NotFound(BudwoodError):
    code, exit_code, http_status = "not_found", 3, 404


class RegistryNotFound(NotFound):
    code = "registry_not_found"
    default_hint = "Give --registry PATH or set BUDWOOD_REGISTRY; a push makes a new registry there."


class NamespaceNotFound(NotFound):
    code = "namespace_not_found"
    default_hint = "Check the name; an admin makes one: 'budwood namespace add NAME'."


class PrincipalNotFound(NotFound):
    code = "principal_not_found"
    default_hint = "Check the name; admins see who is known with 'budwood person list'."


class RecordNotFound(NotFound):
    code = "record_not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"
    default_hint = "'budwood list' shows the models of this registry."


class VersionNotFound(NotFound):
    code = "version_not_found"
    default_hint = "'budwood log MODEL' shows its versions, labels, aliases and stages."


class FileNotInVersion(NotFound):
    code = "file_not_in_version"
    default_hint = "'budwood show REF' lists the files of a version."


class TensorNotInVersion(NotFound):
    code = "tensor_not_in_version"
    default_hint = "'budwood show REF --tensors' lists the tensors of a version."


class NoBackup(NotFound):
    code = "no_backup"
    default_hint = "A backup is a folder that 'budwood backup' wrote."


class BytesGone(NotFound):
    code, http_status = "bytes_gone", 410
    default_hint = "Its record, facts and evidence stay: 'budwood show', 'budwood dossier'."


class SourceNotFound(NotFound):
    code = "source_not_found"
    default_hint = "Check the path to the file or folder."


class Conflict(BudwoodError):
    code, exit_code, http_status = "conflict", 4, 409


class NameTaken(Conflict):
    code = "name_taken"
    default_hint = "Choose another name."


class PreconditionFailed(Conflict):
    code, http_status = "precondition_failed", 412
    default_hint = "It was changed meanwhile. Read it again, then decide."


class KeyReused(Conflict):
    code = "key_reused"
    default_hint = "Use a fresh Idempotency-Key for each thing you want done."


class LabelTaken(Conflict):
    code = "label_taken"
    default_hint = "A label is set once. Choose another, or let --bump choose the next."


class RegistryNotEmpty(Conflict):
    code = "registry_not_empty"


class FileChanged(Conflict):
    code = "file_changed"
    default_hint = "Something is still writing it. Wait until it is finished and push again."


class TargetDiffers(Conflict):
    code = "target_differs"
    default_hint = "Pull into an empty or new folder, or give --overwrite."


class LeaseLost(Conflict):
    code = "lease_lost"
    default_hint = "Nothing was published. Run the same push again."


class RolloutRunning(Conflict):
    code = "rollout_running"


class NothingBefore(Conflict):
    code = "nothing_before"
    default_hint = "'budwood log MODEL --moves' shows the history of aliases and stages."


class Refused(BudwoodError):
    code, exit_code, http_status = "refused", 5, 403


class Unauthenticated(Refused):
    code, http_status = "unauthenticated", 401
    default_hint = "Run 'budwood login URL', or set BUDWOOD_TOKEN."


class Forbidden(Refused):
    code = "forbidden"
    default_hint = "Ask an owner of the namespace for a role that allows it; 'budwood whoami' shows what you may do."


class StillInUse(Refused):
    code = "still_in_use"


class Retired(Refused):
    code = "retired"
    default_hint = "Choose a version that is not retired."


class Held(Refused):
    code = "held"
    default_hint = "Somebody other than who placed a hold may lift it: 'budwood hold list'."


class Kept(Refused):
    code = "kept"
    default_hint = "'budwood retention show REF' says why; an admin, or an owner with a reason, may shorten it."


class GateClosed(Refused):
    code = "gate_closed"
    default_hint = "'budwood promotion show' says what is missing."


class StandardUnmet(Refused):
    code = "standard_unmet"
    default_hint = "'budwood standard show NAMESPACE' says what is asked for."


class EdgeRefused(Refused):
    code = "edge_refused"
    default_hint = "Both namespaces allow it in their standards: 'budwood standard set NAMESPACE FILE'."


class QuotaExceeded(Refused):
    code = "quota_exceeded"
    default_hint = "Delete versions that nobody needs, or ask an admin for more; 'budwood usage' shows what is held."


class Damaged(BudwoodError):
    code, exit_code = "damaged", 6
    default_hint = "Run 'budwood verify --read-data' to see every version that is touched."


class BlockDamaged(Damaged):
    code = "block_damaged"


class PackDamaged(Damaged):
    code = "pack_damaged"


class ManifestDamaged(Damaged):
    code = "manifest_damaged"


class BundleDamaged(Damaged):
    # What is damaged was sent: the server itself is well.
    code, http_status = "bundle_damaged", 422
    default_hint = "Copy the bundle again from where it was exported; nothing was imported."


class BackupDamaged(Damaged):
    code = "backup_damaged"
    default_hint = "Use another backup; nothing was restored."


class CatalogDamaged(Damaged):
    code = "catalog_damaged"
    default_hint = "Restore the catalog from a backup; the packs are untouched by this."


class LedgerDamaged(Damaged):
    code = "ledger_damaged"
    default_hint = "Run 'budwood audit verify', and compare with a backup or an exported bundle."


class Unavailable(BudwoodError):
    code, exit_code, http_status = "unavailable", 7, 503


class TooManyRequests(Unavailable):
    code, http_status = "too_many_requests", 429
    default_hint = "Wait a moment, then try again."


class TargetUnreachable(Unavailable):
    code = "target_unreachable"
    default_hint = "Check the address; a server speaks to public ones only, unless 'allow_networks' says more."


class ClusterGone(Unavailable):
    code = "cluster_gone"
    default_hint = "Start the Ray cluster, or take the setting 'ray' away to work on threads."


class StorageFull(Unavailable):
    code, http_status = "storage_full", 507
    default_hint = "Free some space ('budwood sweep' removes what nothing needs), then run it again. Nothing was lost."


class StorageFailed(Unavailable):
    code = "storage_failed"
    default_hint = "Check the disk or the object store, then run it again. Nothing was published."


class Archived(StorageFailed):
    code, http_status = "archived", 423  # One that is not tried again: restoring takes hours.
    default_hint = (
        "Have the object store restore it, for S3 with restore-object, for Azure by setting its tier to Hot or Cool;"
        " that takes minutes to hours. Then run it again."
    )


class ServerUnreachable(Unavailable):
    code = "server_unreachable"
    default_hint = "Check the URL and the network, and that the server runs; then run it again."


class GatewayDown(Unavailable):
    code = "gateway_down"


class ModelDown(Unavailable):
    code = "model_down"


class RegistryBusy(Unavailable):
    code = "registry_busy"
    default_hint = "Another process holds the registry; try again in a moment."


class Unsupported(BudwoodError):
    code, exit_code, http_status = "unsupported", 8, 501


class FrameworkMissing(Unsupported):
    code = "framework_missing"


class TooNew(Unsupported):
    code = "too_new"
    default_hint = "Upgrade Budwood: pip install --upgrade budwood."


class TooOld(Unsupported):
    code = "too_old"
    default_hint = "Run 'budwood db upgrade', once, where no older release writes to this database."


class NotOffered(Unsupported):
    code = "not_offered"


def from_problem(problem: Mapping[str, object]) -> BudwoodError:
    """The error that ``to_json`` wrote, of the class it had. An unknown code becomes its family by its status."""
    kinds = {kind.code: kind for kind in _kinds(BudwoodError)}
    status = problem.get("status")
    families = {family.http_status: family for family in BudwoodError.__subclasses__() if family is not Damaged}
    # What HTTP itself refuses (a header, a method, a length) has codes of its own.
    usual = Invalid if isinstance(status, int) and 400 <= status < 500 else Damaged
    kind = kinds.get(str(problem.get("code"))) or families.get(status, usual)  # type: ignore[call-overload]
    found = problem.get("facts")
    facts = {str(key): _fact(value) for key, value in found.items()} if isinstance(found, Mapping) else {}
    told = next((problem[key] for key in ("message", "detail", "title") if problem.get(key)), "")
    message = str(told or "The server refused, without saying why.")
    facts = {key: value for key, value in facts.items() if key not in ("message", "hint", "self")}
    return kind(message, hint=str(problem.get("hint") or ""), **facts)


def _kinds(kind: type[BudwoodError]) -> Iterator[type[BudwoodError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def _fact(value: object) -> Fact:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return tuple(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
