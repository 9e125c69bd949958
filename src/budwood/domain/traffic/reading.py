"""An endpoint from the plain values of a document, in Kubernetes' shape. Errors name the field and the fix.

What the document says of versions are references; whoever asks resolves them (``resolved``). Secrets do not stand in
it: clients' keys and the salt are the registry's to draw.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from budwood.domain.document import Reader
from budwood.domain.limits import CAPTURED_BYTES, ENDPOINT_BACKENDS, ENDPOINT_CLIENTS, REDACTED_FIELDS, SPLIT_ARMS
from budwood.domain.traffic.endpoint import (
    TENANT_HEADER,
    USER_HEADER,
    Arm,
    Backend,
    Breaker,
    Capture,
    Endpoint,
    KeyAuth,
    Quota,
    Rate,
    Retry,
    Rule,
    Sticky,
    TokenAuth,
)
from budwood.domain.traffic.reading_fields import field_rules, schema
from budwood.domain.traffic.segments import checked
from budwood.domain.traffic.trust import BackendTrust, read_trust
from budwood.errors import BadEndpoint

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "Endpoint"
OWN_PREFIX: Final = "x-budwood-"
_READ: Final = Reader(BadEndpoint, items=max(SPLIT_ARMS, ENDPOINT_BACKENDS))
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HEADER: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADAPTER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_/-]{0,199}")
_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]{0,500}")
_TIMEOUT_MOST_S: Final = 3_600
T = TypeVar("T")
_FRAMING: Final = frozenset(
    ("connection", "content-encoding", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade")
)
_RATE_MOST: Final = 10_000_000
_QUOTA_MOST: Final = 10**15
_QUOTA_MOST_S: Final = 31 * 86_400


@dataclass(frozen=True, slots=True)
class WantedArm:
    """``version`` is a reference within the model: v3, 2.1.0, @champion."""

    name: str
    version: str
    backends: tuple[Backend, ...]
    health: str = ""
    trust: BackendTrust = BackendTrust()


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint as it was written. ``body`` is all of it but the arms and the salt; ``split`` basis points by arm."""

    name: str
    model: str
    arms: tuple[WantedArm, ...]
    split: Mapping[str, int]
    sticky_header: str
    body: Endpoint
    text: str = field(default="", compare=False)


def read_endpoint(document: object, namespace: str) -> Wanted:
    """What a document asks for. Raises BadEndpoint, BadSplit."""
    top = _READ.fields(document, "", required=("apiVersion", "kind", "metadata", "spec"))
    _READ.same(top["apiVersion"], API_VERSION, "apiVersion")
    _READ.same(top["kind"], KIND, "kind")
    metadata = _READ.fields(top["metadata"], "metadata", required=("name",), optional=("labels", "annotations"))
    return _spec(_name(metadata["name"], "metadata.name"), namespace, top["spec"])


