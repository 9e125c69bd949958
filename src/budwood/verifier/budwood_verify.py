#!/usr/bin/env python3
"""Check an exported audit bundle offline: ``python budwood_verify.py FOLDER --key "NAME+ID+KEY"``.

Python 3.11 and the package cryptography are all it needs. It computes every hash again, checks the signed checkpoints
and names the first entry that is not what was signed. Give the key as you got it from the log's operators, not from
the bundle, and with --remembered a checkpoint that you kept from before.
Exit code 0: all is well; 1: something was changed; 2: the bundle or the arguments cannot be read.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

FORMAT, WIDTH, LINE_BYTES, NOTE_BYTES, PROBLEMS_SHOWN = 1, 256, 64 << 20, 64 << 10, 20
unbase64 = partial(base64.b64decode, validate=True)
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
SIGNATURE = "— ([^ ]+) ([A-Za-z0-9+/]+(?:[AEIMQUYcgkosw048]=|[AQgw]==)?)"
WRONG_FORM = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OSError, ImportError)
Key = tuple[str, bytes, int, bytes]  # name, id, kind (1: a log's, 4: a witness's), the key itself


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="budwood_verify", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("folder", type=Path, help="the audit bundle, unpacked")
    parser.add_argument("--key", action="append", default=[], help="a key that must have signed: log's or witness's")
    parser.add_argument("--remembered", type=Path, action="append", default=[], help="a checkpoint kept from before")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    asked = parser.parse_args(arguments)
    try:
        audit = Audit(asked.folder, asked.key, asked.remembered)
    except WRONG_FORM as error:
        why = f"This cannot be read: {type(error).__name__}: {error}"
        sys.stdout.write((json.dumps({"good": None, "error": why}) if asked.json else why) + "\n")
        return 2
    good, first, last = not audit.problems, *(audit.problems[0][:2] if audit.problems else (None, None))
    said = {"good": good, "origin": audit.origin, "size": audit.size, "first_bad": first, "last_bad": last}
    told, checked = [what for _, _, what in audit.problems], dict(audit.checked)
    said |= {"problems": told, "checked": checked, "key_given": bool(asked.key)}
    lines = [f"{'GOOD' if good else 'BAD'}: {audit.origin}, {audit.size} entries; checked {checked}"]
    lines += [] if asked.key else ["The key came with the bundle: whoever made one could make the other. Give --key."]
    lines += [] if first is None else [f"First bad entry: index {first}{f', or up to {last}' * (first != last)}."]
    lines += [f"- {what}" for what in told]
    sys.stdout.write((json.dumps(said) if asked.json else "\n".join(lines)) + "\n")
    return 0 if good else 1


class Audit:
    """A problem is (first, last, what): the first bad entry is one of these; None where none can be named."""

    def __init__(self, folder: Path, keys: Sequence[str], remembered: Sequence[Path]) -> None:
        self.folder, self.problems, self.checked = folder, list[tuple[int | None, int | None, str]](), Counter[str]()
        head = json.loads(read(folder / "audit.json"))
        if head["format"] != FORMAT:
            raise ValueError(f"format {head['format']}; this program reads {FORMAT}")
        self.origin, self.size = str(head["origin"]), 0
        self.keys = [parse_key(text) for text in keys or read(folder / "keys.txt").decode().splitlines()]
        self.openings = (line.split(b"\t") for line in lines_of(folder / "openings"))
        self.kept = next(self.openings, None)
        self.rows, self.leaves, self.trusted = [list[bytes]() for _ in range(8)], 0, 0
        self.roots: dict[int, set[bytes]] = {}
        self.open_checkpoint(folder / "checkpoint", newest=True)
        for path in [*folder.glob("checkpoints/*"), *remembered]:
            self.open_checkpoint(path, newest=False)
        if is_whole := (folder / "entries").is_dir() or not self.size:
            self.check_entries()
        unseen = set() if is_whole else set(self.roots) - {self.size, 0}
        for row in map(json.loads, lines_of(folder / "proofs.jsonl")):
            index, leaf, steps = row["index"], row["leaf"].encode(), [unbase64(one) for one in row["hashes"]]
            self.check_entry(index, leaf)
            _, root = lead(index, self.size, steps, hashlib.sha256(b"\x00" + leaf).digest(), False)
            if not 0 <= index < self.size or {root} != self.roots.get(self.size):
                self.bad(index, index, f"the proof for {index} does not lead to the signed root")
        for row in map(json.loads, lines_of(folder / "consistency.jsonl")):
            self.checked["consistency proofs"] += 1
            size, steps = row["size"], [unbase64(one) for one in row["hashes"]]
            # An old tree that is a perfect subtree of the new one is the proof's first step, and not sent.
            steps = [*self.roots.get(size, ()), *steps] if size == self.size or size & (size - 1) == 0 else steps
            old, new = lead(size - 1, self.size, steps[1:], (steps or [b""])[0], True)
            if not 0 < size <= self.size or [{old}, {new}] != [self.roots.get(one) for one in (size, self.size)]:
                self.bad(0, max(size - 1, 0), f"the log of {self.size} entries is not that of {size} and more")
            unseen.discard(size)
        if not is_whole and not self.checked["entries"] + self.checked["consistency proofs"]:
            raise ValueError("neither entries nor proofs")
        if unseen:
            self.bad(None, None, f"nothing here leads from earlier checkpoints, of {sorted(unseen)}, to the newest")
        if self.kept:
            self.bad(None, None, "what is kept beside entries is out of order, or belongs to none")

    def bad(self, first: int | None, last: int | None, what: str) -> None:
        ranked = sorted([*self.problems, (first, last, what)], key=lambda one: (one[1] is None, one[1], -(one[0] or 0)))
        self.problems = ranked[:PROBLEMS_SHOWN]

    def open_checkpoint(self, path: Path, newest: bool) -> None:
        """Note the root it signs for its size. The newest needs every key; earlier ones the log's."""
        text, _, below = read(path).decode().rpartition("\n\n")
        head = re.fullmatch(r"([^\s+]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]{44})", text)
        lines = [re.fullmatch(SIGNATURE, line) for line in below.removesuffix("\n").split("\n")]
        if head is None or None in lines or len(lines) > 32:
            raise ValueError(f"{path.name} is not a checkpoint")
        signed = [(line[1], unbase64(line[2])) for line in lines if line]
        self.checked["checkpoints"] += 1
        self.size = int(head[2]) if newest else self.size
        for name, key_id, kind, public in self.keys:
            own = [body[4:] for signer, body in signed if (signer, body[:4]) == (name, key_id)]
            if (newest or kind == 1) and not (own and all(holds(kind, public, f"{text}\n", body) for body in own)):
                return self.bad(None, None, f"{path.name} is not signed by {name}+{key_id.hex()}")
        if head[1] != self.origin or not any(name == head[1] and kind == 1 for name, _, kind, _ in self.keys):
            return self.bad(None, None, f"{path.name} is of the log {head[1]}, and the key of another")
        if int(head[2]) > self.size:
            self.bad(self.size, int(head[2]) - 1, f"{path.name} saw {head[2]} entries: the log was rolled back")
        return self.roots.setdefault(int(head[2]), set()).add(unbase64(head[3]))

    def check_entries(self) -> None:
        if self.roots.get(0, {self.root()}) != {self.root()}:
            self.bad(None, None, "an empty log has another root")
        for index, line in enumerate(lines_of(self.folder / "entries")):
            if index == self.size:
                self.bad(index, index, "there are entries past the checkpoint")
                break
            self.check_entry(index, line)
            self.leaves = index + 1
            self.add(0, hashlib.sha256(b"\x00" + line).digest())
            if self.leaves in self.roots and self.roots[self.leaves] == {self.root()}:
                self.trusted = self.leaves
            elif self.leaves in self.roots:
                self.bad(self.trusted, index, f"the entries do not give the root that was signed for {self.leaves}")
        if self.leaves < self.size:
            self.bad(self.leaves, self.leaves, f"the entries end here; the checkpoint speaks of {self.size}")
        for level in range(len(self.rows)):
            self.compare_with_tile(level)

    def check_entry(self, index: int, line: bytes) -> None:
        self.checked["entries"] += 1
        exact, hidden = False, dict[str, Any]()
        with suppress(*WRONG_FORM):
            leaf = json.loads(text := line.decode())
            exact = leaf["sequence"] == index + 1 and CANONICAL.encode(leaf) == text
            hidden = leaf.get("hidden", {})
        if not exact:
            self.bad(index, index, f"at {index} stands another entry, or none")
        while self.kept and int(self.kept[0]) == index:
            self.checked["openings"] += 1
            _, name, salt, value = self.kept
            wanted = hashlib.sha256(bytes.fromhex(salt.decode()) + value).hexdigest()
            if len(salt) != 64 or hidden.get(json.loads(name.decode())) != wanted:
                self.bad(index, index, f"what is kept of {name.decode()[:80]} at {index} is not what was hashed")
            self.kept = next(self.openings, None)

    def add(self, level: int, digest: bytes) -> None:
        self.rows[level].append(digest)
        if len(self.rows[level]) == WIDTH:
            self.compare_with_tile(level)
            row, self.rows[level] = self.rows[level], []
            self.add(level + 1, *peaks(row))

    def root(self) -> bytes:
        row = [peak for row in reversed(self.rows) for peak in peaks(row)]
        while len(row) > 1:
            row[-2:] = [node(*row[-2:])]
        return row[0] if row else hashlib.sha256(b"").digest()

    def compare_with_tile(self, level: int) -> None:
        row, index, span = self.rows[level], (self.leaves - 1) >> 8 * (level + 1), WIDTH**level
        if not (self.folder / "tile").is_dir() or not row:
            return
        width = min((self.size >> 8 * level) - index * WIDTH, WIDTH)
        *groups, end = re.findall("...", f"{index:0{-(-len(str(index)) // 3) * 3}}")
        name = "/".join([f"tile/{level}", *(f"x{group}" for group in groups), end])
        path = self.folder / (name if width == WIDTH else f"{name}.p/{width}")
        self.checked["tiles"] += 1
        body, first = read(path, WIDTH * 32 + 1) if path.is_file() else b"", index * WIDTH * span
        if len(body) != width * 32:
            self.bad(first, first + width * span - 1, f"{name} is missing or of another size")
        elif not body.startswith(b"".join(row)):
            first += span * next(at for at, digest in enumerate(row) if body[at * 32 : at * 32 + 32] != digest)
            self.bad(first, first + span - 1, f"{name} has another hash than the entries give from {first} on")


