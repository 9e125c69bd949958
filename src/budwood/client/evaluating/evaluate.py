"""evaluate: run a user's entry point on a version's files and a dataset's, and keep what it measured.

The files are pulled to a folder that lives as long as the run, wherever the registry is; the entry runs here, in a
process of its own. What it measured becomes evidence with the dataset's digest; what went wrong becomes evidence that
says error. A champion that was never measured this way on this data is measured now, by the same entry.
"""

import hashlib
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from budwood.client.evaluating.chance import Chance
from budwood.client.evaluating.compared import comparison
from budwood.client.evaluating.kept import evaluations, files_of, side_of
from budwood.client.evaluating.running import Entry, Limits, Ran, run
from budwood.domain.evaluation.compare import Comparison, Side
from budwood.domain.evaluation.measure import RESAMPLES, intervals, measured, methods
from budwood.domain.evaluation.results import Results, read_results
from budwood.domain.limits import EVALUATION_MEMORY_BYTES, EVALUATION_TIME_S, MIB
from budwood.domain.policy.evidence import Evidence, Outcome
from budwood.domain.records import VersionRecord
from budwood.errors import BadValue, BudwoodError, EvaluationFailed, SourceNotFound

if TYPE_CHECKING:
    from budwood.client.registry import Registry

TIME_S: Final = 3_600.0
MEMORY_BYTES: Final = 16_384 * MIB
_TAIL_CHARS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Evaluated:
    """``comparison`` is with the champion, where one was named."""

    evidence: Evidence
    comparison: Comparison | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to evaluate. ``python`` is the interpreter, "" for this one; ``key`` signs the evidence; ``ids`` gives fresh
    names."""

    entry: Entry
    ids: Callable[[], str]
    python: str = ""
    limits: Limits = Limits(TIME_S, MEMORY_BYTES)
    less_is_better: frozenset[str] = frozenset()
    margin: float = 0.0
    key: str | bytes = ""
    say: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class _Measured:
    results: Results
    side: Side
    ran: Ran


def evaluate(registry: "Registry", reference: str, dataset: str, wishes: Wishes, champion: str = "") -> Evaluated:
    """Raises EvaluationFailed, BadValue, NotFound, SourceNotFound, LimitExceeded, Forbidden."""
    _check(wishes)
    version, data = registry.get(reference).record, registry.get(dataset).record
    best = registry.get(_champion(version, champion)).record if champion else None
    if best is not None and best.digest == version.digest:
        raise BadValue(f"{exact(version)} is the champion itself.", hint="Name another, or none.")
    with tempfile.TemporaryDirectory(prefix="budwood-evaluation-") as folder:
        bench = _Bench(registry, wishes, data, Path(folder))
        compared, before = None, None
        if best is not None:
            before = bench.kept(best) or bench.evaluated(best, None)
        found = bench.measure(version)
        if best is not None and before is not None:
            compared = bench.compare(best, before, version, found)
        evidence = bench.record(version, found, compared)
    return Evaluated(evidence, compared, found.ran.seconds)


def exact(version: VersionRecord) -> str:
    """A reference that cannot come to mean another version while we work."""
    return f"{version.namespace}/{version.model}@v{version.number}"


class _Bench:
    """One entry on one dataset, for the version and perhaps the champion."""

    def __init__(self, registry: "Registry", wishes: Wishes, data: VersionRecord, folder: Path) -> None:
        self._registry, self._wishes, self._data, self._folder = registry, wishes, data, folder
        self._digest = _digest_of(wishes.entry)
        self._runs = 0
        self._dataset = folder / "dataset"
        wishes.say(f"Pulling {exact(data)}")
        registry.pull(exact(data), self._dataset)

    def kept(self, version: VersionRecord) -> tuple[Evidence, Side] | None:
        """What this very entry measured on this data before."""
        gates, name = self._registry.gates, exact(version)
        for each in evaluations(gates.evidence(name)) if self._digest else ():
            if each.dataset == self._data.digest and each.details.get("entry_sha256") == self._digest:
                return each, side_of(gates, name, each)
        return None

    def evaluated(self, version: VersionRecord, compared: Comparison | None) -> tuple[Evidence, Side]:
        """Measured now, and kept."""
        found = self.measure(version)
        return self.record(version, found, compared), found.side

    def measure(self, version: VersionRecord) -> _Measured:
        """Raises EvaluationFailed, after what went wrong was kept as evidence."""
        self._runs += 1
        model, scratch = self._folder / f"model-{self._runs}", self._folder / f"run-{self._runs}"
        scratch.mkdir()
        self._wishes.say(f"Pulling {exact(version)}")
        self._registry.pull(exact(version), model)
        self._wishes.say(f"Running {self._wishes.entry.text} on {exact(version)}")
        ran = self._run(model, scratch)
        try:
            results = _results(self._wishes, ran)
        except EvaluationFailed as error:
            kept = self._record_error(version, error, ran)
            facts = {**error.facts, "log": ran.log[-_TAIL_CHARS:], "evidence": kept}
            raise EvaluationFailed(error.message, hint=error.hint, **facts) from error
        found = intervals(results, Chance(self._data.digest))
        return _Measured(results, Side(measured(results), found, results), ran)

    def compare(
        self, best: VersionRecord, before: tuple[Evidence, Side], version: VersionRecord, found: _Measured
    ) -> Comparison:
        return comparison(
            exact(best),
            exact(version),
            self._data.digest,
            (before[1], found.side),
            evidence=(before[0].digest,),
            less_is_better=self._wishes.less_is_better,
            margin=self._wishes.margin,
        )

    def record(self, version: VersionRecord, found: _Measured, compared: Comparison | None) -> Evidence:
        samples, seconds = found.results.samples, found.ran.seconds
        counted = f"{samples:,} examples" if samples else "An evaluation"
        summary = f"{counted} of {exact(self._data)} in {seconds:.1f} s by {self._wishes.entry.text}."
        used = methods(found.side.intervals)
        return self._registry.gates.add_evidence(
            exact(version),
            "evaluation",
            outcome=str(compared.outcome) if compared else "",
            metrics=found.side.metrics,
            intervals=found.side.intervals,
            dataset=self._data.digest,
            samples=samples,
            summary=summary,
            details=self._details(found.ran) | ({"methods": ", ".join(used)} if used else {}),
            files=files_of(found.results, found.ran.log, compared),
            key=self._wishes.key,
        )

    def _run(self, model: Path, scratch: Path) -> Ran:
        wishes = self._wishes
        try:
            return run(wishes.entry, model, self._dataset, scratch, wishes.python, wishes.limits, wishes.ids())
        except OSError as error:
            message = f"The interpreter {wishes.python!r} cannot be started: {error.strerror}."
            raise SourceNotFound(message, path=wishes.python) from error

    def _record_error(self, version: VersionRecord, error: EvaluationFailed, ran: Ran) -> str:
        """Its digest; "" when even that cannot be kept: what went wrong first is what the caller must hear."""
        try:
            kept = self._registry.gates.add_evidence(
                exact(version),
                "evaluation",
                outcome=str(Outcome.ERROR),
                dataset=self._data.digest,
                summary=error.message,
                details=self._details(ran),
                files=files_of(None, ran.log, None),
                key=self._wishes.key,
            )
        except BudwoodError:
            return ""
        return kept.digest

    def _details(self, ran: Ran) -> dict[str, str]:
        return {
            "dataset": exact(self._data),
            "entry": self._wishes.entry.text,
            "python": self._wishes.python or platform.python_version(),
            "resamples": str(RESAMPLES),
            "seconds": f"{ran.seconds:.3f}",
            "seed": self._data.digest,
        } | ({"entry_sha256": self._digest} if self._digest else {})


def _check(wishes: Wishes) -> None:
    limits, text = wishes.limits, wishes.entry.text
    if not 0 < limits.time_s <= EVALUATION_TIME_S:
        raise BadValue(f"An evaluation may take up to {EVALUATION_TIME_S} seconds, not {limits.time_s:g}.")
    if not 64 * MIB <= limits.memory_bytes <= EVALUATION_MEMORY_BYTES:
        raise BadValue(f"An evaluation may hold {64 * MIB} to {EVALUATION_MEMORY_BYTES} bytes.")
    module, colon, name = text.partition(":")
    if wishes.entry.is_script:
        if not Path(text).is_file():
            raise SourceNotFound(f"There is no script {text!r}.", path=text)
    elif not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise BadValue(f"{text[:200]!r} is no entry point.", hint="Give a script, bench.py, or module:function.")
    if not wishes.margin >= 0:
        raise BadValue(f"A margin of {wishes.margin:g} is none.", hint="It says how much is the same: 0, 0.01.")


def _champion(version: VersionRecord, text: str) -> str:
    """``@champion`` is of the model that is evaluated."""
    return f"{version.namespace}/{version.model}{text}" if text.startswith("@") else text


def _digest_of(entry: Entry) -> str:
    """Of the file that the entry is in; "" where that is not seen from here."""
    module = Path(entry.text.partition(":")[0].replace(".", "/"))
    paths = [Path(entry.text)] if entry.is_script else [module.with_suffix(".py"), module / "__init__.py"]
    for path in paths:
        if path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def _results(wishes: Wishes, ran: Ran) -> Results:
    """Raises EvaluationFailed."""
    what, limits = wishes.entry.text, wishes.limits
    if ran.stopped == "time":
        hint = f"Give it more with --time, up to {EVALUATION_TIME_S} seconds."
        raise EvaluationFailed(f"{what} was ended after {limits.time_s:g} seconds.", hint=hint, limit="time")
    if ran.stopped == "memory":
        message = f"{what} was ended: it held more than {limits.memory_bytes // MIB} MiB."
        raise EvaluationFailed(message, hint="Give it more with --memory.", limit="memory")
    if ran.stopped == "results":
        message = f"{what} was ended: it said more than an evaluation may."
        raise EvaluationFailed(message, hint="Say fewer metrics of each example.", limit="EVALUATION_RESULTS_BYTES")
    if ran.code:
        how = f"exit code {ran.code}" if ran.code > 0 else f"signal {-ran.code}"
        last = next((line.strip() for line in reversed(ran.log.splitlines()) if line.strip()), "it said nothing")
        shown = "".join(letter if letter.isprintable() else "?" for letter in last[:300])
        raise EvaluationFailed(f"{what} ended with {how}: {shown}", hint="Its output is kept with the evidence.")
    try:
        return read_results(ran.results.decode())
    except UnicodeDecodeError as error:
        raise EvaluationFailed(f"What {what} said is no text in UTF-8.", hint="Say JSON, line by line.") from error


__all__ = ["Entry", "Evaluated", "Limits", "Wishes", "evaluate"]
