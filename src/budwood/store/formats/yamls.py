"""YAML from strangers: plain values only, no objects, few aliases, a bounded length."""

from typing import Any

import yaml

from budwood.domain.limits import YAML_ALIASES, YAML_BYTES


def parse_yaml(text: str) -> object:
    """One document's value, which may hold dates beside what JSON knows.

    Raises ValueError when it is none, longer than YAML_BYTES, or bent on aliases.
    """
    if len(text) > YAML_BYTES:
        raise ValueError("longer than the limit YAML_BYTES")
    try:
        return yaml.load(text, _FewAliases)  # noqa: S506  it is a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"not YAML: {type(error).__name__}") from error


class _FewAliases(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]  # PyYAML has no types
    """Aliases are how a short document becomes a huge one, so few are allowed."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            self.aliases += 1
            if self.aliases > YAML_ALIASES:
                raise ValueError("more aliases than the limit YAML_ALIASES")
        return super().compose_node(parent, index)
