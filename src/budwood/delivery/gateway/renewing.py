"""A gateway's token, and the file that it comes from: whoever renews the token writes that file anew.

Envoy reads its token at its start alone. So a new process takes over with the new one, as it does when a person starts
the gateway again; the keeper looks at the file. A token that the control plane refuses changes nothing.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import written
from budwood.delivery.gateway.way_home import WayHome
from budwood.errors import BadValue, Forbidden, Unauthenticated

_NAMED: Final = "token-file"
_REFUSED: Final = "token-refused"
_TOKEN_CHARS: Final = 1_000
_HINT: Final = "Make one and write it there: budwood token make NAME --scope serve"


def token_in(file: Path) -> str:
    """Raises BadValue."""
    try:
        with file.open(encoding="ascii") as opened:
            token = opened.read(_TOKEN_CHARS + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadValue(f"The token in {file} cannot be read: {why}.", hint=_HINT) from error
    if not token or len(token) > _TOKEN_CHARS or not token.isprintable() or " " in token:
        raise BadValue(f"There is no token in {file}.", hint=_HINT)
    return token


def remember(folder: Path, file: Path | None) -> None:
    """From which file this gateway's token comes, if it has one."""
    (folder / _REFUSED).unlink(missing_ok=True)
    if file is None:
        (folder / _NAMED).unlink(missing_ok=True)
    else:
        (folder / _NAMED).write_text(str(file.absolute()), encoding="utf-8")


def renewed(folder: Path, live: dict[str, Any]) -> dict[str, Any] | None:
    """The boot file with the token that its file holds now; None while that is the same, or is none."""
    with suppress(BadValue, FileNotFoundError):
        token = token_in(Path((folder / _NAMED).read_text(encoding="utf-8")))
        new: dict[str, Any] = json.loads(json.dumps(live))
        (service,) = new["dynamic_resources"]["ads_config"]["grpc_services"]
        for each in service.get("initial_metadata", ()):
            each["value"] = f"Bearer {token}"
        return new if new != live else None
    return None


def take(folder: Path, new: dict[str, Any], envoy: Path) -> bool:
    """Have a new process take over with another token; False when the control plane refuses it. Raises GatewayDown,
    OSError."""
    try:
        WayHome.of(new).check(new["node"]["id"])
    except (Unauthenticated, Forbidden) as error:
        (folder / _REFUSED).write_text(error.message, encoding="utf-8")
        return False
    (folder / _REFUSED).unlink(missing_ok=True)
    process.replace(folder, written(new), envoy)
    (folder / "alone").unlink(missing_ok=True)
    process.keep(folder, written(new), envoy)
    return True


def refused(folder: Path) -> str:
    """Why the token that is in the file now was not accepted; empty when it was, or is not new."""
    with suppress(FileNotFoundError):
        return (folder / _REFUSED).read_text(encoding="utf-8")
    return ""
