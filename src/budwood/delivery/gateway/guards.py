"""Who may ask, and how often: the filters of the chain, and what each route says to them. Plain values.

All of them sleep unless a route wakes them. The gateway decides which are awake when a request begins, by its first
route. A request in OpenAI's style is read before its endpoint is known, so its first route wakes them all, and an
endpoint that needs one of them not must say so in a way that lets everybody pass.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from budwood.delivery.gateway.fields import FIELDS_FILTER, fields_filter, mapped_routes
from budwood.delivery.gateway.models import MODEL_SCRIPT
from budwood.delivery.gateway.names import OPEN_HEADER
from budwood.delivery.gateway.quotas import QUOTA_FILTER, USAGE_FILTER, counted_routes, quota_filter
from budwood.delivery.xds.messages import TYPE
from budwood.domain.limits import ENDPOINT_CLIENTS
from budwood.domain.traffic.endpoint import TENANT_HEADER, USER_HEADER, Endpoint, KeyAuth, Part, Routing, TokenAuth

Plain = dict[str, Any]
WHOLE_FILTER: Final = "envoy.filters.http.buffer"
MODEL_FILTER: Final = "budwood.model"
KEY_FILTER: Final = "envoy.filters.http.api_key_auth"
ISSUER_FILTER: Final = "budwood.issuers"
AGAIN_FILTER: Final = "budwood.again"
RATE_FILTER: Final = "envoy.filters.http.local_ratelimit"
BODY_BYTES: Final = 32 << 20
"""The longest body that is held to read its model's name."""
_HTTP: Final = "envoy.extensions.filters.http."
_TOKENS: Final = f"{_HTTP}jwt_authn.v3.JwtAuthentication"
_AWAKE: Final[Plain] = {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "config": {}}
_AGAIN: Final = "function envoy_on_request(handle) handle:clearRouteCache() end"
_ALL: Final[Plain] = {"default_value": {"numerator": 100}}
_UNLIMITED: Final = Part(1_000_000_000, 1)


def filters() -> Iterator[Plain]:
    """The chain, in order: who is asked for, who asks, where to then, how often, off it goes."""
    lua = "lua.v3.Lua"
    yield _asleep(WHOLE_FILTER, "buffer.v3.Buffer", max_request_bytes=BODY_BYTES)
    yield _asleep(MODEL_FILTER, lua, default_source_code={"inline_string": MODEL_SCRIPT})
    yield _asleep(KEY_FILTER, "api_key_auth.v3.ApiKeyAuth", key_sources=[{"header": OPEN_HEADER}])
    # It comes from the control plane by itself: a new issuer must not close anybody's connection.
    told = {"config_source": {"ads": {}, "resource_api_version": "V3"}, "type_urls": [TYPE + _TOKENS]}
    yield {"name": ISSUER_FILTER, "config_discovery": told, "disabled": True}
    yield _asleep(AGAIN_FILTER, lua, default_source_code={"inline_string": _AGAIN})
    yield _asleep(RATE_FILTER, "local_ratelimit.v3.LocalRateLimit", stat_prefix="budwood")
    yield quota_filter()
    yield fields_filter()
    yield {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPE}{_HTTP}router.v3.Router"}}


def tokens(routings: Iterable[Routing]) -> Plain:
    """Every issuer that an endpoint trusts, by the endpoint's key."""
    trusted = {each.key: each.endpoint.tokens for each in routings if each.endpoint.tokens is not None}
    return {
        "name": ISSUER_FILTER,
        "typed_config": {
            "@type": TYPE + _TOKENS,
            "providers": {key: _issuer(each) for key, each in trusted.items()},
            "requirement_map": {key: {"provider_name": key} for key in trusted},
        },
    }


def guarded(routing: Routing, *, by_model: bool = False) -> Plain:
    """What an endpoint's route says to the filters. ``by_model``: it was chosen by what the body names, when all of
    them were awake already."""
    endpoint = routing.endpoint
    said: Plain = _all_pass() if by_model else {}
    if endpoint.keys is not None:
        said[KEY_FILTER] = _keys(endpoint.keys)
        if any(rule.header == TENANT_HEADER for rule in endpoint.rules):
            said[AGAIN_FILTER] = _AWAKE
    if endpoint.tokens is not None:
        said[ISSUER_FILTER] = _token_route(requirement_name=routing.key)
    if endpoint.is_rated:
        said[RATE_FILTER] = _rates(endpoint, routing.sharers)
    return {**said, **counted_routes(routing), **mapped_routes(endpoint)}