def _spec(name: str, namespace: str, value: object) -> Wanted:
    spec = _READ.fields(
        value,
        "spec",
        required=("model", "arms"),
        optional=(
            *("split", "baseline", "sticky", "rules", "auth", "rate", "tenantRates", "retries", "breaker", "timeout"),
            *("path", "addRequestHeaders", "addResponseHeaders", "guardedBy", "capture", "adapters"),
            *("quota", "tenantQuotas", "schema", "requestFields", "responseFields"),
            *("renameRequestHeaders", "renameResponseHeaders"),
        ),
    )
    model = _READ.text(spec["model"], "spec.model")
    arms = _arms(spec["arms"])
    names = [arm.name for arm in arms]
    baseline = _one_of(spec.get("baseline", names[0]), names, "spec.baseline")
    keys, tokens = _auth(spec.get("auth", {}))
    rules = _READ.each(spec, "rules", "spec", lambda each, at: _rule(each, at, names))
    body = Endpoint(
        namespace,
        name,
        model,
        baseline,
        (),
        asks_at=_path(spec.get("path", f"/v2/models/{model.rpartition('/')[2]}/infer"), "spec.path"),
        rules=rules,
        keys=keys,
        tokens=tokens,
        rate=_rate(spec["rate"], "spec.rate") if "rate" in spec else None,
        tenant_rates=_mapping(spec, "tenantRates", _rate, _READ.text),
        retry=_retry(spec.get("retries", {})),
        breaker=_breaker(spec.get("breaker", {})),
        timeout_s=_timeout(spec.get("timeout", "30s")),
        add_request_headers=_mapping(spec, "addRequestHeaders", _header_value, _header),
        add_response_headers=_mapping(spec, "addResponseHeaders", _header_value, _header),
        capture=_capture(spec.get("capture", {})),
        guarded_by=_READ.text(spec.get("guardedBy", "production"), "spec.guardedBy"),
        adapters=_READ.each(spec, "adapters", "spec", _adapter),
        quota=_quota(spec["quota"], "spec.quota") if "quota" in spec else None,
        tenant_quotas=_mapping(spec, "tenantQuotas", _quota, _READ.text),
        request_fields=field_rules(spec, "requestFields"),
        response_fields=field_rules(spec, "responseFields"),
        rename_request_headers=_mapping(spec, "renameRequestHeaders", _plain_header, _plain_header),
        rename_response_headers=_mapping(spec, "renameResponseHeaders", _plain_header, _plain_header),
        schema=schema(spec["schema"]) if "schema" in spec else None,
    )
    sticky = _sticky(spec.get("sticky", {}))
    _check_who(body, sticky)
    return Wanted(
        name,
        model,
        arms,
        _split(spec.get("split", {baseline: 100}), names),
        sticky,
        body,
    )


def _check_who(body: Endpoint, sticky: str) -> None:
    """Whatever is said of tenants and users, somebody says who they are."""
    named = (
        (bool(body.tenant_quotas), "spec.tenantQuotas", "counts tenants"),
        (bool(body.tenant_rates), "spec.tenantRates", "counts tenants"),
        (any(rule.header == TENANT_HEADER for rule in body.rules), "spec.rules", "names a tenant"),
    )
    for is_said, at, what in named:
        if is_said and not (body.keys or body.tokens):
            _READ.bad(at, f"{what}, and nobody says who they are", "Add spec.auth.")
    if sticky == USER_HEADER and not (body.tokens and body.tokens.user_claim):
        _READ.bad("spec.sticky.user", "asks a token, and none says who the user is", "Add spec.auth.tokens.userClaim.")
    if sticky in body.rename_request_headers:
        _READ.bad("spec.renameRequestHeaders", f"takes {sticky} away, which says who the user is", "Leave that header.")


def resolved(wanted: Wanted, arms: Mapping[str, Arm], salt: str) -> Endpoint:
    """The endpoint with the arms that its references stand for."""
    sticky = Sticky(wanted.sticky_header, salt) if wanted.sticky_header else None
    body = wanted.body
    every = tuple(arms[each.name] for each in wanted.arms)
    return Endpoint(
        **{name: getattr(body, name) for name in body.__dataclass_fields__ if name not in ("arms", "sticky")},
        arms=every,
        sticky=sticky,
    )


def _arms(value: object) -> tuple[WantedArm, ...]:
    if not isinstance(value, Mapping) or not value or len(value) > SPLIT_ARMS:
        _READ.bad(
            "spec.arms", "is not a mapping of arms", f"From 1 to {SPLIT_ARMS}: stable: {{version: champion, ...}}."
        )
    return tuple(_arm(name, each) for name, each in value.items())


def _arm(key: object, value: object) -> WantedArm:
    name = _name(key, f"spec.arms.{str(key)[:80]}")
    at = f"spec.arms.{name}"
    given = _READ.fields(value, at, required=("version", "backends"), optional=("health", "tls"))
    backends = _READ.each(given, "backends", at, _backend)
    if len({each.tls for each in backends}) > 1:
        _READ.bad(f"{at}.backends", "mixes http and https", "Use one of them for an arm.")
    health = _path(given["health"], f"{at}.health") if "health" in given else ""
    is_https = any(each.tls for each in backends)
    trust = read_trust(given["tls"], f"{at}.tls", is_https=is_https) if "tls" in given else BackendTrust()
    return WantedArm(name, _READ.text(given["version"], f"{at}.version").removeprefix("@"), backends, health, trust)


