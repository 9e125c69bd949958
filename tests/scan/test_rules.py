"""Every rule is written down, can be found, and says what to do; the worst finding decides."""

import re
from pathlib import Path

import pytest

from budwood.domain.limits import SCAN_FINDINGS
from budwood.scan.look import look
from budwood.scan.notes import Notes
from budwood.scan.report import RULES, FileReport, Report, Severity, Verdict, verdict_of
from budwood.store.formats.bounded import Memory
from tests.scan import corpus

PAGE = Path(__file__).resolve().parents[2] / "docs/scanning.md"


def test_every_rule_stands_in_the_document_with_its_severity() -> None:
    written: dict[str, str] = {}
    for names, severity in re.findall(
        r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \| (block|error|note) \|", PAGE.read_text(), re.M
    ):
        written |= dict.fromkeys(re.findall(r"[a-z-]+", names), severity)
    assert written == {name: rule.severity.value for name, rule in RULES.items()}


def test_every_rule_that_blocks_is_met_in_the_corpus() -> None:
    met: set[str] = set()
    for name, content in corpus.hostile(Path("marker")).items():
        notes = Notes(name)
        look(Memory(content, name), notes)
        met |= {finding.rule for finding in notes.report().findings}
    assert {name for name, rule in RULES.items() if rule.severity is Severity.BLOCK} - met == set()


@pytest.mark.parametrize("name", RULES)
def test_every_rule_says_what_to_do(name: str) -> None:
    assert RULES[name].fix.endswith(".")


def test_a_block_is_worse_than_an_error_and_notes_decide_nothing() -> None:
    assert verdict_of([]) is Verdict.CLEAN
    assert verdict_of([Severity.NOTE]) is Verdict.CLEAN
    assert verdict_of([Severity.NOTE, Severity.ERROR]) is Verdict.ERROR
    assert verdict_of([Severity.ERROR, Severity.BLOCK, Severity.NOTE]) is Verdict.BLOCKED
    assert Report(()).verdict is Verdict.CLEAN


def test_notes_and_errors_give_way_to_what_blocks() -> None:
    notes = Notes("a.bin")
    for at in range(SCAN_FINDINGS):
        notes.tell("script", "", "it is a script", at)
    for at in range(SCAN_FINDINGS):
        notes.tell("malformed", "", "it is broken", at)
    notes.tell("script", "", "one more")
    notes.tell("pickle-global", "", "refers to os.system")
    report = notes.report()
    assert len(report.findings) == SCAN_FINDINGS
    assert report.verdict is Verdict.BLOCKED
    assert Report((FileReport("b.bin", ""), report)).verdict is Verdict.BLOCKED