def lead(index: int, size: int, proof: list[bytes], start: bytes, old: bool) -> tuple[bytes, bytes]:
    """The roots a proof leads to: of the tree that ends at ``index`` when ``old``, and of the whole."""
    ended = size == 1 or (old and index + 1 == size)
    if ended or not proof:
        return (start, start) if ended and not proof else (b"", b"")
    split, beside = 1 << (size - 1).bit_length() - 1, proof[-1]
    is_right = index >= split
    part = (index - split, size - split) if is_right else (index, split)
    before, after = lead(*part, proof[:-1], start, old)
    return (node(beside, before), node(beside, after)) if is_right else (before, node(after, beside))


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def peaks(row: list[bytes]) -> list[bytes]:
    """The roots of the perfect subtrees over a row, largest first."""
    size = 1 << len(row).bit_length() >> 1
    part, rest = row[:size], row[size:]
    while len(part) > 1:
        part = [node(part[at], part[at + 1]) for at in range(0, len(part), 2)]
    return part + (peaks(rest) if rest else [])


def parse_key(text: str) -> Key:
    name, key_id, encoded = text.strip().split("+", 2)
    kind, *public = body = unbase64(encoded)
    wanted = hashlib.sha256(name.encode() + b"\n" + body).digest()[:4]
    if len(public) != 32 or kind not in (1, 4) or wanted.hex() != key_id:
        raise ValueError(f"not a key: {text.strip()[:100]}")
    return name, wanted, kind, bytes(public)


def holds(kind: int, public: bytes, text: str, body: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    stamp, signature = body[:-64], body[-64:]
    prefix = f"cosignature/v1\ntime {int.from_bytes(stamp, 'big')}\n" if kind == 4 else ""
    with suppress(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, (prefix + text).encode())
        return len(stamp) == (8 if kind == 4 else 0)
    return False


def read(path: Path, most: int = NOTE_BYTES) -> bytes:
    with path.open("rb") as file:
        return file.read(most)


def lines_of(path: Path) -> Iterator[bytes]:
    """Of a file, or of all files of a folder in the order of their names; of nothing where there is none."""
    for part in sorted(path.iterdir()) if path.is_dir() else [path] * path.is_file():
        with part.open("rb") as file:
            while line := file.readline(LINE_BYTES):
                if not line.endswith(b"\n"):
                    raise ValueError(f"{part.name} is cut off, or a line of it is too long")
                yield line[:-1]


if __name__ == "__main__":
    sys.exit(main())
