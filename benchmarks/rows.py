"""The figures Budwood promises, one function each: from what was measured to the row of the table."""

from collections.abc import Callable, Mapping

from benchmarks.samples import OURS, Samples, anonymous_mb, cpu_s, per_cpu_second, per_wall_second, wall_s
from benchmarks.table import Figure, Goal, Unit

LARGE = "large"
ACTS_OF_LARGE = ("push 1", "push 2", "again", "pull first", "pull last")


def first_version(samples: Samples) -> list[Figure]:
    """What a version costs that has nothing to be a difference from."""
    return [
        _row(f"first version, {dtype}, stored / raw", Goal(limit), Unit.SHARE, _stored_share(samples, story, 1))
        for dtype, story, limit in (
            ("bf16", "series-bf16", 0.67),
            ("fp16", "fp16", 0.85),
            ("fp32", "series-fp32", 0.825),
        )
    ]


def whole_series(samples: Samples) -> list[Figure]:
    """Six versions of a fine-tune, stored against logical bytes."""
    return [
        _row(f"six-version {dtype} series, stored / logical", Goal(limit), Unit.SHARE, _stored_share(samples, story, 6))
        for dtype, story, limit in (("bf16", "series-bf16", 0.19), ("fp32", "series-fp32", 0.44))
    ]


def same_tensors(samples: Samples) -> list[Figure]:
    """Equal tensors in another file, or other files: nothing but the container should be new."""
    told = {
        "header-only change": "header-only",
        "re-shard 1 → 3": "reshard-3",
        "re-shard 3 → 4": "reshard-4",
        "safetensors → .pt": "to-pt",
        "safetensors → .npz": "to-npz",
    }
    return [_new_bytes(samples, what, story, 0.001) for what, story in told.items()]


def mostly_same_tensors(samples: Samples) -> list[Figure]:
    """A few rows more; half of the layers trained."""
    return [
        _new_bytes(samples, "ten rows appended", "rows-appended", 0.01),
        _new_bytes(samples, "frozen-embedding fine-tune", "frozen-embedding", 0.09),
    ]


def derived_copies(samples: Samples) -> list[Figure]:
    """The same model in another dtype or container: a function of what is stored."""
    told = {
        "bf16 copy of fp32": "copy-bf16",
        "fp16 copy of fp32": "copy-fp16",
        "fp32 copy of bf16": "copy-upcast",
        "GGUF f16 of fp32": "copy-gguf-f16",
        "GGUF q8_0 of fp32": "copy-gguf-q8_0",
        "ONNX export of fp32": "copy-onnx",
    }
    return [_new_bytes(samples, what, story, 0.01) for what, story in told.items()]


def push_new(samples: Samples) -> list[Figure]:
    """1.7 GB nobody has seen, durable on return."""
    speeds = samples.by_tool(LARGE, "push 1", per_wall_second)
    return [
        _row("push 1.7 GB, new", Goal(1.2, at_most=False), Unit.SPEED, speeds),
        _against("– against Xet", speeds, "Xet", 4.0),
        _against("– against MLflow's copy", speeds, "MLflow", 1.5),
        _row("– CPU seconds", Goal(None), Unit.SECONDS, samples.by_tool(LARGE, "push 1", cpu_s)),
    ]


def push_fine_tune(samples: Samples) -> list[Figure]:
    """Its fine-tune, stored as a difference; the goal by the clock is the fastest peer."""
    walls = samples.by_tool(LARGE, "push 2", wall_s)
    fastest = min((value for tool, value in walls.items() if tool != OURS), default=None)
    per_core = samples.by_tool(LARGE, "push 2", per_cpu_second)
    return [
        _row("push its fine-tune, per core", Goal(0.35, at_most=False), Unit.SPEED, per_core),
        _row("– wall seconds, faster than all", Goal(fastest), Unit.SECONDS, walls),
        _new_bytes(samples, "– new bytes of it", LARGE),
    ]


