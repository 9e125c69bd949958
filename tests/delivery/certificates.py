"""Certificates of machines and of authorities, made by a test."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from budwood.delivery.tls import Tls


def certificate(folder: Path, name: str, host: str = "127.0.0.1") -> Tls:
    """Of a machine, vouched for by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _kept(folder, name, key, _signed(key, name, host, key, name))


@dataclass(frozen=True)
class Authority:
    """Whoever has ``pem`` believes the certificates that it makes."""

    name: str
    key: ec.EllipticCurvePrivateKey
    pem: str

    @classmethod
    def made(cls, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        made = _signed(key, name, "", key, name)
        return cls(name, key, made.public_bytes(serialization.Encoding.PEM).decode())

    def vouches(self, folder: Path, name: str, host: str) -> Tls:
        """A certificate of a machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _kept(folder, name, key, _signed(key, name, host, self.key, self.name))


def _signed(
    key: ec.EllipticCurvePrivateKey, name: str, host: str, signer: ec.EllipticCurvePrivateKey, issuer: str
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(_name(issuer), _name(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=key is signer, path_length=None), critical=True)
    )
    if host:
        made = made.add_extension(x509.SubjectAlternativeName([_host(host)]), critical=False)
    return made.sign(signer, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _kept(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, made: x509.Certificate) -> Tls:
    tls = Tls(folder / f"{name}.crt", folder / f"{name}.key")
    tls.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    tls.key.write_bytes(key.private_bytes(*form))
    return tls
