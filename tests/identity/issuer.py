"""An issuer of tokens for tests: keys of every kind, a set of them over https, tokens as good or bad as wanted."""

from __future__ import annotations

import json
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

NAME: Final = "https://issuer.example/realms/bank"
AUDIENCE: Final = "https://dossier.example"

PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True)
class SigningKey:
    """A private key with its name and the algorithm that it signs by."""

    kid: str
    algorithm: str
    private: PrivateKey

    @classmethod
    def new(cls, kid: str, algorithm: str = "EdDSA") -> SigningKey:
        match algorithm:
            case "EdDSA":
                return cls(kid, algorithm, Ed25519PrivateKey.generate())
            case "ES256":
                return cls(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
            case _:
                return cls(kid, algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public half, as a set names it."""
        kind = jwt.get_algorithm_by_name(self.algorithm)
        content: dict[str, Any] = kind.to_jwk(self.private.public_key(), as_dict=True)
        content.pop("key_ops", None)
        return {**content, "kid": self.kid, "use": "sig", "alg": self.algorithm, **members}

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, signed: bytes) -> bytes:
        kind = jwt.get_algorithm_by_name(self.algorithm)
        signature: bytes = kind.sign(signed, self.private)
        return signature

    def header(self, **changed: Any) -> dict[str, Any]:
        return without_none({"typ": "at+jwt", "alg": self.algorithm, "kid": self.kid, **changed})

    def token(self, content: Mapping[str, Any] | bytes | None = None, **header: Any) -> str:
        """A token with those claims, or those bytes in their place; a header member None is left out."""
        payload = content if isinstance(content, bytes) else json.dumps(claims() if content is None else content)
        return self.raw(
            json.dumps(self.header(**header)).encode(), payload if isinstance(payload, bytes) else payload.encode()
        )

    def raw(self, header: bytes, payload: bytes) -> str:
        signed = f"{base64url(header)}.{base64url(payload)}"
        return f"{signed}.{base64url(self.sign(signed.encode()))}"


def claims(**changed: Any) -> dict[str, Any]:
    """Good claims but for the changed ones; None leaves one out."""
    now = int(time.time())
    good = {
        "iss": NAME,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 3600,
        "sub": "u-118",
        "client_id": "console",
        "jti": "5f0c",
        "roles": ["viewer"],
    }
    return without_none({**good, **changed})


def without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


@dataclass
class Issuer:
    """A server of a key set, whose `document` may be replaced; None: it answers 503. `asked` counts the questions."""

    url: str
    authority: Path
    document: bytes | None = None
    asked: int = 0
    location: str | None = None
    """Where it redirects to."""
    paths: list[str] = field(default_factory=list)

    def offer(self, *keys: SigningKey) -> None:
        self.document = json.dumps({"keys": [key.jwk() for key in keys]}).encode()

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Issuer]:
        """Serve on this machine; `authority` is the file with the certificate that clients have to trust."""
        authority, key_file = _certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority, key_file)
        issuer = cls("", authority)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(issuer))
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        issuer.url = f"https://127.0.0.1:{server.server_port}/jwks"
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            issuer.paths.append(self.path)
            if issuer.location is not None:
                self.send_response(302)
                self.send_header("Location", issuer.location)
            else:
                self.send_response(503 if issuer.document is None else 200)
            body = issuer.document or b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, key_file = folder / "authority.pem", folder / "issuer.key"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return authority, key_file
