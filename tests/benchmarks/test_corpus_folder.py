"""A corpus is gone on with where it was left: finished stages are known by their files."""

from pathlib import Path

import pytest

from benchmarks.corpus.folder import MANIFEST, CorpusFolder

CHOICES = {"size": "tiny", "seed": 0}


def test_a_finished_stage_is_known(tmp_path: Path) -> None:
    finish_one(tmp_path)
    assert CorpusFolder(tmp_path).is_finished("base", CHOICES)


def test_a_stage_made_with_other_choices_is_not_finished(tmp_path: Path) -> None:
    finish_one(tmp_path)
    assert not CorpusFolder(tmp_path).is_finished("base", CHOICES | {"seed": 1})


def test_a_stage_whose_file_was_cut_short_is_not_finished(tmp_path: Path) -> None:
    finish_one(tmp_path)
    (tmp_path / "base" / "fp32.bin").write_bytes(b"we")
    assert not CorpusFolder(tmp_path).is_finished("base", CHOICES)


def test_a_stage_that_never_ended_leaves_no_mark(tmp_path: Path) -> None:
    CorpusFolder(tmp_path).file("base", "fp32.bin").write_bytes(b"weights")
    assert not CorpusFolder(tmp_path).is_finished("base", CHOICES)


def test_every_file_of_a_folder_given_out_belongs_to_the_stage(tmp_path: Path) -> None:
    folder = CorpusFolder(tmp_path)
    adapter = folder.folder("lora", "v1")
    (adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
    (adapter / "adapter_model.bin").write_bytes(b"weights")
    assert sorted(folder.finish("lora", CHOICES)) == ["lora/v1/adapter_config.json", "lora/v1/adapter_model.bin"]


def test_stages_finished_one_after_the_other_share_a_manifest(tmp_path: Path) -> None:
    folder = CorpusFolder(tmp_path)
    folder.file("base", "one.bin").write_bytes(b"1")
    folder.finish("base", CHOICES)
    folder.file("series", "two.bin").write_bytes(b"2")
    assert sorted(folder.finish("series", CHOICES)) == ["series/two.bin"]
    assert sorted(CorpusFolder(tmp_path).digests()) == ["base/one.bin", "series/two.bin"]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [MANIFEST]


def test_a_stage_asked_for_too_early_says_which_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="series_fp32/ first"):
        CorpusFolder(tmp_path).existing("series_fp32", "v6.safetensors")


def finish_one(root: Path) -> None:
    folder = CorpusFolder(root)
    folder.file("base", "fp32.bin").write_bytes(b"weights")
    folder.finish("base", CHOICES)
