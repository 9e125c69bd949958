"""What stands before a guarded stage or alias: ``registry.gates``. The same over HTTP and in a folder.

registry.gates.put_policy(Path("production.yaml").read_text())
registry.gates.add_evidence("encoder@v3", "evaluation", metrics={"accuracy": 0.93}, dataset="holdout", samples=2_000)
asked = registry.gates.request("encoder@v3", "production", "Better on the holdout")
registry.gates.approve(asked.id)
registry.gates.apply(asked.id)
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from budwood.client.attaching import read_file, signed
from budwood.client.holes import model_holes, version_holes
from budwood.client.place import Place
from budwood.domain import asks_gates as asks
from budwood.domain.asks_gates import Attached
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval, Outcome
from budwood.domain.policy.policy import Tier
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionDetail, Tiered
from budwood.domain.routes import gates, signing
from budwood.domain.routes.route import Route
from budwood.domain.signature import SigningKey
from budwood.errors import BadValue
from budwood.verbs.policy_text import policy_from

if TYPE_CHECKING:
    from budwood.domain.evaluation.compare import Comparison

Word = TypeVar("Word", bound=StrEnum)


class Gates:
    """What you may do is decided where the registry is. Promotions are numbered; ``namespace`` is where they are."""

    def __init__(self, place: Place) -> None:
        self._place = place

    # Policies

    def put_policy(self, text: str, namespace: str = DEFAULT_NAMESPACE) -> PolicyRecord:
        """Put a policy in force, as a new edition; the same text again changes nothing. ``text`` is YAML.

        Raises BadPolicy, LimitExceeded, NamespaceNotFound, Forbidden.
        """
        name = policy_from(text).name
        put: PolicyRecord = self._place.ask(
            gates.PUT_POLICY, {"namespace": namespace, "policy": name}, body=asks.PutPolicy(text)
        )
        return put

    def policies(self, namespace: str = DEFAULT_NAMESPACE) -> tuple[PolicyRecord, ...]:
        """Those in force, by name. Raises NamespaceNotFound."""
        answer: asks.Policies = self._place.ask(gates.LIST_POLICIES, {"namespace": namespace})
        return answer.policies

    def policy(self, name: str, namespace: str = DEFAULT_NAMESPACE) -> tuple[PolicyRecord, ...]:
        """Every edition, newest first. Raises RecordNotFound."""
        answer: asks.Policies = self._place.ask(gates.SHOW_POLICY, {"namespace": namespace, "policy": name})
        return answer.policies

    def remove_policy(self, name: str, namespace: str = DEFAULT_NAMESPACE) -> PolicyRecord:
        """It guards nothing any more; its editions stay. Raises RecordNotFound, Forbidden."""
        removed: PolicyRecord = self._place.ask(gates.REMOVE_POLICY, {"namespace": namespace, "policy": name})
        return removed

    def tier(self, model: str) -> Tiered:
        """How much harm a model could do; what nobody classed counts as high. Raises ModelNotFound."""
        found: Tiered = self._place.ask(gates.GET_TIER, model_holes(model))
        return found

    def set_tier(self, model: str, tier: str) -> Tiered:
        """``low``, ``limited`` or ``high``. Raises BadValue, ModelNotFound, Forbidden."""
        wanted = asks.SetTier(_word(Tier, tier, "tier"))
        changed: Tiered = self._place.ask(gates.SET_TIER, model_holes(model), body=wanted)
        return changed

    # Evidence

    def add_evidence(
        self,
        reference: str,
        kind: str,
        *,
        outcome: str = "",
        metrics: Mapping[str, float] | None = None,
        intervals: Mapping[str, Interval] | None = None,
        dataset: str = "",
        samples: int = 0,
        summary: str = "",
        details: Mapping[str, str] | None = None,
        files: Sequence[str | Path | Attached] = (),
        key: str | bytes = "",
        password: str = "",
    ) -> Evidence:
        """Record a result about a version; nobody changes or removes it. ``outcome`` is passed, failed or error.

        Kinds are evaluation, fairness, robustness, ab-test, integration, scan and performance. ``files`` are kept with
        it; ``key`` is a private key in PEM that signs all of it here.
        Raises BadValue, LimitExceeded, NotFound, Forbidden, SourceNotFound, FrameworkMissing.
        """
        wish = asks.AddEvidence(
            _word(EvidenceKind, kind, "kind of evidence"),
            _word(Outcome, outcome, "outcome"),
            dict(metrics or {}),
            dict(intervals or {}),
            dataset,
            samples,
            summary,
            dict(details or {}),
            tuple(read_file(each) for each in files),
        )
        if key:
            wish = signed(wish, self._place.get(reference), key, password)
        added: Evidence = self._place.ask(gates.ADD_EVIDENCE, version_holes(reference), body=wish)
        return added

    def evidence(self, reference: str) -> tuple[Evidence, ...]:
        """Oldest first. Raises NotFound."""
        answer: asks.EvidenceList = self._place.ask(gates.LIST_EVIDENCE, version_holes(reference))
        return answer.evidence

    def evidence_files(self, reference: str, evidence: str) -> tuple[Attached, ...]:
        """The files of one, by its digest or at least eight digits that begin it. Raises NotFound, BlockDamaged."""
        holes = {**version_holes(reference), "evidence": evidence}
        answer: asks.AttachedFiles = self._place.ask(gates.EVIDENCE_FILES, holes)
        return answer.files

    def compare(self, champion: str, candidate: str, *, dataset: str = "") -> "Comparison":
        """The newest evaluations of two versions on the same data, by metric. Raises NotFound, RecordNotFound."""
        from budwood.client.evaluating.compared import compare_kept

        return compare_kept(self, champion, candidate, dataset)

    def scan(self, reference: str) -> Evidence:
        """Have the registry itself look for code that loading would run, and keep what it says: a policy with
        ``requires.scanned`` asks for that. What it looked at before is not looked at again. Raises NotFound, Forbidden.
        """
        scanned: Evidence = self._place.ask(gates.SCAN, version_holes(reference))
        return scanned

    # Signatures

    def add_signature(self, reference: str, bundle: str) -> Evidence:
        """Keep a Sigstore bundle, made here or by ``model_signing``. Raises BadValue, LimitExceeded, NotFound."""
        body = asks.AddSignature(bundle)
        added: Evidence = self._place.ask(signing.ADD_SIGNATURE, version_holes(reference), body=body)
        return added

    def signatures(self, reference: str) -> tuple[Evidence, ...]:
        """With their bundles, oldest first; nothing is checked by this. Raises NotFound."""
        answer: asks.EvidenceList = self._place.ask(signing.LIST_SIGNATURES, version_holes(reference))
        return answer.evidence

    def trust_key(self, name: str, pem: str, namespace: str = DEFAULT_NAMESPACE) -> SigningKey:
        """The signatures of a public key count here from now on. Raises BadValue, LimitExceeded, Forbidden."""
        body = asks.TrustKey(name, pem)
        trusted: SigningKey = self._place.ask(signing.TRUST_KEY, {"namespace": namespace}, body=body)
        return trusted

    def trusted_keys(self, namespace: str = DEFAULT_NAMESPACE) -> tuple[SigningKey, ...]:
        """Those that are trusted. Raises NamespaceNotFound."""
        answer: asks.SigningKeys = self._place.ask(signing.LIST_KEYS, {"namespace": namespace})
        return answer.keys

    def remove_key(self, key: str, namespace: str = DEFAULT_NAMESPACE) -> SigningKey:
        """By its name, or what begins its SHA-256; its signatures count no more. Raises RecordNotFound, Forbidden."""
        removed: SigningKey = self._place.ask(signing.REMOVE_KEY, {"namespace": namespace, "key": key})
        return removed

    # Promotions

    def request(self, reference: str, pointer: str, reason: str = "") -> Promotion:
        """Ask that a guarded stage or alias may point at a version. Raises BadValue, Conflict, TooManyRequests."""
        body = asks.AskPromotion(pointer, reason)
        asked: Promotion = self._place.ask(gates.REQUEST, version_holes(reference), body=body)
        return asked

    def promotions(
        self, namespace: str = DEFAULT_NAMESPACE, *, state: str = "", before: int = 0, limit: int = 100
    ) -> asks.PromotionPage:
        """Newest first; ``state`` is open, applied, rejected or withdrawn. Raises BadValue, NamespaceNotFound."""
        query = asks.ListPromotions(state, before, limit)
        page: asks.PromotionPage = self._place.ask(gates.LIST, {"namespace": namespace}, query=query)
        return page

    def show(self, promotion: int, namespace: str = DEFAULT_NAMESPACE) -> PromotionDetail:
        """What each gate says, and everybody's reviews. Raises RecordNotFound."""
        detail: PromotionDetail = self._asked(gates.SHOW, promotion, namespace)
        return detail

    def approve(
        self, promotion: int, namespace: str = DEFAULT_NAMESPACE, *, reason: str = "", binds: str = ""
    ) -> Promotion:
        """Say yes to it as it is now, or as it was when you saw ``binds``.

        Raises RecordNotFound, Conflict, Forbidden, PreconditionFailed.
        """
        return self._review(promotion, namespace, asks.GiveReview(True, reason, binds))

    def reject(self, promotion: int, namespace: str = DEFAULT_NAMESPACE, *, reason: str = "") -> Promotion:
        """A no ends it. Raises RecordNotFound, Conflict, Forbidden."""
        return self._review(promotion, namespace, asks.GiveReview(False, reason))

    def apply(self, promotion: int, namespace: str = DEFAULT_NAMESPACE) -> PromotionDetail:
        """Point it there, if every gate is open now. Raises GateClosed, RecordNotFound, Conflict, Retired."""
        detail: PromotionDetail = self._asked(gates.APPLY, promotion, namespace)
        return detail

    def withdraw(self, promotion: int, namespace: str = DEFAULT_NAMESPACE) -> Promotion:
        """Take a request back. Raises RecordNotFound, Conflict, Forbidden."""
        withdrawn: Promotion = self._asked(gates.WITHDRAW, promotion, namespace)
        return withdrawn

    def break_glass(self, reference: str, pointer: str, reason: str) -> Promotion:
        """In an emergency, past every gate; flagged, and somebody else looks at it within a day.

        Raises BadValue, Conflict, Forbidden, Retired.
        """
        body = asks.BreakGlass(pointer, reason)
        broken: Promotion = self._place.ask(gates.BREAK_GLASS, version_holes(reference), body=body)
        return broken

    def look(self, promotion: int, namespace: str = DEFAULT_NAMESPACE) -> Promotion:
        """Say that you looked at a promotion past the gates. Raises RecordNotFound, Conflict, Forbidden."""
        looked: Promotion = self._asked(gates.LOOK, promotion, namespace)
        return looked

    def _review(self, promotion: int, namespace: str, said: asks.GiveReview) -> Promotion:
        reviewed: Promotion = self._asked(gates.REVIEW, promotion, namespace, said)
        return reviewed

    def _asked(self, route: Route, promotion: int, namespace: str, body: object = None) -> Any:
        return self._place.ask(route, {"namespace": namespace, "promotion": str(promotion)}, body=body)


def _word(kind: type[Word], text: str, what: str) -> Word:
    try:
        return kind(text)
    except ValueError as error:
        raise BadValue(f"{text[:80]!r} is no {what}.", hint=f"It is one of {', '.join(filter(None, kind))}.") from error
