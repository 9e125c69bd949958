"""Copies of a model in another dtype, order or container: kept as functions of it, proved, told, and given back."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import budwood
from budwood.catalog.api import Transaction
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.facts import Relation
from budwood.store.encodings.registry import DERIVED
from tests.verbs.test_tier_races import PublishingObjects, once

Tensors = dict[str, torch.Tensor]
LARGE, SMALL = "encoder.wide.weight", "encoder.norm.weight"


def tensors() -> Tensors:
    """Two blocks and some of the one, less than one of others."""
    chance = torch.Generator().manual_seed(7)
    return {
        LARGE: torch.randn(1100, 1024, generator=chance) * 0.02,
        "encoder.q.weight": torch.randn(96, 128, generator=chance) * 0.02,
        "encoder.k.weight": torch.randn(96, 128, generator=chance) * 0.02,
        "encoder.v.weight": torch.randn(32, 128, generator=chance) * 0.02,
        SMALL: torch.randn(1024, generator=chance) * 0.02 + 1,
    }


def as_bf16(base: Tensors) -> Tensors:
    return {name: each.bfloat16() for name, each in base.items()}


def as_f16(base: Tensors) -> Tensors:
    return {name: each.half() for name, each in base.items()}


def turned(base: Tensors) -> Tensors:
    return {f"{name}.T": each.T.contiguous() if each.ndim == 2 else each for name, each in base.items()}


def turned_and_cast(base: Tensors) -> Tensors:
    return {name: each.half() for name, each in turned(base).items()}


def joined(base: Tensors) -> Tensors:
    parts = [base[f"encoder.{part}.weight"] for part in "qkv"]
    return {LARGE: base[LARGE], "encoder.qkv.weight": torch.cat(parts), SMALL: base[SMALL]}


def cut(base: Tensors) -> Tensors:
    return {"wide.0": base[LARGE][:550].contiguous(), "wide.1": base[LARGE][550:].contiguous()}


def split(base: Tensors) -> Tensors:
    """As two and four machines would hold them, each some columns."""
    parts = {LARGE: base[LARGE].chunk(4, dim=1), "encoder.q.weight": base["encoder.q.weight"].chunk(2, dim=1)}
    return {f"{name}.{rank}": part.contiguous() for name, some in parts.items() for rank, part in enumerate(some)}


COPIES: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "bf16": (as_bf16, "BF16 of base@v1, 99."),
    "f16": (as_f16, "F16 of base@v1, 99."),
    "turned": (turned, "A rearrangement of base@v1, 99."),
    "turned and cast": (turned_and_cast, "F16 of base@v1, 99."),
    "cut": (cut, "A rearrangement of base@v1, 99."),
    "split": (split, "A rearrangement of base@v1, 99."),
}


def saved(folder: Path, name: str, held: Tensors) -> Path:
    folder = folder / name.replace(" ", "-")
    folder.mkdir()
    save_file(held, folder / "model.safetensors")
    return folder / "model.safetensors"


def quantised(folder: Path, kind: str, base: Tensors) -> Path:
    """Rows that are no whole groups stay as they are, as converters leave them."""
    path = folder / f"{kind}.gguf"
    writer = gguf.GGUFWriter(path, "bert")
    wanted = getattr(gguf.GGMLQuantizationType, kind)
    for name, each in base.items():
        if each.ndim == 2 and each.shape[1] % gguf.GGML_QUANT_SIZES[wanted][0] == 0:
            writer.add_tensor(name, gguf.quants.quantize(each.numpy(), wanted), raw_dtype=wanted)
        else:
            writer.add_tensor(name, each.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_copy_keeps_a_few_bytes_comes_back_and_says_what_it_is(registry: Registry, tmp_path: Path) -> None:
    base = tensors()
    registry.push(saved(tmp_path, "base", base), "base")
    for name, (copy, says) in COPIES.items():
        source, model = saved(tmp_path, name, copy(base)), name.replace(" ", "-")
        pushed = registry.push(source, model)
        # Its manifest, with the machine's packages, is most of it.
        assert pushed.stored_bytes < 0.03 * pushed.logical_bytes, name
        registry.pull(model, tmp_path / f"out-{model}")
        assert (tmp_path / f"out-{model}" / "model.safetensors").read_bytes() == source.read_bytes(), name
        (computed,) = registry.get(model).detail().computed
        assert computed.startswith(says), name
        assert computed.endswith("% of its bytes, proved."), name
        assert [parent.reference for parent in registry.get(model).detail().parents] == ["base@v1"], name


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4", "TQ1_0", "TQ2_0"])
def test_a_gguf_is_proved_to_be_what_it_was_quantised_from(near: Registry, tmp_path: Path, kind: str) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base", label="1.2.0")
    pushed = near.push(quantised(tmp_path, kind, base), "quantised")
    near.pull("quantised", tmp_path / "out")
    assert (tmp_path / "out" / f"{kind}.gguf").read_bytes() == (tmp_path / f"{kind}.gguf").read_bytes()
    (computed,) = near.get("quantised").detail().computed
    assert computed.startswith(f"{kind} of base@1.2.0, 99."), computed
    relation = Relation.DERIVED_FROM if kind.endswith("F16") else Relation.QUANTIZED_FROM
    assert [edge.relation for edge in near.trace("quantised").edges] == [relation]
    (proof,) = [each for each in near.gates.evidence("quantised") if each.kind == "derivation"]
    assert (proof.author, proof.details["source"]) == ("the registry", near.get("base").digest)
    assert pushed.new_raw_bytes > 0
    change = near.diff("base", "quantised")
    assert change.computed == f"quantised@v1 is computed: {computed}"
    assert [each.text for each in near.log("quantised").computed] == [computed]


def test_a_copy_beside_its_source_is_derived_from_it_in_one_push(registry: Registry, tmp_path: Path) -> None:
    base, folder = tensors(), tmp_path / "both"
    folder.mkdir()
    save_file(base, folder / "model.safetensors")
    save_file(as_bf16(base), folder / "a-copy.safetensors")
    save_file(turned(base), folder / "turned.safetensors")
    quantised(folder, "Q8_0", base)
    pushed = registry.push(folder, "both")
    alone = registry.push(folder / "model.safetensors", "alone", message="its source")
    assert alone.new_raw_bytes < 100_000
    assert pushed.stored_bytes < 1.02 * (folder / "model.safetensors").stat().st_size
    registry.pull("both", tmp_path / "out")
    for path in folder.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert registry.verify(read_data=True).problems == ()


def test_of_an_upcast_beside_its_source_the_smaller_is_kept(near: Registry, tmp_path: Path) -> None:
    narrow, folder = as_bf16(tensors()), tmp_path / "both"
    folder.mkdir()
    save_file({f"{name}.wide": each.float() for name, each in narrow.items()}, folder / "a.safetensors")
    save_file(narrow, folder / "b.safetensors")
    near.push(folder, "both")
    assert encodings(near, "both", f"{LARGE}.wide") == {DERIVED}
    assert DERIVED not in encodings(near, "both", LARGE)
    near.pull("both", tmp_path / "out")
    assert (tmp_path / "out" / "a.safetensors").read_bytes() == (folder / "a.safetensors").read_bytes()


def test_files_that_have_nothing_in_common_are_no_copies(near: Registry, tmp_path: Path) -> None:
    base, folder = tensors(), tmp_path / "both"
    folder.mkdir()
    save_file(base, folder / "model.safetensors")
    save_file({name: (each * 1.01).bfloat16() for name, each in base.items()}, folder / "other.safetensors")
    near.push(folder, "both")
    (span, other) = (span for entry in near.get("both").manifest.files for span in entry.tensors if span.name == LARGE)
    rows = near.house.index.find((*span.blocks, *other.blocks))
    assert DERIVED not in {row.encoding for row in rows.values()}


def test_an_upcast_is_derived_from_fewer_bytes_than_it_has(near: Registry, tmp_path: Path) -> None:
    narrow = as_bf16(tensors())
    near.push(saved(tmp_path, "narrow", narrow), "narrow")
    source = saved(tmp_path, "wide", {name: each.float() for name, each in narrow.items()})
    near.push(source, "wide")
    near.pull("wide", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == source.read_bytes()
    assert near.get("wide").detail().computed[0].startswith("F32 of narrow@v1, 99.")


def test_what_was_put_together_is_found_part_by_part(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    near.push(saved(tmp_path, "joined", joined(base)), "joined")
    assert encodings(near, "joined", "encoder.qkv.weight") == {DERIVED}
    assert near.verify(read_data=True).problems == ()


def test_columns_that_were_put_together_are_found(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "parts", split(base)), "parts")
    whole = {name: base[name] for name in (LARGE, "encoder.q.weight")}
    source = saved(tmp_path, "whole", whole)
    near.push(source, "whole")
    assert all(encodings(near, "whole", name) == {DERIVED} for name in whole)
    near.pull("whole", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == source.read_bytes()
    assert near.verify(read_data=True).problems == ()


@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
def test_weights_fused_of_unequal_parts_are_functions_of_them(near: Registry, tmp_path: Path, axis: int) -> None:
    chance, parts = torch.Generator().manual_seed(5), Tensors()
    for layer, widths in enumerate(((1100, 300, 300), (96, 32, 32), (130, 47, 39))):
        for name, width in zip("qkv", widths, strict=True):
            shape = (width, 640) if axis == 0 else (640, width)
            parts[f"{layer}.{name}"] = torch.randn(*shape, generator=chance).bfloat16()
    fused = {f"{layer}.qkv": torch.cat([parts[f"{layer}.{name}"] for name in "qkv"], axis) for layer in range(3)}
    near.push(saved(tmp_path, "parts", parts), "parts")
    whole = saved(tmp_path, "whole", fused)
    assert near.push(whole, "whole").stored_bytes < 60_000
    near.pull("whole", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == whole.read_bytes()
    assert near.get("whole").detail().computed[0].startswith("A rearrangement of parts@v1, 99.")
    assert near.verify(read_data=True).problems == ()


@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
def test_fused_weights_are_cut_into_unequal_parts(near: Registry, tmp_path: Path, axis: int) -> None:
    chance = torch.Generator().manual_seed(6)
    shapes = [(1700, 640), (160, 640), (216, 640)]
    fused = {f"{layer}.qkv": torch.randn(*shape, generator=chance).bfloat16() for layer, shape in enumerate(shapes)}
    widths = ((1100, 300, 300), (96, 32, 32), (130, 47, 39))
    parts = {
        f"{layer}.{name}": part.contiguous() if axis == 0 else part.T.contiguous()
        for layer, each in enumerate(widths)
        for name, part in zip("qkv", fused[f"{layer}.qkv"].split(each), strict=True)
    }
    if axis == 1:
        fused = {name: each.T.contiguous() for name, each in fused.items()}
    near.push(saved(tmp_path, "fused", fused), "fused")
    source = saved(tmp_path, "parts", parts)
    pushed = near.push(source, "parts")
    assert pushed.stored_bytes < 60_000
    near.pull("parts", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == source.read_bytes()
    assert near.get("parts").detail().computed[0].startswith("A rearrangement of fused@v1, 99.")
    assert all(DERIVED in encodings(near, "parts", f"{layer}.{name}") for layer in range(3) for name in "kv")


def rotary() -> Tensors:
    """Weights of attention with heads of 64, whose first halves take turns with the second in a GGUF."""
    chance = torch.Generator().manual_seed(8)
    shapes = {"blk.0.attn_q": (1152, 1024), "blk.0.attn_k": (256, 1024), "blk.0.attn_v": (256, 1024)}
    return {f"{name}.weight": torch.randn(*shape, generator=chance) * 0.02 for name, shape in shapes.items()}


def as_converted(base: Tensors) -> Tensors:
    """As llama.cpp's converter lays them out."""

    def permuted(weight: torch.Tensor) -> torch.Tensor:
        return weight.reshape(-1, 2, 32, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape).contiguous()

    return {name: each if "attn_v" in name else permuted(each) for name, each in base.items()}


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "MXFP4", "TQ1_0", "TQ2_0"])
def test_a_gguf_whose_rotary_weights_have_their_rows_in_another_order_is_derived(
    near: Registry, tmp_path: Path, kind: str
) -> None:
    base = rotary()
    near.push(saved(tmp_path, "base", base), "base")
    near.push(quantised(tmp_path, kind, as_converted(base)), "quantised")
    assert all(encodings(near, "quantised", name) == {DERIVED} for name in base)
    near.pull("quantised", tmp_path / "out")
    assert (tmp_path / "out" / f"{kind}.gguf").read_bytes() == (tmp_path / f"{kind}.gguf").read_bytes()
    assert near.get("quantised").detail().computed[0].startswith(f"{kind} of base@v1, 99.")


