"""One service of another issuer's tokens for all of these tests; its key set comes over https."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.identity.issuer import AUDIENCE, NAME, Issuer, SigningKey
from tests.scenarios.service import Service, wait_until
from tests.server import TestServer


@dataclass(frozen=True)
class Bank:
    """A service, its issuer, and the keys that the issuer's set holds as long as nothing else is said."""

    service: Service
    issuer: Issuer
    ed: SigningKey
    ec: SigningKey
    rsa: SigningKey
    pss: SigningKey
    twins: tuple[SigningKey, SigningKey]
    """Two keys that the set gives one name."""

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        return self.ed, self.ec, self.rsa, self.pss, *self.twins

    def status(self, token: str, path: str = "/v1/customers") -> int:
        """How a request with that token is answered."""
        return self.service.http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.fixture(scope="package")
def bank(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("issuer")
    ed, ec, rsa, pss = (SigningKey.new(f"{name}-1", name) for name in ("EdDSA", "ES256", "RS256", "PS256"))
    twins = SigningKey.new("twin"), SigningKey.new("twin")
    with Issuer.running(folder) as issuer, server.database() as conninfo:
        issuer.offer(ed, ec, rsa, pss, *twins)
        settings = {
            "DOSSIER_DEVELOPMENT": "false",
            "DOSSIER_JWKS_URL": issuer.url,
            "DOSSIER_JWT_ISSUER": NAME,
            "DOSSIER_JWT_AUDIENCE": AUDIENCE,
            "DOSSIER_JWKS_AGAIN_SECONDS": "0.1",
            "DOSSIER_JWKS_REFRESH_SECONDS": "1",
            "SSL_CERT_FILE": str(issuer.authority),
            "NO_PROXY": "127.0.0.1",
        }
        with Service.start(folder / "data", conninfo, **settings) as service:
            yield Bank(service, issuer, ed, ec, rsa, pss, twins)
        assert service.complaints() == "", service.log.read_text()


@pytest.fixture
def rotating(bank: Bank) -> Iterator[Bank]:
    """The same, whose issuer is as it was before when the test is over."""
    yield bank
    bank.issuer.location = None
    bank.issuer.offer(*bank.keys)
    wait_until(lambda: bank.status(bank.ed.token()) == 200)
