"""Scorers, label schemas and issues: how answers are judged, by programs and by people. Values and rules.

All of them belong to an experiment. A scorer's body is JSON that clients wrote and read again; nothing of it is ever
run here, and a body that carries a program is not kept, as MLflow's own server keeps none. Texts of mistakes are
MLflow's: its users and its clients match on them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import (
    EVALUATION_NAME_CHARS,
    ISSUE_TEXT_CHARS,
    ISSUE_WORDS,
    LABEL_INSTRUCTION_CHARS,
    LABEL_OPTION_CHARS,
    LABEL_OPTIONS,
    SCORER_CHARS,
    TRACKING_KEY_CHARS,
)
from budwood.domain.tracking.evaluation import check_text, read_json
from budwood.domain.tracking.filters import Grammar, Kind
from budwood.errors import BadValue, LimitExceeded, RecordNotFound

DEFAULT_LABEL: Final = "Feedback"
DEFAULT_INSTRUCTION: Final = "Share any feedback on this trace."
ISSUES: Final = Grammar(
    "issue",
    attributes={"status": Kind.TEXT, "source_run_id": Kind.TEXT},
    attribute_words=frozenset(),
    unknown="Invalid filter field",
)
SEVERITIES: Final = ("not_an_issue", "low", "medium", "high")
_JUDGES: Final = ("instructions_judge_pydantic_data", "builtin_scorer_pydantic_data", "third_party_scorer_data")
_WRAPPED: Final = ("memory_augmented_judge_data", "base_judge")
_GATEWAY: Final = "gateway:/"
# Options of the clients of language models that choose whom they talk to.
_DESTINATIONS: Final = frozenset({"api_base", "base_url", "custom_llm_provider", "fallbacks", "model_list"})
_NO_PROGRAMS: Final = (
    "Custom scorer registration (using @scorer decorator) is not supported by this server. Custom scorers require "
    "arbitrary code execution during deserialization. Use built-in scorers or make_judge() scorers instead."
)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much of what comes in is scored: a share from 0 to 1, of what the filter lets through."""

    config: str
    rate: float
    filter: str = ""


@dataclass(frozen=True, slots=True)
class Scorer:
    """``scorer`` is how the world knows it; ``last_number`` the number of the version it was given last."""

    id: int
    scorer: str
    experiment_id: int
    experiment: int
    name: str
    last_number: int = 0
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class ScorerVersion:
    """One of a scorer's bodies."""

    scorer: Scorer
    number: int
    body: str
    author: str
    at_ms: int


class LabelKind(StrEnum):
    """What a label says."""

    FEEDBACK = "FEEDBACK"
    EXPECTATION = "EXPECTATION"


@dataclass(frozen=True, slots=True)
class LabelSchema:
    """A question that people answer about a trace. ``input`` is how: a word for the form, and its bounds, as JSON."""

    id: int
    schema: str
    experiment_id: int
    experiment: int
    name: str
    kind: LabelKind
    input: str
    instruction: str
    has_comment: bool
    is_default: bool
    author: str
    created_ms: int
    updated_ms: int


class IssueStatus(StrEnum):
    """What became of an issue."""

    PENDING = "pending"
    REJECTED = "rejected"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that goes wrong, again and again. ``severity`` is a place in ``SEVERITIES``, or -1; ``traces`` is how
    many show it, where that was counted."""

    id: int
    issue: str
    experiment_id: int
    experiment: int
    name: str
    description: str
    status: IssueStatus
    severity: int
    root_causes: Sequence[str]
    categories: Sequence[str]
    run: str
    created_by: str
    created_ms: int
    updated_ms: int
    traces: int | None = None


def check_scorer_name(name: str) -> None:
    """Raises BadValue, LimitExceeded."""
    if not name.strip():
        raise BadValue("Scorer name cannot be empty or contain only whitespace.")
    check_text("name", name, EVALUATION_NAME_CHARS, "EVALUATION_NAME_CHARS")


def check_scorer(body: str) -> None:
    """That a body can be kept, and holds no program and no address. Raises BadValue, LimitExceeded,
    RecordNotFound."""
    check_text("serialized_scorer", body, SCORER_CHARS, "SCORER_CHARS")
    value = read_json("serialized_scorer", body)
    if not isinstance(value, Mapping):
        raise BadValue("serialized_scorer must be a JSON object.")
    for each in _mappings(value):
        if each.get("call_source") is not None:
            raise BadValue(_NO_PROGRAMS)
        other = each.get("third_party_scorer_data")
        if isinstance(other, Mapping):
            _check_words(other.get("kwargs"))
    model = model_of(value)
    if isinstance(model, str) and model.startswith(_GATEWAY):
        named = model.removeprefix(_GATEWAY)[:200]
        hint = "This server offers no gateway; name the provider of the model instead."
        raise RecordNotFound(f"GatewayEndpoint not found (name='{named}')", hint=hint)
    if model is not None and (not isinstance(model, str) or not model.strip()):
        raise BadValue("Scorer model cannot be empty or contain only whitespace.")


def model_of(scorer: Mapping[str, Json]) -> Json:
    """The language model that judges, where one does."""
    for name in _JUDGES:
        inside = scorer.get(name)
        if isinstance(inside, Mapping) and inside:
            return inside.get("model")
    outer, name = _WRAPPED
    wrapped = scorer.get(outer)
    base = wrapped.get(name) if isinstance(wrapped, Mapping) else None
    return model_of(base) if isinstance(base, Mapping) else None


def check_sampling(name: str, rate: float, filter_: str) -> None:
    """Raises BadValue. Only scorers that judge by MLflow's gateway run by themselves, and there is no gateway."""
    if not 0.0 <= rate <= 1.0:
        raise BadValue(f"sample_rate must be between 0.0 and 1.0, got {rate}")
    check_text("filter_string", filter_, ISSUE_TEXT_CHARS, "ISSUE_TEXT_CHARS")
    if rate > 0:
        raise BadValue(
            f"Scorer '{name}' does not use a gateway model. Automatic evaluation is only supported for scorers that "
            "use gateway models, and this server offers no gateway."
        )