def test_rows_in_the_converters_order_are_a_rearrangement(near: Registry, tmp_path: Path) -> None:
    base = rotary()
    near.push(saved(tmp_path, "base", base), "base")
    near.push(saved(tmp_path, "converted", as_converted(base)), "converted")
    assert encodings(near, "converted", "blk.0.attn_q.weight") == {DERIVED}
    assert near.verify(read_data=True).problems == ()


def test_a_number_changed_in_one_block_costs_that_block_alone(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    copy = as_bf16(base)
    copy[LARGE][-1, -1] += 1
    source = saved(tmp_path, "touched", copy)
    near.push(source, "touched")
    near.pull("touched", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == source.read_bytes()
    assert len(encodings(near, "touched", LARGE)) == 2
    assert near.get("touched").detail().computed[0].startswith("BF16 of base@v1, 9")


def test_a_copy_of_something_else_is_not_said_to_be_derived(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    other = {name: (each * 1.01).bfloat16() for name, each in base.items()}
    near.push(saved(tmp_path, "other", other), "other")
    assert near.get("other").detail().computed == ()
    assert near.get("other").detail().parents == ()


def test_a_fine_tune_of_a_derived_copy_is_a_difference_from_it(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    narrow = as_bf16(base)
    near.push(saved(tmp_path, "narrow", narrow), "narrow")
    tuned = {name: (each.float() + 1e-5 * torch.randn(each.shape)).bfloat16() for name, each in narrow.items()}
    source = saved(tmp_path, "tuned", tuned)
    pushed = near.push(source, "narrow")
    assert pushed.stored_bytes < 0.3 * pushed.logical_bytes
    near.pull("narrow", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == source.read_bytes()
    # And a copy of that leans on what is deeper than a source may lie: it is kept, otherwise.
    again = saved(tmp_path, "again", {name: each.float() for name, each in tuned.items()})
    near.push(again, "again")
    near.pull("again", tmp_path / "again-out")
    assert (tmp_path / "again-out" / "model.safetensors").read_bytes() == again.read_bytes()
    assert near.verify(read_data=True).problems == ()


def test_the_source_may_go_and_its_blocks_stay(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    copy = saved(tmp_path, "copy", turned(base))
    near.push(copy, "copy")
    near.delete("base@v1")
    assert near.sweep(grace_s=0).freed_blocks < 5
    near.sweep(grace_s=0)
    near.pull("copy", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == copy.read_bytes()
    assert near.verify(read_data=True).problems == ()
    assert near.get("copy").detail().computed[0].startswith("A rearrangement of base@v1")


def test_a_push_goes_on_where_the_source_is_freed_meanwhile(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")

    def free() -> None:
        near.delete("base@v1")
        near.sweep(grace_s=0)

    copy = saved(tmp_path, "copy", as_bf16(base))
    house = replace(near.house, objects=PublishingObjects(near.house.objects, once(free)))
    Registry(Near(house, "here", made=False, grace_s=0)).push(copy, "copy")
    assert near.get("copy").detail().computed == ()
    near.pull("copy", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == copy.read_bytes()
    assert near.verify(read_data=True).problems == ()


def test_derived_blocks_move_when_their_pack_is_written_anew(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    copy = saved(tmp_path, "copy", as_bf16(base))
    (copy.parent / "notes.bin").write_bytes(np.random.default_rng(1).bytes(3 << 20))
    near.push(copy.parent, "copy")
    (copy.parent / "notes.bin").unlink()
    near.push(copy.parent, "copy")
    near.delete("copy@v1")
    assert near.sweep(grace_s=0).rewritten_packs == 1
    near.pull("copy", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == copy.read_bytes()
    assert near.verify(read_data=True).problems == ()


def test_a_backup_brings_copies_back_and_what_is_said_of_them(tmp_path: Path) -> None:
    base = tensors()
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        registry.push(saved(tmp_path, "base", base), "base")
        copy = saved(tmp_path, "copy", as_f16(base))
        registry.push(copy, "copy")
        said = registry.get("copy").detail().computed
        registry.backup(tmp_path / "backup")
    budwood.restore(tmp_path / "backup", tmp_path / "again")
    with budwood.connect(tmp_path / "again", create=False, author="mara") as again:
        again.pull("copy", tmp_path / "out")
        assert (tmp_path / "out" / "model.safetensors").read_bytes() == copy.read_bytes()
        assert again.get("copy").detail().computed == said != ()
        again.push(saved(tmp_path, "later", turned(base)), "later")
        assert again.get("later").detail().computed[0].startswith("A rearrangement of base@v1")


def test_a_derived_version_travels_alone_with_what_it_is_made_of(tmp_path: Path) -> None:
    base = tensors()
    with budwood.connect(tmp_path / "here", author="mara") as here:
        here.push(saved(tmp_path, "base", base), "base")
        copy = saved(tmp_path, "copy", as_f16(base))
        here.push(copy, "copy")
        here.export(["copy"], tmp_path / "copy.budwood")
    with budwood.connect(tmp_path / "there", author="jo") as there:
        there.import_bundle(tmp_path / "copy.budwood")
        there.pull("copy", tmp_path / "out")
        assert (tmp_path / "out" / "model.safetensors").read_bytes() == copy.read_bytes()
        assert encodings(there, "copy", LARGE) == {DERIVED}
        assert there.verify(read_data=True).problems == ()


def test_the_index_of_derived_blocks_is_made_anew_from_the_packs(tmp_path: Path) -> None:
    base = tensors()
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        registry.push(saved(tmp_path, "base", base), "base")
        registry.push(saved(tmp_path, "copy", as_bf16(base)), "copy")
        house = registry.house
        with house.catalog.read() as view:
            before = {row.id: row for row in view.blocks(limit=1_000)}

        def lose(transaction: Transaction) -> None:
            transaction.condemn(list(before), at_ms=1)
            transaction.forget_blocks(list(before))

        house.catalog.write(lose)
        registry.rebuild_index()
        assert house.index.find(tuple(before)) == before
        assert any(len(row.bases) > 1 for row in before.values())
        assert registry.verify(read_data=True).problems == ()


def test_a_tensor_of_a_derived_version_is_read_alone(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    near.push(saved(tmp_path, "copy", turned(base)), "copy")
    found = near.get("copy").tensor(f"{LARGE}.T")
    assert np.array_equal(np.asarray(found), base[LARGE].T.numpy())


def test_nobody_is_given_a_function_of_what_they_do_not_hold(tmp_path: Path, registry: Registry) -> None:
    base = tensors()
    if isinstance(registry._place, Near):
        pytest.skip("one process has one tenant")
    registry.admin.namespaces.add("other")
    registry.push(saved(tmp_path, "base", base), "base")
    copy = saved(tmp_path, "copy", as_bf16(base))
    pushed = registry.push(copy, "other/copy")
    assert pushed.stored_bytes > 0.5 * pushed.logical_bytes
    assert registry.get("other/copy").detail().computed == ()


def test_a_version_says_so_after_its_files_were_pushed_twice(near: Registry, tmp_path: Path) -> None:
    base = tensors()
    near.push(saved(tmp_path, "base", base), "base")
    copy = saved(tmp_path, "copy", as_bf16(base))
    near.push(copy, "one")
    shutil.copytree(copy.parent, tmp_path / "elsewhere")
    near.push(tmp_path / "elsewhere" / "model.safetensors", "two")
    assert near.get("two").detail().computed == near.get("one").detail().computed != ()


def encodings(registry: Registry, reference: str, tensor: str) -> set[int]:
    """How the blocks of one tensor are kept."""
    (span,) = [
        span for entry in registry.get(reference).manifest.files for span in entry.tensors if span.name == tensor
    ]
    return {row.encoding for row in registry.house.index.find(span.blocks).values()}