def _backend(value: object, at: str) -> Backend:
    text = _READ.text(value, at)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        _READ.bad(at, f"is {text[:80]!r}", "Write http://host:port, without credentials or a query.")
    if parts.path not in ("", "/"):
        _READ.bad(at, f"has the path {parts.path[:80]!r}", "Give the path as spec.path: it is the same for every arm.")
    return Backend(parts.hostname, port or (443 if parts.scheme == "https" else 80), parts.scheme == "https")


def _split(value: object, names: list[str]) -> dict[str, int]:
    if not isinstance(value, Mapping):
        _READ.bad("spec.split", "is not a mapping", "Write percentages by arm: {stable: 95, canary: 5}.")
    split = {
        _one_of(name, names, f"spec.split.{str(name)[:80]}"): _READ.points(each, f"spec.split.{str(name)[:80]}")
        for name, each in value.items()
    }
    return checked(split)


def _sticky(value: object) -> str:
    given = _READ.fields(value, "spec.sticky", optional=("header", "user"))
    if "user" in given:
        _READ.same(given["user"], "token", "spec.sticky.user")
        return USER_HEADER
    return _header(given["header"], "spec.sticky.header") if given else ""


def _rule(value: object, at: str, names: list[str]) -> Rule:
    given = _READ.fields(value, at, required=("to",), optional=("header", "is", "tenant"))
    arm = _one_of(given["to"], names, f"{at}.to")
    if ("tenant" in given) == ("header" in given):
        _READ.bad(at, "names a header and a tenant, or neither", "Write {tenant: acme, to: canary}, or a header.")
    if "tenant" in given:
        return Rule(TENANT_HEADER, _header_value(given["tenant"], f"{at}.tenant"), arm)
    header = _header(given["header"], f"{at}.header")
    return Rule(header, _header_value(given["is"], f"{at}.is") if "is" in given else "", arm)


def _auth(value: object) -> tuple[KeyAuth | None, TokenAuth | None]:
    given = _READ.fields(value, "spec.auth", optional=("keys", "tokens"))
    if len(given) > 1:
        _READ.bad("spec.auth", "has keys and tokens", "Choose one of them.")
    if "keys" in given:
        keys = _READ.fields(given["keys"], "spec.auth.keys", required=("header",))
        return KeyAuth(_header(keys["header"], "spec.auth.keys.header")), None
    if "tokens" in given:
        at = "spec.auth.tokens"
        tokens = _READ.fields(
            given["tokens"], at, required=("issuer", "jwks"), optional=("audience", "tenantClaim", "userClaim")
        )
        words = {name: _READ.text(tokens[name], f"{at}.{name}") for name in tokens if name != "jwks"}
        jwks = tokens["jwks"]
        if not isinstance(jwks, str) or not jwks.lstrip().startswith("{"):
            _READ.bad(f"{at}.jwks", "is no JSON object in a text", 'Paste the issuer\'s keys: {"keys": [...]}.')
        claims = (words.get("audience", ""), words.get("tenantClaim", ""), words.get("userClaim", ""))
        return None, TokenAuth(words["issuer"], jwks, *claims)
    return None, None


def _rate(value: object, at: str) -> Rate:
    given = _READ.fields(value, at, required=("requests", "per"))
    seconds = _READ.lasts_s(given["per"], f"{at}.per")
    if not 1 <= seconds <= 86_400:
        _READ.bad(f"{at}.per", f"is {given['per']!r}", "From 1s to 1d.")
    return Rate(_READ.count(given["requests"], f"{at}.requests", least=1, most=_RATE_MOST), seconds)


def _quota(value: object, at: str) -> Quota:
    given = _READ.fields(value, at, required=("tokens", "per"))
    seconds = _READ.lasts_s(given["per"], f"{at}.per")
    if not 60 <= seconds <= _QUOTA_MOST_S:
        _READ.bad(f"{at}.per", f"is {given['per']!r}", "From 1m to 31d.")
    return Quota(_READ.count(given["tokens"], f"{at}.tokens", least=1, most=_QUOTA_MOST), seconds)


def _retry(value: object) -> Retry:
    given = _READ.fields(value, "spec.retries", optional=("times", "onServerErrors"))
    times = _READ.count(given.get("times", 0), "spec.retries.times", least=0, most=5)
    return Retry(times, _READ.flag(given.get("onServerErrors", False), "spec.retries.onServerErrors"))


