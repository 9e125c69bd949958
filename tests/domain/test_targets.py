"""Where webhooks may go: never to what only the server can reach."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import TARGET_CHARS
from budwood.domain.targets import Target, embedded, why_not_public
from budwood.errors import BadValue

INSIDE = """
127.0.0.1 127.9.9.9 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
100.127.255.255 192.0.0.8 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
:: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 100::1 fec0::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
::127.0.0.1 2002:7f00:1::1 2002:a9fe:a9fe::1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::a00:1 fd00:ec2::254
2001:0:4136:e378:8000:63bf:80ff:fffe
"""
OUTSIDE = """
1.1.1.1 8.8.8.8 93.184.215.14 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 2606:4700::1111 2a00:1450::1
"""
NO_TARGET = """
ftp://a.example/ file:///etc/passwd gopher://a.example/ //a.example/ a.example https:/a.example https://
https://user:pw@a.example/ https://user@a.example/ https://a.example@evil.example/ https://a.example/x#y
https://a.example:0/ https://a.example:65536/ https://a.example:25/ https://a.example:6379/ https://a.example:+80/
https://0x7f000001/ https://2130706433/ https://017700000001/ https://127.1/ https://0177.0.0.1/ https://127.0.0.0x1/
https://a..example/ https://-a.example/ https://a-.example/ https://[::1/ https://[::g]/ https://[fe80::1%25eth0]/
https://a.example\\@evil.example/ https://a.example/\u00e9 https://\u0430.example/ javascript:alert(1)
"""


@pytest.mark.parametrize("text", INSIDE.split())
def test_an_address_only_the_server_can_reach_is_not_public(text: str) -> None:
    assert why_not_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", OUTSIDE.split())
def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert why_not_public(ipaddress.ip_address(text)) == ""


@given(st.ip_addresses())
def test_only_global_addresses_are_public(address: IPv4Address | IPv6Address) -> None:
    if why_not_public(address) == "":
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_disguise(inner: IPv4Address) -> None:
    number = int(inner)
    disguises = [
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x2002 << 112) | (number << 80) | 1),
        IPv6Address((0x64FF9B << 96) | number),
    ]
    for disguise in disguises:
        assert embedded(disguise) == inner
        assert why_not_public(disguise) == (why_not_public(inner) or "translated")


def test_an_admin_may_open_a_network() -> None:
    inside = ipaddress.ip_network("10.1.0.0/16")
    assert why_not_public(IPv4Address("10.1.2.3"), [inside]) == ""
    assert why_not_public(IPv6Address("::ffff:10.1.2.3"), [inside]) == ""
    assert why_not_public(IPv4Address("10.2.0.1"), [inside]) == "private"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com/a/b?c=d", Target("https", "hooks.example.com", 443, "/a/b?c=d")),
        ("http://Example.COM.:8080", Target("http", "example.com", 8080, "/")),
        ("https://example.com?x=1", Target("https", "example.com", 443, "/?x=1")),
        ("https://[2606:4700::1111]:8443/", Target("https", "2606:4700::1111", 8443, "/")),
        ("https://8.8.8.8/x", Target("https", "8.8.8.8", 443, "/x")),
    ],
)
def test_a_plain_address_is_read(url: str, target: Target) -> None:
    assert Target.parse(url) == target


@pytest.mark.parametrize("url", ["", "https://a.example/x\ty", "https://a.example/ ", *NO_TARGET.split()])
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(BadValue) as caught:
        Target.parse(url)
    assert "user" not in caught.value.message


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    for url in (text, "https://" + text, "http://a.example" + text):
        try:
            target = Target.parse(url)
        except BadValue:
            continue
        assert target.scheme in ("http", "https")
        assert target.path.isascii()
        assert target.path.startswith("/")
        assert not set("@/\\ #") & set(target.host)


def test_an_address_has_a_longest() -> None:
    start = "https://a.example/"
    assert Target.parse(start + "x" * (TARGET_CHARS - len(start))).host == "a.example"
    with pytest.raises(BadValue):
        Target.parse(start + "x" * (TARGET_CHARS - len(start) + 1))


def test_a_literal_address_needs_no_resolver() -> None:
    literal = Target.parse("http://127.0.0.1/").literal
    assert literal is not None
    assert why_not_public(literal) == "loopback"
    assert Target.parse("http://localhost/").literal is None
