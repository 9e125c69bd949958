"""The stand-alone verifier, run as an auditor runs it: good bundles pass, every kind of tampering is named."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.tree.bundle import ProvenEntry, bundle_head, consistency_part, proof_parts
from budwood.domain.tree.hashes import leaf_hash
from budwood.domain.tree.leaf import Sealed
from budwood.domain.tree.note import KeyKind
from budwood.domain.tree.proofs import consistency_proof, inclusion_proof
from budwood.verifier import budwood_verify
from tests.domain.tree.growing import ORIGIN, Signer, bundle, sealed_entries, shelf_of, signed, signer, write

PROGRAM = Path(budwood_verify.__file__)
SIZE = 700
LEDGER = sealed_entries(SIZE)
LOG, STRANGER, WITNESS = signer(), signer(seed=9), signer("witness.example/w1", KeyKind.WITNESS, 2)
COUNTED = {"checkpoints": 5, "entries": 700, "openings": 1400, "tiles": 4}
EARLIER = (1, 100, 256, 512)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the program said, and how it ended."""

    code: int
    said: dict[str, object]

    @property
    def told(self) -> str:
        return json.dumps(self.said, ensure_ascii=False)


Verify = Callable[..., Verdict]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    def run(folder: Path, *words: str, key: str = LOG.key.text) -> Verdict:
        code = budwood_verify.main([str(folder), "--json", "--key", key, *words])
        return Verdict(code, json.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return write(bundle(LEDGER, earlier=EARLIER), tmp_path / "whole")


def rewrite(folder: Path, change: Callable[[list[bytes]], None]) -> None:
    """Change the lines of the entries."""
    part = folder / "entries" / f"{0:016}.jsonl"
    lines = part.read_bytes().splitlines()
    change(lines)
    part.write_bytes(b"".join(line + b"\n" for line in lines))


def renumbered(line: bytes, sequence: int) -> bytes:
    return re.sub(rb'"sequence":\d+', b'"sequence":%d' % sequence, line)


def test_the_file_stands_alone() -> None:
    text = PROGRAM.read_text("utf-8")
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.M))
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}
    assert text.count("\n") <= 250


def test_it_runs_as_a_program_where_budwood_is_not(whole: Path, tmp_path: Path) -> None:
    copied = shutil.copy(PROGRAM, tmp_path / "verify.py")
    words = [sys.executable, "-I", "-X", "importtime", str(copied), str(whole), "--key", LOG.key.text]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (
        0, f"GOOD: {ORIGIN}, 700 entries; checked {COUNTED}",
    )  # fmt: skip
    assert not re.search(r"\| +budwood", ended.stderr)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 700])
def test_a_good_bundle_of_any_size_is_good(size: int, tmp_path: Path, verify: Verify) -> None:
    verdict = verify(write(bundle(LEDGER[:size]), tmp_path))
    assert (verdict.code, verdict.said["good"], verdict.said["first_bad"]) == (0, True, None), verdict.told


def test_erased_fields_leave_a_bundle_good(tmp_path: Path, verify: Verify) -> None:
    forgotten = [Sealed(one.leaf, ()) for one in LEDGER]
    assert verify(write(bundle(forgotten), tmp_path)).code == 0


@pytest.mark.parametrize("at", [0, 1, 255, 256, 300, 699])
@pytest.mark.parametrize("act", ["edit", "delete", "insert", "swap"])
def test_a_changed_entry_is_named(act: str, at: int, whole: Path, verify: Verify) -> None:
    def change(lines: list[bytes]) -> None:
        match act:
            case "edit":
                lines[at] = lines[at].replace(b"champion", b"challenger")
            case "delete":
                del lines[at]
                lines[at:] = [renumbered(line, at + 1 + n) for n, line in enumerate(lines[at:])]
            case "insert":
                lines.insert(at, renumbered(lines[0].replace(b"champion", b"rival"), at + 1))
            case "swap":
                other = at + 1 if at < SIZE - 1 else at - 1
                lines[at], lines[other] = lines[other], lines[at]

    rewrite(whole, change)
    verdict = verify(whole)
    first = at - 1 if (act, at) == ("swap", SIZE - 1) else at
    assert (verdict.code, verdict.said["first_bad"], verdict.said["last_bad"]) == (1, first, first), verdict.told