def unread() -> Plain:
    """What the first route of a request says whose endpoint is in its body."""
    woken = (WHOLE_FILTER, MODEL_FILTER, AGAIN_FILTER, RATE_FILTER, QUOTA_FILTER, FIELDS_FILTER, USAGE_FILTER)
    return {**dict.fromkeys(woken, _AWAKE), **_all_pass()}


def _all_pass() -> Plain:
    """Awake, and content with everybody: the first script writes the key that opens this."""
    return {
        KEY_FILTER: _key_route({"1": "-"}, OPEN_HEADER),
        ISSUER_FILTER: _token_route(disabled=True),
    }


def _keys(keys: KeyAuth) -> Plain:
    # A filter without a credential would fall back to one that opens: nobody has the key of nobody.
    said = _key_route(keys.clients or {"": "-"}, keys.header)
    if not keys.clients:
        said["allowed_clients"] = ["nobody"]
    said["forwarding"] = {"header": TENANT_HEADER, "hide_credentials": True}
    return said


def _key_route(clients: Mapping[str, str], header: str) -> Plain:
    return {
        "@type": f"{TYPE}{_HTTP}api_key_auth.v3.ApiKeyAuthPerRoute",
        "credentials": [{"key": key or "none", "client": name} for key, name in sorted(clients.items())],
        "key_sources": [{"header": header}],
        "forwarding": {"hide_credentials": True},
    }


def _token_route(**said: object) -> Plain:
    return {"@type": f"{TYPE}{_HTTP}jwt_authn.v3.PerRouteConfig", **said}


def _issuer(tokens: TokenAuth) -> Plain:
    claims = ((TENANT_HEADER, tokens.tenant_claim), (USER_HEADER, tokens.user_claim))
    return {
        "issuer": tokens.issuer,
        **({"audiences": [tokens.audience]} if tokens.audience else {}),
        "local_jwks": {"inline_string": tokens.jwks},
        "claim_to_headers": [{"header_name": name, "claim_name": claim} for name, claim in claims if claim],
        # Rules by tenant and arms by user are for who the token says it is.
        "clear_route_cache": True,
    }


def _rates(endpoint: Endpoint, sharers: int) -> Plain:
    """Each tenant's own; without tenants, one for all. Each gateway counts for itself and lets its part through."""
    by_tenant = endpoint.keys is not None or endpoint.tokens is not None
    said: Plain = {
        "@type": f"{TYPE}{_HTTP}local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "budwood",
        "filter_enabled": _ALL,
        "filter_enforced": _ALL,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "token_bucket": _bucket(endpoint.rate.shared(sharers) if endpoint.rate and not by_tenant else _UNLIMITED),
    }
    if not by_tenant:
        return said
    known = [
        {"entries": [{"key": "tenant", "value": tenant}], "token_bucket": _bucket(rate.shared(sharers))}
        for tenant, rate in endpoint.tenant_rates.items()
    ]
    others = [
        {"entries": [{"key": "tenant"}], "token_bucket": _bucket(rate.shared(sharers))}
        for rate in (endpoint.rate,)
        if rate is not None
    ]
    return {
        **said,
        "always_consume_default_token_bucket": False,
        "max_dynamic_descriptors": ENDPOINT_CLIENTS,
        "rate_limits": [{"actions": [{"request_headers": {"header_name": TENANT_HEADER, "descriptor_key": "tenant"}}]}],
        "descriptors": [*known, *others],
    }


def _bucket(rate: Part) -> Plain:
    return {"max_tokens": rate.count, "tokens_per_fill": rate.count, "fill_interval": f"{rate.seconds:.6f}s"}


def _asleep(name: str, kind: str, **settings: object) -> Plain:
    return {"name": name, "typed_config": {"@type": f"{TYPE}{_HTTP}{kind}", **settings}, "disabled": True}
