"""Bundles from strangers: every lie is found before anything is taken in; what is true keeps its identity."""

import hashlib
import io
import json
import os
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.client.registry import Registry
from budwood.domain.limits import CHAIN_DEPTH
from budwood.errors import (
    BadBundle,
    BundleDamaged,
    Damaged,
    Invalid,
    LabelTaken,
)

MakeModel = Callable[..., Path]


def pushed_file(registry: Registry, folder: Path, content: bytes, model: str = "m") -> Path:
    target = folder / "w.bin"
    target.write_bytes(content)
    registry.push(target, model)
    return target


def entries_of(bundle: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def bundle_of(entries: Mapping[str, bytes], extra: Callable[[tarfile.TarFile], None] | None = None) -> bytes:
    """A bundle whose checksums are right, whatever else is wrong with it."""
    sums = "".join(f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in entries.items() if n != "SHA256SUMS")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in {**entries, "SHA256SUMS": sums.encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if extra:
            extra(tar)
    return file.getvalue()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a bundle of two versions."""
    folder = tmp_path_factory.mktemp("bundle")
    with budwood.in_memory() as registry:
        for number in range(2):
            (folder / "w.bin").write_bytes(random.Random(number).randbytes(3000))
            registry.push(folder / "w.bin", "m", label=f"1.{number}.0")
        registry.export(["m@v1", "m@v2"], folder / "b")
    return entries_of((folder / "b").read_bytes())


def changed(two: dict[str, bytes], change: Callable[[dict[str, Any]], None]) -> bytes:
    record = json.loads(two["bundle.json"])
    change(record)
    return bundle_of(two | {"bundle.json": json.dumps(record).encode()})


def set_in(number: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["versions"][number].update(values)


LIES: list[Callable[[dict[str, Any]], None]] = [
    set_in(1, manifest_size=7),
    set_in(1, manifest_size=1 << 60),
    set_in(1, digest="0" * 64),
    set_in(1, digest="not hex"),
    set_in(1, label="1.0.0"),
    set_in(1, label="not a label"),
    set_in(1, namespace="../.."),
    set_in(1, model="M\u202e"),
    set_in(1, structure="x" * 100_000),
    set_in(1, tags=[["only a key"]]),
    set_in(1, tags=[["a b", "c"]]),
    set_in(1, sketch="ab" * 32),
    lambda record: record["versions"][1].update(manifest_blocks=record["versions"][1]["manifest_blocks"] * 1000),
    lambda record: record["versions"].append(record["versions"][1]),
    lambda record: record.update(blocks=7),
    lambda record: record.update(format=9),
]


@pytest.mark.parametrize("lie", range(len(LIES)))
def test_a_lie_about_the_second_version_keeps_the_first_out_too(
    two: dict[str, bytes], tmp_path: Path, lie: int
) -> None:
    (tmp_path / "b").write_bytes(changed(two, LIES[lie]))
    with budwood.in_memory() as registry:
        with pytest.raises((Invalid, Damaged, LabelTaken)):
            registry.import_bundle(tmp_path / "b")
        assert registry.list() == ()


def test_a_label_taken_for_the_second_version_keeps_the_first_out_too(two: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(bundle_of(two))
    (tmp_path / "x").write_text("x")
    with budwood.in_memory() as registry:
        registry.push(tmp_path / "x", "m", label="1.1.0+other")
        with pytest.raises(LabelTaken):
            registry.import_bundle(tmp_path / "b")
        assert [v.number for v in registry.log("m").versions] == [1]


def long_names(tar: tarfile.TarFile) -> None:
    for _ in range(3000):
        member = tarfile.TarInfo("././@LongLink")
        member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1
        tar.addfile(member, io.BytesIO(b"x"))


def twice(tar: tarfile.TarFile) -> None:
    tar.addfile(tarfile.TarInfo("bundle.json"))


def linked(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("blocks/00001")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tar.addfile(member)


def sparse(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("blocks/00001")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    content = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("extra", [long_names, twice, linked, sparse])
def test_a_tar_with_tricks_is_refused(
    two: dict[str, bytes], tmp_path: Path, extra: Callable[[tarfile.TarFile], None]
) -> None:
    (tmp_path / "b").write_bytes(bundle_of(two, extra))
    with budwood.in_memory() as registry, pytest.raises((BadBundle, BundleDamaged)):
        registry.import_bundle(tmp_path / "b")


def test_what_is_no_file_is_no_bundle(registry: Registry, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BadBundle):
            registry.import_bundle(path)


def test_a_manifest_from_a_newer_budwood_keeps_its_digest(two: dict[str, bytes], tmp_path: Path) -> None:
    """Fields this Budwood does not know are not in what it would write, but they are in the version's identity."""
    with budwood.in_memory() as registry:
        (tmp_path / "b").write_bytes(bundle_of(two))
        registry.import_bundle(tmp_path / "b")
        version = registry.get("m@v1")
        newer = json.loads(version.manifest.canonical) | {"zz_later": {"a": 1}}
    written = json.dumps(newer, sort_keys=True, separators=(",", ":")).encode()
    (tmp_path / "c").write_bytes(_with_manifest(two, written))
    with budwood.in_memory() as registry:
        (taken,) = registry.import_bundle(tmp_path / "c").versions
        assert taken.digest == hashlib.sha256(written).hexdigest()
        assert registry.get("m@v1").read("w.bin") == random.Random(0).randbytes(3000)
        assert not registry.verify(read_data=True).problems


def _with_manifest(two: dict[str, bytes], written: bytes) -> bytes:
    """The bundle's first version alone, with another manifest, kept raw as one more block."""
    import zlib

    from blake3 import blake3

    record, index = json.loads(two["bundle.json"]), json.loads(two["index.json"])
    block = blake3(written).digest()
    part = two["blocks/00000"]
    row = {
        "id": block.hex(),
        "offset": len(part),
        "length": len(written),
        "raw_length": len(written),
        "encoding": 0,
        "check": zlib.crc32(written),
        "depth": 0,
    }
    index["blocks"].append(row)
    version = record["versions"][0] | {
        "digest": hashlib.sha256(written).hexdigest(),
        "manifest_size": len(written),
        "manifest_blocks": [block.hex()],
    }
    record |= {"versions": [version], "blocks": len(index["blocks"]), "encoded_bytes": len(part) + len(written)}
    return bundle_of(
        two
        | {
            "bundle.json": json.dumps(record).encode(),
            "index.json": json.dumps(index).encode(),
            "blocks/00000": part + written,
        }
    )


def tuned(count: int) -> Iterator[dict[str, "np.ndarray[Any, Any]"]]:
    chance = np.random.default_rng(5)
    values = chance.normal(0, 0.05, (200, 300)).astype(np.float32)
    for _ in range(count):
        yield {"w": values}
        values = values + chance.normal(0, 1e-6, values.shape).astype(np.float32)


def test_differences_that_would_lie_too_deep_here_are_kept_whole(tmp_path: Path) -> None:
    """There, B is whole and C leans on it. Here, B lies two differences deep already."""
    root, middle, before, after = tuned(4)
    with budwood.in_memory() as there:
        there.push(before, "m")
        there.push(after, "m")
        rows = there.house.catalog.write(lambda t: t.blocks())
        assert max(row.depth for row in rows) == 1
        there.export(["m@v2"], tmp_path / "b")
    with budwood.in_memory() as here:
        here.push(root, "other")
        here.push(middle, "other")
        here.push(before, "other")
        here.import_bundle(tmp_path / "b")
        held = {row.id: row for row in here.house.catalog.write(lambda t: t.blocks())}
        assert all(held[row.base].depth < row.depth <= CHAIN_DEPTH for row in held.values() if row.base)
        assert not here.verify(read_data=True).problems
        assert np.array_equal(here.get("m").tensor("w"), after["w"])
        more = {"w": after["w"] + np.float32(1e-6)}
        here.push(more, "m")
        assert np.array_equal(here.get("m").tensor("w"), more["w"])


def test_an_export_that_would_lack_a_block_is_refused(on_disk: Registry, tmp_path: Path) -> None:
    pushed_file(on_disk, tmp_path, os.urandom(50_000))
    record = on_disk.get("m").record
    rows = [r for r in on_disk.house.catalog.write(lambda t: t.blocks()) if r.id not in record.manifest_blocks]

    def lose(transaction: Transaction) -> None:
        transaction.condemn([row.id for row in rows], at_ms=1)

    on_disk.house.catalog.write(lose)
    with pytest.raises(Damaged):
        on_disk.export(["m"], tmp_path / "b")
    assert not [path for path in tmp_path.iterdir() if path.name.endswith((".part", "b"))]
