"""What the attributes of a span mean, by whichever convention they are written.

MLflow's own attributes say what a span is, what came in and went out, the model, the tokens and the costs. Spans of
other instrumentations say the same by other names; ``completed`` adds MLflow's beside them, as its clients and pages
look for those. Three conventions are known: OpenInference, OpenTelemetry's for generative AI, and Traceloop's.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import MODEL_WORD_CHARS, TRACE_ID_CHARS
from budwood.domain.traces.records import COSTS, TOKENS, Span

TYPE: Final = "mlflow.spanType"
INPUTS: Final = "mlflow.spanInputs"
OUTPUTS: Final = "mlflow.spanOutputs"
USAGE: Final = "mlflow.chat.tokenUsage"
COST: Final = "mlflow.llm.cost"
MODEL: Final = "mlflow.llm.model"
PROVIDER: Final = "mlflow.llm.provider"
REQUEST: Final = "mlflow.traceRequestId"
ID: Final = re.compile(rf"[a-zA-Z0-9][\w-]{{0,{TRACE_ID_CHARS - 1}}}", re.ASCII)
TAG_PREFIX: Final = "mlflow.traceTag."
SERVICE: Final = "service.name"
SERVICES: Final = frozenset({"claude-code", "codex_cli_rs", "codex_vscode", "gemini-cli", "qwen-code"})
"""Programs whose name is put on their root spans."""
SESSIONS: Final = ("session.id", "gen_ai.conversation.id")
USER: Final = "user.id"


@dataclass(frozen=True, slots=True)
class Convention:
    """Names of attributes. ``kinds`` translates the values of ``kind``; ``tokens`` are in the order of ``TOKENS``."""

    kind: str
    kinds: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tokens: tuple[str, ...]
    models: tuple[str, ...] = ()
    provider: str = ""


CONVENTIONS: Final = (
    Convention(
        "openinference.span.kind",
        {
            word: word
            for word in (
                *("TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "UNKNOWN", "GUARDRAIL"),
                "EVALUATOR",
            )
        },
        ("input.value",),
        ("output.value",),
        (
            *("llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.total"),
            *("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_write"),
        ),
        ("llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name"),
        "llm.provider",
    ),
    Convention(
        "gen_ai.operation.name",
        {
            "chat": "CHAT_MODEL",
            "create_agent": "AGENT",
            "embeddings": "EMBEDDING",
            "execute_tool": "TOOL",
            "generate_content": "LLM",
            "invoke_agent": "AGENT",
            "text_completion": "LLM",
            "response": "LLM",
        },
        ("gen_ai.input.messages", "gen_ai.tool.call.arguments"),
        ("gen_ai.output.messages", "gen_ai.tool.call.result"),
        (
            *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", ""),
            *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
        ),
        ("gen_ai.response.model", "gen_ai.request.model"),
        "gen_ai.provider.name",
    ),
    Convention(
        "traceloop.span.kind",
        {"workflow": "WORKFLOW", "task": "TASK", "agent": "AGENT", "tool": "TOOL", "unknown": "UNKNOWN"},
        ("traceloop.entity.input",),
        ("traceloop.entity.output",),
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens", "llm.usage.total_tokens", "", ""),
        provider="gen_ai.system",
    ),
)


def trace_of(span: Span) -> str:
    """The id of its trace: what MLflow's client says it is, else that of OpenTelemetry."""
    said = span.attributes.get(REQUEST)
    return said if isinstance(said, str) and ID.fullmatch(said) else f"tr-{span.trace}"


