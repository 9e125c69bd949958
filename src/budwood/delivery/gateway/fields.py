"""JSON bodies between clients and versions: a script checks them against a schema and moves fields. Plain values.

The script knows no endpoint: the rules of each come to it as data, with the route. It never builds a value from what
it reads: it finds where fields begin and end, and puts the pieces together anew, so numbers and texts stay as they
were written, to the last digit. What it cannot follow is refused: a body that is no JSON object, one that says a field
twice, and one that is too long or too deep.
"""

import json
from collections.abc import Iterable
from string import Template
from typing import Any, Final

from budwood.delivery.xds.messages import TYPE
from budwood.domain.limits import MAPPED_BODY_BYTES, MAPPED_FIELDS
from budwood.domain.traffic.endpoint import Endpoint
from budwood.domain.traffic.fields import FieldRule, Path, Schema

Plain = dict[str, Any]
FIELDS_FILTER: Final = "budwood.fields"
LUA: Final = "envoy.extensions.filters.http.lua.v3.Lua"
_DEPTH: Final = 200
_SCRIPT: Final = Template(r"""
local byte, find, match, sub = string.byte, string.find, string.match, string.sub
local most, fields, depth = $most, $fields, $depth
local head_header = "inference-header-content-length"

local function bad(why) error({why = why}, 0) end

local function blank(s, i) return find(s, "[^ \t\r\n]", i) or #s + 1 end

-- Without a pattern a quote is found many times faster; one behind an odd number of backslashes is the text's.
local function text_end(s, i)
  local from = i
  while true do
    i = find(s, '"', i, true)
    if not i then bad("it is no JSON") end
    local slashes = i
    while slashes > from and byte(s, slashes - 1) == 92 do slashes = slashes - 1 end
    if (i - slashes) % 2 == 0 then return i end
    i = i + 1
  end
end

-- The place behind the value that begins at i.
local function value_end(s, i)
  local c = byte(s, i)
  if c == 34 then return text_end(s, i + 1) + 1 end
  if c == 123 or c == 91 then
    local closes, n = {}, 0
    while true do
      i = find(s, '["{}%[%]]', i)
      if not i then bad("it is no JSON") end
      c = byte(s, i)
      if c == 34 then
        i = text_end(s, i + 1)
      elseif c == 123 or c == 91 then
        n = n + 1
        if n > depth then bad("it is too deep") end
        closes[n] = c + 2
      else
        if closes[n] ~= c then bad("it is no JSON") end
        n = n - 1
      end
      i = i + 1
      if n == 0 then return i end
    end
  end
  local behind = match(s, "^%-?%d+%.?%d*[eE]?[+-]?%d*()", i)
    or match(s, "^true()", i) or match(s, "^false()", i) or match(s, "^null()", i)
  if not behind then bad("it is no JSON") end
  return behind
end

local function point(n)
  if n < 128 then return string.char(n) end
  if n < 2048 then return string.char(192 + math.floor(n / 64), 128 + n % 64) end
  local low = string.char(128 + math.floor(n / 64) % 64, 128 + n % 64)
  if n < 65536 then return string.char(224 + math.floor(n / 4096)) .. low end
  return string.char(240 + math.floor(n / 262144), 128 + math.floor(n / 4096) % 64) .. low
end

local short = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}

-- What a name says, however it was written.
local function plain(name)
  if not find(name, "\\", 1, true) then return name end
  name = string.gsub(name, "\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
    return point(65536 + (tonumber(high, 16) - 55296) * 1024 + tonumber(low, 16) - 56320)
  end)
  local parts, from = {}, 1
  while true do
    local at = find(name, "\\", from, true)
    if not at then break end
    parts[#parts + 1] = sub(name, from, at - 1)
    local c = sub(name, at + 1, at + 1)
    if c == "u" then
      local digits = match(name, "^%x%x%x%x", at + 2)
      if not digits then bad("it is no JSON") end
      parts[#parts + 1] = point(tonumber(digits, 16))
      from = at + 6
    else
      parts[#parts + 1] = short[c] or c
      from = at + 2
    end
  end
  parts[#parts + 1] = sub(name, from)
  return table.concat(parts)
end

-- An object as a list of {name, name as it was written, value as it was written}.
local function members(s, i)
  if byte(s, i) ~= 123 then bad("it is no JSON object") end
  local list, seen = {}, {}
  i = blank(s, i + 1)
  if byte(s, i) == 125 then return list, i + 1 end
  while true do
    if byte(s, i) ~= 34 then bad("it is no JSON") end
    local e = text_end(s, i + 1)
    local name = plain(sub(s, i + 1, e - 1))
    if seen[name] then bad("it says a field twice") end
    seen[name] = true
    local at = blank(s, e + 1)
    if byte(s, at) ~= 58 then bad("it is no JSON") end
    at = blank(s, at + 1)
    local behind = value_end(s, at)
    list[#list + 1] = {name, sub(s, i, e), sub(s, at, behind - 1)}
    if #list > fields then bad("it has too many fields") end
    i = blank(s, behind)
    local c = byte(s, i)
    if c == 125 then return list, i + 1 end
    if c ~= 44 then bad("it is no JSON") end
    i = blank(s, i + 1)
  end
end

local function whole(s)
  local list, behind = members(s, blank(s, 1))
  if blank(s, behind) <= #s then bad("it is no JSON") end
  return list
end

local function member(object, name)
  for at, each in ipairs(object) do
    if each[1] == name then return each, at end
  end
end

-- The object in a member, opened once.
local function inside(each)
  if type(each[3]) == "string" then
    if byte(each[3], 1) ~= 123 then return nil end
    each[3] = members(each[3], 1)
  end
  return each[3]
end

local function written(value)
  if type(value) == "string" then return value end
  local parts = {}
  for at, each in ipairs(value) do parts[at] = each[2] .. ":" .. written(each[3]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The object that a path's last field is in, and the field, where there is one.
local function found(object, path)
  for at = 1, #path - 1 do
    local each = member(object, path[at])
    object = each and inside(each)
    if not object then return nil end
  end
  local each, at = member(object, path[#path])
  return each, object, at
end

local function put(object, path, quoted, value)
  for at = 1, #path - 1 do
    local each = member(object, path[at])
    if not each then
      each = {path[at], quoted[at], {}}
      object[#object + 1] = each
    end
    object = inside(each)
    if not object then bad(quoted[at] .. " is no object") end
  end
  local each = member(object, path[#path])
  if each then each[3] = value else object[#object + 1] = {path[#path], quoted[#path], value} end
end

local function changed(object, rules)
  for _, rule in ipairs(rules) do
    local each, parent, at = found(object, rule.path)
    if rule.act == "default" then
      if not each then put(object, rule.path, rule.quoted, rule.value) end
    elseif each then
      table.remove(parent, at)
      if rule.act == "move" then put(object, rule.to, rule.to_quoted, each[3]) end
    end
  end
end

local function kind_of(value)
  if type(value) ~= "string" then return "object" end
  local c = byte(value, 1)
  if c == 34 then return "string" end
  if c == 123 then return "object" end
  if c == 91 then return "array" end
  if c == 110 then return "null" end
  if c == 116 or c == 102 then return "boolean" end
  return find(value, "[.eE]") and "number" or "integer"
end

local function check_fields(object, wanted)
  for _, want in ipairs(wanted) do
    local each = found(object, want.path)
    if each then
      local kind = kind_of(each[3])
      if not want.kinds[kind] and not (kind == "integer" and want.kinds.number) then
        bad(want.said .. " is no " .. want.kinds_said)
      end
    elseif want.required then
      bad(want.said .. " is missing")
    end
  end
end

local function elements(s)
  if byte(s, 1) ~= 91 then bad("inputs is no list") end
  local list, i = {}, blank(s, 2)
  if byte(s, i) == 93 then return list end
  while true do
    local behind = value_end(s, i)
    list[#list + 1] = sub(s, i, behind - 1)
    if #list > fields then bad("it has too many inputs") end
    i = blank(s, behind)
    local c = byte(s, i)
    if c == 93 then return list end
    if c ~= 44 then bad("it is no JSON") end
    i = blank(s, i + 1)
  end
end

local function said(object, name)
  local each = member(object, name)
  return each and each[3] or ""
end

local function check_tensor(object, want)
  if said(object, "datatype") ~= want.datatype then bad(want.said .. " is not of datatype " .. want.datatype) end
  local sides = elements(said(object, "shape"))
  local fits = #sides == #want.shape
  for at, side in ipairs(want.shape) do
    fits = fits and find(sides[at], "^%d+$$") and (side < 0 or tonumber(sides[at]) == side)
  end
  if not fits then bad(want.said .. " does not have the shape " .. want.shape_said) end
end

local function check_tensors(object, wanted)
  local inputs = member(object, "inputs")
  if not inputs then bad("inputs is missing") end
  local there = {}
  for _, text in ipairs(elements(inputs[3])) do
    local tensor = members(text, 1)
    local name = said(tensor, "name")
    local want = nil
    for _, each in ipairs(wanted) do
      if byte(name, 1) == 34 and each.name == plain(sub(name, 2, -2)) then want = each end
    end
    if not want then bad("an input is not known here") end
    if there[want.name] then bad(want.said .. " is there twice") end
    there[want.name] = true
    check_tensor(tensor, want)
  end
  for _, want in ipairs(wanted) do
    if want.required and not there[want.name] then bad(want.said .. " is missing") end
  end
end

local function renamed(headers, names)
  for _, each in ipairs(names or {}) do
    local value = headers:get(each.from)
    if value then
      headers:remove(each.from)
      headers:replace(each.to, value)
    end
  end
end

-- Why not, or nil and the body as it is to be.
local function mapped(text, rules, wanted)
  local done, found_out = pcall(function()
    local object = whole(text)
    if wanted and wanted.fields then check_fields(object, wanted.fields) end
    if wanted and wanted.tensors then check_tensors(object, wanted.tensors) end
    if not rules then return text end
    changed(object, rules)
    return written(object)
  end)
  if done then return nil, found_out end
  if type(found_out) == "table" then return found_out.why end
  return "it cannot be read"
end

-- With tensors in binary a body has them behind its JSON, and a header says how long the JSON is.
local function parted(headers, text)
  local said = headers:get(head_header)
  if not said then return text, "" end
  if not find(said, "^%d+$$") or #said > 9 or tonumber(said) > #text then return nil end
  return sub(text, 1, tonumber(said)), sub(text, tonumber(said) + 1)
end

local function set(headers, body, text, behind)
  local size = body:setBytes(text .. behind)
  if headers:get("content-length") then headers:replace("content-length", string.format("%d", size)) end
  if headers:get(head_header) then headers:replace(head_header, string.format("%d", #text)) end
end

function envoy_on_request(handle)
  local context = handle:filterContext()
  renamed(handle:headers(), context:get("request_headers"))
  local rules, wanted = context:get("request"), context:get("schema")
  if not rules and not wanted then return end
  local body = handle:body(true)
  if body:length() > most then
    return handle:respond({[":status"] = "413"}, "the body is longer than $most bytes")
  end
  local text, behind = parted(handle:headers(), body:getBytes(0, body:length()))
  local why, made = "it is shorter than its " .. head_header, nil
  if text then why, made = mapped(text, rules, wanted) end
  if why then return handle:respond({[":status"] = "400"}, "the body does not fit: " .. why) end
  if made ~= text then set(handle:headers(), body, made, behind) end
end

-- An event, as a list of lines with their ends, by the rules. What it says in several lines is one text.
local function mapped_event(event, rules)
  local said, others = {}, {}
  for _, line in ipairs(event) do
    local text = match(line, "^data: ?(.-)\r?\n?$$")
    -- Clients may end a line where a \r is, and would read there what is not looked at here.
    if find(line, "\r[^\n]") then return "it is no event" end
    if text then
      said[#said + 1] = text
    elseif match(line, "^:") or match(line, "^event") or match(line, "^id") or match(line, "^retry") then
      others[#others + 1] = line
    elseif match(line, "[^\r\n]") then
      return "it is no event"
    end
  end
  local text = table.concat(said, "\n")
  if text == "" or text == "[DONE]" then return nil, table.concat(event) end
  local why, made = mapped(text, rules)
  if why then return why end
  return nil, table.concat(others) .. "data: " .. string.gsub(made, "\r?\n", "\ndata: ") .. "\n\n"
end

local refused = '{"error":{"code":502,"message":"the answer does not fit"}}'

-- Events pass as soon as they are whole; a piece may begin and end anywhere. Behind one that cannot be followed nothing
-- passes any more, because rules may be there to take something away.
local function stream(handle, rules)
  handle:headers():remove("content-length")
  local event, line, held, why, last = {}, {}, 0, nil, nil

  local function ended(text, is_end)
    line[#line + 1] = text
    local whole_line = table.concat(line)
    line = {}
    event[#event + 1] = whole_line
    if not is_end and match(whole_line, "[^\r\n]") then return "" end
    local made
    why, made = mapped_event(event, rules)
    event, held = {}, 0
    return why and "data: " .. refused .. "\n\n" or made
  end

  local function passed(text)
    local parts, from = {}, 1
    while not why do
      local at = find(text, "\n", from, true)
      held = held + (at or #text) - from + 1
      if held > most or #event > fields then
        why = "it is too long"
        parts[#parts + 1] = "data: " .. refused .. "\n\n"
      elseif not at then
        line[#line + 1] = sub(text, from)
        break
      else
        parts[#parts + 1] = ended(sub(text, from, at), false)
        from = at + 1
      end
    end
    return table.concat(parts)
  end

  for chunk in handle:bodyChunks() do
    last = chunk
    local length = chunk:length()
    if length > 0 then chunk:setBytes(passed(chunk:getBytes(0, length))) end
  end
  -- What was begun and not ended. Behind trailers there is no piece left that could hold it.
  if not why and held > 0 and last then
    local made = ended("", true)
    pcall(function() last:setBytes(last:getBytes(0, last:length()) .. made) end)
  end
end

function envoy_on_response(handle)
  local context = handle:filterContext()
  local headers = handle:headers()
  renamed(headers, context:get("response_headers"))
  local rules = context:get("response")
  if not rules or headers:get(":status") ~= "200" then return end
  local kind, packed = headers:get("content-type") or "", headers:get("content-encoding")
  local is_stream = find(kind, "^text/event%-stream")
  if is_stream and not packed then return stream(handle, rules) end
  if not is_stream and not find(kind, "^application/json") and not headers:get(head_header) then return end
  local body = handle:body(true)
  headers = handle:headers()  -- what was held before the wait is gone
  local why, made, text, behind = "it is packed", nil, nil, ""
  if body:length() > most then
    why = "it is longer than $most bytes"
  elseif not packed then
    why = "it is shorter than its " .. head_header
    text, behind = parted(headers, body:getBytes(0, body:length()))
    if text then why, made = mapped(text, rules) end
  end
  if why then
    headers:replace(":status", "502")
    headers:remove("content-encoding")
    headers:remove(head_header)
    headers:replace("content-type", "application/json")
    made, behind = refused, ""
  end
  set(headers, body, made, behind)
end
""")
SCRIPT: Final = _SCRIPT.substitute(most=MAPPED_BODY_BYTES, fields=MAPPED_FIELDS, depth=_DEPTH)


