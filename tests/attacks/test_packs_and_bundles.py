"""Packs and bundles that lie, sent to a real server: refused in time and in words, and nothing of them can be seen."""

import base64
import gzip
import io
import random
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

import budwood
from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import BlockDamaged, Damaged
from budwood.store import packs
from budwood.store.api import BlockRow
from budwood.store.encodings.registry import DELTA_PLANES, PLANES, RAW, SPLIT, ZSTD
from tests.attacks.sending import BYTES, body_of, pack_of, pushing, rewritten
from tests.attacks.siege import Siege
from tests.packs_by_hand import index_of
from tests.server.conftest import Running, token_of

TEXT = b"a line that repeats itself\n" * 2_000
NOISE = random.Random(1).randbytes(5_000)
TB = 1 << 40


def zstd_frame(claims: int, content: bytes = b"\x01\x00\x00") -> bytes:
    """A frame whose header claims so many bytes; its content is one empty last block, or what is given."""
    return b"\x28\xb5\x2f\xfd" + bytes([0xC0 | 0x20]) + struct.pack("<Q", claims) + content


def block(encoded: bytes, raw_length: int, encoding: int, **fields: object) -> bytes:
    """A pack of one block, encoded by hand."""
    header = packs._HEADER.pack(packs._HEADER_MAGIC, packs.PACK_FORMAT)
    row = BlockRow(
        id=blake3(b"wanted").digest(),
        pack="sent",
        offset=len(header),
        length=len(encoded),
        raw_length=raw_length,
        encoding=encoding,
        check=zlib.crc32(encoded),
    )
    return rewritten([replace(row, **fields)], header + encoded)  # type: ignore[arg-type]


def lying(change: Callable[[list[BlockRow]], list[BlockRow]]) -> bytes:
    rows, whole = pack_of(TEXT, NOISE)
    return rewritten(change(rows), body_of(rows, whole))


def longer_frame() -> bytes:
    """The right bytes and the right digest, and more behind them."""
    rows, whole = pack_of(TEXT)
    body = body_of(rows, whole) + b"trailing"
    encoded = body[rows[0].offset :]
    return rewritten([replace(rows[0], length=len(encoded), check=zlib.crc32(encoded))], body)


def trailer(offset: int, count: int) -> bytes:
    rows, whole = pack_of(TEXT)
    body = body_of(rows, whole)
    footer = index_of(rows)
    return body + footer + packs._trailer(offset, count, footer)


