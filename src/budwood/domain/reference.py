"""References: how a person, a program or a URL names a model or one of its versions.

    [namespace/]model                          the newest version
    [namespace/]model@2.1.3                    by label          @v7          by number
    …@champion                                 by alias          @production  by stage
    …@sha256:1f2e3d4c                          by digest         @git:abc1234 by code commit
    …@2026-11-05T14:30Z                        what its release alias pointed at then

Exactly one kind of selector can be read from a text: labels and dates start with a digit and differ at the
first '.' or '-', numbers are ``v`` and digits, digests and commits carry a colon, stages are four fixed words,
and aliases are what remains (domain/names.py refuses aliases that read as anything else).
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar

from budwood.domain.label import Label, label_hint
from budwood.domain.moment import looks_like_moment, moment_text, parse_moment
from budwood.domain.names import DEFAULT_NAMESPACE, AliasName, ModelName, Namespace, Stage
from budwood.domain.records import model_path
from budwood.errors import BadLabel, BadName, BadReference

DIGEST_DIGITS_MIN: Final = 8
COMMIT_DIGITS_MIN: Final = 6
_HEX: Final = re.compile(r"[0-9a-fA-F]*")
_NUMBER: Final = re.compile(r"v([1-9][0-9]{0,17})")
N = TypeVar("N", Namespace, ModelName)


@dataclass(frozen=True, slots=True)
class Newest:
    """No selector: the newest version."""

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class ByLabel:
    label: Label

    def __str__(self) -> str:
        return str(self.label)


@dataclass(frozen=True, slots=True)
class ByNumber:
    number: int

    def __str__(self) -> str:
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class ByAlias:
    alias: AliasName

    def __str__(self) -> str:
        return self.alias


@dataclass(frozen=True, slots=True)
class ByStage:
    stage: Stage

    def __str__(self) -> str:
        return self.stage.value


@dataclass(frozen=True, slots=True)
class ByDigest:
    """``prefix`` is 8 to 64 lower-case hex digits of the manifest's SHA-256."""

    prefix: str

    def __str__(self) -> str:
        return f"sha256:{self.prefix}"


@dataclass(frozen=True, slots=True)
class ByCommit:
    """``prefix`` is 6 to 40 lower-case hex digits of a git commit."""

    prefix: str

    def __str__(self) -> str:
        return f"git:{self.prefix}"


@dataclass(frozen=True, slots=True)
class ByTime:
    """``at_ms`` is milliseconds since the epoch, UTC."""

    at_ms: int

    def __str__(self) -> str:
        return moment_text(self.at_ms)


Selector = Newest | ByLabel | ByNumber | ByAlias | ByStage | ByDigest | ByCommit | ByTime


@dataclass(frozen=True, slots=True)
class Reference:
    """A model and which of its versions is meant. ``str()`` gives text that parses to an equal reference."""

    namespace: Namespace
    model: ModelName
    selector: Selector = Newest()

    @property
    def path(self) -> str:
        """``model`` in the default namespace, ``namespace/model`` elsewhere."""
        return model_path(self.namespace, self.model)

    def __str__(self) -> str:
        return self.path if isinstance(self.selector, Newest) else f"{self.path}@{self.selector}"


def parse_reference(text: str) -> Reference:
    """Raises BadReference, or BadName for the model's part; the 1-based ``position`` of what is wrong is a fact."""
    if not text:
        raise _wrong(text, 1, "A reference cannot be empty.")
    path, at, selector = text.partition("@")
    if at and not selector:
        raise _wrong(
            text, len(text), f"Nothing follows '@' in {_quoted(text)}.", "Leave out the '@' for the newest version."
        )
    namespace, model = parse_model_path(path, within=text)
    return Reference(namespace, model, _selector(text, selector, len(path) + 2) if at else Newest())


def parse_model_path(path: str, *, within: str = "") -> tuple[Namespace, ModelName]:
    """``[namespace/]model``. ``within`` is the whole text an error should speak of. Raises BadReference, BadName."""
    text = within or path
    namespace, slash, model = path.rpartition("/")
    if slash and not namespace:
        raise _wrong(text, 1, f"No namespace stands before '/' in {_quoted(text)}.")
    if not model:
        raise _wrong(text, len(namespace) + len(slash) + 1, f"No model is named in {_quoted(text)}.")
    if "/" in namespace:
        raise _wrong(text, namespace.index("/") + 1, f"{_quoted(path)} has more than one '/'.")
    room = _named(Namespace, namespace or DEFAULT_NAMESPACE, text, 1)
    return room, _named(ModelName, model, text, len(namespace) + len(slash) + 1)