def fields_filter() -> Plain:
    """Asleep for endpoints that have no rules."""
    return {
        "name": FIELDS_FILTER,
        "typed_config": {"@type": TYPE + LUA, "default_source_code": {"inline_string": SCRIPT}},
        "disabled": True,
    }


def maps_answers(endpoint: Endpoint) -> bool:
    """Whether its answers must come unpacked."""
    return bool(endpoint.response_fields)


def mapped_routes(endpoint: Endpoint) -> Plain:
    """What an endpoint's routes say to the filter."""
    context: Plain = {
        "request": [_rule(each) for each in endpoint.request_fields],
        "response": [_rule(each) for each in endpoint.response_fields],
        "request_headers": _pairs(endpoint.rename_request_headers.items()),
        "response_headers": _pairs(endpoint.rename_response_headers.items()),
        "schema": _schema(endpoint.schema) if endpoint.schema else {},
    }
    said = {name: value for name, value in context.items() if value}
    if not said:
        return {}
    kind = "envoy.extensions.filters.http.lua.v3.LuaPerRoute"
    return {FIELDS_FILTER: {"@type": TYPE + kind, "filter_context": said}}


def _rule(rule: FieldRule) -> Plain:
    said: Plain = {"act": str(rule.act), "path": list(rule.path), "quoted": _quoted(rule.path)}
    if rule.to:
        said |= {"to": list(rule.to), "to_quoted": _quoted(rule.to)}
    return said | ({"value": rule.value} if rule.value else {})


def _schema(schema: Schema) -> Plain:
    fields = [
        {
            "path": list(each.path),
            "said": _said(".".join(each.path)),
            "kinds": {str(kind): True for kind in each.kinds},
            "kinds_said": " or ".join(each.kinds),
            "required": each.required,
        }
        for each in schema.fields
    ]
    tensors = [
        {
            "name": each.name,
            "said": each.name,
            "datatype": f'"{each.datatype}"',
            "shape": list(each.shape),
            "shape_said": json.dumps(each.shape),
            "required": each.required,
        }
        for each in schema.tensors
    ]
    return {name: value for name, value in (("fields", fields), ("tensors", tensors)) if value}


def _pairs(names: Iterable[tuple[str, str]]) -> list[Plain]:
    return [{"from": old, "to": new} for old, new in names]


def _quoted(path: Path) -> list[str]:
    return [json.dumps(name) for name in path]


def _said(name: str) -> str:
    """For people, in a header's alphabet."""
    return name.encode("ascii", "replace").decode()
