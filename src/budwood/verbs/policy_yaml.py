"""A reader of YAML that refuses what hides: a key that is there twice. Imported when a policy is read."""

from typing import Any

import yaml

from budwood.errors import BadPolicy


class Loader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
    """Refuses a key that is there twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                mark = node.value[number][0].start_mark
                raise BadPolicy(
                    f"{str(key)[:80]!r} is there twice, again in line {mark.line + 1}.",
                    hint="Keep one of them.",
                    field=str(key)[:80],
                )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping
