"""How a command fails: exit codes, what is said, and where."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from budwood.cli.main import app
from budwood.client.registry import Registry

Run = Any


@pytest.mark.parametrize(
    ("words", "exit_code", "error"),
    [
        (["show", "Encoder!"], 2, "bad_name"),
        (["show", "encoder@1.0"], 2, "bad_reference"),
        (["search", "metrics.auc >"], 2, "bad_filter"),
        (["push", "encoder", "encoder", "--label", "one"], 2, "bad_label"),
        (["push", "encoder", "encoder", "--metric", "auc=high"], 2, "bad_value"),
        (["push", "encoder", "encoder", "--tag", "team"], 2, "bad_value"),
        (["push", "encoder", "encoder", "--tag", "a=1", "--tag", "a=2"], 2, "bad_value"),
        (["push", "encoder", "encoder", "--bump", "huge"], 2, "bad_value"),
        (["stage", "encoder", "live"], 2, "bad_value"),
        (["pull", "encoder", "--tensor", "w"], 2, "invalid"),
        (["pull", "encoder", "-o", "x"], 2, "invalid"),
        (["pull", "encoder", "out", "--file", "config.json", "-o", "x"], 2, "invalid"),
        (["pull", "encoder", "--file", "a", "--tensor", "b", "-o", "x"], 2, "invalid"),
        (["delete", "encoder", "--yes"], 2, "bad_reference"),
        (["list", "--limit", "5000"], 2, "usage"),
        (["show", "nobody"], 3, "model_not_found"),
        (["show", "encoder@v9"], 3, "version_not_found"),
        (["pull", "encoder", "--file", "x", "-o", "x"], 3, "file_not_in_version"),
        (["pull", "encoder", "--tensor", "x", "-o", "x"], 3, "tensor_not_in_version"),
        (["push", "nowhere", "encoder"], 3, "source_not_found"),
        (["import", "nowhere"], 3, "source_not_found"),
        (["push", "encoder", "encoder", "--label", "1.1.0"], 4, "label_taken"),
        (["pull", "encoder@v1", "tuned"], 4, "target_differs"),
        (["roll-back", "encoder", "champion"], 4, "nothing_before"),
        (["delete", "encoder@v1", "--yes"], 5, "still_in_use"),
        (["import", "encoder/config.json"], 2, "bad_bundle"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_error_has_the_exit_code_of_its_family(ask: Run, words: list[str], exit_code: int, error: str) -> None:
    told = ask(*words, "--json")
    assert (told.code, told.json["error"]["code"]) == (exit_code, error)
    assert told.err == ""
    said = ask(*words)
    assert said.code == exit_code
    assert said.out == ""
    assert f"budwood: {told.json['error']['message']}" in said.err


def test_an_error_says_what_to_do_next(ask: Run) -> None:
    assert ask("show", "nobody").err == (
        "budwood: There is no model 'nobody' in this registry.\n  'budwood list' shows the models of this registry.\n"
    )


def test_a_wrong_filter_points_at_the_place(ask: Run) -> None:
    ran = ask("search", "stage = live")
    position = ask("search", "stage = live", "--json").json["error"]["facts"]["position"]
    quoted, caret = next(
        (a, b) for a, b in zip(ran.err.splitlines(), ran.err.splitlines()[1:], strict=False) if "^" in b
    )
    assert quoted.strip() == "stage = live"
    assert caret.index("^") - quoted.index("stage") == position - 1


def test_words_that_are_no_command_end_with_usage(run: Run) -> None:
    ran = run("pus")
    assert ran.code == 2
    assert "Did you mean 'push'?" in ran.err
    assert run("log").err.splitlines()[0] == "Usage: budwood log [OPTIONS] MODEL"
    assert run("log", "--json").json["error"]["code"] == "usage"
    assert run("--nothing").code == 2


def test_reading_makes_no_registry(run: Run, here: Path) -> None:
    for words in (["list"], ["show", "a"], ["stats"], ["verify"], ["alias", "a", "b"], ["delete", "a@v1", "--yes"]):
        assert run("--registry", "absent", *words).code == 3
    assert not (here / "absent").exists()


def test_a_push_of_nothing_makes_no_registry(run: Run, here: Path) -> None:
    assert run("--registry", "absent", "push", "nowhere", "encoder").code == 3
    assert run("--registry", "absent", "import", "nowhere").code == 3
    assert not (here / "absent").exists()


def test_where_nobody_can_answer_deleting_asks_for_yes(ask: Run) -> None:
    ran = ask("delete", "encoder@v2")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert ask("show", "encoder@v2").code == 0


def broken(*_: object, **__: object) -> None:
    secret = "s3cret"
    raise KeyError(secret)


def test_a_bug_is_said_to_be_one_without_its_insides(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "stats", broken)
    ran = ask("stats")
    assert ran.code == 70
    assert "KeyError, trace " in ran.err
    assert "s3cret" not in ran.err
    assert "Traceback" not in ran.err
    told = ask("stats", "--json")
    assert told.code == 70
    assert told.json["error"]["facts"]["trace"] in ran.err


def test_debug_shows_the_traceback(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" in run("--debug", "--registry", "absent", "stats").err
    monkeypatch.setattr(Registry, "stats", broken)
    assert "Traceback" in run("--debug", "--registry", "registry", "stats").err


def test_ctrl_c_says_that_nothing_was_published(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Registry, "push", stop)
    ran = ask("push", "encoder", "encoder")
    assert ran.code == 130
    assert "Nothing was published" in ran.err
    assert ask("push", "encoder", "encoder", "--json").json["error"]["code"] == "stopped"


def test_a_refusal_of_the_system_is_no_bug(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/srv/models")

    monkeypatch.setattr(Registry, "stats", refuse)
    ran = ask("stats")
    assert ran.code == 7
    assert "Permission denied: /srv/models" in ran.err


def test_output_into_a_folder_that_is_not_there_is_said_plainly(ask: Run) -> None:
    ran = ask("pull", "encoder", "--file", "config.json", "-o", "nowhere/config.json")
    assert ran.code == 7
    assert "nowhere/config.json cannot be written: No such file or directory." in ran.err


def test_settings_that_cannot_be_read_are_named(run: Run) -> None:
    Path("budwood.toml").write_text("registri = 'x'\n")
    ran = run("list", "--json")
    assert ran.code == 2
    assert "registri" in ran.json["error"]["message"]


COMMANDS: dict[str, Any] = getattr(get_command(app), "commands", {})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_fits_a_terminal_and_shows_examples(run: Run, name: str) -> None:
    ran = run(name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: budwood {name} [OPTIONS]")
    assert f"\n  Examples:\n    budwood {name}" in ran.out or f"budwood --registry other {name}" in ran.out
    assert not re.search(r" <(int|float|str|list|bool|path)\b", ran.out, re.IGNORECASE)
    usual = [line for line in ran.out.split("Examples:")[0].splitlines() if len(line) > 80]
    assert not usual or name == "search"
