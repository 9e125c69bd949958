"""The certificate of a port that speaks gRPC, read anew when its file changes: a renewed one needs no restart."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc

from budwood.errors import BadValue

_LOG: Final = logging.getLogger("budwood.tls")


@dataclass(slots=True)
class Tls:
    """``certificate`` is a chain in PEM, ``key`` its private key in PEM. ``port`` is whose they are, in words."""

    certificate: Path
    key: Path
    port: str = "control port"
    _had: tuple[bytes, bytes] = field(default=(b"", b""), repr=False)

    def credentials(self) -> grpc.ServerCredentials:
        """For a server. Raises BadValue when they are none."""
        try:
            self._had = self._read()
        except OSError as error:
            raise BadValue(f"{error.filename} cannot be read: {error.strerror}.") from error
        if b"BEGIN CERTIFICATE" not in self._had[0] or b"PRIVATE KEY" not in self._had[1]:
            raise BadValue(f"The {self.port} needs a certificate and its key, both in PEM.")
        return grpc.dynamic_ssl_server_credentials(self._as_grpc(), self._newest, require_client_authentication=False)

    def _newest(self) -> "grpc.ServerCertificateConfiguration | None":
        """Asked at each connection; None where nothing changed."""
        try:
            now = self._read()
        except OSError as error:
            _LOG.warning("the certificate of the %s stays: %s", self.port, error)
            return None
        if now == self._had:
            return None
        self._had = now
        return self._as_grpc()

    def _read(self) -> tuple[bytes, bytes]:
        return self.certificate.read_bytes(), self.key.read_bytes()

    def _as_grpc(self) -> "grpc.ServerCertificateConfiguration":
        certificate, key = self._had
        return grpc.ssl_server_certificate_configuration([(key, certificate)])
