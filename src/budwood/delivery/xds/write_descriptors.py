"""``python -m budwood.delivery.xds.write_descriptors``: make ``descriptors.xz`` from the interface files of Envoy.

Run by hand when Envoy's interface moves, in an environment of its own with xds-protos and grpcio: that package owns the
same top-level name as the gateway's program, so the two cannot lie beside each other. The result is the description of
the messages that we send and read (field names and numbers, Apache-2.0), and nothing else.
"""

import importlib
import lzma
from pathlib import Path
from typing import Any

_HTTP = "envoy.extensions.filters.http."
_MODULES = (
    "envoy.service.discovery.v3.discovery_pb2",
    "envoy.service.runtime.v3.rtds_pb2",
    "envoy.service.ratelimit.v3.rls_pb2",
    "envoy.config.bootstrap.v3.bootstrap_pb2",
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.route.v3.route_pb2",
    "envoy.type.matcher.v3.http_inputs_pb2",
    "envoy.extensions.access_loggers.file.v3.file_pb2",
    "envoy.extensions.access_loggers.stats.v3.stats_pb2",
    f"{_HTTP}api_key_auth.v3.api_key_auth_pb2",
    f"{_HTTP}buffer.v3.buffer_pb2",
    f"{_HTTP}header_mutation.v3.header_mutation_pb2",
    f"{_HTTP}health_check.v3.health_check_pb2",
    f"{_HTTP}json_to_metadata.v3.json_to_metadata_pb2",
    f"{_HTTP}jwt_authn.v3.config_pb2",
    f"{_HTTP}local_ratelimit.v3.local_rate_limit_pb2",
    f"{_HTTP}lua.v3.lua_pb2",
    f"{_HTTP}ratelimit.v3.rate_limit_pb2",
    f"{_HTTP}rbac.v3.rbac_pb2",
    f"{_HTTP}router.v3.router_pb2",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2",
    "envoy.extensions.transport_sockets.tls.v3.tls_pb2",
    "envoy.extensions.upstreams.http.v3.http_protocol_options_pb2",
)


def main() -> None:
    """Write the file beside this one."""
    from google.protobuf import descriptor_pb2

    found = descriptor_pb2.FileDescriptorSet()
    known: set[str] = set()

    def add(file: Any) -> None:
        if file.name in known:
            return
        known.add(file.name)
        for needed in file.dependencies:
            add(needed)
        file.CopyToProto(found.file.add())

    for name in _MODULES:
        add(importlib.import_module(name).DESCRIPTOR)
    packed = lzma.compress(found.SerializeToString(), preset=9 | lzma.PRESET_EXTREME)
    (Path(__file__).parent / "descriptors.xz").write_bytes(packed)


if __name__ == "__main__":
    main()
