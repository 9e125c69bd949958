"""What models, versions and aliases may be called and say, refused in MLflow's own words; where versions come from.

A source is where a client will look for files, and one client's word is another's download. So it is one of ours (a
run, a logged model, a version, an artifact of this server) or a bucket; never a path of a disk, nor another server.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from budwood.domain.artifacts import artifact_path
from budwood.domain.limits import LISTING_ALIAS_CHARS, LISTING_TEXT_CHARS, LISTING_TITLE_CHARS, TRACKING_KEY_CHARS
from budwood.domain.names import AliasName, Stage
from budwood.domain.tracking.checks import check_key, check_location
from budwood.errors import BadName, BadValue, LimitExceeded

ARTIFACTS: Final = "mlflow-artifacts:/"
STAGES: Final[Mapping[str, Stage]] = {
    "none": Stage.DEVELOPMENT,
    "staging": Stage.STAGING,
    "production": Stage.PRODUCTION,
    "archived": Stage.ARCHIVED,
}
STAGE_WORDS: Final = {stage: word.capitalize() for word, stage in STAGES.items()}
PROMPT_TEXT: Final = "mlflow.prompt.text"
PROMPT_SOURCES: Final = frozenset({"dummy-source", "prompt-template"})
_ALIAS: Final = re.compile(r"[\w-]+")
_RESERVED: Final = re.compile(r"[vV][0-9]+")
_LOGGED: Final = re.compile(r"m-[A-Za-z0-9]{1,64}")
_LOCAL: Final = re.compile(r"(?!(?:[a-z][a-z0-9+.-]+):)|file:", re.IGNORECASE)
_NOT_UNIQUE: Final = (
    "Names may be treated as files in certain cases, and must not resolve to other names when treated so."
)


@dataclass(frozen=True, slots=True)
class OfRun:
    """``runs:/RUN/PATH``"""

    run: str
    path: str


@dataclass(frozen=True, slots=True)
class OfLogged:
    """``models:/m-ID``"""

    model: str


@dataclass(frozen=True, slots=True)
class OfVersion:
    """``models:/TITLE/NUMBER``, ``models:/TITLE/STAGE`` or ``models:/TITLE@ALIAS``; one of the three is given."""

    title: str
    number: int = 0
    alias: str = ""
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class OfArtifacts:
    """``mlflow-artifacts:/PATH``: a path in this server, below the namespace."""

    path: str


@dataclass(frozen=True, slots=True)
class OfBucket:
    """Somewhere that people keep themselves."""


Source = OfRun | OfLogged | OfVersion | OfArtifacts | OfBucket


def title(text: str, field: str = "name") -> str:
    """Raises BadValue, LimitExceeded."""
    if not text.strip():
        raise BadValue(
            f"Missing value for required parameter '{field}'. See the API docs for more information about request "
            "parameters."
        )
    if "/" in text or ":" in text:
        raise BadValue(f"Invalid model name '{text[:300]}'. Names cannot contain '/' or ':'.")
    if text in (".", ".."):
        raise BadValue(f"Invalid value \"{text}\" for parameter '{field}' supplied: {_NOT_UNIQUE}")
    if any(letter < " " or letter == "\x7f" for letter in text):
        raise BadValue(f"Invalid value for parameter '{field}' supplied: it holds a control character.")
    return _at_most(text, field, LISTING_TITLE_CHARS, "LISTING_TITLE_CHARS")


def description(text: str) -> str:
    """Raises BadValue, LimitExceeded."""
    return _at_most(text, "description", LISTING_TEXT_CHARS, "LISTING_TEXT_CHARS")


def tags(said: Mapping[str, str]) -> dict[str, str]:
    """Raises BadValue, LimitExceeded."""
    for key, value in said.items():
        check_key("key", key)
        _at_most(key, "key", TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")
        if key == PROMPT_TEXT and len(value) > LISTING_TEXT_CHARS:
            message = f"Prompt text exceeds max length of {LISTING_TEXT_CHARS} characters."
            raise LimitExceeded(message, limit="LISTING_TEXT_CHARS")
        _at_most(value, "value", LISTING_TEXT_CHARS, "LISTING_TEXT_CHARS")
    return dict(said)


def alias(text: str, *, new: bool = True) -> str:
    """As it was given. Raises BadValue, LimitExceeded."""
    if not text:
        raise BadValue("Registered model alias name cannot be empty.")
    if not _ALIAS.fullmatch(text):
        hint = "Names may only contain alphanumerics, underscores (_), and dashes (-)."
        raise BadValue(f"Invalid alias name: '{text[:300]}'. {hint}")
    _at_most(text, "alias", LISTING_ALIAS_CHARS, "LISTING_ALIAS_CHARS")
    if new and text.lower() == "latest":
        raise BadValue("'latest' alias name (case insensitive) is reserved.")
    if new and _RESERVED.fullmatch(text):
        raise BadValue(f"Version alias name '{text}' is reserved.")
    return text


def pointer_of(name: str) -> str:
    """What an alias is kept under: itself, but for the names of our stages, which are no aliases with us."""
    return f"alias:{name}" if name in frozenset(Stage) else name


def alias_of(pointer: str) -> str:
    """The alias that is kept so."""
    return pointer.removeprefix("alias:")


def guarded_as(name: str) -> str:
    """The pointer whose policies an alias must pass: ``Champion`` is guarded like ``champion``, and ``production``
    like the stage, for both read alike. Empty where none can be."""
    folded = name.lower()
    if folded in frozenset(Stage):
        return f"stage:{folded}"
    try:
        return AliasName(folded)
    except BadName:
        return ""


def stage(text: str) -> Stage:
    """Raises BadValue."""
    found = STAGES.get(text.lower())
    if found is None:
        shown = ", ".join(word.capitalize() for word in STAGES)
        raise BadValue(f"Invalid Model Version stage: {text[:100]}. Value must be one of {shown}.")
    return found


def number(text: str) -> int:
    """A version's number. Raises BadValue."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadValue(f"Parameter 'version' must be an integer, got '{text[:100]}'.")
    return int(text)


