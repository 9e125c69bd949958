"""pull and reading: whole versions, files, ranges, tensors; never outside the target; nothing half-written."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import budwood
from budwood.client.registry import Registry
from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import (
    BlockDamaged,
    Damaged,
    FileNotInVersion,
    NotOffered,
    StorageFailed,
    TargetDiffers,
    TensorNotInVersion,
    UnsafeEntry,
)

MakeModel = Callable[..., Path]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contents=st.dictionaries(
        st.text("abcdef/-.", min_size=1, max_size=12).filter(
            lambda t: all(part.strip(".") and not part.endswith(".") for part in t.split("/"))
        ),
        st.binary(max_size=3000) | st.integers(0, 5_000_000).map(lambda n: random.Random(n).randbytes(n)),
        min_size=1,
        max_size=4,
    )
)
def test_any_files_come_back_bit_for_bit(contents: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    kept = {}
    for path, content in contents.items():
        target = folder / "in" / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError:
            continue
        kept[path] = content
    with budwood.in_memory() as registry:
        registry.push(folder / "in", "m")
        registry.pull("m", folder / "out")
    found = {str(p.relative_to(folder / "out")): p.read_bytes() for p in (folder / "out").rglob("*") if p.is_file()}
    assert found == kept


def test_pulling_again_writes_nothing(registry: Registry, model: MakeModel, tmp_path: Path) -> None:
    registry.push(model(), "encoder")
    registry.pull("encoder", tmp_path / "out")
    again = registry.pull("encoder", tmp_path / "out")
    assert (again.unchanged, again.bytes_written) == (2, 0)


def test_a_file_that_differs_is_kept_unless_overwriting_is_asked_for(
    registry: Registry, model: MakeModel, tmp_path: Path
) -> None:
    registry.push(model(), "encoder")
    target = tmp_path / "out"
    target.mkdir()
    (target / "config.json").write_text("mine")
    (target / "notes.txt").write_text("mine too")
    with pytest.raises(TargetDiffers, match=r"config\.json"):
        registry.pull("encoder", target)
    assert (target / "config.json").read_text() == "mine"
    assert not (target / "model.safetensors").exists()
    registry.pull("encoder", target, overwrite=True)
    assert (target / "config.json").read_text() != "mine"
    assert (target / "notes.txt").read_text() == "mine too"


def test_one_file_or_folder_can_be_pulled(registry: Registry, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", "sub/c"):
        (source / name).write_text(name)
    registry.push(source, "m")
    assert registry.pull("m", tmp_path / "one", paths=["sub/b"]).files == 1
    assert registry.pull("m", tmp_path / "two", paths=["sub"]).files == 2
    with pytest.raises(FileNotInVersion):
        registry.pull("m", tmp_path / "three", paths=["su"])
    assert not (tmp_path / "three").exists()


def test_nothing_is_written_through_a_link(registry: Registry, tmp_path: Path) -> None:
    source, outside, target = tmp_path / "in", tmp_path / "outside", tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "b").write_text("b")
    registry.push(source, "m")
    outside.mkdir()
    target.mkdir()
    (target / "sub").symlink_to(outside)
    with pytest.raises(UnsafeEntry):
        registry.pull("m", target, overwrite=True)
    assert list(outside.iterdir()) == []
    (target / "sub").unlink()
    (target / "sub").mkdir()
    (target / "sub" / "b").symlink_to(outside / "x")
    with pytest.raises(UnsafeEntry):
        registry.pull("m", target, overwrite=True)
    assert list(outside.iterdir()) == []


def test_a_target_that_is_a_file_is_an_error_that_names_it(
    registry: Registry, model: MakeModel, tmp_path: Path
) -> None:
    registry.push(model(), "encoder")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageFailed, match="file"):
        registry.pull("encoder", tmp_path / "file")


def test_a_damaged_block_is_never_written(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "encoder")
    pack = next((tmp_path / "registry").rglob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[len(content) // 3] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(content)
    with pytest.raises(Damaged):
        on_disk.pull("encoder", tmp_path / "out")
    left = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert "model.safetensors" not in left
    assert not [name for name in left if "part" in name]


def test_a_version_file_reads_like_the_file(registry: Registry, tmp_path: Path) -> None:
    content = os.urandom(3 * BLOCK_BYTES + 1234)
    (tmp_path / "w.bin").write_bytes(content)
    registry.push(tmp_path / "w.bin", "m")
    chance = random.Random(3)
    with registry.get("m").open("w.bin") as file:
        assert file.seek(0, os.SEEK_END) == len(content)
        for _ in range(200):
            at, length = chance.randrange(len(content) + 10), chance.choice([0, 1, 100, 70_000])
            file.seek(at)
            assert file.read(length) == content[at : at + length]
    assert registry.get("m").read("w.bin") == content


def test_a_tensor_comes_alone(registry: Registry, weights: Callable[..., dict[str, Any]]) -> None:
    arrays = weights(rows=5000)
    registry.push(arrays, "encoder")
    version = registry.get("encoder")
    for name, array in arrays.items():
        assert np.array_equal(version.tensor(name), array)
    with pytest.raises(TensorNotInVersion):
        version.tensor("nobody")


def test_bf16_comes_as_equal_float32(registry: Registry) -> None:
    torch = pytest.importorskip("torch")
    values = torch.randn(40, 30).to(torch.bfloat16)
    registry.push({"w": values}, "m")
    got = registry.get("m").tensor("w")
    assert got.dtype == np.float32
    assert np.array_equal(got, values.float().numpy())


def test_a_quantised_tensor_is_not_offered_as_an_array(registry: Registry, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(str(tmp_path / "q.gguf"), "llama")
    rows = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("w", gguf.quantize(rows, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    registry.push(tmp_path / "q.gguf", "m")
    with pytest.raises(NotOffered, match="q8_0"):
        registry.get("m").tensor("w")


def test_a_damaged_tensor_is_an_error(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "encoder")
    pack = next((tmp_path / "registry").rglob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[200_000] ^= 4
    pack.chmod(0o644)
    pack.write_bytes(content)
    version = on_disk.get("encoder")
    with pytest.raises(BlockDamaged):
        _ = [version.tensor(name) for name in version.tensors]
