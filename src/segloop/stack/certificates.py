"""Certificates for the object store's internal gRPC ports, so that no other local process can use them."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from segloop.stack.home import Home

LIFETIME = datetime.timedelta(days=3650)
RENEW_BEFORE = datetime.timedelta(days=365)


def ensure(home: Home, folder: Path) -> None:
    """Write ca.crt, node.crt and node.key for 127.0.0.1 into `folder`, anew when missing or in their last year.

    The authority's private key is thrown away: nothing can be signed by it later.
    """
    if (folder / "node.key").exists():
        certificate = x509.load_pem_x509_certificate((folder / "node.crt").read_bytes())
        if certificate.not_valid_after_utc - RENEW_BEFORE > datetime.datetime.now(datetime.UTC):
            return
    authority_key, node_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("segloop-authority", authority_key, authority_key, is_authority=True)
    node = _certificate("segloop-node", node_key, authority_key, is_authority=False)
    pem = serialization.Encoding.PEM
    key_text = node_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The key goes last: its presence says that the set is complete.
    for name, content in (
        ("ca.crt", authority.public_bytes(pem)),
        ("node.crt", node.public_bytes(pem)),
        ("node.key", key_text),
    ):
        home.write_private(folder / name, content.decode(), for_server=True)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "segloop-authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        loopback = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(loopback), critical=False)
    return builder.sign(signer, hashes.SHA256())
