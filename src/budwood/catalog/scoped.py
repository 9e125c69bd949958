"""A catalog as one caller may see it: other namespaces answer as if they did not exist.

Everything a verb asks passes here, so no verb can forget to ask whether it may. What begins at a model's or version's
id is in ``UNGUARDED``: such ids come from records that were found within reach. A transaction refuses to write
outside its reach by not finding there what it would write to, and asserts what it is told in plain words. What looks
at the whole registry (sweep, backup) is neither here nor there: it needs the catalog itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TypeVar, cast

from budwood.catalog.api import Catalog, Done, Lease, RemovedLabel, Transaction, View
from budwood.catalog.evaluation_api import EvaluationPage, EvaluationSearch, IssuePage, IssueSearch
from budwood.catalog.listing_api import ListedModels, ListedVersions, ListingSearch
from budwood.catalog.people_api import Reach
from budwood.catalog.scoped_mcp import ScopedMcp
from budwood.catalog.traces_api import Linked, MeasuredRow, TracePage, TraceSearch
from budwood.catalog.tracking_api import ExperimentPage, RunPage, TrackingSearch
from budwood.domain.access import Role, Within
from budwood.domain.artifacts import Listed, LoggedModel, StoredFile
from budwood.domain.listing import ListedModel, ListedVersion, ListedWebhook
from budwood.domain.manifest import BlockId
from budwood.domain.names import Kind
from budwood.domain.people import Delivery, Grant, NamespaceRecord, NamespaceUsage, Quota, Trust, Webhook
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionState
from budwood.domain.query import Query
from budwood.domain.records import LedgerEntry, ModelRecord, VersionRecord
from budwood.domain.results import VersionPage
from budwood.domain.retention import Hold, RulesRecord
from budwood.domain.rollout.records import Rollout
from budwood.domain.standard import StandardRecord
from budwood.domain.storage_tiers.values import TieringRecord
from budwood.domain.trace import Named, NamedKind
from budwood.domain.traces.correlation import Counts
from budwood.domain.traces.measures import Measuring
from budwood.domain.traces.records import Trace
from budwood.domain.tracking.evaluation import EvaluationDataset
from budwood.domain.tracking.filters import Comparison
from budwood.domain.tracking.judging import Issue, LabelSchema, Scorer
from budwood.domain.tracking.records import Experiment, Run
from budwood.domain.traffic.records import EndpointRecord
from budwood.errors import LeaseLost, NamespaceNotFound
from budwood.store.api import BlockRow

T = TypeVar("T")
_UNGUARDED: Final = """
    versions version_count parent_pairs pointers pointer moves move_by_id move_at stage_history tags revision
    is_trusted
    principal principal_by_subject principals group groups known token tokens answered staged_blocks signing_keys meta
    remove_model add_version remove_version retire set_stage add_move put_tag put_tags remove_tag renew_lease drop_lease
    skip_numbers logged_model_is_known
    add_principal change_principal add_group set_members remove_group add_token revoke_token touch_token
    forget_tokens remove_trust change_delivery remember_answer forget_answers stage_blocks
    add_signing_key retire_signing_key set_meta
    tier promotions_of pointed_before reviews set_tier change_promotion add_review
    class_said services gone held_versions say_class unsay_class let_go lift_hold
    edges_of traced pointed named add_edge
    birth put_birth
    run_is_known logged_by metric_history metric_steps metric_at run_params datasets_of
    routing routing_at routings rollouts rollout_events counted served observations change_endpoint add_routing
    change_rollout add_rollout_event put_counted add_observations waiting disagreements put_waiting drop_waiting
    add_disagreements clients add_client remove_client
    model_listed version_listed newest_in_stages ids_in_stage model_tags version_texts names_of list_model touch_model
    list_version put_model_tags remove_model_tag put_version_texts remove_version_text list_webhook
    change_webhook_secret change_experiment remove_runs restore_runs put_experiment_tags remove_experiment_tag add_run
    change_run log_metrics log_params put_run_tags remove_run_tag add_inputs add_models
    logged_models said_of change_logged_model put_logged_tags remove_logged_tag put_logged_params put_logged_metrics
    add_logged_model
    assessments_of spans_of span_count traces_before remove_trace_tag put_spans put_assessment remove_assessment
    remove_traces
    evaluation_uses evaluation_records evaluation_marked scorer scorers_newest scorer_versions scorer_version
    label_schema_named label_schemas issue_count evaluation_id_is_known
    change_evaluation_dataset remove_evaluation_dataset put_evaluation_tags
    remove_evaluation_tag add_evaluation_uses remove_evaluation_uses add_evaluation_records change_evaluation_records
    remove_evaluation_records add_scorer remove_scorer set_sampling add_scorer_version remove_scorer_version
    add_label_schema change_label_schema remove_label_schema add_issue change_issue
    mcp_version mcp_releases find_mcp_versions mcp_endpoint_id_is_known mcp_endpoints mcp_endpoint_count
    change_mcp_server remove_mcp_server
    add_mcp_version change_mcp_version put_mcp_alias remove_mcp_alias put_mcp_tag remove_mcp_tag put_mcp_version_tag
    remove_mcp_version_tag change_mcp_endpoint remove_mcp_endpoint remove_mcp_endpoints_to
    tier_state version_use put_tier_state note_use
    token_use token_uses put_token_use put_sketch
