"""TLS from a gateway to others: nobody is believed to be a host who cannot show it, unless an endpoint says so.

Each host has a context of its own, with the one name that it must show, so that a backend cannot stand in for another
of the same arm. The roots of the gateway's machine are named by its boot file, not by the control plane, which may be
elsewhere: where a machine has none, the gateway refuses the arms that need them.
"""

from ipaddress import ip_address
from typing import Final

from budwood.delivery.gateway.routes import Plain
from budwood.delivery.xds.messages import TYPE
from budwood.domain.traffic.endpoint import Arm, Backend
from budwood.domain.traffic.trust import ROOTS

_CONTEXT: Final = TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_MATCH: Final = "envoy.transport_socket_match"


def backend_tls(arm: Arm) -> Plain:
    """What an arm's cluster says of TLS: nothing for http. Its health is asked by the same."""
    hosts = dict.fromkeys(each.host for each in arm.backends if each.tls)
    matches = [{"name": host, "match": {"host": host}, "transport_socket": _to_backend(arm, host)} for host in hosts]
    # A host that matches none would otherwise be spoken to in the clear.
    return {"transport_socket": matches[0]["transport_socket"], "transport_socket_matches": matches} if hosts else {}


def which_tls(backend: Backend) -> Plain:
    """What a backend in a cluster says of which TLS is its own."""
    return {"metadata": {"filter_metadata": {_MATCH: {"host": backend.host}}}} if backend.tls else {}


def roots(file: str) -> Plain:
    """What a boot file says of the authorities that the machine has."""
    if not file:
        return {}
    return {"secrets": [{"name": ROOTS, "validation_context": {"trusted_ca": {"filename": file}}}]}


def secured(host: str, authorities: Plain, *, alpn: str = "") -> Plain:
    """TLS to whoever can show that it is ``host``."""
    return _socket(host, {"validation_context": {"trusted_ca": authorities, **_named(host)}}, alpn)


def _to_backend(arm: Arm, host: str) -> Plain:
    if not arm.trust.is_checked:
        return _socket(host, {})
    if arm.trust.ca:
        return secured(host, {"inline_string": arm.trust.ca})
    both: Plain = {
        "default_validation_context": _named(host),
        "validation_context_sds_secret_config": {"name": ROOTS},
    }
    return _socket(host, {"combined_validation_context": both})


def _socket(host: str, validation: Plain, alpn: str = "") -> Plain:
    context: Plain = {"tls_params": {"tls_minimum_protocol_version": "TLSv1_2"}, **validation}
    if alpn:
        context["alpn_protocols"] = [alpn]
    told = {} if _is_address(host) else {"sni": host}
    typed = {"@type": _CONTEXT, "common_tls_context": context, **told}
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed}


def _named(host: str) -> Plain:
    kind = "IP_ADDRESS" if _is_address(host) else "DNS"
    return {"match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}]}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
