"""What can be searched and ordered of traces: the grammar of MLflow's search of them."""

from collections.abc import Sequence
from typing import Final

from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Family, Grammar, Kind, Operator, Place
from budwood.errors import BadFilter

TAG: Final = "tag"
METADATA: Final = "request_metadata"
SPAN: Final = "span"
FEEDBACK: Final = "feedback"
EXPECTATION: Final = "expectation"
ISSUE: Final = "issue"
SPAN_ATTRIBUTES: Final = "attributes."
_tag: Final = Family(TAG, Kind.LABEL, may_be_absent=True)
_metadata: Final = Family(METADATA, Kind.LABEL, may_be_absent=True)

TRACES: Final = Grammar(
    "trace",
    attributes={
        "request_id": Kind.WORD,
        "client_request_id": Kind.WORD,
        "status": Kind.WORD,
        "name": Kind.LABEL,
        "run_id": Kind.LABEL,
        "prompt": Kind.LABEL,
        "text": Kind.CONTENT,
        "timestamp_ms": Kind.NUMBER,
        "execution_time_ms": Kind.NUMBER,
        "end_time_ms": Kind.NUMBER,
        "experiment_id": Kind.NUMBER,
    },
    families={
        **dict.fromkeys(("tag", "tags"), _tag),
        **dict.fromkeys(("metadata", "request_metadata"), _metadata),
        "span": Family(
            SPAN,
            Kind.WORD,
            frozenset({"name", "type", "status", "content"}),
            kinds={"content": Kind.CONTENT},
            prefix=SPAN_ATTRIBUTES,
        ),
        "feedback": Family(FEEDBACK, Kind.JUDGED, may_be_absent=True),
        "expectation": Family(EXPECTATION, Kind.JUDGED, may_be_absent=True),
        "issue": Family(ISSUE, Kind.EXACT, frozenset({"id"})),
    },
    aliases={"timestamp": "timestamp_ms", "execution_time": "execution_time_ms", "end_time": "end_time_ms"},
    orderable=frozenset(
        {
            *("request_id", "status", "name", "run_id", "timestamp_ms", "execution_time_ms", "end_time_ms"),
            *("experiment_id", TAG, METADATA),
        }
    ),
    attribute_words=frozenset({"attribute", "attributes", "trace"}),
)


def check_prompts(comparisons: Sequence[Comparison]) -> None:
    """A prompt is named whole, with its version. Raises BadFilter."""
    for each in comparisons:
        if each.place != Place(ATTRIBUTE, "prompt"):
            continue
        if each.operator is not Operator.EQ:
            raise BadFilter(
                f"Invalid comparator '{each.operator}' for prompts filter. Only '=' is supported with format: "
                'prompt = "name/version"'
            )
        if not isinstance(each.value, str) or each.value.count("/") != 1:
            raise BadFilter(f"Invalid prompts filter value '{each.value}'. Expected format: prompt = \"name/version\"")
