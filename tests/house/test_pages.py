"""The pages hold together: links lead somewhere, and figures that are told twice are the same."""

import re
from pathlib import Path

import pytest

LINK = re.compile(r"\]\(([^)\s]+)\)")
# Rows of the README's table, and the rows of the recorded results they repeat.
TOLD_TWICE = {
    "a first version, bf16": "first version, bf16, stored / raw",
    "a first version, fp32": "first version, fp32, stored / raw",
    "six versions of a fine-tuning series, bf16": "six-version bf16 series, stored / logical",
    "the same series, fp32": "six-version fp32 series, stored / logical",
    "a fine-tune with frozen embeddings": "frozen-embedding fine-tune",
    "a change of the header only": "header-only change",
    "ten rows appended": "ten rows appended",
}


def rows(page: Path) -> dict[str, list[str]]:
    """The cells of every table row by its first cell."""
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_leads_somewhere(root: Path) -> None:
    pages = [
        *root.glob("*.md"),
        *root.glob("docs/**/*.md"),
        *root.glob("design/**/*.md"),
        *root.glob("benchmarks/*.md"),
    ]
    lost = []
    for page in pages:
        for link in LINK.findall(page.read_text("utf-8")):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            if "://" not in link and (not target.exists() or (anchor and anchor not in headings(target))):
                lost.append(f"{page.relative_to(root)}: {link}")
    assert lost == []


@pytest.mark.parametrize("told", TOLD_TWICE)
def test_the_readme_tells_the_figures_that_were_recorded(told: str, root: Path) -> None:
    shown = rows(root / "README.md")[told][0]
    _, recorded, *_ = rows(root / "benchmarks/RESULTS.md")[TOLD_TWICE[told]]
    number = float(recorded.split()[0]) / (100 if recorded.endswith("%") else 1)
    decimals = len(shown.partition(".")[2])
    assert f"{number:.{decimals}f}" == shown
