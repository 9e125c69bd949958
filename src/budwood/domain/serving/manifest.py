"""The serving manifest: what a version needs to be served, in words that no cluster owns.

Values only. ``defaults.py`` makes one from what is known of a version, ``reading.py`` changes it by a document, and
``delivery/emit`` says it in each cluster's own language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

FILE = "budwood.serving.yaml"
"""Where a version keeps its own, among its files."""


class Engine(StrEnum):
    """What runs the model."""

    MLSERVER = "mlserver"
    TRITON = "triton"
    VLLM = "vllm"
    OTHER = "other"
    """An image of one's own that answers the Open Inference Protocol."""


class ScaleBy(StrEnum):
    """What replicas are counted by."""

    CONCURRENCY = "concurrency"
    """Requests at once, for each replica."""

    REQUESTS = "requests"
    """Requests a second, for each replica."""

    CPU = "cpu"
    """Percent of what was asked for."""


class Logged(StrEnum):
    """Which half of a request is kept."""

    NONE = "none"
    REQUEST = "request"
    RESPONSE = "response"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Runtime:
    """``implementation`` is the engine's own word for how the files are read: ``mlserver_sklearn.SKLearnModel``,
    ``onnxruntime``. ``format`` is what the files are, as KServe calls it."""

    engine: Engine
    implementation: str = ""
    format: str = ""
    image: str = ""
    port: int = 8_080
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica is given, as Kubernetes writes it. No limit on CPU: it would only slow what others leave."""

    cpu: str
    memory: str
    gpus: int = 0
    gpu_kind: str = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class Batching:
    """Requests are gathered until there are ``most``, or the first has waited ``wait_ms``."""

    most: int
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """From ``least`` to ``most`` replicas, so that each has ``target``. ``calm_s``: how long to wait before
    shrinking."""

    least: int = 1
    most: int = 3
    by: ScaleBy = ScaleBy.CONCURRENCY
    target: int = 10
    calm_s: int = 300


@dataclass(frozen=True, slots=True)
class Health:
    """Where it is asked whether it is ready and whether it lives. ``starts_s`` is how long loading may take."""

    ready: str = "/v2/health/ready"
    live: str = "/v2/health/live"
    starts_s: int = 300
    every_s: int = 10


@dataclass(frozen=True, slots=True)
class Logging:
    """Which bodies go where. ``points``: of how many requests, in basis points."""

    bodies: Logged = Logged.NONE
    to: str = ""
    points: int = 10_000


@dataclass(frozen=True, slots=True)
class Exposed:
    """Where a cluster lets traffic in: the names clients ask, and the Gateway that hears them."""

    hosts: tuple[str, ...] = ()
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything together. ``storage`` is where the cluster finds the files; {namespace}, {model}, {version} and
    {digest} in it stand for those of each version."""

    runtime: Runtime
    resources: Resources
    batching: Batching | None = None
    autoscaling: Autoscaling = Autoscaling()
    health: Health = Health()
    logging: Logging = Logging()
    exposed: Exposed = Exposed()
    storage: str = ""
