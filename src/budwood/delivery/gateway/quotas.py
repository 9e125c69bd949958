"""Tokens of language models: how a gateway writes down what was used, and refuses who used up theirs. Plain values.

One script reads what an answer says of its use as it passes, without holding it back, for the access log; the control
plane counts. The other is made anew whenever somebody is over: it holds who is refused and until when, so a period
ends in the gateway by itself, also when the control plane is away. Neither is run for endpoints without a quota.
"""

from collections.abc import Iterable
from string import Template
from typing import Any, Final

from budwood.delivery.xds.messages import TYPE
from budwood.domain.traffic.endpoint import TENANT_HEADER, Endpoint, Routing

Plain = dict[str, Any]
QUOTA_FILTER: Final = "budwood.quota"
USAGE_FILTER: Final = "budwood.usage"
USAGE_METADATA: Final = "budwood.usage"
LUA: Final = "envoy.extensions.filters.http.lua.v3.Lua"
_USE_BYTES: Final = 2_048
_USAGE: Final = Template("""
local function number(s, ...)
  for _, name in ipairs({...}) do
    local digits = string.match(s, '"' .. name .. '"%s*:%s*(%d+)')
    if digits and #digits < 16 then return tonumber(digits) end
  end
end

local function told(handle, use)
  local prompt = number(use, "prompt_tokens", "input_tokens")
  local completion = number(use, "completion_tokens", "output_tokens")
  if not prompt and not completion then prompt = number(use, "total_tokens") end
  local written = handle:streamInfo():dynamicMetadata()
  if prompt then written:set("$metadata", "prompt_tokens", prompt) end
  if completion then written:set("$metadata", "completion_tokens", completion) end
end

-- What is said last holds: a stream may say it again and again.
local function last_use(s)
  local from, found = 1, nil
  while true do
    -- Without a pattern it is found many times faster.
    local begins = string.find(s, '"usage"', from, true)
    if not begins then return found, string.sub(s, math.max(from, #s - 63)) end
    local _, brace = string.find(s, '^"usage"%s*:%s*{', begins)
    local use = brace and string.match(s, "^%b{}", brace)
    if use then
      found, from = use, brace + #use
    elseif not brace and #s - begins > 63 then
      from = begins + 7
    elseif #s - begins > $most then
      from = begins + 7
    else
      return found, string.sub(s, begins)
    end
  end
end

function envoy_on_response(handle)
  if not handle:filterContext():get("counted") or handle:headers():get("content-encoding") then return end
  local rest, found = "", nil
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      found, rest = last_use(rest .. chunk:getBytes(0, length))
      if found then told(handle, found) end
    end
  end
end
""")
_REFUSE: Final = Template("""
local refused = {}
for endpoint, tenant, till in string.gmatch("$refused", "(%S+) /(%S*) (%d+)") do
  local plain = string.gsub(tenant, "%%(%x%x)", function(x) return string.char(tonumber(x, 16)) end)
  refused[endpoint .. " " .. plain] = tonumber(till)
end

function envoy_on_request(handle)
  local endpoint = handle:filterContext():get("endpoint")
  if not endpoint then return end
  local till = refused[endpoint .. " " .. (handle:headers():get("$tenant") or "")]
  if not till then return end
  local left = till - handle:timestamp()
  if left <= 0 then return end
  local seconds = string.format("%d", math.ceil(left / 1000))
  handle:respond({[":status"] = "429", ["retry-after"] = seconds}, "the quota of tokens is used up")
end
""")


def usage_filter() -> Plain:
    """What reads the answers, nearest to the backends: before anything changes them."""
    script = _USAGE.substitute(metadata=USAGE_METADATA, most=_USE_BYTES)
    return {
        "name": USAGE_FILTER,
        "typed_config": {"@type": TYPE + LUA, "default_source_code": {"inline_string": script}},
        "disabled": True,
    }


def quota_filter() -> Plain:
    """What refuses. It comes from the control plane by itself: nobody's connection is closed for it."""
    told = {"config_source": {"ads": {}, "resource_api_version": "V3"}, "type_urls": [TYPE + LUA]}
    return {"name": QUOTA_FILTER, "config_discovery": told, "disabled": True}


def quotas(routings: Iterable[Routing]) -> Plain:
    """Who is refused now, of every endpoint."""
    every = "; ".join(
        f"{each.key} /{_escaped(tenant)} {until_ms}"
        for each in routings
        for tenant, until_ms in sorted(each.refused.items())
    )
    script = _REFUSE.substitute(refused=every, tenant=TENANT_HEADER)
    return {
        "name": QUOTA_FILTER,
        "typed_config": {"@type": TYPE + LUA, "default_source_code": {"inline_string": script}},
    }


def counts_tokens(endpoint: Endpoint) -> bool:
    """Whether what it answers is counted."""
    return endpoint.quota is not None or bool(endpoint.tenant_quotas)


def counted_routes(routing: Routing) -> Plain:
    """What an endpoint's routes say to both filters."""
    if not counts_tokens(routing.endpoint):
        return {}
    kind = "envoy.extensions.filters.http.lua.v3.LuaPerRoute"
    return {
        QUOTA_FILTER: {"@type": TYPE + kind, "filter_context": {"endpoint": routing.key}},
        USAGE_FILTER: {"@type": TYPE + kind, "filter_context": {"counted": True}},
    }


def _escaped(tenant: str) -> str:
    """Nothing that a script, or the list in it, could mean something by."""
    return "".join(f"%{byte:02x}" for byte in tenant.encode("utf-8", "surrogateescape"))