@pytest.mark.parametrize("length", [0, 1, 300, 512, 699])
def test_a_truncated_ledger_is_named_where_it_ends(length: int, whole: Path, verify: Verify) -> None:
    rewrite(whole, lambda lines: lines.__delitem__(slice(length, None)))
    verdict = verify(whole)
    assert (verdict.code, verdict.said["first_bad"]) == (1, length), verdict.told


def test_entries_past_the_checkpoint_are_named(whole: Path, verify: Verify) -> None:
    rewrite(whole, lambda lines: lines.append(renumbered(lines[-1], SIZE + 1)))
    verdict = verify(whole)
    assert (verdict.code, verdict.said["first_bad"]) == (1, SIZE), verdict.told


def rebuilt(at: int) -> list[Sealed]:
    """Somebody changed one entry and made every hash again."""
    changed = Sealed(LEDGER[at].leaf.replace(b"champion", b"challenger"), LEDGER[at].openings)
    return [*LEDGER[:at], changed, *LEDGER[at + 1 :]]


@pytest.mark.parametrize(("at", "between"), [(0, (0, 0)), (50, (1, 99)), (255, (100, 255)), (600, (512, 699))])
def test_a_rebuilt_ledger_is_named_between_two_checkpoints(
    at: int, between: tuple[int, int], whole: Path, verify: Verify
) -> None:
    for name in ("entries", "tile"):
        shutil.rmtree(whole / name)
    write((part for part in bundle(rebuilt(at)) if part.name.startswith(("entries", "tile"))), whole)
    verdict = verify(whole)
    assert (verdict.code, verdict.said["first_bad"], verdict.said["last_bad"]) == (1, *between), verdict.told


def test_a_rebuilt_row_of_tiles_is_named_by_the_row_above(whole: Path, verify: Verify) -> None:
    rewrite(whole, lambda lines: lines.__setitem__(300, rebuilt(300)[300].leaf))
    tile = shelf_of([leaf_hash(one.leaf) for one in rebuilt(300)])
    (whole / "tile/0/001").write_bytes(next(one.body for one in tile.in_force() if one.place.path == "tile/0/001"))
    verdict = verify(whole)
    assert (verdict.code, verdict.said["first_bad"], verdict.said["last_bad"]) == (1, 256, 511), verdict.told


def test_a_rebuilt_ledger_under_another_key_is_refused(tmp_path: Path, verify: Verify) -> None:
    folder = write(bundle(rebuilt(50), earlier=EARLIER, by=[STRANGER]), tmp_path)
    verdict = verify(folder)
    assert verdict.code == 1
    assert "checkpoint is not signed by" in verdict.told
    # Its own key would say nothing: that is why the program asks for one, and says so.
    assert budwood_verify.main([str(folder)]) == 0


