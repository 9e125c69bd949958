"""A model card: Markdown below a front matter in YAML, in the form that model hubs read.

It is made from what is recorded and from nothing else; what nobody said is listed as missing. Names, messages and
results were typed by others: in Markdown they are text and nothing but text, in YAML quoted.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.facts import Facts
from budwood.domain.moment import moment_text
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.portrait import Portrait, Words

# Words that hubs know, by the frameworks we recognise.
_LIBRARIES: Final[Mapping[str, str]] = {"transformers": "transformers", "peft": "peft", "sklearn": "sklearn"}
_FILES_SHOWN: Final = 1_000
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MEANT: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&:@$^=])")
_LIST: Final = re.compile(r"^([-+]|\d+[.)])")
_STRUCTURE: Final = re.compile(r"(#{1,6}|[-*]) +(?=\S)")
_WWW: Final = re.compile(r"(?i)(www)\.")


def model_card(portrait: Portrait) -> str:
    """The whole document, which ends with one newline."""
    version = portrait.version
    parts = [
        "---\n" + "".join(_yaml(_front_matter(portrait))) + "---\n",
        f"# {text(version.reference)}\n",
        "\n".join(f"> {line}" for line in _lines(version.message)) + "\n" if version.message else "",
        _own_words(portrait.own_words),
        _list(_identity(portrait)),
        _section("Where it comes from", _list(_origin(portrait))),
        _section("What it is", _list(_make(portrait.facts))),
        _section("Training", _list(_training(portrait.facts))),
        _section("Results", _results(portrait)),
        _section("To be careful with", _list(_warnings(portrait.facts))),
        _section("Files", _files(portrait)),
        _section("What is not known", _list(f"Nobody said {gap}." for gap in portrait.gaps())),
    ]
    return "\n".join(part for part in parts if part)


def text(typed: str) -> str:
    """What somebody typed, as one line of Markdown that shows just that."""
    seen = "".join(_seen(character) for character in typed.strip())
    escaped = _WWW.sub(r"\1\\.", _MEANT.sub(r"\\\1", seen))
    return _LIST.sub(lambda found: found[0][:-1] + "\\" + found[0][-1], escaped)


def quoted(typed: str) -> str:
    """The same as a double-quoted scalar of YAML."""
    return '"' + "".join(_in_quotes(character) for character in typed) + '"'


# Front matter


def _front_matter(portrait: Portrait) -> dict[str, Json]:
    facts = portrait.facts
    said: dict[str, Json] = {
        "license": _one_or_many(portrait.words("license")),
        "language": _one_or_many(portrait.words("language")),
        "pipeline_tag": next(iter(portrait.words("pipeline_tag")), None),
        "library_name": _library(portrait),
        "base_model": facts.base_model or None,
        "base_model_relation": "adapter" if facts.adapter and facts.base_model else None,
        "datasets": list(facts.datasets),
        "metrics": sorted(facts.metrics),
        "tags": sorted({"budwood", *portrait.words("tags"), *facts.formats}),
        "model-index": _model_index(portrait),
    }
    return {key: value for key, value in said.items() if value}


def _one_or_many(words: Sequence[str]) -> Json:
    return words[0] if len(words) == 1 else list(words)


def _library(portrait: Portrait) -> str | None:
    said = next(iter(portrait.words("library_name")), None)
    return said or next((word for name, word in _LIBRARIES.items() if name in portrait.facts.frameworks), None)


def _model_index(portrait: Portrait) -> Json:
    """Evaluations that say on which data. Hubs want a task too, so where no card gives one there is no index."""
    task = next(iter(portrait.words("pipeline_tag")), None)
    results: list[Json] = [
        {
            "task": {"type": task},
            "dataset": {"name": each.dataset, "type": each.dataset},
            "metrics": [{"name": name, "type": name, "value": value} for name, value in sorted(each.metrics.items())],
        }
        for each in portrait.evidence
        if each.kind is EvidenceKind.EVALUATION and each.dataset and each.metrics
    ]
    return [{"name": portrait.version.model, "results": results}] if task and results else None


def _yaml(value: Json, indent: str = "") -> Iterator[str]:
    """Block mappings of quoted scalars: the part of YAML that all readers read alike."""
    assert isinstance(value, Mapping)
    for key, inner in value.items():
        yield from _entry(f"{indent}{_key(key)}:", inner, indent)


def _entry(start: str, value: Json, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield start + "\n"
        yield from _yaml(value, indent + "  ")
    elif isinstance(value, list | tuple):
        yield start + "\n"
        for item in value:
            yield from _item(item, indent)
    else:
        yield f"{start} {_scalar(value)}\n"


def _item(item: Json, indent: str) -> Iterator[str]:
    if not isinstance(item, Mapping):
        yield f"{indent}- {_scalar(item)}\n"
        return
    for number, (key, inner) in enumerate(item.items()):
        yield from _entry(f"{indent}{'  ' if number else '- '}{_key(key)}:", inner, indent + "  ")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[a-z][a-z_-]*", key) else quoted(key)


def _scalar(value: Json) -> str:
    if isinstance(value, float):
        # YAML 1.1 reads 1e-05 as text; with a point and a sign it is a number to everybody.
        mantissa, e, exponent = repr(value).partition("e")
        return mantissa if not e else f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+03}"
    return quoted(value) if isinstance(value, str) else str(value).lower()


# Sections


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _list(lines: Iterable[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def _own_words(words: Words | None) -> str:
    """Headings, lists and paragraphs as somebody wrote them; everything else is text, like all that is typed."""
    if words is None:
        return ""
    title = f"## In the words of {text(words.author) or 'nobody named'}, {moment_text(words.at_ms)}\n\n"
    return title + "\n".join(_written_line(line) for line in words.text.strip().splitlines()) + "\n"


def _written_line(line: str) -> str:
    mark = _STRUCTURE.match(line)
    if mark is None:
        return text(line)
    start = "### " if mark[1].startswith("#") else f"{mark[1]} "
    return start + text(line[mark.end() :])


def _identity(portrait: Portrait) -> Iterator[str]:
    version = portrait.version
    yield f"Version: number {version.number} of {text(version.model)} in {text(version.namespace)}, {version.kind}"
    yield f"Digest of its manifest: sha256 {version.digest}"
    yield f"Pushed by {text(version.author) or 'nobody named'} at {moment_text(version.created_ms)}"
    yield f"Stage: {version.stage}"
    if portrait.detail.aliases:
        yield f"Aliases: {_joined(portrait.detail.aliases)}"
    if version.retired_ms:
        reason = f": {text(version.retired_reason)}" if version.retired_reason else ""
        yield f"**Retired** at {moment_text(version.retired_ms)}{reason}"
    if version.gone_ms:
        yield f"**Its bytes were let go** at {moment_text(version.gone_ms)}: {text(version.gone_reason)}"
    for tag in portrait.detail.tags:
        yield f"Tag {text(tag.key)}: {text(tag.value)}"


def _origin(portrait: Portrait) -> Iterator[str]:
    facts = portrait.facts
    for parent in facts.parents:
        yield f"{text(parent.relation)}: {text(parent.model)}@v{parent.number} (sha256 {text(parent.digest)})"
    if facts.base_model:
        yield f"Base model: {text(facts.base_model)}"
    for dataset in facts.datasets:
        yield f"Data: {text(dataset)}"
    if facts.code is not None:
        dirty = ", with changes that are in no commit" if facts.code.dirty else ""
        remote = f" of {text(facts.code.remote)}" if facts.code.remote else ""
        yield f"Code: commit {text(facts.code.commit)}{remote}{dirty}"
    for child in portrait.detail.children:
        yield f"Others come from it: {text(child.reference)}"


def _make(facts: Facts) -> Iterator[str]:
    if facts.architecture:
        yield f"Architecture: {text(facts.architecture)}"
    if facts.parameters:
        yield f"Parameters: {facts.parameters:,}"
    if facts.dtypes:
        yield "Numbers: " + ", ".join(f"{text(name)} ({count:,})" for name, count in sorted(facts.dtypes.items()))
    if facts.formats:
        yield f"Formats: {_joined(facts.formats)}"
    for name, release in sorted(facts.frameworks.items()):
        yield f"Framework: {text(f'{name} {release}')}"
    if facts.schema is not None:
        for word, fields in (("In", facts.schema.inputs), ("Out", facts.schema.outputs)):
            for field in fields:
                shape = "" if field.shape is None else f" {list(field.shape)}"
                yield f"{word}: {text(f'{field.name} {field.dtype}{shape}')}"


def _training(facts: Facts) -> Iterator[str]:
    for name, value in sorted(facts.params.items()):
        yield f"{text(name)} = {text(value)}"
    if facts.environment is not None:
        packages = len(facts.environment.packages)
        yield f"Python {text(facts.environment.python)} on {text(facts.environment.platform)}, {packages} packages"
    if facts.hardware is not None:
        found = [facts.hardware.machine, facts.hardware.processor, *facts.hardware.accelerators]
        yield f"Machine: {_joined(word for word in found if word)}"


def _results(portrait: Portrait) -> str:
    rows = [
        _row(["said at the push", text(name), f"{value:g}", "", "", text(portrait.facts.author)])
        for name, value in sorted(portrait.facts.metrics.items())
    ]
    rows += [row for each in portrait.evidence for row in _evidence_rows(each)]
    if not rows:
        return ""
    return _row(["kind", "what", "value", "data", "samples", "by"]) + "|---|---|---|---|---|---|\n" + "".join(rows)


def _evidence_rows(each: Evidence) -> Iterator[str]:
    samples = f"{each.samples:,}" if each.samples else ""
    told = [text(each.dataset), samples, text(each.author)]
    if each.outcome or each.summary or not each.metrics:
        yield _row([str(each.kind), text(each.summary), str(each.outcome), *told])
    for name, value in sorted(each.metrics.items()):
        between = each.intervals.get(name)
        spread = f" ({between.low:g} to {between.high:g} at {between.level:g})" if between else ""
        yield _row([str(each.kind), text(name), f"{value:g}{spread}", *told])


def _warnings(facts: Facts) -> Iterator[str]:
    for flag in facts.flags:
        yield f"{text(flag.code)} in {text(flag.path)}" + (f": {text(flag.detail)}" if flag.detail else "")


def _files(portrait: Portrait) -> str:
    rows = [_row([text(each.path), f"{each.size:,}", each.sha256]) for each in portrait.files[:_FILES_SHOWN]]
    more = len(portrait.files) - len(rows)
    left_out = f"\n{more:,} more are in the manifest.\n" if more else ""
    return _row(["path", "bytes", "sha256"]) + "|---|--:|---|\n" + "".join(rows) + left_out


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _joined(words: Iterable[str]) -> str:
    return ", ".join(text(word) for word in words)


def _lines(typed: str) -> list[str]:
    return [text(line) for line in typed.strip().splitlines()]


# Characters


def _seen(character: str) -> str:
    """A character that would not be seen, written out: direction marks reorder what stands beside them."""
    if character in "\t\r\n":
        return " "
    return character if unicodedata.category(character) not in _UNSEEN else f"U+{ord(character):04X}"


def _in_quotes(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if unicodedata.category(character) not in _UNSEEN else f"\\U{ord(character):08X}"
