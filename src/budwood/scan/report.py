"""What a scan says: findings, each by a rule, and one verdict of three for a file and for all of them.

``error`` means that a file could not be looked at to its end; for a gate that is the same as ``blocked``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

VERSION: Final = "1"
"""Counts up whenever what is looked for changes, or what passes: what an older one let through is looked at anew."""


class Severity(StrEnum):
    """How much a finding counts: a note is for people, the other two decide the verdict."""

    BLOCK = "block"
    ERROR = "error"
    NOTE = "note"


class Verdict(StrEnum):
    """``clean``: nothing but notes. ``blocked``: loading it may run code. ``error``: nobody knows."""

    CLEAN = "clean"
    BLOCKED = "blocked"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing the scanner looks for, and what a person can do about it."""

    severity: Severity
    fix: str


@dataclass(frozen=True, slots=True)
class Finding:
    """``inner`` is the path inside archives, empty for the file itself; ``offset`` is -1 where there is none."""

    file: str
    inner: str
    offset: int
    rule: str
    what: str

    @property
    def severity(self) -> Severity:
        return RULES[self.rule].severity

    @property
    def fix(self) -> str:
        return RULES[self.rule].fix


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: what it was taken for, and what was found."""

    file: str
    format: str
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return verdict_of([finding.severity for finding in self.findings])


@dataclass(frozen=True, slots=True)
class Report:
    """All files that were looked at. An empty report is clean."""

    files: tuple[FileReport, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict_of([finding.severity for finding in self.findings])

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for file in self.files for finding in file.findings)


def verdict_of(severities: Sequence[Severity]) -> Verdict:
    """The worst decides; what is known to be bad is worse than what is not known."""
    if Severity.BLOCK in severities:
        return Verdict.BLOCKED
    return Verdict.ERROR if Severity.ERROR in severities else Verdict.CLEAN


_SAFER: Final = "Ask for the weights as safetensors, or for a scikit-learn model as skops."
_AGAIN: Final = "Get the file again from its source; if it is the same, ask who made it to write it anew."

RULES: Final[Mapping[str, Rule]] = {
    "pickle-global": Rule(Severity.BLOCK, _SAFER),
    "pickle-ambiguous": Rule(Severity.BLOCK, _SAFER),
    "pickle-trailing": Rule(Severity.BLOCK, _AGAIN),
    "pickle-broken": Rule(Severity.ERROR, _AGAIN),
    "container-unknown": Rule(Severity.BLOCK, "Unpack it, and scan or push what is inside."),
    "unrecognised": Rule(Severity.BLOCK, "Its name says that it is unpickled, its content is no pickle. " + _AGAIN),
    "archive-ambiguous": Rule(Severity.BLOCK, "Unpack it and pack it again with one ordinary tool."),
    "archive-encrypted": Rule(Severity.BLOCK, "Decrypt it, then scan what is inside."),
    "archive-link": Rule(Severity.BLOCK, "Pack regular files only."),
    "archive-path": Rule(Severity.BLOCK, "Pack it again with relative names, without '..'."),
    "archive-broken": Rule(Severity.ERROR, _AGAIN),
    "too-deep": Rule(Severity.ERROR, "Unpack it, and scan or push what is inside."),
    "too-large": Rule(Severity.ERROR, "Unpack it, and scan or push what is inside."),
    "native-code": Rule(Severity.BLOCK, "Keep programs and libraries out of a model; name them in its requirements."),
    "python-code": Rule(Severity.NOTE, "Read it before anything imports it."),
    "script": Rule(Severity.NOTE, "Read it before anybody runs it."),
    "torch-package": Rule(Severity.BLOCK, "Ask for a state dict as safetensors, and for the code as a package."),
    "torchscript": Rule(Severity.NOTE, "It runs in TorchScript's own interpreter when the model is called."),
    "torchscript-reaches-out": Rule(Severity.BLOCK, "Ask for a model whose code touches no files."),
    "keras-code": Rule(Severity.BLOCK, "Ask for the model without Lambda layers and outside functions."),
    "graph-code": Rule(Severity.BLOCK, "Ask for a graph without operations that touch files or run Python."),
    "onnx-outside": Rule(Severity.BLOCK, "Write the weights beside the model, or inside it."),
    "onnx-custom": Rule(Severity.NOTE, "It needs a library of operations; take that from a source you trust."),
    "template-code": Rule(Severity.BLOCK, "Replace the chat template by the one of the base model."),
    "custom-code": Rule(Severity.NOTE, "Load it without trust_remote_code, or read the code first."),
    "object-array": Rule(Severity.NOTE, "It needs allow_pickle; save plain arrays instead."),
    "malformed": Rule(Severity.ERROR, _AGAIN),
    "scanner-stopped": Rule(Severity.ERROR, "Scan it alone; if it happens again, report it with the file's digest."),
}