def _named(kind: type[N], name: str, text: str, position: int) -> N:
    try:
        return kind(name)
    except BadName as error:
        hint = _name_hint(name, error)
        raise BadName(error.message, hint=hint, name=name[:200], reference=text[:200], position=position) from error


def _selector(text: str, selector: str, position: int) -> Selector:
    if selector in frozenset(Stage):
        return ByStage(Stage(selector))
    if found := _NUMBER.fullmatch(selector):
        return ByNumber(int(found[1]))
    if "@" in selector:
        raise _wrong(text, position + selector.index("@"), f"{_quoted(text)} has more than one '@'.")
    if looks_like_moment(selector):
        return _by_time(text, selector, position)
    scheme, colon, rest = selector.partition(":")
    if colon:
        return _by_hash(text, scheme, rest, position)
    if selector[0].isdigit():
        return _by_label(text, selector, position)
    return _by_alias(text, selector, position)


def _by_time(text: str, selector: str, position: int) -> ByTime:
    at_ms = parse_moment(selector)
    if at_ms is not None:
        return ByTime(at_ms)
    if parse_moment(selector + "Z") is not None:
        raise _wrong(
            text, position + len(selector), f"{_quoted(selector)} has no time zone.", f"Write {selector}Z for UTC."
        )
    hint = "Write a date such as 2026-11-05 or a time such as 2026-11-05T14:30Z or 2026-11-05T14:30:00+01:00."
    raise _wrong(text, position, f"{_quoted(selector)} is not a date or time.", hint)


def _by_hash(text: str, scheme: str, digits: str, position: int) -> ByDigest | ByCommit:
    bounds = {"sha256": (DIGEST_DIGITS_MIN, 64), "git": (COMMIT_DIGITS_MIN, 40)}
    if scheme not in bounds:
        hint = "Before a colon stands sha256 (a digest) or git (a commit)."
        raise _wrong(text, position, f"{_quoted(scheme)} is no kind of digest that can be looked up.", hint)
    start, (least, most) = position + len(scheme) + 1, bounds[scheme]
    valid = len(_HEX.match(digits)[0])  # type: ignore[index]  # the pattern matches the empty text
    if valid < len(digits):
        raise _wrong(
            text, start + valid, f"{_quoted(digits)} is not hexadecimal.", f"{scheme}: takes the digits 0-9 and a-f."
        )
    if not least <= len(digits) <= most:
        hint = f"Give {least} to {most} hexadecimal digits after {scheme}:."
        raise _wrong(text, start, f"{scheme}:{digits[:80]} has {len(digits)} digits.", hint)
    return ByDigest(digits.lower()) if scheme == "sha256" else ByCommit(digits.lower())


def _by_label(text: str, selector: str, position: int) -> ByLabel:
    try:
        return ByLabel(Label.parse(selector))
    except BadLabel as error:
        hint = error.hint
    if re.fullmatch(r"[0-9]{1,18}", selector):
        hint = f"Write v{int(selector)} for version number {int(selector)}, or {int(selector)}.0.0 for the label."
    elif len(selector) >= COMMIT_DIGITS_MIN and _HEX.fullmatch(selector):
        hint = f"Write git:{selector} for a commit or sha256:{selector} for a digest."
    raise _wrong(text, position, f"{_quoted(selector)} is not a label.", hint)


def _by_alias(text: str, selector: str, position: int) -> ByAlias:
    try:
        return ByAlias(AliasName(selector))
    except BadName:
        hint = label_hint(selector) if selector[:1] in ("v", "V") and selector[1:2].isdigit() else ""
    if re.fullmatch(r"[vV]0*[0-9]{1,18}", selector):
        number = int(selector[1:])
        hint = f"Write v{number}." if number else "Version numbers start at v1."
    near = get_close_matches(selector.lower(), [stage.value for stage in Stage], n=1)
    if not hint and near:
        hint = f"Did you mean {near[0]}?"
    message = f"{_quoted(selector)} is neither a label, number, alias, stage, digest, commit nor time."
    raise _wrong(text, position, message, hint)


def _name_hint(name: str, error: BadName) -> str:
    better = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")
    return f"Write {better}. {error.hint}" if 0 < len(better) <= 128 and better != name else error.hint


def _quoted(text: str) -> str:
    return repr(text[:200])


def _wrong(text: str, position: int, message: str, hint: str = "") -> BadReference:
    return BadReference(message, hint=hint, reference=text[:200], position=position)
