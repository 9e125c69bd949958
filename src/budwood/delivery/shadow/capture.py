"""What a gateway keeps of copied requests. Pure: values in, Envoy's values out.

A sampled request is copied to a second listener of the same gateway, a socket beside its log, which asks the shadow's
arm. On both sides a small script keeps the first bytes of the bodies as they pass, without holding them back, and both
write a line into one log; the request's id joins the two. Requests that are not sampled never meet the script. A body
with tensors in binary is written in base64, with the length of its JSON: as a text it would lose bytes.
"""

from pathlib import PurePosixPath
from typing import Any, Final

from budwood.delivery.xds.messages import TYPE

Plain = dict[str, Any]
METADATA: Final = "budwood.capture"
BASELINE_SIDE: Final = "baseline"
SHADOW_SIDE: Final = "shadow"
_OF_BODIES: Final = ("asked", "answered")
_SCRIPT: Final = """
local function keep(handle, name)
  local most = handle:metadata():get("body_bytes") or 0
  local told = handle:streamInfo():dynamicMetadata()
  told:set("budwood.capture", "sampled", true)
  if most == 0 then return end
  local head = handle:headers():get("inference-header-content-length")
  local parts, kept, size = {}, 0, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if kept < most and length > 0 then
      local part = chunk:getBytes(0, math.min(length, most - kept))
      parts[#parts + 1] = part
      kept = kept + #part
    end
    size = size + length
  end
  told = handle:streamInfo():dynamicMetadata()  -- what was held before the wait is gone
  local body = table.concat(parts)
  if head then
    told:set("budwood.capture", name .. "_head", head)
    body = handle:base64Escape(body)
  end
  told:set("budwood.capture", name, body)
  told:set("budwood.capture", name .. "_bytes", size)
end
function envoy_on_request(handle) keep(handle, "asked") end
function envoy_on_response(handle) keep(handle, "answered") end
"""


def script(*, everywhere: bool = False) -> Plain:
    """The filter: on the sampled routes alone, unless it is ``everywhere``."""
    kind = "envoy.extensions.filters.http.lua.v3.Lua"
    return {
        "name": "envoy.filters.http.lua",
        "disabled": not everywhere,
        "typed_config": {"@type": TYPE + kind, "default_source_code": {"inline_string": _SCRIPT}},
    }


def captures_path(log: str) -> str:
    """Where the captures of a gateway lie, beside its access log."""
    return str(PurePosixPath(log).parent / "captures.log")


def captures_log(log: str, side: str) -> Plain:
    """One line of JSON for each sampled request and for each copy: ``domain/compared/captures.py`` reads it."""
    fields = {
        "at": "%START_TIME(%s.%6f)%",
        "request": "%REQ(X-REQUEST-ID)%",
        "side": side,
        "endpoint": "%METADATA(ROUTE:budwood:endpoint)%",
        "generation": "%METADATA(ROUTE:budwood:generation)%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "code": "%RESPONSE_CODE%",
        "us": "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%",
        **{
            name: f"%DYNAMIC_METADATA({METADATA}:{name})%"
            for name in (*_OF_BODIES, *(f"{name}_{more}" for name in _OF_BODIES for more in ("bytes", "head")))
        },
    }
    kind = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
    sampled = {"filter": METADATA, "path": [{"key": "sampled"}], "value": {"bool_match": True}}
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"metadata_filter": {"matcher": sampled, "match_if_key_not_found": False}},
        "typed_config": {"@type": TYPE + kind, "path": captures_path(log), "log_format": {"json_format": fields}},
    }