def check_label_name(name: str) -> None:
    """Raises BadValue, LimitExceeded."""
    if not name:
        raise BadValue("Label schema `name` must be a non-empty string; got ''.")
    check_text("name", name, TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")
    if name.strip().lower() == DEFAULT_LABEL.lower():
        raise BadValue(
            f"`{name}` is reserved for the experiment's default question and cannot be used for another label schema."
        )


def check_instruction(text: str) -> None:
    """Raises BadValue, LimitExceeded."""
    check_text("instruction", text, LABEL_INSTRUCTION_CHARS, "LABEL_INSTRUCTION_CHARS")


def check_input(form: str, bounds: Mapping[str, Json]) -> None:
    """Whether people can answer by it. Raises BadValue."""
    match form:
        case "pass_fail":
            labels = [bounds.get("positive_label"), bounds.get("negative_label")]
            for each in labels:
                _check_option("InputPassFail", each)
            if labels[0] == labels[1]:
                raise BadValue(
                    f"`InputPassFail.positive_label` and `negative_label` must be distinct; got {labels[0]!r} for both."
                )
        case "categorical":
            _check_options(bounds.get("options"))
        case "numeric":
            least, most = bounds.get("min_value"), bounds.get("max_value")
            if isinstance(least, int | float) and isinstance(most, int | float) and least >= most:
                message = "`InputNumeric.min_value` must be strictly less than `max_value`"
                raise BadValue(f"{message}; got min={least}, max={most}.")
        case "text":
            length = bounds.get("max_length")
            if isinstance(length, int) and length < 1:
                raise BadValue(f"`InputText.max_length` must be at least 1; got {length}.")
        case _:
            raise BadValue("Label schema `input` is required.")


def check_same_input(before: tuple[str, Mapping[str, Json]], after: tuple[str, Mapping[str, Json]]) -> None:
    """The form of a question stays, or the answers that came would mean something else. Raises BadValue."""
    if before[0] != after[0]:
        raise BadValue(
            f"A label schema's input type cannot be changed after creation (existing: {before[0]}, got: {after[0]})."
        )
    if bool(before[1].get("multi_select")) != bool(after[1].get("multi_select")):
        raise BadValue("`InputCategorical.multi_select` cannot be changed after creation.")


def check_issue(name: str, description: str, *words: str) -> None:
    """Raises BadValue, LimitExceeded."""
    check_text("name", name, TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")
    check_text("description", description, ISSUE_TEXT_CHARS, "ISSUE_TEXT_CHARS")
    if len(words) > ISSUE_WORDS:
        raise LimitExceeded(f"An issue has at most {ISSUE_WORDS} causes and categories.", limit="ISSUE_WORDS")
    for each in words:
        check_text("root_causes", each, ISSUE_TEXT_CHARS, "ISSUE_TEXT_CHARS")


def severity_of(word: str) -> int:
    """Raises BadValue."""
    if not word:
        return -1
    if word not in SEVERITIES:
        raise BadValue(f"Invalid severity: {word[:100]!r} is not one of {list(SEVERITIES)}.")
    return SEVERITIES.index(word)


def status_of(word: str) -> IssueStatus:
    """Raises BadValue."""
    if word not in list(IssueStatus):
        raise BadValue(f"Invalid status: {word[:100]!r} is not one of {[str(each) for each in IssueStatus]}.")
    return IssueStatus(word)


def _check_options(options: Json) -> None:
    several = options if isinstance(options, list | tuple) else ()
    if not several:
        raise BadValue(f"`InputCategorical.options` must be a non-empty list; got {options!r}.")
    if len(several) > LABEL_OPTIONS:
        message = f"`InputCategorical.options` must have at most {LABEL_OPTIONS} entries; got {len(several)}."
        raise LimitExceeded(message, limit="LABEL_OPTIONS")
    for at, each in enumerate(several):
        _check_option("InputCategorical", each)
        if each in several[:at]:
            raise BadValue(f"`InputCategorical.options` must be deduplicated; {each!r} appears twice.")


def _check_option(form: str, option: Json) -> None:
    if not isinstance(option, str) or not option:
        raise BadValue(f"`{form}` entries must be non-empty strings; got {option!r}.")
    check_text(form, option, LABEL_OPTION_CHARS, "LABEL_OPTION_CHARS")


def _check_words(words: Json) -> None:
    """What is handed on to a client of a language model must not say whom it talks to."""
    if words is None:
        return
    if not isinstance(words, Mapping):
        raise BadValue("third_party_scorer_data.kwargs must be a JSON object.")
    named = {name for each in _mappings(words) for name in each} | set(_pairs(words))
    if found := sorted(named & _DESTINATIONS):
        raise BadValue(
            f"third_party_scorer_data.kwargs must not contain {', '.join(map(repr, found))}: these options choose "
            "where the scorer's LLM client sends requests."
        )


def _mappings(value: Json) -> Iterator[Mapping[str, Json]]:
    """Every object in it, itself among them."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            yield each
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each


def _pairs(value: Json) -> Iterator[str]:
    """The first of each list of two, which Python reads as a field as well."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | tuple):
            if len(each) == 2 and isinstance(each[0], str):
                yield each[0]
            waiting += each
        elif isinstance(each, Mapping):
            waiting += each.values()