"""
UNGUARDED: Final = frozenset(_UNGUARDED.split())
"""Methods that name no namespace and begin at an id, a principal or a key."""


class ScopedCatalog:
    """``catalog.api.Catalog`` within ``reach``."""

    __slots__ = ("_inner", "_reach")

    def __init__(self, inner: Catalog, reach: frozenset[str] | Within) -> None:
        self._inner = inner
        self._reach = reach

    @contextmanager
    def _reading(self) -> Iterator[View]:
        with self._inner.read() as view:
            yield cast(View, _Scoped(view, self._reach))

    def read(self) -> AbstractContextManager[View]:
        return self._reading()

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self._inner.write(lambda transaction: work(cast(Transaction, _Scoped(transaction, self._reach))))

    def write_behind(self, work: Callable[[Transaction], T]) -> T:
        return self._inner.write_behind(lambda transaction: work(cast(Transaction, _Scoped(transaction, self._reach))))

    def write_soon(self, work: Callable[[Transaction], T], done: Done[T]) -> None:
        self._inner.write_soon(lambda transaction: work(cast(Transaction, _Scoped(transaction, self._reach))), done)

    def check(self) -> Iterator[str]:
        return self._inner.check()

    def close(self) -> None:
        """The catalog below is not this one's to close."""


class _Scoped(ScopedMcp):
    """A view or transaction within reach."""

    __slots__ = ("_inner", "_reach")

    def __init__(self, inner: View, reach: frozenset[str] | Within) -> None:
        self._inner = cast(Transaction, inner)
        self._reach = reach

    def __getattr__(self, name: str) -> Any:
        assert name in UNGUARDED, f"{name} is not for one caller"
        return getattr(self._inner, name)

    def model(self, namespace: str, name: str) -> ModelRecord | None:
        return self._inner.model(namespace, name) if namespace in self._reach else None

    def version_by_number(self, namespace: str, name: str, number: int) -> VersionRecord | None:
        return self._inner.version_by_number(namespace, name, number) if namespace in self._reach else None

    def version_by_label(self, namespace: str, name: str, label: str) -> VersionRecord | None:
        return self._inner.version_by_label(namespace, name, label) if namespace in self._reach else None

    def removed_label(self, namespace: str, name: str, label: str) -> RemovedLabel | None:
        return self._inner.removed_label(namespace, name, label) if namespace in self._reach else None

    def version_by_pointer(self, namespace: str, name: str, pointer: str) -> VersionRecord | None:
        return self._inner.version_by_pointer(namespace, name, pointer) if namespace in self._reach else None

    def versions_by_digest(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        return self._inner.versions_by_digest(namespace, name, prefix) if namespace in self._reach else ()

    def versions_by_commit(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        return self._inner.versions_by_commit(namespace, name, prefix) if namespace in self._reach else ()

    def newest_version(self, namespace: str, name: str) -> VersionRecord | None:
        return self._inner.newest_version(namespace, name) if namespace in self._reach else None

    def namespace(self, name: str) -> NamespaceRecord | None:
        return self._inner.namespace(name) if name in self._reach else None

    def namespaces(self, *, after: str = "", limit: int = 100, reach: Reach = None) -> Sequence[NamespaceRecord]:
        return self._inner.namespaces(after=after, limit=limit, reach=self._near(reach))

    def models(self, *, after: str = "", limit: int = 100, reach: Reach = None) -> Sequence[ModelRecord]:
        return self._inner.models(after=after, limit=limit, reach=self._near(reach))

    def versions_of_structure(self, structure: str, *, limit: int, reach: Reach = None) -> Sequence[VersionRecord]:
        return self._inner.versions_of_structure(structure, limit=limit, reach=self._near(reach))

    def probed(self, probes: Sequence[int], *, limit: int, reach: Reach = None) -> Sequence[int]:
        return self._inner.probed(probes, limit=limit, reach=self._near(reach))

    def add_probes(self, version_id: int, namespace: str, probes: Sequence[int]) -> None:
        self._own(namespace)
        self._inner.add_probes(version_id, namespace, probes)

    def parents(self, version_id: int) -> Sequence[VersionRecord]:
        return [each for each in self._inner.parents(version_id) if each.namespace in self._reach]

    def children(self, version_id: int) -> Sequence[VersionRecord]:
        return [each for each in self._inner.children(version_id) if each.namespace in self._reach]

    def walk(self, start: int, *, up: bool, limit: int, reach: Reach = None) -> Sequence[int]:
        return self._inner.walk(start, up=up, limit=limit, reach=self._near(reach))

    def named_as(self, namespace: str, kind: NamedKind, source: str, name: str, run: str = "") -> Named | None:
        return self._inner.named_as(namespace, kind, source, name, run) if namespace in self._reach else None

    def name_thing(self, named: Named, *, at_ms: int) -> Named:
        self._own(named.namespace)
        return self._inner.name_thing(named, at_ms=at_ms)

    def search(self, query: Query, *, cursor: str = "", limit: int = 100, reach: Reach = None) -> VersionPage:
        return self._inner.search(query, cursor=cursor, limit=limit, reach=self._near(reach))

    def ledger(
        self, *, after: int = 0, limit: int = 100, subject: str = "", reach: Reach = None
    ) -> Sequence[LedgerEntry]:
        return self._inner.ledger(after=after, limit=limit, subject=subject, reach=self._near(reach))

    def find_blocks(self, ids: Sequence[BlockId], *, reach: Reach = None) -> Mapping[BlockId, BlockRow]:
        return self._inner.find_blocks(ids, reach=self._near(reach))

    def version_by_id(self, version_id: int) -> VersionRecord | None:
        found = self._inner.version_by_id(version_id)
        return found if found is not None and found.namespace in self._reach else None

    def lease(self, lease_id: str, *, now_ms: int) -> Lease | None:
        """One of sweep and its like, too, which belongs to no namespace."""
        found = self._inner.lease(lease_id, now_ms=now_ms)
        return found if found is not None and (not found.namespace or found.namespace in self._reach) else None

    def leases(self, *, now_ms: int) -> Sequence[Lease]:
        """Those of sweep and its like, too, which belong to no namespace."""
        return [
            each for each in self._inner.leases(now_ms=now_ms) if not each.namespace or each.namespace in self._reach
        ]

    def pack_owner(self, pack: str) -> str:
        owner = self._inner.pack_owner(pack)
        return owner if owner in self._reach else ""

    def usage(self, namespace: str, *, now_ms: int) -> NamespaceUsage | None:
        return self._inner.usage(namespace, now_ms=now_ms) if namespace in self._reach else None

    def recount(self, namespace: str, *, now_ms: int) -> NamespaceUsage | None:
        return self._inner.recount(namespace, now_ms=now_ms) if namespace in self._reach else None

    def grants(self, *, namespace: str = "", to: str = "", to_group: bool = False) -> Sequence[Grant]:
        found = self._inner.grants(namespace=namespace, to=to, to_group=to_group)
        return [grant for grant in found if grant.namespace in self._reach]

    def roles_of(self, principal_id: int) -> Mapping[str, frozenset[Role]]:
        held = self._inner.roles_of(principal_id)
        return {namespace: roles for namespace, roles in held.items() if namespace in self._reach}

    def trusts(self, *, namespace: str = "", issuer: str = "", subject: str = "") -> Sequence[Trust]:
        found = self._inner.trusts(namespace=namespace, issuer=issuer, subject=subject)
        return [trust for trust in found if trust.namespace in self._reach]

    def webhook(self, webhook_id: int) -> Webhook | None:
        found = self._inner.webhook(webhook_id)
        return found if found is not None and found.namespace in self._reach else None

    def webhooks(self, namespace: str) -> Sequence[Webhook]:
        return self._inner.webhooks(namespace) if namespace in self._reach else ()

    def webhook_secret(self, webhook_id: int) -> bytes | None:
        return self._inner.webhook_secret(webhook_id) if self.webhook(webhook_id) else None

    def deliveries(self, webhook_id: int, *, before: int = 0, limit: int = 100) -> Sequence[Delivery]:
        return self._inner.deliveries(webhook_id, before=before, limit=limit) if self.webhook(webhook_id) else ()

    def policies(self, namespace: str) -> Sequence[PolicyRecord]:
        return self._inner.policies(namespace) if namespace in self._reach else ()

    def policy_editions(self, namespace: str, name: str) -> Sequence[PolicyRecord]:
        return self._inner.policy_editions(namespace, name) if namespace in self._reach else ()

    def evidence(self, namespace: str, subject: str) -> Sequence[Evidence]:
        return self._inner.evidence(namespace, subject) if namespace in self._reach else ()

    def evidence_with_files(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[tuple[str, Evidence]]:
        found = self._inner.evidence_with_files(after_id=after_id, limit=limit)
        return [(room, each) for room, each in found if room in self._reach]

    def promotion(self, promotion_id: int) -> Promotion | None:
        found = self._inner.promotion(promotion_id)
        return found if found is not None and found.namespace in self._reach else None

    def promotions(
        self, namespace: str, *, state: PromotionState | None = None, before: int = 0, limit: int = 100
    ) -> Sequence[Promotion]:
        near = namespace in self._reach
        return self._inner.promotions(namespace, state=state, before=before, limit=limit) if near else ()

    def unseen_breaks(self, namespace: str) -> Sequence[Promotion]:
        return self._inner.unseen_breaks(namespace) if namespace in self._reach else ()

    def retention_rules(self, namespace: str) -> RulesRecord | None:
        return self._inner.retention_rules(namespace) if namespace in self._reach else None

    def retention_editions(self, namespace: str) -> Sequence[RulesRecord]:
        return self._inner.retention_editions(namespace) if namespace in self._reach else ()

    def versions_in(self, namespace: str, *, after_id: int = 0, limit: int = 1000) -> Sequence[VersionRecord]:
        near = namespace in self._reach
        return self._inner.versions_in(namespace, after_id=after_id, limit=limit) if near else ()

    def hold(self, hold_id: int) -> Hold | None:
        found = self._inner.hold(hold_id)
        return found if found is not None and found.namespace in self._reach else None

    def holds(self, namespace: str, *, every: bool = False, before: int = 0, limit: int = 100) -> Sequence[Hold]:
        near = namespace in self._reach
        return self._inner.holds(namespace, every=every, before=before, limit=limit) if near else ()

    def holds_on(self, namespace: str, model_id: int = 0, version_id: int = 0) -> Sequence[Hold]:
        return self._inner.holds_on(namespace, model_id, version_id) if namespace in self._reach else ()

    def add_rules(self, rules: RulesRecord) -> RulesRecord:
        self._own(rules.namespace)
        return self._inner.add_rules(rules)

    def add_hold(self, hold: Hold, versions: Sequence[int] = ()) -> Hold:
        self._own(hold.namespace)
        return self._inner.add_hold(hold, versions)

    def tiering(self, namespace: str) -> TieringRecord | None:
        return self._inner.tiering(namespace) if namespace in self._reach else None

    def add_tiering(self, tiering: TieringRecord) -> TieringRecord:
        self._own(tiering.namespace)
        return self._inner.add_tiering(tiering)

    def standard(self, namespace: str) -> StandardRecord | None:
        return self._inner.standard(namespace) if namespace in self._reach else None

    def standard_editions(self, namespace: str) -> Sequence[StandardRecord]:
        return self._inner.standard_editions(namespace) if namespace in self._reach else ()

    def add_standard(self, standard: StandardRecord) -> StandardRecord:
        self._own(standard.namespace)
        return self._inner.add_standard(standard)

    def remove_standard(self, namespace: str, *, at_ms: int) -> None:
        self._own(namespace)
        self._inner.remove_standard(namespace, at_ms=at_ms)

    def endpoint(self, namespace: str, name: str) -> EndpointRecord | None:
        return self._inner.endpoint(namespace, name) if namespace in self._reach else None

    def endpoint_by_id(self, endpoint_id: int) -> EndpointRecord | None:
        found = self._inner.endpoint_by_id(endpoint_id)
        return found if found is not None and found.namespace in self._reach else None

    def endpoints(self, namespace: str) -> Sequence[EndpointRecord]:
        return self._inner.endpoints(namespace) if namespace in self._reach else ()

    def rollout(self, rollout_id: int) -> Rollout | None:
        found = self._inner.rollout(rollout_id)
        return found if found is not None and found.namespace in self._reach else None

    def add_endpoint(self, endpoint: EndpointRecord) -> EndpointRecord:
        self._own(endpoint.namespace)
        return self._inner.add_endpoint(endpoint)

    def add_rollout(self, rollout: Rollout) -> Rollout:
        self._own(rollout.namespace)
        return self._inner.add_rollout(rollout)

    def experiment(self, namespace: str, number: int) -> Experiment | None:
        return self._inner.experiment(namespace, number) if namespace in self._reach else None

    def model_titled(self, namespace: str, title: str) -> ListedModel | None:
        return self._inner.model_titled(namespace, title) if namespace in self._reach else None

    def version_titled(self, namespace: str, title: str, number: int) -> ListedVersion | None:
        return self._inner.version_titled(namespace, title, number) if namespace in self._reach else None

    def version_titled_at(self, namespace: str, title: str, pointer: str) -> ListedVersion | None:
        return self._inner.version_titled_at(namespace, title, pointer) if namespace in self._reach else None

    def find_models(self, namespace: str, search: ListingSearch, *, token: str = "", limit: int = 100) -> ListedModels:
        if namespace not in self._reach:
            return ListedModels(())
        return self._inner.find_models(namespace, search, token=token, limit=limit)

    def find_versions(
        self, namespace: str, search: ListingSearch, *, token: str = "", limit: int = 100
    ) -> ListedVersions:
        if namespace not in self._reach:
            return ListedVersions(())
        return self._inner.find_versions(namespace, search, token=token, limit=limit)

    def webhook_listings(self, namespace: str) -> Sequence[ListedWebhook]:
        return self._inner.webhook_listings(namespace) if namespace in self._reach else ()

    def experiment_named(self, namespace: str, name: str) -> Experiment | None:
        return self._inner.experiment_named(namespace, name) if namespace in self._reach else None

    def experiment_numbers(self, namespace: str, numbers: Sequence[int]) -> Mapping[int, int]:
        return self._inner.experiment_numbers(namespace, numbers) if namespace in self._reach else {}

    def find_experiments(
        self, namespace: str, search: TrackingSearch, *, token: str = "", limit: int = 1000
    ) -> ExperimentPage:
        near = namespace in self._reach
        return self._inner.find_experiments(namespace, search, token=token, limit=limit) if near else ExperimentPage(())

    def run(self, namespace: str, run: str) -> Run | None:
        return self._inner.run(namespace, run) if namespace in self._reach else None

    def find_runs(self, namespace: str, search: TrackingSearch, *, token: str = "", limit: int = 1000) -> RunPage:
        near = namespace in self._reach
        return self._inner.find_runs(namespace, search, token=token, limit=limit) if near else RunPage(())

    def traces(self, namespace: str, ids: Sequence[str]) -> Sequence[Trace]:
        return self._inner.traces(namespace, ids) if namespace in self._reach else ()

    def find_traces(self, namespace: str, search: TraceSearch, *, token: str = "", limit: int = 100) -> TracePage:
        near = namespace in self._reach
        return self._inner.find_traces(namespace, search, token=token, limit=limit) if near else TracePage(())

    def count_traces(
        self, namespace: str, search: TraceSearch, first: Sequence[Comparison], second: Sequence[Comparison]
    ) -> Counts:
        near = namespace in self._reach
        return self._inner.count_traces(namespace, search, first, second) if near else Counts(0, 0, 0, 0)

    def measured(
        self, namespace: str, experiments: Sequence[int], measuring: Measuring, *, limit: int
    ) -> Sequence[MeasuredRow]:
        return self._inner.measured(namespace, experiments, measuring, limit=limit) if namespace in self._reach else ()

    def link_traces(self, namespace: str, traces: Sequence[str], kind: Linked, target: str) -> None:
        self._own(namespace)
        self._inner.link_traces(namespace, traces, kind, target)

    def put_trace(self, namespace: str, trace: Trace) -> Trace:
        self._own(namespace)
        return self._inner.put_trace(namespace, trace)

    def add_experiment(self, namespace: str, experiment: Experiment) -> Experiment:
        self._own(namespace)
        return self._inner.add_experiment(namespace, experiment)

    def forget_experiments(self, namespace: str) -> None:
        self._own(namespace)
        self._inner.forget_experiments(namespace)

    def stored_file(self, namespace: str, path: str) -> StoredFile | None:
        return self._inner.stored_file(namespace, path) if namespace in self._reach else None

    def stored_files(self, namespace: str, below: str, *, after: str = "", limit: int = 1000) -> Sequence[StoredFile]:
        near = namespace in self._reach
        return self._inner.stored_files(namespace, below, after=after, limit=limit) if near else ()

    def listed_files(self, namespace: str, below: str, *, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        near = namespace in self._reach
        return self._inner.listed_files(namespace, below, after=after, limit=limit) if near else ()

    def all_stored_files(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[StoredFile]:
        found = self._inner.all_stored_files(after_id=after_id, limit=limit)
        return [each for each in found if each.namespace in self._reach]

    def stored_files_like(self, namespace: str, structure: str, *, limit: int) -> Sequence[StoredFile]:
        return self._inner.stored_files_like(namespace, structure, limit=limit) if namespace in self._reach else ()

    def logged_model(self, namespace: str, model: str) -> LoggedModel | None:
        return self._inner.logged_model(namespace, model) if namespace in self._reach else None

    def put_stored_file(self, file: StoredFile) -> StoredFile:
        self._own(file.namespace)
        return self._inner.put_stored_file(file)

    def remove_stored_files(self, namespace: str, path: str) -> int:
        self._own(namespace)
        return self._inner.remove_stored_files(namespace, path)

    def forget_logged_models(self, namespace: str) -> None:
        self._own(namespace)
        self._inner.forget_logged_models(namespace)

    def evaluation_dataset(self, namespace: str, dataset: str) -> EvaluationDataset | None:
        return self._inner.evaluation_dataset(namespace, dataset) if namespace in self._reach else None

    def evaluation_dataset_count(self, namespace: str) -> int:
        return self._inner.evaluation_dataset_count(namespace) if namespace in self._reach else 0

    def find_evaluation_datasets(
        self, namespace: str, search: EvaluationSearch, *, token: str = "", limit: int = 1000
    ) -> EvaluationPage:
        if namespace not in self._reach:
            return EvaluationPage(())
        return self._inner.find_evaluation_datasets(namespace, search, token=token, limit=limit)

    def scorers_known(self, namespace: str, scorers: Sequence[str]) -> Sequence[Scorer]:
        return self._inner.scorers_known(namespace, scorers) if namespace in self._reach else ()

    def label_schema(self, namespace: str, schema: str) -> LabelSchema | None:
        return self._inner.label_schema(namespace, schema) if namespace in self._reach else None

    def issue(self, namespace: str, issue: str) -> Issue | None:
        return self._inner.issue(namespace, issue) if namespace in self._reach else None

    def find_issues(self, namespace: str, search: IssueSearch, *, token: str = "", limit: int = 100) -> IssuePage:
        near = namespace in self._reach
        return self._inner.find_issues(namespace, search, token=token, limit=limit) if near else IssuePage(())

    def add_evaluation_dataset(self, dataset: EvaluationDataset) -> EvaluationDataset:
        self._own(dataset.namespace)
        return self._inner.add_evaluation_dataset(dataset)

    def add_policy(self, policy: PolicyRecord) -> PolicyRecord:
        self._own(policy.namespace)
        return self._inner.add_policy(policy)

    def remove_policy(self, namespace: str, name: str, *, at_ms: int) -> None:
        self._own(namespace)
        self._inner.remove_policy(namespace, name, at_ms=at_ms)

    def add_evidence(self, namespace: str, evidence: Evidence) -> Evidence:
        self._own(namespace)
        return self._inner.add_evidence(namespace, evidence)

    def add_promotion(self, promotion: Promotion) -> Promotion:
        self._own(promotion.namespace)
        return self._inner.add_promotion(promotion)

    def add_model(self, namespace: str, name: str, kind: Kind, owner: str, at_ms: int) -> ModelRecord:
        if namespace not in self._reach or self._inner.namespace(namespace) is None:
            raise NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
        return self._inner.add_model(namespace, name, kind, owner, at_ms)

    def add_ledger(
        self, at_ms: int, actor: str, action: str, subject: str, body: Mapping[str, object], namespace: str = ""
    ) -> int:
        self._own(namespace)
        return self._inner.add_ledger(at_ms, actor, action, subject, body, namespace)

    def add_blocks(self, rows: Sequence[BlockRow], namespace: str = "") -> None:
        """A block that lies out of reach stays in force where it lies: the namespace has just sent it, so it holds it.

        Raises LeaseLost for one that would lean on such a block and lies no deeper.
        """
        self._own(namespace)
        there = self._inner.find_blocks([row.id for row in rows])
        new = [row for row in rows if row.id not in there]
        if any(base in there and there[base].depth >= row.depth for row in new for base in row.bases):
            raise LeaseLost("What these blocks lean on lies too deep.")
        self._inner.add_blocks(new, namespace)
        self._inner.hold_blocks(namespace, {row.id: row.length for row in rows if row.id in there})

    def hold_blocks(self, namespace: str, lengths: Mapping[BlockId, int]) -> None:
        self._own(namespace)
        self._inner.hold_blocks(namespace, lengths)

    def take_lease(self, lease: Lease) -> None:
        self._own(lease.namespace)
        self._inner.take_lease(lease)

    def set_quota(self, namespace: str, quota: Quota) -> NamespaceRecord:
        self._own(namespace)
        return self._inner.set_quota(namespace, quota)

    def put_grant(self, grant: Grant) -> None:
        self._own(grant.namespace)
        self._inner.put_grant(grant)

    def remove_grant(self, grant: Grant) -> bool:
        self._own(grant.namespace)
        return self._inner.remove_grant(grant)

    def add_trust(self, trust: Trust) -> Trust:
        self._own(trust.namespace)
        return self._inner.add_trust(trust)

    def add_webhook(self, webhook: Webhook, secret: bytes) -> Webhook:
        self._own(webhook.namespace)
        return self._inner.add_webhook(webhook, secret)

    def change_webhook(self, webhook: Webhook) -> Webhook:
        assert self.webhook(webhook.id) is not None, "a webhook out of reach is not changed"
        return self._inner.change_webhook(webhook)

    def remove_webhook(self, webhook_id: int) -> None:
        assert self.webhook(webhook_id) is not None, "a webhook out of reach is not removed"
        self._inner.remove_webhook(webhook_id)

    def add_delivery(self, delivery: Delivery) -> Delivery:
        assert self.webhook(delivery.webhook_id) is not None, "nothing is sent to a webhook out of reach"
        return self._inner.add_delivery(delivery)

    def _near(self, reach: Reach) -> frozenset[str]:
        mine = self._reach if isinstance(self._reach, frozenset) else self._reach.names()
        return mine if reach is None else mine & reach

    def _own(self, namespace: str) -> None:
        assert not namespace or namespace in self._reach, f"{namespace} is out of reach"
