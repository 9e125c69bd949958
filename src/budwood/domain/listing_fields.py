"""What can be searched and ordered of models and of versions: the grammars of MLflow's search."""

from typing import Final

from budwood.domain.tracking.fields import TAG
from budwood.domain.tracking.filters import Family, Grammar, Kind

_tag: Final = Family(TAG)
_WORDS: Final = frozenset({"attribute", "attributes", "attr"})
_UNQUOTED: Final = "Parameter value is either not quoted or unidentified quote types used for string value"
_TIMES: Final = frozenset({"creation_timestamp", "last_updated_timestamp"})

MODELS: Final = Grammar(
    "registered model",
    attributes={"name": Kind.CHOICE, **dict.fromkeys(_TIMES, Kind.NUMBER)},
    families=dict.fromkeys(("tag", "tags"), _tag),
    aliases={"timestamp": "last_updated_timestamp"},
    orderable=frozenset({"name", *_TIMES}),
    attribute_words=_WORDS,
    unquoted=_UNQUOTED,
)
VERSIONS: Final = Grammar(
    "model version",
    attributes={
        "name": Kind.CHOICE,
        "run_id": Kind.CHOICE,
        "source_path": Kind.TEXT,
        "version_number": Kind.NUMBER,
        **dict.fromkeys(_TIMES, Kind.NUMBER),
    },
    families=dict.fromkeys(("tag", "tags"), _tag),
    aliases={"version": "version_number"},
    orderable=frozenset({"name", "version_number", *_TIMES}),
    attribute_words=_WORDS,
    unquoted=_UNQUOTED,
)