def bomb() -> bytes:
    """Small blocks that claim six gigabytes together."""
    header = packs._HEADER.pack(packs._HEADER_MAGIC, packs.PACK_FORMAT)
    frame = zstd_frame(BLOCK_BYTES)
    rows = [
        BlockRow(
            blake3(bytes([n % 256, n // 256])).digest(), "sent", 16 + n * len(frame), len(frame), BLOCK_BYTES, ZSTD, 0
        )
        for n in range(3_000)
    ]
    return rewritten(rows, header + frame * 3_000)


LYING_PACKS: dict[str, Callable[[], bytes]] = {
    "noise": lambda: NOISE,
    "zeros": lambda: bytes(100_000),
    "a zip": lambda: b"PK\x03\x04" + NOISE,
    "a frame that claims a terabyte": lambda: block(zstd_frame(TB), BLOCK_BYTES, ZSTD),
    "a frame that claims all there is": lambda: block(zstd_frame(2**64 - 1), BLOCK_BYTES, ZSTD),
    "a frame with a window of gigabytes": lambda: block(b"\x28\xb5\x2f\xfd\x80\xa8" + bytes(40), 1_000, ZSTD),
    "an empty frame for two megabytes": lambda: block(zstd_frame(0), BLOCK_BYTES, ZSTD),
    "nothing that expands": lambda: block(b"\x00", BLOCK_BYTES, ZSTD),
    "planes of nothing": lambda: block(b"\xff" * 64, BLOCK_BYTES, PLANES),
    "a split of nothing": lambda: block(b"\xff" * 64, BLOCK_BYTES, SPLIT),
    "a difference from nothing": lambda: block(b"\xff" * 64, BLOCK_BYTES, DELTA_PLANES, base=bytes(range(32)), depth=1),
    "a difference from itself": lambda: block(
        b"\xff" * 64, BLOCK_BYTES, DELTA_PLANES, base=blake3(b"wanted").digest(), depth=1
    ),
    "a block said to be raw and longer": lambda: block(b"x" * 64, BLOCK_BYTES, RAW),
    "longer than said": lambda: lying(lambda rows: [replace(rows[0], raw_length=rows[0].raw_length - 1), rows[1]]),
    "shorter than said": lambda: lying(lambda rows: [replace(rows[0], raw_length=rows[0].raw_length + 1), rows[1]]),
    "bytes behind the frame": longer_frame,
    "names exchanged": lambda: lying(lambda rows: [replace(rows[0], id=rows[1].id), replace(rows[1], id=rows[0].id)]),
    "a block past the end": lambda: lying(lambda rows: [rows[0], replace(rows[1], length=1 << 20)]),
    "blocks that overlap": lambda: lying(lambda rows: [rows[0], replace(rows[1], offset=rows[0].offset)]),
    "an offset that wraps around": lambda: lying(lambda rows: [replace(rows[0], offset=2**64 - 8), rows[1]]),
    "an index past the end": lambda: trailer(1 << 50, 1),
    "an index at the end of numbers": lambda: trailer(2**64 - 100, 1),
    "four billion blocks": lambda: trailer(16, 2**32 - 1),
    "no blocks": lambda: trailer(16, 0),
    "six gigabytes in little": bomb,
    "a newer format": lambda: pack_of(TEXT)[1].replace(b"budwood.pack\x01", b"budwood.pack\x09"),
}


@pytest.mark.parametrize("name", LYING_PACKS)
def test_a_pack_that_lies_is_refused_in_time_and_none_of_it_is_found(name: str, unmoved: Siege) -> None:
    sent = LYING_PACKS[name]()
    with pushing(unmoved) as push:
        reply, took_s = push.send(sent)
        assert (reply.status, reply.problem["code"]) == (422, "bad_parcel"), reply
        assert took_s < 2.0
        wanted = [base64.b64encode(blake3(each).digest()).decode() for each in (TEXT, NOISE, b"wanted")]
        assert push.ask("POST", "/find", json={"ids": wanted}).value == {"blocks": [], "packs": []}


def test_the_honest_pack_would_be_taken(unmoved: Siege) -> None:
    with pushing(unmoved) as push:
        reply, _ = push.send(pack_of(TEXT, NOISE)[1])
        assert (reply.status, reply.value) == (200, {"blocks": 2})


def test_what_was_refused_is_swept_away(siege: Siege) -> None:
    def packs_of() -> set[Path]:
        return set(siege.server.registry.rglob("*.pack"))

    siege.ask("POST", "/v1/registry/sweep", by="admin", json={"grace_s": 0}, within_s=20)
    before = packs_of()
    with pushing(siege) as push:
        push.send(NOISE)
        assert len(packs_of()) == len(before) + 1
    for _ in range(2):
        siege.ask("POST", "/v1/registry/sweep", by="admin", json={"grace_s": 0}, within_s=20)
    assert packs_of() == before


# Bundles


def exported(siege: Siege) -> dict[str, bytes]:
    """The entries of a true bundle, by name."""
    reply = siege.ask("GET", "/v1/export?references=ours/encoder@v1", by="reader")
    assert reply.status == 200, reply
    with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def bundle(entries: dict[str, bytes], extra: Callable[[tarfile.TarFile], None] = lambda tar: None) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        extra(tar)
    return held.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        one = tarfile.TarInfo(name)
        one.type, one.linkname, one.size = kind, link, size
        tar.addfile(one, io.BytesIO(bytes(size)))

    return add


def through_a_link(tar: tarfile.TarFile) -> None:
    member("out", tarfile.SYMTYPE, "/")(tar)
    member("out/hostile", size=4)(tar)


def many(tar: tarfile.TarFile) -> None:
    for number in range(20_000):
        member(f"blocks/{number:08d}")(tar)


EXTRAS: dict[str, Callable[[tarfile.TarFile], None]] = {
    "up and out": member("../../hostile", size=4),
    "an absolute path": member("/hostile", size=4),
    "a link": member("blocks/link", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": member("blocks/hard", tarfile.LNKTYPE, "/etc/passwd"),
    "written through a link": through_a_link,
    "a device": member("blocks/null", tarfile.CHRTYPE),
    "a FIFO": member("blocks/fifo", tarfile.FIFOTYPE),
    "the record twice": member("bundle.json", size=2),
    "20,000 entries": many,
}


@pytest.mark.parametrize("name", EXTRAS)
def test_a_bundle_with_tricks_is_refused(name: str, unmoved: Siege) -> None:
    sent = bundle(exported(unmoved), EXTRAS[name])
    reply = unmoved.ask("POST", "/v1/import", by="owner", body=sent, headers=BYTES)
    assert (reply.status, reply.problem["code"]) in ((422, "bad_bundle"), (422, "bundle_damaged")), reply
    _assert_nothing_left(unmoved)


STRANGE: dict[str, bytes] = {
    "noise": NOISE,
    "zeros": bytes(1 << 20),
    "a bomb": gzip.compress(bytes(50 << 20)),
    "a bomb in a frame": zstd_frame(TB),
    "a tar that claims a terabyte": tarfile.TarInfo("bundle.json").tobuf()[:124]
    + b"\x80"
    + bytes(5)
    + b"\x01"
    + bytes(5),
    "a tar that is cut": b"",
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_bundle_is_refused(name: str, unmoved: Siege) -> None:
    sent = STRANGE[name] or bundle(exported(unmoved))[:3_000]
    reply = unmoved.ask("POST", "/v1/import", by="owner", body=sent, headers=BYTES)
    assert reply.status == 422, reply
    _assert_nothing_left(unmoved)


def test_a_bundle_does_not_come_in_where_one_may_not_push(unmoved: Siege) -> None:
    true = unmoved.ask("GET", "/v1/export?references=theirs/secret@v1", by="elsewhere").body
    for by, statuses in {"writer": (403, 404), "reader": (403,), "nobody": (403,)}.items():
        reply = unmoved.ask("POST", "/v1/import", by=by, body=true, headers=BYTES)
        assert reply.status in statuses, (by, reply)
    for reference in ("theirs/secret@v1", "theirs/nothing@v1"):
        reply = unmoved.ask("GET", f"/v1/export?references={reference}", by="owner")
        assert reply.status == 404, reply
    _assert_nothing_left(unmoved)


def test_what_another_tenant_has_too_can_be_imported_and_stays_where_it_was(fresh: Running, tmp_path: Path) -> None:
    said = {}
    for name, seed in (("first", 1), ("shared", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.bin").write_bytes(random.Random(seed).randbytes(100_000))
        with budwood.connect(tmp_path / "elsewhere", author="eve") as other:
            other.push(tmp_path / name, f"theirs/{name}")
            other.export([f"theirs/{name}"], tmp_path / f"{name}.bundle")
    with (
        budwood.connect(fresh.url, token=token_of("owner")) as owner,
        budwood.connect(fresh.url, token=token_of("elsewhere")) as other,
    ):
        owner.push(tmp_path / "shared", "ours/shared")
        for name in ("first", "shared"):
            imported = other.import_bundle(tmp_path / f"{name}.bundle")
            said[name] = (imported.new_blocks, imported.stored_bytes // 10_000)
            other.pull(f"theirs/{name}", tmp_path / "out" / name)
        owner.pull("ours/shared", tmp_path / "again")
        assert said["first"] == said["shared"]
        owner.delete("ours/shared@v1")
        fresh.ask("POST", "/v1/registry/sweep", by="admin", json={"grace_s": 0})
        other.pull("theirs/shared", tmp_path / "after")
    found = fresh.ask("POST", "/v1/registry/verify", by="admin", json={"read_data": True}).value
    assert found["problems"] == []


def test_what_two_tenants_shared_before_there_was_a_server_both_can_read(fresh: Running, tmp_path: Path) -> None:
    # The fixture pushed the same files to both, in one process.
    for by, reference in (("owner", "ours/encoder@v1"), ("elsewhere", "theirs/secret@v1")):
        with budwood.connect(fresh.url, token=token_of(by)) as registry:
            registry.pull(reference, tmp_path / by)
    assert (tmp_path / "owner" / "config.json").read_bytes() == (tmp_path / "elsewhere" / "config.json").read_bytes()


def _assert_nothing_left(siege: Siege) -> None:
    assert not list(siege.server.registry.rglob("*.bundle"))
    assert not Path("/hostile").exists()


# Damage of our own


def test_a_flipped_bit_is_never_pulled_and_is_found_and_the_others_come_through(fresh: Running, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.bin").write_bytes(random.Random(7).randbytes(300_000))
    with budwood.connect(fresh.url, token=token_of("owner")) as owner:
        before = set(fresh.registry.rglob("*.pack"))
        owner.push(tmp_path / "m", "ours/victim")
        (pack,) = (path for path in set(fresh.registry.rglob("*.pack")) - before if path.stat().st_size > 200_000)
        pack.chmod(0o600)
        content = bytearray(pack.read_bytes())
        content[100_000] ^= 1
        pack.write_bytes(content)
        with pytest.raises(BlockDamaged):
            owner.pull("ours/victim", tmp_path / "out")
        assert not [path for path in tmp_path.rglob("a.bin") if "m" not in path.parts]
        owner.pull("ours/encoder@v1", tmp_path / "other")
        with pytest.raises(Damaged):
            owner.export(["ours/victim"], tmp_path / "b")
    found = fresh.ask("POST", "/v1/registry/verify", by="admin", json={"read_data": True})
    assert found.status == 200
    assert "ours/victim@v1" in str(found.value)
    assert "ours/encoder" not in str(found.value["problems"])
