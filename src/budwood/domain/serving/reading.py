"""A serving manifest from the plain values of a document, over the defaults. Errors name the field and the fix."""

import re
from collections.abc import Mapping
from typing import Final

from budwood.domain.document import Reader
from budwood.domain.limits import SERVING_WORDS
from budwood.domain.serving.manifest import (
    Autoscaling,
    Batching,
    Engine,
    Exposed,
    Health,
    Logged,
    Logging,
    Resources,
    Runtime,
    ScaleBy,
    Serving,
)
from budwood.errors import BadServing

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "Serving"
HOLES: Final = ("namespace", "model", "version", "digest")
_READ: Final = Reader(BadServing, items=SERVING_WORDS)
_QUANTITY: Final = re.compile(r"(?!0+(\.0+)?([A-Za-z]|$))[0-9]{1,12}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]{0,200}")
_URL: Final = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.:-]{0,250}(/[A-Za-z0-9._~/-]{0,200})?")
_STORAGE: Final = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[A-Za-z0-9{][A-Za-z0-9._~/{}@:+-]{0,500}")
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
_GATEWAY: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?")
_KIND_OF_GPU: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?/[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")
_DOTTED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,200}")


def read_serving(document: object, base: Serving) -> Serving:
    """What a document says, and ``base`` where it says nothing. Raises BadServing."""
    top = _READ.fields(document, "", required=("apiVersion", "kind", "spec"), optional=("metadata",))
    _READ.same(top["apiVersion"], API_VERSION, "apiVersion")
    _READ.same(top["kind"], KIND, "kind")
    if "metadata" in top:
        _READ.fields(top["metadata"], "metadata", optional=("name", "labels", "annotations"))
    spec = _READ.fields(
        top["spec"],
        "spec",
        optional=("runtime", "resources", "batching", "autoscaling", "health", "logging", "exposed", "storage"),
    )
    return Serving(
        _runtime(spec.get("runtime", {}), base.runtime),
        _resources(spec.get("resources", {}), base.resources),
        _batching(spec["batching"]) if "batching" in spec else base.batching,
        _autoscaling(spec.get("autoscaling", {}), base.autoscaling),
        _health(spec.get("health", {}), base.health),
        _logging(spec.get("logging", {}), base.logging),
        _exposed(spec.get("exposed", {}), base.exposed),
        _storage(spec["storage"]) if "storage" in spec else base.storage,
    )


def _runtime(value: object, base: Runtime) -> Runtime:
    at = "spec.runtime"
    given = _READ.fields(
        value,
        at,
        optional=("engine", "implementation", "format", "image", "port", "arguments", "environment"),
    )
    engine = _READ.word(Engine)(given["engine"], f"{at}.engine") if "engine" in given else base.engine
    # Another engine has other words for the same thing, so what was guessed for the first one is void.
    words = base if engine is base.engine else Runtime(engine, format=base.format)
    made = Runtime(
        engine,
        _like(
            _DOTTED, given, "implementation", at, words.implementation, "A plain name: mlserver_sklearn.SKLearnModel."
        ),
        _like(_DOTTED, given, "format", at, words.format, "One word: sklearn, onnx, huggingface."),
        _like(_IMAGE, given, "image", at, words.image, "An image: registry.example.com/serving/fraud:1.4."),
        _READ.count(given.get("port", words.port), f"{at}.port", least=1, most=65_535),
        _READ.each(given, "arguments", at, _READ.text) or words.arguments,
        _environment(given["environment"]) if "environment" in given else words.environment,
    )
    if made.engine is Engine.OTHER and not made.image:
        _READ.bad(f"{at}.image", "is missing", "An engine of one's own is an image.")
    return made


def _environment(value: object) -> Mapping[str, str]:
    at = "spec.runtime.environment"
    if not isinstance(value, Mapping) or len(value) > SERVING_WORDS:
        _READ.bad(at, "is not a mapping", f"Write at most {SERVING_WORDS} variables: {{OMP_NUM_THREADS: '4'}}.")
    for name in value:
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            _READ.bad(f"{at}.{str(name)[:80]}", "is no name of a variable", "Letters, digits and underscores.")
    return {name: _READ.text(each, f"{at}.{name}") for name, each in value.items()}


def _resources(value: object, base: Resources) -> Resources:
    at = "spec.resources"
    given = _READ.fields(value, at, optional=("cpu", "memory", "gpus", "gpuKind"))
    return Resources(
        _quantity(given.get("cpu", base.cpu), f"{at}.cpu", "Cores: 2, or 500m."),
        _quantity(given.get("memory", base.memory), f"{at}.memory", "Bytes: 2Gi."),
        _READ.count(given.get("gpus", base.gpus), f"{at}.gpus", least=0, most=64),
        _like(_KIND_OF_GPU, given, "gpuKind", at, base.gpu_kind, "A resource of the cluster: nvidia.com/gpu."),
    )


def _batching(value: object) -> Batching | None:
    at = "spec.batching"
    given = _READ.fields(value, at, required=("most",), optional=("waitMs",))
    most = _READ.count(given["most"], f"{at}.most", least=1, most=65_536)
    wait_ms = _READ.count(given.get("waitMs", 5), f"{at}.waitMs", least=1, most=60_000)
    return Batching(most, wait_ms) if most > 1 else None


def _autoscaling(value: object, base: Autoscaling) -> Autoscaling:
    at = "spec.autoscaling"
    given = _READ.fields(value, at, optional=("least", "most", "by", "target", "calm"))
    least = _READ.count(given.get("least", base.least), f"{at}.least", least=0, most=10_000)
    by = _READ.word(ScaleBy)(given["by"], f"{at}.by") if "by" in given else base.by
    target = 80 if by is ScaleBy.CPU and base.by is not by else base.target
    most_target = 100 if by is ScaleBy.CPU else 1_000_000
    made = Autoscaling(
        least,
        _READ.count(given.get("most", max(base.most, least, 1)), f"{at}.most", least=1, most=10_000),
        by,
        _READ.count(given.get("target", target), f"{at}.target", least=1, most=most_target),
        _READ.lasts_s(given["calm"], f"{at}.calm") if "calm" in given else base.calm_s,
    )
    if made.most < least:
        _READ.bad(f"{at}.most", f"is {made.most}, less than the {least} there are at least", "Raise it.")
    if made.calm_s > 3_600:
        _READ.bad(f"{at}.calm", f"is {given['calm']!r}", "At most 1h: clusters take no more.")
    return made


def _health(value: object, base: Health) -> Health:
    at = "spec.health"
    given = _READ.fields(value, at, optional=("ready", "live", "starts", "every"))
    starts = _READ.lasts_s(given["starts"], f"{at}.starts") if "starts" in given else base.starts_s
    every = _READ.lasts_s(given["every"], f"{at}.every") if "every" in given else base.every_s
    if not 1 <= every <= 3_600:
        _READ.bad(f"{at}.every", f"is {given.get('every')!r}", "From 1s to 1h.")
    if starts > 86_400:
        _READ.bad(f"{at}.starts", f"is {given.get('starts')!r}", "At most 1d.")
    fix = "A plain path: /v2/health/ready."
    return Health(
        _like(_PATH, given, "ready", at, base.ready, fix),
        _like(_PATH, given, "live", at, base.live, fix),
        starts,
        every,
    )


def _logging(value: object, base: Logging) -> Logging:
    at = "spec.logging"
    given = _READ.fields(value, at, optional=("bodies", "to", "percent"))
    made = Logging(
        _READ.word(Logged)(given["bodies"], f"{at}.bodies") if "bodies" in given else base.bodies,
        _like(_URL, given, "to", at, base.to, "An address: http://log-sink.monitoring."),
        _READ.points(given["percent"], f"{at}.percent") if "percent" in given else base.points,
    )
    if made.bodies is not Logged.NONE and not made.to:
        _READ.bad(f"{at}.to", "is missing", "Say where bodies go: http://log-sink.monitoring.")
    return made


def _exposed(value: object, base: Exposed) -> Exposed:
    at = "spec.exposed"
    given = _READ.fields(value, at, optional=("hosts", "gateway"))
    hosts = _READ.each(given, "hosts", at, _host) if "hosts" in given else base.hosts
    return Exposed(hosts, _like(_GATEWAY, given, "gateway", at, base.gateway, "NAME, or NAMESPACE/NAME."))


def _host(value: object, at: str) -> str:
    text = _READ.text(value, at)
    if not _HOST.fullmatch(text) or ".." in text:
        _READ.bad(at, f"is {text[:80]!r}", "A host's name: fraud.example.com.")
    return text


def _storage(value: object) -> str:
    at = "spec.storage"
    text = _READ.text(value, at)
    bare = text
    for hole in HOLES:
        bare = bare.replace(f"{{{hole}}}", "x")
    if not _STORAGE.fullmatch(text) or "{" in bare or "}" in bare:
        _READ.bad(at, f"is {text[:80]!r}", "Where the cluster finds the files: s3://models/{model}/{version}.")
    return text


def _quantity(value: object, at: str, fix: str) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _QUANTITY.fullmatch(text):
        _READ.bad(at, f"is {str(value)[:80]!r}", fix)
    return text


def _like(form: re.Pattern[str], given: Mapping[str, object], name: str, at: str, other: str, fix: str) -> str:
    if name not in given:
        return other
    text = _READ.text(given[name], f"{at}.{name}")
    if not form.fullmatch(text):
        _READ.bad(f"{at}.{name}", f"is {text[:80]!r}", fix)
    return text
