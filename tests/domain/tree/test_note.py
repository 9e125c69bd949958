"""Signed notes and checkpoints: the examples of the specifications, strict reading, and no forged line."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import LEDGER_ENTRIES, NOTE_BYTES, NOTE_SIGNATURES
from budwood.domain.tree.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from budwood.domain.tree.hashes import EMPTY_ROOT, tree_root
from budwood.domain.tree.note import KeyKind, Note, NoteKey, Standing, parse_key, parse_note, sign_note, standing
from tests.domain.tree.growing import ORIGIN, check, hashes, signer

# From the specification of tlog-checkpoint.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""  # noqa: E501
# The key and the note that golang.org/x/mod/sumdb/note is tested with.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENCRYPTED = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
LOG, WITNESS = signer(), signer("witness.example/w1", KeyKind.WITNESS, 2)
STATE = Checkpoint(ORIGIN, 5, tree_root(hashes(5)))


def test_the_example_of_the_specification_is_read_and_written() -> None:
    note = parse_note(EXAMPLE.encode())
    state = parse_checkpoint(note.text)
    assert (state.origin, state.size, note.signatures[0].name) == (
        "example.com/behind-the-sofa", 20852163, "example.com/behind-the-sofa",
    )  # fmt: skip
    assert (note.encode(), state.text) == (EXAMPLE.encode(), note.text)


def test_a_note_that_another_library_signed_is_accepted() -> None:
    key = parse_key(PETER)
    note = parse_note(ENCRYPTED.encode())
    assert (standing(note, key, check), key.text) == (Standing.SIGNED, PETER)


def test_log_and_witness_sign_one_note() -> None:
    note = sign_note(Note(STATE.text), LOG.key, LOG.sign)
    both = parse_note(sign_note(note, WITNESS.key, WITNESS.sign, at_s=1_790_000_000).encode())
    assert open_checkpoint(both.encode(), LOG.key, check) == (STATE, both)
    assert standing(both, WITNESS.key, check) is Standing.SIGNED
    assert standing(note, WITNESS.key, check) is Standing.UNSIGNED


def test_a_witness_vouches_for_its_time() -> None:
    note = sign_note(Note(STATE.text), WITNESS.key, WITNESS.sign, at_s=1_790_000_000)
    line = note.signatures[0]
    later = type(line)(line.name, line.key_id, (1_790_000_001).to_bytes(8, "big") + line.body[8:])
    assert standing(Note(note.text, (later,)), WITNESS.key, check) is Standing.FORGED


def test_one_key_is_not_another() -> None:
    note = sign_note(Note(STATE.text), LOG.key, LOG.sign)
    assert standing(note, signer(seed=9).key, check) is Standing.UNSIGNED
    assert standing(note, NoteKey(LOG.key.name, LOG.key.public, KeyKind.WITNESS), check) is Standing.UNSIGNED
    with pytest.raises(ValueError, match="did not sign"):
        open_checkpoint(note.encode(), signer(seed=9).key, check)
    with pytest.raises(ValueError, match="another log"):
        open_checkpoint(note.encode(), signer("other.example").key, check)


def test_one_line_that_does_not_hold_spoils_the_note() -> None:
    good = sign_note(Note(STATE.text), LOG.key, LOG.sign)
    forged = sign_note(good, LOG.key, lambda message: bytes(64))
    assert standing(forged, LOG.key, check) is Standing.FORGED


def test_no_flipped_bit_of_a_checkpoint_is_accepted() -> None:
    written = sign_note(Note(STATE.text), LOG.key, LOG.sign).encode()
    for at in range(len(written) * 8):
        flipped = bytearray(written)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(ValueError):
            open_checkpoint(bytes(flipped), LOG.key, check)


@pytest.mark.parametrize("text", [
    "", "o\n5\n", f"o\n05\n{'A' * 43}=\n", f"o\n-5\n{'A' * 43}=\n", f"o\n5\n{'A' * 43}=", f"o\n5\n{'A' * 42}==\n",
    f"o\n5\n{'A' * 42}B=\n", f"o\n5\n{'A' * 43}=\nextra\n", f"\n5\n{'A' * 43}=\n", f"o o\n5\n{'A' * 43}=\n",
    f"o\n٥\n{'A' * 43}=\n", f"o\n9007199254740993\n{'A' * 43}=\n", f"o\n0\n{'A' * 43}=\n", f"o+\n5\n{'A' * 43}=\n",
])  # fmt: skip
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_checkpoint(text)


LINE = EXAMPLE.splitlines()[-1]


@pytest.mark.parametrize("written", [
    "", "\n\n", "text\n", "text\n\n", f"text\n\n{LINE}", f"text\n{LINE}\n", f"\n\n{LINE}\n", f"text\r\n\n{LINE}\n",
    f"text\n\n{LINE}\n\n", f"text\n\n-{LINE[1:]}\n", f"text\n\n{LINE} \n", f"te\x00xt\n\n{LINE}\n",
    "text\n\n— a+b AAAAAAA=\n",
    "text\n\n— name AAAA\n", "text\n\n— name AAAAAAB=\n", "text\n\n— na\u00a0me AAAAAAA=\n",
    f"text\n\n{LINE}\n{LINE[:-2]}\n",
    f"text\n\n{LINE}\n" + f"{LINE}\n" * NOTE_SIGNATURES, "x" * NOTE_BYTES + f"\n\n{LINE}\n",
])  # fmt: skip
def test_bytes_that_are_no_note_are_refused(written: str) -> None:
    with pytest.raises(ValueError):
        parse_note(written.encode())


@pytest.mark.parametrize("text", [
    "", "name", PETER[:-1], PETER.replace("c74f", "c74e"), PETER.replace("Peter", "Pedro"), PETER + "\n",
    "a+00000000+" + base64.b64encode(b"\x01" * 33).decode(), "a+b+00000000+" + base64.b64encode(bytes(33)).decode(),
])  # fmt: skip
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_key(text)


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"{text}\n\n{LINE}\n".encode("utf-8", "replace"))
)
def test_whatever_note_is_read_is_written_the_same(written: bytes) -> None:
    try:
        note = parse_note(written)
    except ValueError:
        return
    assert note.encode() == written


@given(st.integers(1, LEDGER_ENTRIES), st.binary(min_size=32, max_size=32))
def test_every_checkpoint_comes_back_as_it_was(size: int, root: bytes) -> None:
    state = Checkpoint(ORIGIN, size, root)
    assert parse_checkpoint(state.text) == state


@given(st.text(max_size=120))
def test_whatever_checkpoint_is_read_is_written_the_same(text: str) -> None:
    try:
        state = parse_checkpoint(text)
    except ValueError:
        return
    assert state.text == text


@given(st.text(max_size=100))
def test_whatever_key_is_read_is_written_the_same(text: str) -> None:
    try:
        key = parse_key(text)
    except ValueError:
        return
    assert key.text == text


def test_an_empty_log_has_one_root() -> None:
    assert parse_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text).size == 0
    with pytest.raises(ValueError, match="empty log"):
        Checkpoint(ORIGIN, 0, bytes(32))
