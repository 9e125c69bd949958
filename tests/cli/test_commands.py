"""Each command, as a person reads it and as a program does."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Any


def test_pushing_says_what_was_kept_and_what_it_took(here: Path, run: Run) -> None:
    ran = run("--registry", "new", "push", "encoder/", "encoder", "--label", "1.0.0", "-m", "First")
    assert ran.code == 0
    assert "encoder@1.0.0 (v1): " in ran.out
    assert " in 2 files, " in ran.out
    assert ran.err == f"Made a new registry at {here / 'new'}\n"
    again = run("--registry", "new", "push", "encoder/", "encoder")
    assert "unchanged; no new version" in again.out
    assert again.err == ""


def test_a_push_carries_all_that_is_said_about_it(ask: Run, here: Path) -> None:
    (here / "open.yaml").write_text(
        "apiVersion: budwood.dev/v1\nkind: MetadataStandard\nspec: {lineage: {from: [default], to: [risk]}}\n"
    )
    ask("namespace", "add", "risk")
    for room in ("default", "risk"):
        ask("standard", "set", room, "open.yaml")
    ran = ask(
        "push", "encoder/config.json", "encoder/model.safetensors", "risk/ranker",
        "--alias", "champion", "--alias", "best", "--dataset", "clicks", "--metric", "auc=0.5", "--param", "lr=1e-3",
        "--tag", "team=risk", "-m", "New", "--kind", "adapter", "--base-model", "bert", "--author", "li@example.com",
        "--parent", "encoder@1.1.0", "--relation", "fine-tuned-from", "--bump", "minor", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.out
    assert ran.json["created"] is True
    assert ran.json["version"]["reference"].startswith("risk/ranker@")
    shown = ask("show", "risk/ranker", "--json").json
    assert shown["aliases"] == ["best", "champion"]
    assert shown["facts"]["datasets"] == ["clicks"]
    assert shown["facts"]["metrics"] == {"auc": 0.5}
    assert shown["facts"]["params"] == {"lr": "1e-3"}
    assert shown["facts"]["base_model"] == "bert"
    assert shown["facts"]["parents"][0]["relation"] == "fine-tuned-from"
    assert [(tag["key"], tag["value"]) for tag in shown["tags"]] == [("team", "risk")]
    assert shown["version"]["kind"] == "adapter"
    assert shown["version"]["author"] == "li@example.com"
    assert shown["parents"] == ["encoder@1.1.0"]


def test_a_label_that_was_chosen_is_explained(ask: Run, save_model: Any) -> None:
    save_model(Path("third"), {"other": np.ones((4, 4), "<f4")})
    ran = ask("push", "third", "encoder", "--bump", "auto")
    assert "Label 2.0.0: " in ran.out


def test_excluded_files_stay_out(ask: Run) -> None:
    assert ask("push", "encoder", "small", "--exclude", "*.safetensors", "--json").json["files"] == 1


def test_what_is_pulled_is_what_was_pushed(ask: Run, here: Path) -> None:
    ran = ask("pull", "encoder@champion", "out")
    assert "encoder@1.0.0 (v1): " in ran.out
    assert " in 2 files to out, verified" in ran.out
    for name in ("config.json", "model.safetensors"):
        assert (here / "out" / name).read_bytes() == (here / "encoder" / name).read_bytes()
    assert "out already holds all 2 files, bit for bit" in ask("pull", "encoder@champion", "out").out


def test_a_pull_goes_to_a_folder_of_the_models_name(ask: Run, here: Path) -> None:
    shutil.rmtree(here / "encoder")
    assert ask("pull", "encoder@v2", "--json").json["target"] == "encoder"
    assert (here / "encoder/model.safetensors").read_bytes() == (here / "tuned/model.safetensors").read_bytes()


def test_one_file_keeps_its_path_or_gets_the_name_it_is_given(ask: Run, here: Path) -> None:
    assert ask("pull", "encoder", "out", "--file", "config.json").code == 0
    assert [path.name for path in (here / "out").iterdir()] == ["config.json"]
    ran = ask("pull", "encoder", "--file", "config.json", "-o", "settings.json", "--json")
    assert ran.json["target"] == "settings.json"
    assert (here / "settings.json").read_bytes() == (here / "tuned/config.json").read_bytes()
    assert not list(here.glob(".budwood-*"))


def test_one_tensor_becomes_a_numpy_file(ask: Run, here: Path) -> None:
    ran = ask("pull", "encoder@v1", "--tensor", "layer.1.weight", "-o", "w.npy")
    assert "layer.1.weight, float32 [64, 64]" in ran.out
    assert np.load(here / "w.npy").shape == (64, 64)
    assert ask("pull", "encoder@v1", "--tensor", "layer.1.weight", "-o", "w2.npy", "--json").json["dtype"] == "f32"


def test_a_file_that_exists_is_not_replaced_unasked(ask: Run, here: Path) -> None:
    (here / "w.npy").write_text("mine")
    assert ask("pull", "encoder", "--tensor", "layer.1.weight", "-o", "w.npy").code == 4
    assert ask("pull", "encoder", "--file", "config.json", "-o", "w.npy").code == 4
    assert ask("export", "encoder", "-o", "w.npy").code == 4
    assert (here / "w.npy").read_text() == "mine"
    assert ask("pull", "encoder", "--file", "config.json", "-o", "w.npy", "--overwrite").code == 0
    (here / "tuned/config.json").write_text("{}")
    assert ask("pull", "encoder", "tuned").code == 4
    assert ask("pull", "encoder", "tuned", "--overwrite").code == 0


def test_models_are_listed_with_their_newest_version_and_pointers(ask: Run) -> None:
    ran = ask("list")
    assert ran.out.splitlines()[0].split() == ["model", "kind", "versions", "newest", "size", "pushed", "points"]
    assert ran.out.splitlines()[1].split()[:4] == ["encoder", "model", "2", "1.1.0"]
    assert "champion → v1" in ran.out
    (model,) = ask("list", "--json").json["models"]
    assert model["model"]["path"] == "encoder"
    assert model["versions"] == 2
    assert model["newest"]["label"] == "1.1.0"


def test_a_page_of_models_says_how_to_go_on(ask: Run) -> None:
    ask("push", "encoder", "another")
    first = ask("list", "--limit", "1", "--json").json
    assert [each["model"]["path"] for each in first["models"]] == ["another"]
    rest = ask("list", "--after", first["after"], "--json").json
    assert [each["model"]["path"] for each in rest["models"]] == ["encoder"]
    assert f"budwood list --after {first['after']}" in ask("list", "--limit", "1").err


def test_search_finds_versions_by_a_filter(ask: Run) -> None:
    ran = ask("search", "metrics.auc > 0.92")
    assert "encoder@1.1.0" in ran.out
    assert "encoder@1.0.0" not in ran.out
    assert ask("search", "kind = adapter").out == "No version matches.\n"
    page = ask("search", "encoder", "--limit", "1", "--json").json
    assert [version["reference"] for version in page["versions"]] == ["encoder@1.1.0"]
    following = ask("search", "encoder", "--cursor", page["cursor"], "--json").json
    assert [version["reference"] for version in following["versions"]] == ["encoder@1.0.0"]
    assert following["cursor"] == ""


def test_showing_a_version_says_what_is_known_about_it(ask: Run) -> None:
    ran = ask("show", "encoder@1.1.0")
    for words in ("v2", "Tuned on tickets", "Three epochs.", "encoder@1.0.0", "12,288", "tickets-2026", "sha256:"):
        assert words in ran.out
    assert "layer.0.weight" not in ran.out
    assert "layer.0.weight" in ask("show", "encoder", "--tensors").out
    assert "model.safetensors" in ask("show", "encoder", "--files").out
    assert "Packages (" in ask("show", "encoder", "--facts").out
    shown = ask("show", "encoder@v2", "--tensors", "--files", "--json").json
    assert {
        "name": "layer.0.weight",
        "dtype": "f32",
        "shape": [64, 64],
        "size": 16384,
        "file": "model.safetensors",
    } in (shown["tensors"])
    assert [file["path"] for file in shown["files"]] == ["config.json", "model.safetensors"]
    assert shown["children"] == []
    assert "tensors" not in ask("show", "encoder", "--json").json


def test_the_log_is_a_family_tree(ask: Run) -> None:
    ask("push", "encoder", "encoder", "--parent", "encoder@v1", "-m", "A branch")
    ask("push", "tuned", "encoder", "--parent", "encoder@v2", "-m", "Onwards")
    lines = ask("log", "encoder").out.splitlines()
    assert lines[0] == "encoder: model, 4 versions ever pushed"
    assert [line.split("  ")[0].rstrip() for line in lines[2:]] == ["◆ v1", "├─● v3", "● v2", "● v4"]
    assert "@champion" in lines[2]
    value = ask("log", "encoder", "--json").json
    assert {"child": "encoder@1.1.0", "parent": "encoder@1.0.0"} in value["edges"]
    assert [version["number"] for version in value["versions"]] == [4, 3, 2, 1]
    assert value["moves"][0]["pointer"] == "champion"


def test_a_parent_in_another_model_is_named(ask: Run) -> None:
    ask("push", "encoder", "ranker", "--parent", "encoder@v1")
    assert "encoder@1.0.0" in ask("log", "ranker").out
    assert ask("log", "ranker", "--json").json["edges"] == [{"child": "ranker@v1", "parent": "encoder@1.0.0"}]


def test_a_long_log_is_read_page_by_page(ask: Run) -> None:
    ran = ask("log", "encoder", "--limit", "1")
    assert "v1 " not in ran.out
    assert "budwood log encoder --before 2" in ran.err
    assert "First" in ask("log", "encoder", "--before", "2").out


def test_the_moves_of_an_alias_are_kept(ask: Run) -> None:
    ask("alias", "encoder@v2", "champion")
    ask("roll-back", "encoder", "champion")
    moves = ask("log", "encoder", "--moves").out.partition("Moves of")[2].splitlines()[2:]
    assert [line.split()[1:3] for line in moves] == [["champion", "v1"], ["champion", "v2"], ["champion", "v1"]]
    assert "rolled-back" in moves[0]


def test_a_diff_says_the_summary_then_only_what_changed_then_the_label(ask: Run) -> None:
    lines = ask("diff", "encoder@v1", "encoder@v2").out.splitlines()
    assert lines[0] == "encoder@1.0.0 → encoder@1.1.0"
    assert lines[1].startswith("encoder@1.1.0 changes 1 of 3 tensors")
    assert lines[-1].startswith("Suggested label: minor — because ")
    titles = [
        line for line in lines if line.endswith(")") and "(" in line and not line.startswith((" ", "encoder", "Su"))
    ]
    assert titles == ["Tensors (1)", "Metrics (1)", "Configuration (1)", "Data (1)", "Files (2)"]
    assert "1 %" in next(line for line in lines if "layer.0.weight" in line)


def test_a_diff_as_json_holds_the_whole_change(ask: Run) -> None:
    change = ask("diff", "encoder@v1", "encoder@v2", "--json").json
    assert change["bump"]["level"] == "minor"
    assert change["tensors"]["changed"][0]["relative_l2"] == pytest.approx(0.01, rel=0.01)
    assert change["environment"] == {"surroundings": [], "packages": []}
    unmeasured = ask("diff", "encoder@v1", "encoder@v2", "--no-measure", "--json").json
    assert unmeasured["tensors"]["changed"][0]["relative_l2"] is None


def test_a_diff_of_equals_says_so(ask: Run) -> None:
    lines = ask("diff", "encoder@v1", "encoder@champion").out.splitlines()
    assert lines[1:] == [
        "encoder@1.0.0 holds the same as encoder@1.0.0.",
        "",
        "Suggested label: none needed — nothing changed.",
    ]


def test_long_sections_of_a_diff_are_cut_unless_asked_for(ask: Run, save_model: Any) -> None:
    save_model(Path("many"), {f"t{i:03}": np.full((8,), i, "<f4") for i in range(50)})
    ask("push", "many", "encoder")
    cut = ask("diff", "encoder@v1", "encoder").out
    assert "more rows; --all shows them" in cut
    assert "t049" not in cut
    assert "t049" in ask("diff", "encoder@v1", "encoder", "--all").out


def test_tags_are_put_listed_and_removed(ask: Run) -> None:
    assert ask("tag", "encoder@v1").out == "encoder@1.0.0 has no tags.\n"
    assert ask("tag", "encoder@v1", "team=risk", "note=a=b").out.split() == [
        "encoder@1.0.0",
        "note",
        "a=b",
        "team",
        "risk",
    ]
    tags = ask("tag", "encoder@v1", "--remove", "note", "--json").json["tags"]
    assert [(tag["key"], tag["value"], tag["author"]) for tag in tags] == [("team", "risk", "mara@example.com")]


def test_aliases_and_stages_move_and_return(ask: Run) -> None:
    assert ask("alias", "encoder@v2", "champion").out == "champion → encoder@1.1.0 (v2), was encoder@1.0.0 (v1)\n"
    assert ask("roll-back", "encoder", "champion", "--json").json["after"]["reference"] == "encoder@1.0.0"
    assert (
        ask("alias", "--remove", "encoder", "champion").out == "champion points nowhere now, was encoder@1.0.0 (v1)\n"
    )
    assert ask("stage", "encoder@v1", "production").out == "production → encoder@1.0.0 (v1)\n"
    assert ask("stage", "encoder@v2", "production", "--json").json["before"]["number"] == 1
    assert ask("roll-back", "encoder", "production").out.startswith("production → encoder@1.0.0 (v1)")
    assert ask("show", "encoder@production", "--json").json["version"]["number"] == 1


def test_a_retired_version_says_why(ask: Run) -> None:
    ran = ask("retire", "encoder@v2", "--reason", "withdrawn data")
    assert ran.out == "encoder@1.1.0 (v2) is retired: withdrawn data\n"
    assert "withdrawn data" in ask("show", "encoder@v2").out
    assert ask("alias", "encoder@v2", "best").code == 5


def test_deleting_removes_a_version_and_then_the_empty_model(ask: Run) -> None:
    assert ask("delete", "encoder@v2", "--yes").out == "encoder@1.1.0 (v2) is deleted\n"
    assert ask("delete", "encoder@v1", "--yes").code == 5
    ask("alias", "--remove", "encoder", "champion")
    assert ask("delete", "encoder@v1", "--yes", "--json").json["version"]["number"] == 1
    assert ask("delete", "--model", "encoder", "--yes").out == "encoder is deleted\n"
    assert ask("list", "--json").json == {"models": [], "after": ""}
    assert "There are no models here yet" in ask("list").out


def test_verify_says_that_all_is_well(ask: Run) -> None:
    ran = ask("verify")
    assert ran.code == 0
    assert ran.out.startswith("2 versions, ")
    assert ": all is well\n" in ran.out
    value = ask("verify", "--read-data", "--json").json
    assert value["ok"] is True
    assert value["problems"] == []
    assert value["bytes_read"] > 0


def test_verify_ends_with_six_when_a_byte_has_flipped(ask: Run, here: Path) -> None:
    pack = max((here / "registry").rglob("*.pack"), key=lambda path: path.stat().st_size)
    damaged = bytearray(pack.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(damaged)
    ran = ask("verify", "--read-data")
    assert ran.code == 6
    assert "problem" in ran.out
    assert "encoder@1.0.0" in ran.out
    told = ask("verify", "--read-data", "--json")
    assert told.code == 6
    assert told.json["ok"] is False
    assert told.json["problems"][0]["versions"]


def test_sweep_says_what_it_would_free_and_frees_it(ask: Run) -> None:
    ask("delete", "encoder@v2", "--yes")
    would = ask("sweep", "--dry-run", "--json").json
    assert would["dry_run"] is True
    assert would["condemned_blocks"] > 0
    assert ask("sweep").out.startswith("Condemned ")
    assert ask("sweep", "--grace", "0", "--json").json["freed_blocks"] == would["condemned_blocks"]
    assert "all is well" in ask("verify", "--read-data").out


def test_stats_say_what_is_held_and_what_it_takes(ask: Run) -> None:
    ask("push", "encoder", "copy")
    ran = ask("stats")
    for words in ("3 versions of 2 models", "as pushed", "times smaller", "By model", "By encoding", "Shared between"):
        assert words in ran.out
    usage = ask("stats", "--json").json
    assert usage["stored_bytes"] < usage["logical_bytes"]
    assert usage["shared"][0]["shared_bytes"] > 0


def test_a_bundle_travels_to_another_registry(ask: Run, run: Run, here: Path) -> None:
    ran = ask("export", "encoder@v1", "encoder@v2", "-o", "e.budwood")
    assert ran.out.startswith("e.budwood: 2 versions, ")
    assert run("--registry", "other", "import", "e.budwood").out.splitlines()[:2] == [
        "encoder@1.0.0 (v1): imported",
        "encoder@1.1.0 (v2): imported",
    ]
    again = run("--registry", "other", "import", "e.budwood", "--json").json
    assert again["versions"] == []
    assert [version["label"] for version in again["skipped"]] == ["1.0.0", "1.1.0"]
    assert run("--registry", "other", "pull", "encoder@1.1.0", "out").code == 0
    assert (here / "out/model.safetensors").read_bytes() == (here / "tuned/model.safetensors").read_bytes()
    assert ask("export", "encoder", "-o", "e.budwood", "--overwrite", "--json").json["versions"] == 1


def test_the_index_is_rebuilt_from_the_packs(ask: Run) -> None:
    assert ask("rebuild-index").out.endswith(" found in the packs\n")
    assert ask("rebuild-index", "--json").json["blocks"] > 0


def test_the_ledger_says_who_did_what(ask: Run) -> None:
    ask("stage", "encoder@v1", "production")
    lines = ask("ledger").out.splitlines()
    assert "version.pushed" in lines[1]
    assert "version.staged" in lines[-1]
    assert "mara@example.com" in lines[-1]
    assert "from development" in lines[-1]
    first = ask("ledger", "--limit", "1", "--json").json
    rest = ask("ledger", "--after", str(first["after"]), "--json").json
    assert first["entries"][0]["sequence"] < rest["entries"][0]["sequence"]
    assert rest["after"] == 0
    about = ask("ledger", "--subject", "encoder@1.0.0", "--json").json["entries"]
    assert {entry["subject"] for entry in about} == {"encoder@1.0.0"}


def test_every_json_answer_is_one_document_with_nothing_beside_it(ask: Run) -> None:
    for words in (["list"], ["stats"], ["verify"], ["search"], ["ledger"], ["log", "encoder"], ["show", "encoder"]):
        ran = ask(*words, "--json")
        assert isinstance(json.loads(ran.out), dict)
        assert ran.err == ""