def push_again(samples: Samples) -> list[Figure]:
    """The same folder: files copied anew, then files not touched since."""
    return [
        _row("push the identical folder again", Goal(0.6), Unit.SECONDS, samples.by_tool(LARGE, "again", wall_s)),
        _row("– new bytes", Goal(0.0), Unit.PERCENT, samples.added_share(LARGE, "push 2", "again")),
        _row("– files not touched", Goal(None), Unit.SECONDS, samples.by_tool(LARGE, "unchanged", wall_s)),
        _row(
            "– files not touched, in process", Goal(0.1), Unit.SECONDS, samples.by_tool("within", "unchanged", wall_s)
        ),
    ]


def pulls(samples: Samples) -> list[Figure]:
    """Whole versions back, every byte verified."""
    return [
        _speed(samples, "pull 1.7 GB to file, first version", LARGE, "pull first", 0.7),
        _speed(samples, "pull 1.7 GB to file, its fine-tune", LARGE, "pull last"),
        _speed(samples, "pull 1.7 GB to memory, first version", "within", "memory first", 1.2),
        _speed(samples, "pull 1.7 GB to memory, its fine-tune", "within", "memory last"),
    ]


def one_tensor(samples: Samples) -> list[Figure]:
    """23 MB out of the fine-tune, reading no more than they need."""
    return [
        _row("one 23 MB tensor of the fine-tune", Goal(0.1), Unit.SECONDS, samples.by_tool("within", "tensor", wall_s))
    ]


def memory(samples: Samples) -> list[Figure]:
    """The most anonymous memory any push or pull of the large family took."""
    peaks: dict[str, float] = {}
    for step in ACTS_OF_LARGE:
        for tool, peak in samples.by_tool(LARGE, step, anonymous_mb).items():
            peaks[tool] = max(peak, peaks.get(tool, 0.0))
    return [_row("anonymous memory, push and pull of 1.7 GB", Goal(256.0), Unit.MEMORY, peaks)]


def small_things(samples: Samples) -> list[Figure]:
    """What every program that embeds us pays."""
    resolved = samples.by_tool("within", "resolve", lambda sample: sample.wall_s * 1e6)
    imported = samples.by_tool("within", "import", wall_s)
    return [
        _row("alias → version among 100,000 versions", Goal(60.0), Unit.MICROSECONDS, resolved),
        _row("`import budwood`", Goal(0.2), Unit.SECONDS, imported),
    ]


ROWS: tuple[Callable[[Samples], list[Figure]], ...] = (
    first_version,
    whole_series,
    same_tensors,
    mostly_same_tensors,
    derived_copies,
    push_new,
    push_fine_tune,
    push_again,
    pulls,
    one_tensor,
    memory,
    small_things,
)


def figures(samples: Samples) -> list[Figure]:
    """Every row, in the order they were promised."""
    return [figure for row in ROWS for figure in row(samples)]


def _row(what: str, goal: Goal, unit: Unit, by_tool: Mapping[str, float]) -> Figure:
    peers = {tool: value for tool, value in by_tool.items() if tool != OURS}
    return Figure(what, goal, unit, by_tool.get(OURS), peers)


def _stored_share(samples: Samples, story: str, versions: int) -> dict[str, float]:
    steps = [f"push {number}" for number in range(1, versions + 1)]
    stored = samples.by_tool(story, steps[-1], lambda sample: sample.stored_bytes)
    raw = [samples.by_tool(story, step, lambda sample: sample.raw_bytes) for step in steps]
    return {tool: held / sum(step[tool] for step in raw) for tool, held in stored.items()}


def _new_bytes(samples: Samples, what: str, story: str, limit: float | None = None) -> Figure:
    return _row(what, Goal(limit), Unit.PERCENT, samples.added_share(story, "push 1", "push 2"))


def _speed(samples: Samples, what: str, story: str, step: str, limit: float | None = None) -> Figure:
    return _row(what, Goal(limit, at_most=False), Unit.SPEED, samples.by_tool(story, step, per_wall_second))


def _against(what: str, speeds: Mapping[str, float], peer: str, times: float) -> Figure:
    """The same speed held against that many times a peer's; no goal where the peer was not measured."""
    limit = times * speeds[peer] if peer in speeds else None
    return _row(what, Goal(limit, at_most=False), Unit.SPEED, _only(speeds, OURS, peer))


def _only(by_tool: Mapping[str, float], *tools: str) -> dict[str, float]:
    return {tool: value for tool, value in by_tool.items() if tool in tools}
