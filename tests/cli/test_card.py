"""Cards and bills of materials, as they are typed."""

import json
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from budwood.domain.limits import CARD_BYTES
from tests.cli.conftest import Run


def test_a_card_is_printed_or_written_to_a_file(ask: Run) -> None:
    printed = ask("card", "encoder@v2")
    assert printed.code == 0
    assert printed.out.startswith("---\n")
    assert "derived-from: encoder@v1" in printed.out
    assert ask("card", "encoder@v2", "--output", "card.md").out == "Wrote card.md.\n"
    assert ask("card", "encoder@v2", "--json").json == {"card": printed.out}
    again = ask("card", "encoder@v2", "--output", "card.md")
    assert (again.code, "--overwrite" in again.err) == (4, True)


def test_a_bill_of_a_pushed_version_is_valid_and_lists_its_files(ask: Run) -> None:
    for form, schema in (("1.6", SchemaVersion.V1_6), ("1.7", SchemaVersion.V1_7)):
        written = ask("bom", "encoder@v2", "--format", form).out
        assert JsonStrictValidator(schema).validate_str(written) is None
        names = {each["name"] for each in json.loads(written)["components"]}
        assert {"config.json", "model.safetensors", "tickets-2026", "encoder"} <= names


def test_a_form_that_is_not_offered_is_named(ask: Run) -> None:
    ran = ask("bom", "encoder", "--format", "2.0")
    assert ran.code == 8
    assert "1.6, 1.7" in ran.err


def test_ones_own_words_stand_first_and_those_before_stay_as_evidence(ask: Run) -> None:
    Path("use.md").write_text("# Use\n- Sorting [tickets](http://e) <b>\n\nNot for people.\n", "utf-8")
    card = ask("card", "encoder@v2", "--edit", "use.md").out
    assert "## In the words of " in card
    assert "### Use\n- Sorting \\[tickets\\]\\(http\\://e\\) \\<b\\>\n\nNot for people." in card
    assert card.index("In the words of") < card.index("Where it comes from")
    Path("use.md").write_text("For tickets only.", "utf-8")
    again = ask("card", "encoder@v2", "--edit", "use.md").out
    assert "For tickets only." in again
    assert "Not for people." not in again
    kinds = [each["kind"] for each in ask("evidence", "list", "encoder@v2", "--json").json["evidence"]]
    assert kinds.count("card") == 2


def test_a_card_takes_words_and_not_too_many(ask: Run) -> None:
    Path("use.md").write_text(" \n", "utf-8")
    assert ask("card", "encoder@v2", "--edit", "use.md").code == 2
    Path("use.md").write_text("a" * (CARD_BYTES + 1), "utf-8")
    ran = ask("card", "encoder@v2", "--edit", "use.md")
    assert (ran.code, "65536" in ran.err) == (2, True)
    assert ask("card", "encoder@v2", "--edit", "nowhere.md").code == 3
