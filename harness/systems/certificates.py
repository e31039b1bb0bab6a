"""Certificates of one run: its own authority, a certificate for each node and one for the clients."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Wide, because clock faults take servers years off.
_VALID: Final = dt.timedelta(days=3650)
_USES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Pair(msgspec.Struct, frozen=True):
    """A certificate and its key, in PEM."""

    cert: bytes
    key: bytes


class Authority:
    """Signs certificates; its key never leaves the process."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quorate")])
        built = self._builder(self._name, self._key.public_key())
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        signed = built.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.cert = signed.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, address: str | None = None) -> Pair:
        """Return a certificate for a node at this address (and on loopback), or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = self._builder(subject, key.public_key())
        built = built.add_extension(x509.ExtendedKeyUsage(_USES), critical=False)
        if address is not None:
            places = [x509.IPAddress(ipaddress.ip_address(each)) for each in (address, "127.0.0.1")]
            built = built.add_extension(
                x509.SubjectAlternativeName([*places, x509.DNSName(name)]), critical=False
            )
        cert = built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        return Pair(cert, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _VALID)
            .not_valid_after(now + _VALID)
            # Python asks for both from 3.13 on.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
