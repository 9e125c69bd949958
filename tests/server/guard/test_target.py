"""Which addresses are looked at at all."""

from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.server.http_limits import HttpLimits
from budwood.server.http_target import refuse_target

LIMITS = HttpLimits()
TOKEN = b"bw_" + b"A1b2C3d4" * 5


def code(path: bytes, query: bytes = b"") -> str:
    refusal = refuse_target(path, query, LIMITS)
    return refusal.code if refusal else ""


NOT_PLAIN = rb"""
/.. /a/../b /. /a/./b /a/.. // //evil /a//b /%2e%2e/x /%2E%2e%2fx /.%2e/x /%252e%252e%252f /a%2500 /a% /a%4 /a%zz
/a;b /a;../../x /a%3bx /a\b /a%5cb /a%00b /a%0d%0ab /a%7f /a%c2%80 /%c0%ae%c0%ae/x /%ff /%ed%a0%80 /%e0%80%af
/%e2%80%a8 a * http://evil/ /a%2f..%2fb /a/%2e /..%00/
""".split()
PLAIN = b"""
/ /healthz /v1/namespaces/risk/models/fraud-detector/versions/1.2.0-rc.1+b5 /v1/a@champion /v1/a/ /v1/%D1%84 /v1/a%20b
/v1/a..b /v1/... /.well-known/x /v1/sha256:abc /v1/a%2Fb /v1/a%25
""".split()


@pytest.mark.parametrize("path", [b"", *NOT_PLAIN])
def test_a_path_that_is_not_plain_is_refused(path: bytes) -> None:
    assert code(path) == "bad_url_path"


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_path_passes(path: bytes) -> None:
    assert code(path) == ""


@given(st.binary(max_size=40))
def test_what_passes_decodes_to_one_plain_path(tail: bytes) -> None:
    path = b"/" + tail
    if code(path):
        return
    text = unquote_to_bytes(path).decode("utf-8")
    assert not {"", ".", ".."} & set(text.split("/")[1:-1])
    assert text.split("/")[-1] not in (".", "..")
    assert not any(ord(c) < 32 or c in "\\;\x7f" for c in text)
    assert unquote_to_bytes(text.encode()) == text.encode(), "decoding once more changes nothing"


@given(
    st.text(
        st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="/\\;%"), min_size=1, max_size=60
    )
)
def test_any_name_passes_when_encoded_once(name: str) -> None:
    if name in (".", ".."):
        assert code(b"/v1/" + quote(name, safe="").encode()) == "bad_url_path"
    else:
        assert code(b"/v1/" + quote(name, safe="").encode()) in ("", "secret_in_url")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", ""),
        (b"filter=metrics.auc%20%3E%200.9&limit=5", ""),
        (b"filter=a%25b", ""),
        (b"a=%", "bad_query"),
        (b"a=%ff", "bad_query"),
        (b"a=%c0%ae", "bad_query"),
        (b"a=%00", "bad_query"),
        (b"a=%1b[31m", "bad_query"),
        (b"&".join([b"a=1"] * 100), ""),
        (b"&".join([b"a=1"] * 1_101), "too_many_parameters"),
        (b";".join([b"a=1"] * 1_101), "too_many_parameters"),
        (b"a=1&" * 50_000, "url_too_long"),
        (b"token=x", "secret_in_url"),
        (b"limit=5&ACCESS_TOKEN=x", "secret_in_url"),
        (b"%74oken=x", "secret_in_url"),
        (b"x=" + TOKEN, "secret_in_url"),
        (b"page_token=x", ""),
    ],
)
def test_a_query_is_bounded_decodable_and_holds_no_token(query: bytes, expected: str) -> None:
    assert code(b"/v1/versions", query) == expected


def test_a_token_in_the_path_is_refused_however_it_is_encoded() -> None:
    assert code(b"/v1/" + TOKEN) == "secret_in_url"
    assert code(b"/v1/" + b"".join(b"%%%02x" % byte for byte in TOKEN)) == "secret_in_url"


def test_an_address_has_a_longest() -> None:
    assert code(b"/" + b"a" * (LIMITS.url_bytes - 1)) == ""
    assert code(b"/" + b"a" * LIMITS.url_bytes) == "url_too_long"
