"""Where the items of rules about models are answered in a dossier, or that they are not: an aid, and no legal advice.

Items are told in our own short words; the rules themselves are what counts. ``known`` names what must be known for an
item to be answered; an item that a registry cannot know is a gap and says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from budwood.domain.dossier.content import Content
from budwood.domain.policy.evidence import EvidenceKind

ANNEX: Final = "EU AI Act, Annex IV"
LOGS: Final = "EU AI Act, Art. 12 and 18"
BANKS: Final = "SR 26-2"
ASKED: Final = "What auditors ask"
SOURCES: Final = (ANNEX, LOGS, BANKS, ASKED)


class Answer(StrEnum):
    """How much of an item the dossier answers."""

    ANSWERED = "answered"
    PARTLY = "partly answered"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Item:
    """``sections`` is where to look; ``known`` what must be known; ``whole`` False: never more than a part of it."""

    source: str
    number: str
    asks: str
    sections: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """An item and how far it is answered; ``lacks`` is what would answer the rest."""

    item: Item
    answer: Answer
    lacks: tuple[str, ...]


ITEMS: Final = (
    Item(ANNEX, "1(a)", "intended purpose, provider, version and how it relates to earlier ones",
         ("facts", "lineage"), ("purpose", "version"), whole=False),
    Item(ANNEX, "1(b)", "how it works together with other hardware and software"),
    Item(ANNEX, "1(c)", "versions of relevant software", ("facts",), ("packages", "frameworks")),
    Item(ANNEX, "1(d)", "the forms in which it is placed on the market", ("files",), ("version",), whole=False),
    Item(ANNEX, "1(e)", "the hardware it is meant to run on"),
    Item(ANNEX, "1(f)", "outer features, marking and layout of products it is part of"),
    Item(ANNEX, "1(g)", "the user interface for who deploys it"),
    Item(ANNEX, "1(h)", "instructions for use", ("card",), (), whole=False),
    Item(ANNEX, "2(a)", "methods and steps of development, and use of what others trained",
         ("facts", "lineage"), ("parameters", "code", "origin"), whole=False),
    Item(ANNEX, "2(b)", "design: general logic, key choices, assumptions", ("facts",), ("architecture",), whole=False),
    Item(ANNEX, "2(c)", "architecture of the system, and computing resources used",
         ("facts",), ("architecture", "hardware"), whole=False),
    Item(ANNEX, "2(d)", "training data: where it comes from, how it was chosen, labelled and cleaned",
         ("facts", "lineage"), ("data",), whole=False),
    Item(ANNEX, "2(e)", "measures for human oversight"),
    Item(ANNEX, "2(f)", "changes that were planned beforehand", ("policies",), (), whole=False),
    Item(ANNEX, "2(g)", "validation and testing: data, metrics, reports dated and signed for",
         ("evidence", "approvals"), ("evaluation", "fairness", "robustness")),
    Item(ANNEX, "2(h)", "measures of cybersecurity", ("scan", "evidence"), ("scan", "signature"), whole=False),
    Item(ANNEX, "3", "monitoring, functioning and control; accuracy for groups of persons; limits",
         ("evidence",), ("evaluation", "fairness"), whole=False),
    Item(ANNEX, "4", "why the performance metrics are the right ones", ("evidence",), ("evaluation",), whole=False),
    Item(ANNEX, "5", "the risk management system", ("approvals", "policies"), ("tier", "policies"), whole=False),
    Item(ANNEX, "6", "relevant changes through its life", ("lineage", "serving", "ledger"), ("ledger",)),
    Item(ANNEX, "7", "harmonised standards that were applied"),
    Item(ANNEX, "8", "the EU declaration of conformity"),
    Item(ANNEX, "9", "the plan for monitoring after it is on the market"),
    Item(LOGS, "12(1)", "events are recorded automatically over its lifetime", ("ledger",), ("ledger",), whole=False),
    Item(LOGS, "12(2)(a)", "records that show risks and substantial modifications",
         ("ledger", "approvals"), ("ledger",), whole=False),
    Item(LOGS, "12(2)(b)", "records for monitoring after it is on the market"),
    Item(LOGS, "12(2)(c)", "records for monitoring its operation", ("serving",), (), whole=False),
    Item(LOGS, "12(3)", "for biometric identification: each use, the reference data, the match, who verified"),
    Item(LOGS, "18", "documentation is kept for ten years after the last one was placed on the market",
         ("retention",), ("class",), whole=False),
    Item(BANKS, "materiality", "how exposed decisions are to it, and for what it is used: the tier of risk",
         ("approvals",), ("tier", "purpose"), whole=False),
    Item(BANKS, "development", "purpose, design, theory, data and testing, documented",
         ("facts", "lineage", "evidence"), ("purpose", "architecture", "data", "evaluation"), whole=False),
    Item(BANKS, "implementation", "what runs is what was validated: identity, controls, change management",
         ("files", "serving", "ledger"), ("version", "signature", "ledger")),
    Item(BANKS, "conceptual soundness", "quality of design and construction, judged by others than developers",
         ("approvals", "evidence"), ("reviews", "evaluation"), whole=False),
    Item(BANKS, "outcomes analysis", "results compared with what really happened", ("evidence",), ("ab-test",)),
    Item(BANKS, "ongoing monitoring", "performance, drift and use while it runs", ("serving",), (), whole=False),
    Item(BANKS, "effective challenge", "independent, competent review that can say no",
         ("approvals", "policies"), ("reviews", "policies")),
    Item(BANKS, "governance", "policies and roles, and that they were followed",
         ("policies", "approvals", "ledger"), ("policies", "ledger")),
    Item(BANKS, "inventory", "that it is known, with owner, state and what depends on it",
         ("facts", "lineage", "serving"), ("version",)),
    Item(BANKS, "third parties", "what comes from others is understood and validated alike",
         ("lineage", "bom"), ("origin", "licence"), whole=False),
    Item(ASKED, "E1", "which version answered one request"),
    Item(ASKED, "E2", "what was routed where at a time", ("serving",), ("served",), whole=False),
    Item(ASKED, "E3", "the exact bytes of the version", ("files",), ("version",)),
    Item(ASKED, "E4", "data, code, parameters, environment and base models that made it",
         ("facts", "lineage"), ("data", "code", "parameters", "packages", "origin")),
    Item(ASKED, "E5", "who asked and approved, in which role, when", ("approvals",), ("reviews",)),
    Item(ASKED, "E6", "the policies then in force, what each check looked at and said",
         ("policies", "approvals"), ("policies", "decided")),
    Item(ASKED, "E7", "the evidence that approvers saw", ("evidence",), ("evaluation", "decided")),
    Item(ASKED, "E8", "everything that was made from it", ("lineage",), ("version",)),
    Item(ASKED, "E9", "all changes between two moments", ("ledger",), ("ledger",)),
    Item(ASKED, "E10", "that nothing was taken out of the record", ("ledger",), ("ledger",)),
    Item(ASKED, "E11", "what is not known", ("index",), ("version",)),
    Item(ASKED, "E12", "who pulled it"),
)  # fmt: skip

_WORDS: Final[Mapping[str, str]] = {
    "purpose": "what it is for (pipeline_tag of its model card)",
    "packages": "the packages it was made with",
    "frameworks": "its frameworks",
    "parameters": "its parameters of training",
    "code": "the commit of its code",
    "origin": "what it was made from",
    "architecture": "its architecture",
    "hardware": "the machine it was made on",
    "data": "the data it was trained on",
    "evaluation": "evidence of an evaluation",
    "fairness": "evidence of a fairness audit",
    "robustness": "evidence of a robustness test",
    "ab-test": "evidence of an A/B test",
    "scan": "a recorded scan",
    "signature": "a signature of its files",
    "tier": "its tier of risk",
    "policies": "a policy in force",
    "ledger": "entries of the ledger",
    "class": "a class of retention that ends ten years after its last release, or never",
    "reviews": "an approval by somebody",
    "decided": "a promotion that was decided",
    "served": "a pointer that served it",
    "licence": "its licence",
    "version": "the version itself",
}


def answers(content: Content) -> tuple[Answered, ...]:
    """Every item with its answer, in the order of the rules."""
    known = dict(_known(content))
    return tuple(_answered(item, known) for item in ITEMS)


def _answered(item: Item, known: Mapping[str, bool]) -> Answered:
    lacks = tuple(_WORDS[name] for name in item.known if not known[name])
    if not item.known:
        where = ("only in part, in what it points to",) if item.sections else ()
        return Answered(item, Answer.GAP, where or ("a registry does not know this",))
    if len(lacks) == len(item.known):
        return Answered(item, Answer.GAP, lacks)
    return Answered(item, Answer.ANSWERED if item.whole and not lacks else Answer.PARTLY, lacks)


def _known(content: Content) -> Iterator[tuple[str, bool]]:
    portrait, facts = content.portrait, content.portrait.facts
    yield "version", True
    yield "purpose", bool(portrait.words("pipeline_tag"))
    yield "licence", bool(portrait.words("license"))
    yield "packages", facts.environment is not None
    yield "frameworks", bool(facts.frameworks)
    yield "parameters", bool(facts.params)
    yield "code", facts.code is not None
    yield "origin", bool(facts.parents or facts.base_model)
    yield "architecture", bool(facts.architecture)
    yield "hardware", facts.hardware is not None
    yield "data", bool(facts.datasets)
    yield "evaluation", bool(content.of_kind(EvidenceKind.EVALUATION))
    yield "fairness", bool(content.of_kind(EvidenceKind.FAIRNESS))
    yield "robustness", bool(content.of_kind(EvidenceKind.ROBUSTNESS))
    yield "ab-test", bool(content.of_kind(EvidenceKind.AB_TEST))
    yield "scan", bool(content.of_kind(EvidenceKind.SCAN))
    yield "signature", bool(content.of_kind(EvidenceKind.SIGNATURE))
    yield "tier", bool(content.tier.author)
    yield "policies", bool(content.policies)
    yield "ledger", bool(content.entries and content.ledger_size)
    yield "class", content.keeping.name in ("regulatory", "forever")
    yield "reviews", any(review.approves for each in content.applied for review in each.reviews)
    yield "decided", any(each.promotion.decided_ms for each in content.promotions)
    yield "served", bool(content.served)
