"""The table says what was measured: medians, shares, ratios, verdicts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import turned
from benchmarks.peers import PEERS
from benchmarks.rows import figures
from benchmarks.samples import OURS, Sample, Samples, parse_line, per_wall_second, wall_s
from benchmarks.table import Figure, Goal, Unit, markdown

finite = st.floats(0, 1e9, allow_nan=False)
sizes = st.integers(0, 1 << 60)


@given(st.builds(Sample, st.text(), st.text(), st.text(), finite, finite, sizes, sizes, sizes, st.text()))
def test_a_sample_is_read_as_it_was_written(sample: Sample) -> None:
    line = sample.to_line()
    assert "\n" not in line
    assert parse_line(line) == sample


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '{"tool": "x"}', '{"tool": "x", "colour": 1}'])
def test_a_line_that_is_no_sample_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse_line(line)


def test_the_median_of_the_repeats_is_printed() -> None:
    samples = Samples(act(OURS, "push 1", wall_s=wall) for wall in (9.0, 1.0, 2.0))
    assert samples.median(OURS, "large", "push 1", wall_s) == 2.0
    assert samples.count(OURS, "large", "push 1") == 3


def test_an_act_never_measured_has_no_median() -> None:
    assert Samples([]).median(OURS, "large", "push 1", wall_s) is None


def test_an_act_that_failed_counts_for_nothing() -> None:
    samples = Samples([Sample(OURS, "large", "push 1", fault="no space")])
    assert samples.by_tool("large", "push 1", wall_s) == {}


def test_speed_is_raw_bytes_by_the_clock() -> None:
    assert per_wall_second(act(OURS, "push 1", wall_s=2.0, raw=4_000_000_000)) == 2.0


def test_new_bytes_are_a_share_of_what_the_second_push_brought() -> None:
    samples = Samples(
        [act("Xet", "push 1", raw=100, stored=90), act("Xet", "push 2", raw=200, stored=140), act("DVC", "push 1")]
    )
    assert samples.added_share("large", "push 1", "push 2") == {"Xet": 0.25}


def test_samples_go_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    assert Samples.read(path).count(OURS, "large", "push 1") == 0
    path.write_text(act(OURS, "push 1").to_line() + "\n\n", encoding="utf-8")
    assert Samples.read(path).count(OURS, "large", "push 1") == 1


@pytest.mark.parametrize(
    ("goal", "measured", "verdict"),
    [
        (Goal(0.19), 0.19, "reached"),
        (Goal(0.19), 0.191, "missed"),
        (Goal(1.2, at_most=False), 1.3, "reached"),
        (Goal(1.2, at_most=False), 1.1, "missed"),
        (Goal(1.2), None, "not measured"),
        (Goal(None), 1.0, ""),
    ],
)
def test_a_goal_is_reached_or_missed(goal: Goal, measured: float | None, verdict: str) -> None:
    assert Figure("x", goal, Unit.SHARE, measured).verdict == verdict


def test_half_the_seconds_and_twice_the_speed_are_both_twice_as_good() -> None:
    assert Figure("x", Goal(1.0), Unit.SECONDS, 2.0, {"DVC": 4.0}).times_better("DVC") == 2.0
    assert Figure("x", Goal(1.0, at_most=False), Unit.SPEED, 2.0, {"DVC": 1.0}).times_better("DVC") == 2.0


@pytest.mark.parametrize("measured", [None, 0.0])
def test_there_is_no_ratio_to_nothing(measured: float | None) -> None:
    assert Figure("x", Goal(1.0), Unit.SECONDS, measured, {"DVC": 4.0}).times_better("DVC") is None


def test_the_table_puts_the_best_peer_first() -> None:
    table = markdown([Figure("push", Goal(1.2, at_most=False), Unit.SPEED, 1.5, {"DVC": 0.1, "MLflow": 0.75})])
    assert table.splitlines()[-1] == (
        "| push | ≥ 1.20 GB/s | 1.50 GB/s | reached | MLflow 0.75 GB/s (×2.0) · DVC 0.10 GB/s (×15.0) |"
    )


def test_every_promised_row_is_there_even_when_nothing_was_measured() -> None:
    rows = figures(Samples([]))
    assert {row.verdict for row in rows} <= {"not measured"}
    assert len(rows) > 20
    assert markdown(rows).count("\n") == len(rows) + 2


def test_the_series_is_stored_bytes_over_logical_bytes() -> None:
    pushes = [act(OURS, f"push {n}", story="series-bf16", raw=100, stored=50 + n) for n in range(1, 7)]
    by_name = {row.what: row for row in figures(Samples(pushes))}
    assert by_name["six-version bf16 series, stored / logical"].measured == 56 / 600
    assert by_name["first version, bf16, stored / raw"].measured == 0.51


def test_memory_is_the_worst_of_all_acts() -> None:
    samples = [act(OURS, "push 1", anonymous=100_000_000), act(OURS, "pull last", anonymous=300_000_000)]
    row = next(row for row in figures(Samples(samples)) if row.what.startswith("anonymous memory"))
    assert (row.measured, row.verdict) == (300.0, "missed")


def test_the_goal_against_a_peer_follows_the_peer() -> None:
    samples = [act(OURS, "push 1", wall_s=1.0, raw=10**9), act("Xet", "push 1", wall_s=5.0, raw=10**9)]
    row = next(row for row in figures(Samples(samples)) if "Xet" in row.what)
    assert row.goal.limit == pytest.approx(0.8)
    assert row.verdict == "reached"


def test_tools_take_turns_in_going_first() -> None:
    first = [turned(PEERS, repeat)[0].name for repeat in range(3)]
    assert len(set(first)) == 3
    assert all(set(turned(PEERS, repeat)) == set(PEERS) for repeat in range(3))


def act(
    tool: str,
    step: str,
    *,
    story: str = "large",
    wall_s: float = 1.0,
    raw: int = 1,
    stored: int = 0,
    anonymous: int = 0,
) -> Sample:
    return Sample(tool, story, step, wall_s, wall_s, anonymous, raw, stored)
