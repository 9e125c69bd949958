"""Traces with what is said of them, and what judges applications: evaluation data sets, scorers, label schemas, issues.

As in ``records``: what any side holds, in words that all have. What is JSON there is its text here, so that numbers
that are none (NaN) travel, and nothing is read before it is taken in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CarriedAssessment:
    """Feedback, an expectation or an issue. ``value`` and ``error`` are JSON; an empty ``error`` is none."""

    assessment: str
    kind: str
    name: str
    value: str
    source_type: str
    source: str
    created_ms: int
    updated_ms: int
    error: str = ""
    span: str | None = None
    rationale: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    overrides: str = ""
    valid: bool = True


@dataclass(frozen=True, slots=True)
class CarriedTrace:
    """A trace. ``told``: its client told of it, so that its spans no longer say when it was.

    ``spans`` and ``spans_sha256`` are of its spans where a registry of ours was read (``compare.spans_told``); a
    stranger's spans are read by themselves.
    """

    trace: str
    experiment: str
    at_ms: int
    duration_ms: int | None = None
    state: str = ""
    client_request: str | None = None
    request: str | None = None
    response: str | None = None
    told: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    assessments: tuple[CarriedAssessment, ...] = ()
    spans: int = 0
    spans_sha256: str = ""


@dataclass(frozen=True, slots=True)
class CarriedDataset:
    """An evaluation data set, without its records. ``experiments`` are those it is used in; ``schema`` is JSON."""

    dataset: str
    name: str
    digest: str = ""
    schema: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    created_by: str = ""
    updated_by: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CarriedRecord:
    """A record of an evaluation data set. ``content`` is JSON: inputs, outputs, expectations, tags, source."""

    record: str
    content: str
    created_ms: int = 0
    updated_ms: int = 0
    created_by: str = ""
    updated_by: str = ""


@dataclass(frozen=True, slots=True)
class CarriedBody:
    """A version of a scorer; ``body`` is JSON."""

    number: int
    body: str
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class CarriedScorer:
    """A scorer with all its versions."""

    scorer: str
    experiment: str
    name: str
    versions: tuple[CarriedBody, ...] = ()


@dataclass(frozen=True, slots=True)
class CarriedLabel:
    """A label schema. ``form`` says how it is answered, ``bounds`` is JSON."""

    schema: str
    experiment: str
    name: str
    kind: str
    form: str
    bounds: str = "{}"
    instruction: str = ""
    has_comment: bool = False
    created_ms: int = 0
    updated_ms: int = 0


@dataclass(frozen=True, slots=True)
class CarriedIssue:
    """An issue; ``severity`` is MLflow's word, or empty."""

    issue: str
    experiment: str
    name: str
    description: str
    status: str
    severity: str = ""
    root_causes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    run: str = ""
    created_by: str = ""
    created_ms: int = 0
    updated_ms: int = 0


Judged = CarriedScorer | CarriedLabel | CarriedIssue
"""What judges in an experiment."""
