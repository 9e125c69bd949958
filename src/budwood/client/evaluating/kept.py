"""What an evaluation leaves beside its metrics, as files of its evidence, and how it is read again."""

import gzip
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

from budwood.client.gates import Gates
from budwood.domain.asks_gates import Attached
from budwood.domain.canon import dumps, loads, pack, unpack
from budwood.domain.evaluation.compare import Comparison, Side
from budwood.domain.evaluation.results import Results, example_lines, read_results
from budwood.domain.limits import EVALUATION_RESULTS_BYTES, EVIDENCE_FILES_BYTES, MIB
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Outcome
from budwood.errors import EvaluationFailed

EXAMPLES: Final = "results.jsonl.gz"
COMPARISON: Final = "comparison.json"
LOG: Final = "log.txt"
_ROOM: Final = 1 * MIB
"""What the log and a comparison may take."""


def files_of(results: Results | None, log: str, comparison: Comparison | None) -> tuple[Attached, ...]:
    """Examples that do not fit are left out: then versions are compared by their intervals."""
    files = []
    if results is not None and results.columns:
        packed = gzip.compress(b"".join(example_lines(results)), 6, mtime=0)
        if len(packed) <= EVIDENCE_FILES_BYTES - _ROOM:
            files.append(Attached(EXAMPLES, packed))
    if comparison is not None:
        files.append(Attached(COMPARISON, dumps(pack(comparison))))
    if log.strip():
        files.append(Attached(LOG, log.encode("utf-8", "replace")))
    return tuple(files)


def side_of(gates: Gates, reference: str, evidence: Evidence) -> Side:
    """With its examples, where they were kept and can be read. Raises NotFound, BlockDamaged."""
    results = None
    if any(file.name == EXAMPLES for file in evidence.files):
        results = _examples(gates.evidence_files(reference, evidence.digest))
    return Side(evidence.metrics, evidence.intervals, results)


def comparison_of(files: Iterable[Attached]) -> Comparison | None:
    """The table that was kept with a piece of evidence."""
    for file in files:
        if file.name == COMPARISON:
            return unpack(Comparison, loads(file.content))
    return None


def evaluations(known: Sequence[Evidence]) -> list[Evidence]:
    """Those that measured something, newest first."""
    return [
        each
        for each in reversed(known)
        if each.kind is EvidenceKind.EVALUATION and each.metrics and each.outcome is not Outcome.ERROR
    ]


def _examples(files: Iterable[Attached]) -> Results | None:
    for file in files:
        if file.name == EXAMPLES:
            try:
                return read_results(_unpacked(file.content))
            except (EvaluationFailed, ValueError):
                # Somebody gave a file of this name that is none of ours.
                return None
    return None


def _unpacked(content: bytes) -> str:
    """Raises ValueError for what is no gzip, or too much."""
    try:
        reading = zlib.decompressobj(wbits=31)
        plain = reading.decompress(content, EVALUATION_RESULTS_BYTES + 1)
    except zlib.error as error:
        raise ValueError("no gzip") from error
    if len(plain) > EVALUATION_RESULTS_BYTES or not reading.eof:
        raise ValueError("more than there may be")
    return plain.decode()
