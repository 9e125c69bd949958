"""YAML from strangers: plain values only, no objects, no anchors that multiply."""

from typing import Any

import yaml

from budwood.domain.canon import Json
from budwood.domain.limits import CONFIG_BYTES


def parse_yaml(text: bytes) -> Json:
    """Raises ValueError for anything but one document of plain values without aliases."""
    if len(text) > CONFIG_BYTES:
        raise ValueError("too large")
    try:
        events: Any = yaml.parse(text, Loader=yaml.SafeLoader)
        if any(isinstance(event, yaml.AliasEvent) for event in events):
            raise ValueError("aliases are not followed")
        value: Json = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not YAML: {error}") from error
    return value
