"""The last checkpoint of each registry that this user saw: one file, beside the tokens.

Whoever holds a registry's key and database can write it a new history; whoever kept a checkpoint notices.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from budwood.errors import BadValue, StorageFailed


@dataclass(frozen=True, slots=True)
class Remembered:
    """A signed note, and the key it was signed with."""

    note: str
    key: str


def remembered(path: Path, place: str) -> Remembered | None:
    """What was kept of the registry at ``place``. Raises BadValue."""
    found = _read(path).get(place)
    return Remembered(found["note"], found["key"]) if found else None


def remember(path: Path, place: str, kept: Remembered | None) -> None:
    """Keep it in the place of what was kept before; None forgets that. Raises BadValue, StorageFailed."""
    entries = dict(_read(path))
    if kept is None:
        entries.pop(place, None)
    else:
        entries[place] = {"key": kept.key, "note": kept.note}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.write_text(json.dumps(entries, indent=2, sort_keys=True), "utf-8")
        part.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, Mapping[str, str]]:
    hint = "Look why; removing it forgets every checkpoint."
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadValue(f"{path} cannot be read.", hint=hint) from error
    if not isinstance(content, dict) or not all(_is_kept(each) for each in content.values()):
        raise BadValue(f"{path} is no file of checkpoints.", hint=hint)
    return content


def _is_kept(each: object) -> bool:
    return isinstance(each, dict) and isinstance(each.get("note"), str) and isinstance(each.get("key"), str)
