"""Reading the model's name out of a request in OpenAI's style, in the gateway itself.

The first 4 KB of the body are walked once, at the top of the object only: a "model" inside a message is not the
request's. The name is checked before it becomes a header, ``/ns/NAMESPACE`` leaves the path for the header, and a route
is chosen again.
"""

from string import Template
from typing import Final

from budwood.delivery.gateway.names import MODEL_HEADER, OPEN_HEADER, SCOPE_HEADER

HEAD_BYTES: Final = 4_096
PATHS: Final = ("chat/completions", "completions", "embeddings")
_SCRIPT: Final = Template("""
local paths = {$paths}

local function text_end(s, i)
  while true do
    i = string.find(s, '["\\\\]', i)
    if not i then return nil end
    if string.byte(s, i) == 34 then return i end
    i = i + 2
  end
end

local function model_of(s)
  local depth, i = 0, 1
  while true do
    i = string.find(s, '["{}%[%]]', i)
    if not i then return nil end
    local c = string.byte(s, i)
    if c == 123 or c == 91 then
      depth = depth + 1
      i = i + 1
    elseif c == 125 or c == 93 then
      depth = depth - 1
      i = i + 1
    else
      local e = text_end(s, i + 1)
      if not e then return nil end
      if depth == 1 and string.sub(s, i, e) == '"model"' then
        local name = string.match(s, '^%s*:%s*"([%w%.@:_/-]+)"', e + 1)
        if name then return name end
      end
      i = e + 1
    end
  end
end

local function refuse(handle, status, message)
  local body = '{"error": {"code": ' .. status .. ', "message": "' .. message .. '"}}'
  handle:respond({[":status"] = tostring(status), ["content-type"] = "application/json"}, body)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path")
  local room, rest = string.match(path, "^/ns/([%w-]+)(/v1/.*)$$")
  if not room then room, rest = "default", path end
  if not paths[string.match(rest, "^/v1/([%w/]+)")] then
    return refuse(handle, 404, "there is nothing here")
  end
  local body = handle:body(true)
  local model = model_of(body:getBytes(0, math.min(body:length(), $head)))
  if not model then
    return refuse(handle, 400, "name the model in the first 4 KB of a JSON object")
  end
  headers = handle:headers()  -- what was held before the wait is gone
  headers:replace("$model", room .. "/" .. model)
  headers:replace("$open", "1")
  headers:replace(":path", rest)
  headers:replace("$scope", "/m/" .. room .. "/" .. string.gsub(model, "/", "|") .. "/////")
  handle:clearRouteCache()
  if not handle:metadata():get("known") then
    return refuse(handle, 404, "no model here has this name")
  end
end
""")
MODEL_SCRIPT: Final = _SCRIPT.substitute(
    paths=", ".join(f'["{path}"] = true' for path in PATHS),
    head=HEAD_BYTES,
    model=MODEL_HEADER,
    open=OPEN_HEADER,
    scope=SCOPE_HEADER,
)