def test_the_key_of_the_bundle_is_said_to_prove_little(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert budwood_verify.main([str(whole)]) == 0
    assert "whoever made one could make the other" in capsys.readouterr().out


def test_a_rolled_back_ledger_is_noticed_by_who_remembers(tmp_path: Path, verify: Verify) -> None:
    remembered = tmp_path / "remembered"
    remembered.write_bytes(signed(600, [one.leaf for one in LEDGER], [LOG]).note)
    shorter = write(bundle(LEDGER[:550]), tmp_path / "shorter")
    verdict = verify(shorter, "--remembered", str(remembered))
    assert (verdict.code, verdict.said["first_bad"]) == (1, 550), verdict.told


def test_another_history_is_noticed_by_who_remembers(tmp_path: Path, verify: Verify) -> None:
    remembered = tmp_path / "remembered"
    remembered.write_bytes(signed(600, [one.leaf for one in LEDGER], [LOG]).note)
    verdict = verify(write(bundle(rebuilt(50)), tmp_path / "other"), "--remembered", str(remembered))
    assert (verdict.code, verdict.said["first_bad"], verdict.said["last_bad"]) == (1, 0, 599), verdict.told


def test_two_signed_roots_of_one_size_are_noticed(tmp_path: Path, verify: Verify) -> None:
    remembered = tmp_path / "remembered"
    remembered.write_bytes(signed(SIZE, [one.leaf for one in rebuilt(50)], [LOG]).note)
    assert verify(write(bundle(LEDGER), tmp_path / "whole"), "--remembered", str(remembered)).code == 1


def test_a_witness_that_was_asked_for_must_have_signed(whole: Path, tmp_path: Path, verify: Verify) -> None:
    witnessed = write(bundle(LEDGER, by=[LOG, WITNESS]), tmp_path / "witnessed")
    assert verify(witnessed, "--key", WITNESS.key.text).code == 0
    assert verify(whole, "--key", WITNESS.key.text).code == 1


@pytest.mark.parametrize("change", [
    (b'"mara41"', b'"joe"'), (b"better recall", b"worse recall"), (b'\t"actor"\t', b'\t"author"\t'),
])  # fmt: skip
def test_a_forged_opening_is_named(change: tuple[bytes, bytes], whole: Path, verify: Verify) -> None:
    part = whole / "openings" / f"{0:016}.tsv"
    lines = part.read_bytes().split(b"\n")
    lines[82:84] = [line.replace(*change) for line in lines[82:84]]
    part.write_bytes(b"\n".join(lines))
    verdict = verify(whole)
    assert (verdict.code, verdict.said["first_bad"], verdict.said["last_bad"]) == (1, 41, 41), verdict.told


@pytest.mark.parametrize("by", [[LOG], [WITNESS, LOG]])
def test_no_flipped_bit_of_a_signature_passes(by: list[Signer], tmp_path: Path, verify: Verify) -> None:
    folder = write(bundle(LEDGER[:5], by=by), tmp_path)
    written = (folder / "checkpoint").read_bytes()
    keys = [word for one in by for word in ("--key", one.key.text)]
    for at in range(8 * written.index(b"\n\n"), 8 * len(written), 3):
        flipped = bytearray(written)
        flipped[at // 8] ^= 1 << at % 8
        (folder / "checkpoint").write_bytes(flipped)
        assert verify(folder, *keys).code in (1, 2), at


def test_openings_that_belong_to_no_entry_are_noticed(whole: Path, verify: Verify) -> None:
    part = whole / "openings" / f"{0:016}.tsv"
    part.write_bytes(part.read_bytes() + part.read_bytes().split(b"\n")[0] + b"\n")
    assert verify(whole).code == 1


@pytest.mark.parametrize("path", ["tile/0/001", "tile/1/000.p/2", "tile/0/002.p/188"])
@pytest.mark.parametrize("act", ["flip", "cut", "remove"])
def test_a_damaged_tile_is_noticed(act: str, path: str, whole: Path, verify: Verify) -> None:
    tile = whole / path
    body = tile.read_bytes()
    match act:
        case "flip":
            tile.write_bytes(body[:40] + bytes([body[40] ^ 1]) + body[41:])
        case "cut":
            tile.write_bytes(body[:-32])
        case "remove":
            tile.unlink()
    assert verify(whole).code == 1


def proven(folder: Path, indexes: Sequence[int], before: int = 0) -> Path:
    leaves = [one.leaf for one in LEDGER]
    read = shelf_of([leaf_hash(leaf) for leaf in leaves]).read
    write(bundle_head(ORIGIN, [LOG.key], signed(SIZE, leaves, [LOG])), folder)
    entries = (ProvenEntry(index, leaves[index], inclusion_proof(index, SIZE, read)) for index in indexes)
    write(proof_parts(entries), folder)
    if before:
        write(consistency_part(signed(before, leaves, [LOG]), consistency_proof(before, SIZE, read)), folder)
    return folder


@pytest.mark.parametrize("before", [0, 1, 2, 3, 256, 300, 512, 699, 700])
def test_single_entries_are_proven_without_the_rest(before: int, tmp_path: Path, verify: Verify) -> None:
    verdict = verify(proven(tmp_path, [0, 1, 255, 256, 511, 512, 698, 699], before))
    assert verdict.code == 0, verdict.told


@pytest.mark.parametrize("field", ["leaf", "hashes", "index"])
def test_a_forged_proof_is_named(field: str, tmp_path: Path, verify: Verify) -> None:
    part = proven(tmp_path, [41]) / "proofs.jsonl"
    row = json.loads(part.read_bytes())
    row |= {
        "leaf": {"leaf": row["leaf"].replace("champion", "rival")},
        "hashes": {"hashes": row["hashes"][:-1]},
        "index": {"index": 42},
    }[field]
    part.write_text(json.dumps(row) + "\n")
    verdict = verify(tmp_path)
    assert (verdict.code, verdict.said["first_bad"]) == (1, 42 if field == "index" else 41), verdict.told


def test_a_forged_growth_is_noticed(tmp_path: Path, verify: Verify) -> None:
    part = proven(tmp_path, [41], 300) / "consistency.jsonl"
    row = json.loads(part.read_bytes())
    for hashes in ([], row["hashes"][1:], row["hashes"][::-1], [*row["hashes"], row["hashes"][0]]):
        part.write_text(json.dumps(row | {"hashes": hashes}) + "\n")
        assert verify(tmp_path).code == 1


def test_a_remembered_checkpoint_that_nothing_leads_from_is_noticed(tmp_path: Path, verify: Verify) -> None:
    remembered = tmp_path / "remembered"
    remembered.write_bytes(signed(300, [one.leaf for one in rebuilt(50)], [LOG]).note)
    verdict = verify(proven(tmp_path / "proven", [41]), "--remembered", str(remembered))
    assert (verdict.code, verdict.said["good"]) == (1, False), verdict.told


@pytest.mark.parametrize("name", ["audit.json", "checkpoint", "entries"])
def test_what_is_no_bundle_cannot_be_read(name: str, whole: Path, verify: Verify) -> None:
    path = whole / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    verdict = verify(whole)
    assert (verdict.code, verdict.said["good"]) == (2, None)
    assert verify(whole / "nowhere").code == 2


@pytest.mark.parametrize("key", ["", "nonsense", "a+b+c", LOG.key.text[:-4], LOG.key.text.replace("registry", "r")])
def test_what_is_no_key_cannot_be_read(key: str, whole: Path, verify: Verify) -> None:
    assert verify(whole, key=key).code == 2


def test_a_file_that_is_cut_in_a_line_cannot_be_read(whole: Path, verify: Verify) -> None:
    part = whole / "entries" / f"{0:016}.jsonl"
    part.write_bytes(part.read_bytes()[:-5])
    assert verify(whole).code == 2


SMALL = bundle(LEDGER[:5], earlier=[3])


@given(st.sampled_from([n for n, part in enumerate(SMALL) if part.name != "keys.txt"]), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_no_changed_byte_of_a_bundle_passes(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], number: int, data: st.DataObject
) -> None:
    folder = write(SMALL, tmp_path_factory.mktemp("small"))
    path = folder / SMALL[number].name
    body = bytearray(path.read_bytes())
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(body)
    code = budwood_verify.main([str(folder), "--key", LOG.key.text])
    shutil.rmtree(folder)
    # A head that says another size changes nothing: the signed checkpoint is what counts.
    assert code in (1, 2) or path.name == "audit.json", capsys.readouterr().out
