"""What a server bears of one request and one connection. The defaults are the named limits; tests shorten them."""

from dataclasses import dataclass

from budwood.domain import limits


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Sizes in bytes, times in seconds. docs/limits.md says what each bounds."""

    url_bytes: int = limits.URL_BYTES
    query_terms: int = limits.QUERY_TERMS
    header_fields: int = limits.HEADER_FIELDS
    head_bytes: int = limits.HEAD_BYTES
    requests_at_once: int = limits.REQUESTS_AT_ONCE
    requests_ahead: int = limits.REQUESTS_AHEAD
    connections: int = limits.CONNECTIONS
    head_s: float = limits.HEAD_S
    slow_body_s: float = limits.SLOW_BODY_S
    slow_body_rate: float = limits.SLOW_BODY_RATE
    stalled_answer_s: float = limits.STALLED_ANSWER_S
    keep_alive_s: int = limits.KEEP_ALIVE_S
    linger_s: float = limits.LINGER_S


@dataclass(frozen=True, slots=True)
class Door:
    """What the route table says of one path and method before anything is read.

    ``methods`` that the path has (empty: no such path), the longest body, and the media type a body must have
    ("" for any). ``encodings`` are those it may come in, beside none: whoever reads it bounds what it expands to.
    """

    methods: frozenset[str] = frozenset()
    body_bytes: int = limits.REQUEST_BYTES
    media_type: str = "application/json"
    encodings: frozenset[bytes] = frozenset()