def source(text: str) -> Source:
    """Raises BadValue, also for what would be read elsewhere once somebody decodes it."""
    _at_most(text, "source", LISTING_TEXT_CHARS, "LISTING_TEXT_CHARS")
    plain = _decoded(text)
    if _LOCAL.match(text.strip()) or _LOCAL.match(plain.strip()):
        raise bad_source(
            text,
            "To use a local path as a model version source, the run_id request parameter has to be specified and the "
            "local path has to be contained within the artifact directory of the run specified by the run_id.",
        )
    scheme, _, rest = text.partition(":")
    try:
        return _read(scheme.lower(), rest, text)
    except ValueError as error:
        raise bad_source(text) from error


def bad_source(text: str, why: str = "") -> BadValue:
    return BadValue(f"Invalid model version source: '{text[:300]}'." + (f" {why}" if why else ""))


def unmatched_source(text: str, field: str) -> BadValue:
    """For a source that another field should have named, too."""
    return bad_source(text, f"The {field} request parameter must identify the resource that contains the source.")


def _read(scheme: str, rest: str, text: str) -> Source:
    if scheme in ("runs", "models", "mlflow-artifacts") and rest.startswith("//"):
        raise bad_source(text, "It names another server.")
    path = rest.removeprefix("/")
    try:
        if scheme == "runs":
            run, _, below = path.partition("/")
            return OfRun(artifact_path(run), artifact_path(below, may_be_empty=True))
        if scheme == "mlflow-artifacts":
            return OfArtifacts(artifact_path(path))
        if scheme == "models":
            return _of_model(path, text)
        check_location(text)
    except BadValue as error:
        raise bad_source(text, "" if error.message.startswith("Invalid path") else error.message) from error
    if urlsplit(text).query:
        raise bad_source(text)
    return OfBucket()


def _of_model(path: str, text: str) -> Source:
    if _LOGGED.fullmatch(path.partition("/")[0]) and "@" not in path:
        return OfLogged(artifact_path(path))
    name, at, named = path.partition("@")
    if at:
        return OfVersion(title(name), alias=alias(named, new=False))
    name, slash, selector = path.partition("/")
    if not slash:
        raise bad_source(text)
    if selector.isascii() and selector.isdigit():
        return OfVersion(title(name), number=number(selector))
    return OfVersion(title(name), stage=stage(selector))


def _decoded(text: str) -> str:
    for _ in range(8):
        decoded = unquote(text)
        if decoded == text:
            return text
        text = decoded
    raise bad_source(text)


def _at_most(text: str, field: str, most: int, limit: str) -> str:
    if "\0" in text:
        raise BadValue(f"Invalid value for parameter '{field}' supplied: it holds a NUL.")
    if len(text) > most:
        message = f"'{field}' exceeds the maximum length of {most} characters."
        raise LimitExceeded(message, limit=limit)
    return text
