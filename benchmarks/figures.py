"""``python -m benchmarks.figures --corpus DIR --out DIR``: measure Budwood and its peers, and write the table.

Every repeat runs each story once with each tool, in an order that turns, so that no tool always meets the machine
in the same mood; the table prints medians. Samples are appended to ``samples.jsonl`` as they come: a run that is
cut short is gone on with, and ``--table-only`` writes the table again from what is there.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers import TOOLS, Tool
from benchmarks.peers.install import available
from benchmarks.rows import figures
from benchmarks.samples import Sample, Samples
from benchmarks.stories import Story, stories, tell
from benchmarks.table import markdown
from benchmarks.within import WITHIN, measure_within

SAMPLES = "samples.jsonl"
TABLE = "figures.md"


def main() -> int:
    """Measure what is missing, then write the table."""
    asked = _parser().parse_args()
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    if not asked.table_only:
        tools = available([tool for tool in TOOLS if _is_asked(tool.name, asked.tools)], asked.peers)
        chosen = [story for story in stories(asked.corpus) if _is_asked(story.name, asked.stories)]
        keep(run(chosen, tools, out, asked), out / SAMPLES)
        if _is_asked(WITHIN, asked.stories):
            keep(measure_within(asked.corpus, out / "within", asked.repeats), out / SAMPLES)
    table = markdown(figures(Samples.read(out / SAMPLES)))
    (out / TABLE).write_text(table, encoding="utf-8")
    print(table)
    return 0


def run(chosen: Sequence[Story], tools: Sequence[type[Tool]], out: Path, asked: argparse.Namespace) -> Iterator[Sample]:
    """What is missing of every story with every tool, as often as asked; stories that only ask a size, once."""
    known = Samples.read(out / SAMPLES)
    for repeat in range(asked.repeats):
        for story in chosen:
            if repeat > 0 and not story.whole:
                continue
            for tool in turned(tools, repeat):
                if known.count(tool.name, story.name, "push 1") > repeat:
                    continue
                yield from tell(story, tool, out / "rooms", asked.peers)


def turned(tools: Sequence[type[Tool]], repeat: int) -> list[type[Tool]]:
    """The tools in another order each time."""
    start = (repeat * 3) % max(1, len(tools))
    return [*tools[start:], *tools[:start]]


def keep(samples: Iterator[Sample], path: Path) -> None:
    """Append each sample as it comes, and say so."""
    with path.open("a", encoding="utf-8") as file:
        for sample in samples:
            file.write(sample.to_line() + "\n")
            file.flush()
            print(_line(sample), flush=True)


def _line(sample: Sample) -> str:
    if sample.fault:
        return f"{sample.story} · {sample.tool} · {sample.step}: {sample.fault}"
    return (
        f"{sample.story} · {sample.tool} · {sample.step}: {sample.wall_s:.2f} s, {sample.cpu_s:.2f} CPU s, "
        f"{sample.anonymous_bytes / 1e6:.0f} MB anonymous, {sample.stored_bytes / 1e6:.1f} MB stored"
    )


def _is_asked(name: str, names: str) -> bool:
    return not names or name.lower() in names.lower().split(",")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="a corpus of size large")
    parser.add_argument("--out", type=Path, required=True, help="where samples, table and scratch rooms go")
    parser.add_argument("--peers", type=Path, default=Path("benchmarks/data/peers"), help="the peers' environment")
    parser.add_argument("--tools", default="", metavar="NAME,…", help="only these tools")
    parser.add_argument("--stories", default="", metavar="NAME,…", help="only these stories; `within` is one of them")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--table-only", action="store_true", help="measure nothing")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
