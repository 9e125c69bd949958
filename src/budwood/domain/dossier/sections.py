"""What a dossier tells, section by section: each a JSON document, and a page that says the same.

The documents are for programs and for proofs; the pages read well without a network and load nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.bom import bill_of_materials
from budwood.domain.canon import Json, dumps, loads, pack
from budwood.domain.card import model_card
from budwood.domain.dossier import markup
from budwood.domain.dossier.content import Content, Gap, gaps_of
from budwood.domain.dossier.markup import Markup
from budwood.domain.dossier.requirements import SOURCES, Answered, answers
from budwood.domain.moment import moment_text
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.policy.records import PromotionDetail
from budwood.domain.records import VersionRecord
from budwood.domain.trace import Trace
from budwood.domain.tree.bundle import AuditPart

BOM_FORM: Final = "1.6"
NOT_ADVICE: Final = (
    "This table says where a dossier tells something about an item. It is no legal advice, and no claim that a rule is"
    " met: that is for those to judge who know the system and its use."
)
_INTRODUCTIONS: Final[Mapping[str, str]] = {
    "facts": "What was declared and captured when the version was made. It never changes.",
    "files": "Its files with their SHA-256. The digest of the manifest is the version's identity.",
    "lineage": "What it was made from, and what was made from it, as far as this registry tells.",
    "evidence": "Recorded results, never changed: who gave them, in which role, from which data.",
    "approvals": "Who asked that it be released, who said yes or no, what each check looked at and came to.",
    "policies": "The policies as they were written: those in force at each request and decision, and those of now.",
    "serving": "When which alias or stage pointed at it. What it was pointed at by is what was asked for.",
    "scan": "Results of looking through its files for code that loading would run.",
    "ledger": "What the ledger says of it and of its model. The folder ledger/ holds the proofs.",
    "retention": "How long its bytes are kept, and what is under a legal hold.",
}


@dataclass(frozen=True, slots=True)
class Section:
    """``name`` is the name of its files: facts.html, facts.json."""

    name: str
    title: str
    document: Callable[[Content], Json]


def parts_of(content: Content) -> tuple[AuditPart, ...]:
    """Every page and document, but for attachments, proofs and the signed list."""
    gaps = gaps_of(content)
    parts = [AuditPart("index.html", _index(content, gaps).encode())]
    for section in SECTIONS:
        document = section.document(content)
        mine = [gap for gap in gaps if gap.section == section.name]
        said: Json = {section.name: document, "gaps": [gap.what for gap in mine]}
        parts.append(AuditPart(f"{section.name}.json", dumps(said) + b"\n"))
        parts.append(AuditPart(f"{section.name}.html", _page(content, section, document, mine).encode()))
    card = model_card(content.portrait)
    parts.append(AuditPart("card.md", card.encode()))
    parts.append(AuditPart("card.html", _written(content, "card.html", "Model card", [markup.verbatim(card)]).encode()))
    bom = bill_of_materials(content.portrait, BOM_FORM)
    parts.append(AuditPart("bom.json", bom.encode()))
    body = [markup.paragraph("A bill of materials in the JSON of CycloneDX: bom.json."), markup.told(loads(bom))]
    parts.append(AuditPart("bom.html", _written(content, "bom.html", "Bill of materials", body).encode()))
    answered = answers(content)
    parts.append(AuditPart("requirements.json", dumps([pack(each) for each in answered]) + b"\n"))
    parts.append(AuditPart("requirements.html", _requirements(content, answered).encode()))
    parts += [
        AuditPart(f"policies/{policy.name}-{policy.number}.yaml", policy.text.encode()) for policy in content.policies
    ]
    return tuple(parts)


# Pages


def _menu() -> list[tuple[str, str]]:
    named = [(f"{section.name}.html", section.title) for section in SECTIONS]
    more = [("card.html", "Card"), ("bom.html", "Materials"), ("requirements.html", "Rules")]
    return [("index.html", "Dossier"), *named, *more]


def _written(content: Content, here: str, title: str, body: Iterable[str]) -> str:
    return markup.page(f"{title}: {content.portrait.version.reference}", here, _menu(), body)


def _page(content: Content, section: Section, document: Json, gaps: Sequence[Gap]) -> str:
    body: list[str] = [markup.paragraph(_INTRODUCTIONS[section.name])]
    body += [markup.paragraph(f"Gap: {gap.what}", "gap") for gap in gaps]
    if isinstance(document, Mapping):
        for name, value in document.items():
            body += [markup.heading(str(name)), _shown(name, value)]
    else:
        body.append(markup.told(document))
    return _written(content, f"{section.name}.html", section.title, body)


def _shown(name: object, value: Json) -> Markup:
    if name in ("text", "texts") and isinstance(value, Mapping):
        shown = (markup.heading(str(each)) + markup.verbatim(str(said)) for each, said in value.items())
        return Markup("".join(shown))
    return markup.told(value)


def _index(content: Content, gaps: Sequence[Gap]) -> str:
    version = content.portrait.version
    identity: dict[str, Json] = {
        "version": f"{version.namespace}/{version.model}@v{version.number}",
        "label": version.label,
        "digest": f"sha256:{version.digest}",
        "pushed": f"{moment_text(version.created_ms)} by {version.author}",
        "stage": str(version.stage),
        "tier of risk": str(content.tier.tier),
        "registry": content.registry,
        "dossier made": f"{moment_text(content.made_ms)} for {content.made_by}",
        "key of the registry": content.key,
    }
    body: list[str] = [
        markup.paragraph("All that a registry knows of one version, for somebody who was not there."),
        markup.told(identity),
        markup.heading(f"What is not known ({len(gaps)})"),
        *(markup.paragraph(f"{gap.section}: {gap.what}", "gap") for gap in gaps),
        markup.heading("How to check it"),
        markup.paragraph(
            "budwood dossier --check FOLDER --key KEY computes the SHA-256 of every file again, offline, and compares"
            " them with the signed list dossier.dsse.json. The key is the registry's, as you got it from its operators:"
            " the one above came with the dossier, and whoever made one could make the other."
        ),
        markup.paragraph("python budwood_verify.py FOLDER/ledger --key KEY checks the proofs of the ledger by itself."),
        markup.paragraph("This is a report of what was recorded. It is no legal advice.", "note"),
    ]
    return _written(content, "index.html", "Dossier", body)


def _requirements(content: Content, answered: Sequence[Answered]) -> str:
    body: list[str] = [markup.paragraph(NOT_ADVICE, "note")]
    for source in SOURCES:
        rows = [
            (each.item.number, each.item.asks, str(each.answer), _where(each), "; ".join(each.lacks))
            for each in answered
            if each.item.source == source
        ]
        body += [markup.heading(source), markup.table(("item", "asks for", "answer", "where", "lacks"), rows)]
    return _written(content, "requirements.html", "Where rules are answered", body)


def _where(answered: Answered) -> Markup:
    links = (f'<a href="{name}.html">{markup.text(name)}</a>' for name in answered.item.sections)
    return Markup(", ".join(links))


# Documents


def _facts(content: Content) -> Json:
    version, detail = content.portrait.version, content.portrait.detail
    return {
        "identity": _record(version),
        "facts": pack(content.portrait.facts),
        "tags": [{"key": tag.key, "value": tag.value, "by": tag.author, "at": _at(tag.at_ms)} for tag in detail.tags],
        "aliases now": list(detail.aliases),
    }


def _record(version: VersionRecord) -> Json:
    return {
        "namespace": version.namespace,
        "model": version.model,
        "number": version.number,
        "label": version.label,
        "digest": version.digest,
        "kind": str(version.kind),
        "stage": str(version.stage),
        "author": version.author,
        "created": _at(version.created_ms),
        "size_bytes": version.size_bytes,
        "retired": _at(version.retired_ms),
        "retired_reason": version.retired_reason,
        "bytes_gone": _at(version.gone_ms),
        "bytes_gone_reason": version.gone_reason,
    }


def _files(content: Content) -> Json:
    return [
        {"path": file.path, "size": file.size, "sha256": file.sha256, "format": file.format}
        for file in content.portrait.files
    ]


def _lineage(content: Content) -> Json:
    return {"made from": _traced(content.above), "made from it": _traced(content.below)}


def _traced(trace: Trace) -> Json:
    names = {each.version.id: f"{each.version.namespace}/{each.version.model}@v{each.version.number}"
             for each in trace.versions}  # fmt: skip
    return {
        "versions": [
            {
                "version": names[each.version.id],
                "digest": each.version.digest,
                "steps": each.depth,
                "points at it": list(each.pointers),
                "data": list(each.datasets),
            }
            for each in trace.versions
        ],
        "edges": [
            {"child": names.get(edge.child, ""), "parent": names.get(edge.parent, ""), "relation": edge.relation}
            for edge in trace.edges
        ],
        "cut": trace.cut,
    }


def _evidence(content: Content) -> Json:
    return {
        "evidence": [_told(content, each) for each in content.portrait.evidence],
        "data its facts name": list(content.portrait.facts.datasets),
    }


def _told(content: Content, each: Evidence) -> Json:
    said = pack(each)
    assert isinstance(said, dict)
    said["at"] = _at(each.at_ms)
    if each.files:
        mine = [attached for attached in content.attachments if attached.evidence == each.id]
        said["files"] = [
            {"name": file.name, "size": file.size, "sha256": file.sha256, "in this dossier": file.path or "no"}
            for file in mine
        ]
    return said


def _approvals(content: Content) -> Json:
    return {
        "tier of risk": {"tier": str(content.tier.tier), "said by": content.tier.author, "at": _at(content.tier.at_ms)},
        "promotions": [_promoted(each) for each in content.promotions],
    }


def _promoted(detail: PromotionDetail) -> Json:
    asked = detail.promotion
    return {
        "promotion": asked.id,
        "of": f"{asked.model}@v{asked.version_number}",
        "digest": asked.digest,
        "to": asked.pointer.removeprefix("stage:"),
        "asked by": asked.requester,
        "asked": _at(asked.requested_ms),
        "reason": asked.reason,
        "binds": asked.binds,
        "state": str(asked.state),
        "decided by": asked.decided_by,
        "decided": _at(asked.decided_ms),
        "past the gates": asked.broke_glass,
        "looked at by": asked.looked_by,
        "reviews": [
            {
                "person": review.person,
                "says": "yes" if review.approves else "no",
                "at": _at(review.at_ms),
                "binds": review.binds,
                "roles now": {str(role): _at(since) for role, since in review.roles.items()},
                "reason": review.reason,
            }
            for review in detail.reviews
        ],
        "checks": [pack(check) for check in detail.checks],
    }


def _policies(content: Content) -> Json:
    return {
        "editions": [
            {
                "policy": each.name,
                "edition": each.number,
                "digest": each.digest,
                "by": each.author,
                "put": _at(each.created_ms),
                "removed": _at(each.removed_ms),
                "file": f"policies/{each.name}-{each.number}.yaml",
            }
            for each in content.policies
        ],
        "texts": {f"{each.name} {each.number}": each.text for each in content.policies},
    }


def _serving(content: Content) -> Json:
    return {
        "pointers": [
            {
                "pointer": service.pointer.removeprefix("stage:"),
                "serves": service.serves,
                "from": _at(service.from_ms),
                "until": _at(service.until_ms) or "now",
                "by": service.author,
            }
            for service in content.services
        ],
        "relied on now": list(content.keeping.serving),
        "stages": [{"at": _at(at_ms), "stage": str(stage)} for at_ms, stage in content.stages],
    }


def _scan(content: Content) -> Json:
    return {
        "results": [_told(content, each) for each in content.of_kind(EvidenceKind.SCAN)],
        "warnings of its facts": [pack(flag) for flag in content.portrait.facts.flags],
    }


def _ledger(content: Content) -> Json:
    return {
        "entries": [
            {
                "entry": entry.sequence,
                "at": _at(entry.at_ms),
                "by": entry.actor,
                "action": entry.action,
                "about": entry.subject,
                "says": dict(entry.body),
            }
            for entry in content.entries
        ],
        "size of the signed ledger": content.ledger_size,
        "key": content.key,
    }


def _retention(content: Content) -> Json:
    keeping = content.keeping
    return {
        "standing": {
            "state": str(keeping.state),
            "class": keeping.name,
            "why": keeping.why,
            "since": _at(keeping.since_ms),
            "until": _at(keeping.until_ms),
        },
        "holds": [
            {
                "hold": hold.id,
                "matter": hold.reference,
                "on": f"{hold.scope} {hold.subject}",
                "reason": hold.reason,
                "placed by": hold.author,
                "placed": _at(hold.placed_ms),
                "lifted by": hold.lifted_by,
                "lifted": _at(hold.lifted_ms),
                "lifted, why": hold.lifted_reason,
            }
            for hold in content.holds
        ],
        "texts": {f"rules {content.rules.number}": content.rules.text} if content.rules else {},
    }


def _at(at_ms: int) -> str:
    return moment_text(at_ms) if at_ms else ""


SECTIONS: Final = (
    Section("facts", "Facts", _facts),
    Section("files", "Files", _files),
    Section("lineage", "Lineage", _lineage),
    Section("evidence", "Evidence", _evidence),
    Section("approvals", "Approvals", _approvals),
    Section("policies", "Policies", _policies),
    Section("serving", "Serving", _serving),
    Section("scan", "Scan", _scan),
    Section("ledger", "Ledger", _ledger),
    Section("retention", "Retention", _retention),
)


def safe_name(name: str) -> str:
    """A name under which a file is kept that no program opens as something active."""
    kind = name.rpartition(".")[2].lower()
    return f".{kind}" if kind in _HARMLESS else ".dat"


_HARMLESS: Final = frozenset({"json", "txt", "csv", "md", "yaml", "yml", "png", "jpg", "jpeg", "parquet", "log", "tsv"})
