"""The way from a gateway's machine to its control plane, as its boot file says it: address, TLS, token."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc

from budwood.delivery.gateway.config import CONTROL
from budwood.delivery.logs.wire import METHOD, SERVICE, Piece
from budwood.errors import Forbidden, GatewayDown, Unauthenticated

_OPTIONS: Final = (("grpc.max_receive_message_length", -1),)
_CHECK_S: Final = 5.0
_REFUSED: Final = {grpc.StatusCode.UNAUTHENTICATED: Unauthenticated, grpc.StatusCode.PERMISSION_DENIED: Forbidden}
_HINT: Final = "Its token must be good, of an account with the role 'gateway' in some namespace, and the name its own."


@dataclass(frozen=True, slots=True)
class WayHome:
    """``authorities`` is a file, empty where there is no TLS."""

    address: str
    authorities: str = ""
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, live: dict[str, Any]) -> "WayHome":
        """Read it in the boot file that asks the control plane."""
        (cluster,) = (each for each in live["static_resources"]["clusters"] if each["name"] == CONTROL)
        where = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        host = f"[{where['address']}]" if ":" in where["address"] else where["address"]
        tls = cluster.get("transport_socket", {}).get("typed_config", {}).get("common_tls_context", {})
        (service,) = live["dynamic_resources"]["ads_config"]["grpc_services"]
        metadata = tuple((each["key"], each["value"]) for each in service.get("initial_metadata", ()))
        authorities = tls.get("validation_context", {}).get("trusted_ca", {}).get("filename", "")
        return cls(f"{host}:{where['port_value']}", authorities, metadata)

    def channel(self) -> grpc.Channel:
        """A connection, made when it is first needed. Raises OSError when there is no file of authorities."""
        if not self.authorities:
            return grpc.insecure_channel(self.address, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(Path(self.authorities).read_bytes())
        return grpc.secure_channel(self.address, credentials, options=_OPTIONS)

    def check(self, gateway: str) -> None:
        """That the control plane answers, and lets this gateway in. Raises GatewayDown, Unauthenticated,
        Forbidden, OSError."""
        with self.channel() as channel:
            ask: Any = channel.stream_stream(f"/{SERVICE}/{METHOD}")
            question = Piece(gateway, "none", 0).packed()
            try:
                next(ask(iter([question]), metadata=self.metadata, timeout=_CHECK_S), None)
            except grpc.RpcError as error:
                code, details = (error.code(), error.details()) if isinstance(error, grpc.Call) else (None, str(error))
                if code is grpc.StatusCode.UNIMPLEMENTED:
                    return  # An earlier one, that asks for nothing.
                if (refused := _REFUSED.get(code)) is not None:
                    said = f"The control plane refuses this gateway: {details}"
                    raise refused(said[:500], hint=_HINT) from error
                said = f"The control plane at {self.address} does not answer: {details}"
                raise GatewayDown(said[:500], hint="Look at --control, --ca and 'budwood serve'.") from error