def _breaker(value: object) -> Breaker:
    at = "spec.breaker"
    given = _READ.fields(value, at, optional=("connections", "pending", "requests", "ejectsAfter"))
    plain = Breaker()
    return Breaker(
        _READ.count(given.get("connections", plain.connections), f"{at}.connections", least=1, most=1_000_000),
        _READ.count(given.get("pending", plain.pending), f"{at}.pending", least=1, most=1_000_000),
        _READ.count(given.get("requests", plain.requests), f"{at}.requests", least=1, most=1_000_000),
        _READ.count(given.get("ejectsAfter", plain.ejects_after), f"{at}.ejectsAfter", least=1, most=1_000),
    )


def _capture(value: object) -> Capture:
    given = _READ.fields(value, "spec.capture", optional=("redact", "bytes"))
    names = given.get("redact", [])
    if not isinstance(names, list | tuple) or len(names) > REDACTED_FIELDS:
        _READ.bad("spec.capture.redact", "is not a list of names", f"At most {REDACTED_FIELDS}: [email, iban].")
    redact = tuple(_READ.text(name, f"spec.capture.redact[{number}]") for number, name in enumerate(names))
    most = _READ.count(given.get("bytes", CAPTURED_BYTES), "spec.capture.bytes", least=0, most=CAPTURED_BYTES)
    return Capture(redact, most)


def _timeout(value: object) -> float:
    seconds = _READ.lasts_s(value, "spec.timeout")
    if not 1 <= seconds <= _TIMEOUT_MOST_S:
        _READ.bad("spec.timeout", f"is {value!r}", "From 1s to 1h.")
    return float(seconds)


def _mapping(
    given: Mapping[str, Any], name: str, read: Callable[[object, str], T], read_key: Callable[[object, str], str]
) -> dict[str, T]:
    value, at = given.get(name, {}), f"spec.{name}"
    if not isinstance(value, Mapping) or len(value) > ENDPOINT_CLIENTS:
        _READ.bad(at, "is not a mapping", f"Of at most {ENDPOINT_CLIENTS} entries.")
    return {read_key(key, f"{at}.{str(key)[:80]}"): read(each, f"{at}.{str(key)[:80]}") for key, each in value.items()}


def _name(value: object, at: str) -> str:
    text = _READ.text(value, at)
    if not _NAME.fullmatch(text):
        _READ.bad(at, f"is {text[:80]!r}", "Lower-case letters, digits and dashes, at most 63.")
    return text


def _header(value: object, at: str) -> str:
    text = _READ.text(value, at).lower()
    if not _HEADER.fullmatch(text) or text.startswith(OWN_PREFIX):
        _READ.bad(at, f"is {text[:80]!r}", f"A header's name of your own: x-user-id, and not {OWN_PREFIX}….")
    return text


def _plain_header(value: object, at: str) -> str:
    """One that no server needs to find the end of a message."""
    text = _header(value, at)
    if text in _FRAMING:
        _READ.bad(at, f"is {text!r}", "That header is not for renaming.")
    return text


def _header_value(value: object, at: str) -> str:
    text = _READ.text(value, at)
    if "%" in text or "\n" in text or not text.isascii():
        _READ.bad(at, f"is {text[:80]!r}", "Printable ASCII on one line, without %.")
    return text


def _adapter(value: object, at: str) -> str:
    text = _READ.text(value, at)
    if not _ADAPTER.fullmatch(text):
        _READ.bad(at, f"is {text[:80]!r}", "Letters, digits and . : _ / - only, at most 200.")
    return text


def _path(value: object, at: str) -> str:
    if value == "":
        return ""
    text = _READ.text(value, at)
    if not _PATH.fullmatch(text) or "//" in text or "/../" in f"{text}/":
        _READ.bad(at, f"is {text[:80]!r}", "A plain path: /v2/models/NAME/infer.")
    return text


def _one_of(value: object, names: list[str], at: str) -> str:
    if value not in names:
        _READ.bad(at, f"is {value!r}"[:100], f"It is one of the arms: {', '.join(names)}.")
    return str(value)
