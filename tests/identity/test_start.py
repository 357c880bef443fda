"""A service whose issuer is away when it starts: it lives, lets nobody in, says why, and heals by itself."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import httpx

from tests.cli.service import PATIENCE_SECONDS, launch, wait_until
from tests.identity.issuer import AUDIENCE, NAME, Issuer, SigningKey


def test_a_service_without_keys_is_alive_and_not_ready_until_it_has_some(tmp_path: Path, database: str) -> None:
    key = SigningKey.new("a")
    with Issuer.running(tmp_path) as issuer:
        settings = {
            "DOSSIER_DEVELOPMENT": "false",
            "DOSSIER_JWKS_URL": issuer.url,
            "DOSSIER_JWT_ISSUER": NAME,
            "DOSSIER_JWT_AUDIENCE": AUDIENCE,
            "DOSSIER_JWKS_AGAIN_SECONDS": "0.1",
            "SSL_CERT_FILE": str(issuer.authority),
            "NO_PROXY": "127.0.0.1",
            "DATABASE_URL": database,
        }
        url = f"http://127.0.0.1:{_free_port()}"
        headers = {"Authorization": f"Bearer {key.token()}"}
        with launch(tmp_path / "data", "--port", url.rpartition(":")[2], **settings) as process:
            try:
                with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as http:
                    wait_until(lambda: _is_alive(http) and _missing(http) == ["issuer"])
                    refused = http.get("/v1/customers", headers=headers)
                    assert (refused.status_code, refused.json()["type"]) == (
                        503,
                        "urn:dossier:problem:issuer-unavailable",
                    )
                    assert refused.headers["Retry-After"]
                    issuer.offer(key)
                    wait_until(lambda: http.get("/readyz").status_code == 200)
                    assert http.get("/v1/customers", headers=headers).status_code == 200
                wait_until((tmp_path / "data" / "service.json").exists)
                # What another issuer's tokens open, none of ours does: there is no key, no token, and no sample.
                assert not (tmp_path / "data" / "token").exists()
                assert not (tmp_path / "data" / "keys" / "jwt.pem").exists()
            finally:
                process.terminate()
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, err
    assert "DEVELOPMENT MODE" not in err
    assert "token" not in out
    assert "sample" not in out


def _is_alive(http: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return http.get("/healthz").status_code == 200
    return False


def _missing(http: httpx.Client) -> list[str]:
    return [each["pointer"] for each in http.get("/readyz").json().get("errors", [])]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
