"""Two versions compared by the evaluations that are kept of them."""

from budwood.client.evaluating.chance import Chance
from budwood.client.evaluating.kept import evaluations, side_of
from budwood.client.gates import Gates
from budwood.domain.evaluation.compare import Comparison, Side, compared
from budwood.domain.policy.evidence import Evidence
from budwood.errors import RecordNotFound


def compare_kept(gates: Gates, champion: str, candidate: str, dataset: str = "") -> Comparison:
    """The newest pair on the same data, on ``dataset`` when it is given: a digest, or a name as it was recorded.

    Raises NotFound, RecordNotFound where they were never measured on the same data.
    """
    before, after = evaluations(gates.evidence(champion)), evaluations(gates.evidence(candidate))
    pair = _pair(before, after, dataset)
    if pair is None:
        on = f" on {dataset}" if dataset else " on the same data"
        hint = f"budwood evaluate {candidate} --entry ENTRY --dataset REF --champion {champion}"
        raise RecordNotFound(f"{champion} and {candidate} were never evaluated{on}.", hint=hint)
    sides = side_of(gates, champion, pair[0]), side_of(gates, candidate, pair[1])
    return comparison(champion, candidate, pair[0].dataset, sides, evidence=(pair[0].digest, pair[1].digest))


def comparison(
    champion: str,
    candidate: str,
    dataset: str,
    sides: tuple[Side, Side],
    *,
    evidence: tuple[str, ...],
    less_is_better: frozenset[str] = frozenset(),
    margin: float = 0.0,
) -> Comparison:
    """``sides`` are the champion's and the candidate's."""
    before, after = sides
    rows = compared(before, after, Chance(dataset), less_is_better=less_is_better, margin=margin)
    missing = tuple(sorted(before.metrics.keys() ^ after.metrics.keys()))
    return Comparison(champion, candidate, dataset, rows, missing, evidence)


def _pair(before: list[Evidence], after: list[Evidence], dataset: str) -> tuple[Evidence, Evidence] | None:
    """Champion's first. An evaluation that names no data is on no data."""
    for newest in after:
        if newest.dataset and dataset in ("", newest.dataset, newest.details.get("dataset", "")):
            for each in before:
                if each.dataset == newest.dataset:
                    return each, newest
    return None
