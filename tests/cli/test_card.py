"""Cards and bills of materials, as they are typed."""

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

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