def completed(span: Span) -> Span:
    """The span with MLflow's attributes where those of another convention say the same."""
    attributes = {**span.attributes, REQUEST: trace_of(span)}
    kind = _first(_kind(each, attributes) for each in CONVENTIONS)
    if kind is not None and attributes.get(TYPE) in (None, "UNKNOWN"):
        attributes[TYPE] = kind
    added: dict[str, Json] = {
        INPUTS: _first(_said(attributes, each.inputs) for each in CONVENTIONS),
        OUTPUTS: _first(_said(attributes, each.outputs) for each in CONVENTIONS),
        USAGE: _first(_usage(each, attributes) for each in CONVENTIONS),
    }
    for key, value in added.items():
        if key not in attributes and value is not None:
            attributes[key] = value
    for key, word in ((MODEL, _model(attributes)), (PROVIDER, _provider(attributes))):
        if key not in attributes and word is not None:
            attributes[key] = word
    service = span.resource.get(SERVICE)
    if not span.parent and service in SERVICES:
        attributes[SERVICE] = service
    return replace(span, attributes=attributes)


def type_of(span: Span) -> str:
    """What kind of step it is."""
    found = span.attributes.get(TYPE)
    return found if isinstance(found, str) and found else "UNKNOWN"


def word_of(span: Span, key: str) -> str | None:
    """A model, a provider: short, or none."""
    found = span.attributes.get(key)
    return found[:MODEL_WORD_CHARS] if isinstance(found, str) and found else None


def usage_of(attributes: Mapping[str, Json]) -> Mapping[str, int] | None:
    """The tokens that a span used; None when it does not say."""
    found = _object(attributes.get(USAGE))
    if found is None:
        return None
    counted = {key: whole(found.get(key)) for key in TOKENS}
    return {key: number for key, number in counted.items() if number is not None}


def cost_of(attributes: Mapping[str, Json]) -> Mapping[str, float] | None:
    """What a span cost, in dollars; None when it does not say."""
    found = _object(attributes.get(COST))
    if found is None:
        return None
    counted = {key: finite(found.get(key)) for key in COSTS}
    return {key: number for key, number in counted.items() if number is not None}


def whole(value: Json) -> int | None:
    """A count of 63 bits, also as text."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        return None
    return value


def finite(value: Json) -> float | None:
    """A number that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _first(candidates: object) -> Json:
    found: Json
    for found in candidates:  # type: ignore[attr-defined]
        if found is not None:
            return found
    return None


def _kind(convention: Convention, attributes: Mapping[str, Json]) -> Json:
    word = attributes.get(convention.kind)
    return convention.kinds.get(word) if isinstance(word, str) else None


def _said(attributes: Mapping[str, Json], keys: tuple[str, ...]) -> Json:
    """What stands there; a text that is JSON of several parts is read."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str) and value[:1] in ("{", "["):
            value = _parsed(value) or value
        if value not in (None, "", [], {}):
            return value
    return None


def _usage(convention: Convention, attributes: Mapping[str, Json]) -> Json:
    found = {
        name: number
        for name, key in zip(TOKENS, convention.tokens, strict=True)
        if key and (number := whole(attributes.get(key))) is not None
    }
    if not found.keys() & set(TOKENS[:3]):
        return None
    if "total_tokens" not in found and "input_tokens" in found and "output_tokens" in found:
        found["total_tokens"] = found["input_tokens"] + found["output_tokens"]
    return {key: found[key] for key in TOKENS if key in found}


def _model(attributes: Mapping[str, Json]) -> Json:
    for convention in CONVENTIONS:
        for key in convention.models:
            if isinstance(word := attributes.get(key), str) and word:
                return word
    for key in (INPUTS, OUTPUTS):
        inside = attributes.get(key)
        if isinstance(inside, Mapping) and isinstance(word := inside.get("model"), str) and word:
            return word
    return None


def _provider(attributes: Mapping[str, Json]) -> Json:
    for convention in CONVENTIONS:
        if isinstance(word := attributes.get(convention.provider), str) and word:
            return word
    return None


def _object(value: Json) -> Mapping[str, Json] | None:
    if isinstance(value, str):
        value = _parsed(value)
    return value if isinstance(value, Mapping) else None


def _parsed(text: str) -> Json:
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found
