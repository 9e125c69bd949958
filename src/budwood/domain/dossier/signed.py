"""The signed list of a dossier's files: an in-toto statement in DSSE, by the registry's key, and checking it.

Whoever changes, removes or adds a file is found; whoever makes a dossier of their own signs with another key. So the
key that is compared must come from elsewhere: the one in the folder proves nothing.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from budwood.domain.canon import Json, dumps, loads
from budwood.domain.signature import PAYLOAD_TYPE, STATEMENT_TYPE, pre_authenticated
from budwood.domain.tree.note import NoteKey, parse_key
from budwood.errors import BadValue

PREDICATE: Final = "https://budwood.dev/dossier/v1"
LIST: Final = "dossier.dsse.json"
Sign = Callable[[bytes], bytes]
Check = Callable[[bytes, bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Listed:
    """A signed list that could be read: what it says, and by which key. Whether it holds is another matter."""

    reference: str
    digest: str
    made_ms: int
    key: str
    files: Mapping[str, str]
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class DossierChecked:
    """``signed`` False: the list is not signed by its key. ``trusted`` says whether the key was one that was given."""

    reference: str
    digest: str
    made_ms: int
    key: str
    signed: bool
    trusted: bool
    files: int
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return self.signed and not (self.changed or self.missing or self.added)


def signed_list(said: Mapping[str, Json], files: Mapping[str, str], key: NoteKey, sign: Sign) -> bytes:
    """The envelope. ``files`` are paths and their SHA-256."""
    payload = dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": path, "digest": {"sha256": files[path]}} for path in sorted(files)],
            "predicateType": PREDICATE,
            "predicate": dict(said),
        }
    )
    signature = base64.b64encode(sign(pre_authenticated(payload))).decode()
    envelope: Json = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key.text, "sig": signature}],
    }
    return dumps(envelope) + b"\n"


def read_list(written: bytes) -> Listed:
    """Raises BadValue for what is no signed list."""
    try:
        envelope: Any = loads(written)
        (signature,) = envelope["signatures"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        statement: Any = loads(payload)
        said = statement["predicate"]
        subjects = statement["subject"]
        files = {str(each["name"]): str(each["digest"]["sha256"]) for each in subjects}
        kinds = (envelope["payloadType"], statement["_type"], statement["predicateType"])
        listed = Listed(
            str(said["reference"]),
            str(said["digest"]),
            int(said["made_ms"]),
            str(signature["keyid"]),
            files,
            payload,
            base64.b64decode(signature["sig"], validate=True),
        )
        parse_key(listed.key)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadValue(f"{LIST} is no signed list of a dossier.", hint="Name the folder of a dossier.") from error
    if kinds != (PAYLOAD_TYPE, STATEMENT_TYPE, PREDICATE) or len(files) != len(subjects):
        raise BadValue(f"{LIST} is not about a dossier.", hint="Name the folder of a dossier.")
    return listed


def check_list(listed: Listed, found: Mapping[str, str], trusted: Sequence[str], check: Check) -> DossierChecked:
    """``found`` are the files that are there, but for the list itself, and their SHA-256. Raises BadValue."""
    key = parse_key(listed.key)
    message = pre_authenticated(listed.payload)
    known = {_parsed(each).text for each in trusted}
    holds = check(key.public, listed.signature, message)
    return DossierChecked(
        reference=listed.reference,
        digest=listed.digest,
        made_ms=listed.made_ms,
        key=listed.key,
        signed=holds and (not known or key.text in known),
        trusted=key.text in known,
        files=len(listed.files),
        changed=tuple(sorted(p for p, sha in listed.files.items() if p in found and found[p] != sha)),
        missing=tuple(sorted(listed.files.keys() - found.keys())),
        added=tuple(sorted(found.keys() - listed.files.keys())),
    )


def _parsed(text: str) -> NoteKey:
    try:
        return parse_key(text.strip())
    except ValueError as error:
        raise BadValue(
            f"{text[:80]!r} is no key of a registry.", hint="As 'budwood audit checkpoint' shows it."
        ) from error
