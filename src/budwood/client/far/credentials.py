"""Tokens that 'budwood login' kept: one file, readable by its owner only, one entry a server."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from budwood.errors import BadValue, StorageFailed


def token_for(path: Path, url: str) -> str:
    """The token kept for exactly this server; empty when there is none. Raises BadValue."""
    return _read(path).get(url, "")


def keep_token(path: Path, url: str, token: str) -> None:
    """Keep a token, or forget the one there was when it is empty. Raises BadValue, StorageFailed."""
    kept = {**_read(path), url: token}
    content = json.dumps({server: each for server, each in sorted(kept.items()) if each}, indent=2)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            part.unlink()
        # Made anew and for its owner alone: there is no moment at which others could read it.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error


def _read(path: Path) -> Mapping[str, str]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadValue(f"{path} cannot be read.", hint="Remove it and run 'budwood login' again.") from error
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise BadValue(f"{path} is no file of tokens.", hint="Remove it and run 'budwood login' again.")
    return content
