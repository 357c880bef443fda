"""Every setting of the program, read from the environment at the edge and passed on as one argument.

Names in the environment are DOSSIER_<FIELD>; the database's is also plain DATABASE_URL. What must stay true: only
cli and api import this module, and no other code reads the environment for itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Immutable. What the command line says is passed to the constructor and goes before the environment."""

    model_config = SettingsConfigDict(
        env_prefix="DOSSIER_", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    data: Path = Path("data")
    """The folder of the embedded database, the keys, and what clients need to find the service."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """How many API processes share the port; each has a writer and connections of its own."""

    database_url: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("DATABASE_URL", "DOSSIER_DATABASE_URL", "database_url"))
    ] = None
    """A libpq URL or keywords. None means the embedded server of the data folder."""

    database_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How long the start waits for a server that does not let us in yet; with 0 it says so and ends at once."""

    sample: bool = True
    """Whether an empty database is filled with the sample customers when the service starts."""

    development: bool = False
    """Whether the service believes tokens that `dossier token` signs on this machine, for whomever it is asked."""

    jwt_key_file: Annotated[Path, Field(default_factory=lambda fields: fields["data"] / "keys" / "jwt.pem")]
    """The private key that signs development tokens, PEM; its public half verifies them."""

    kek_file: Annotated[Path, Field(default_factory=lambda fields: fields["data"] / "keys" / "kek")]
    """The keys that wrap the data keys of customers and contact persons: the one that wraps now is the first line."""

    kek: SecretStr | None = None
    """The same as text instead of a file, apart by blanks."""

    keys_database_url: Annotated[
        SecretStr | None,
        Field(validation_alias=AliasChoices("KEYS_DATABASE_URL", "DOSSIER_KEYS_DATABASE_URL", "keys_database_url")),
    ] = None
    """The database of the schema `keys`; None means the ledger's."""

    log_key_file: Annotated[Path, Field(default_factory=lambda fields: fields["data"] / "keys" / "log")]
    """The key that signs the log; its name is the log's origin."""

    log_origin: str | None = None
    """The name of the log, for a key that is yet to be made; a key of another name is refused. None takes any."""

    log_former_keys: Annotated[str, Field(pattern=r"^\s*([^\s+]+\+[0-9a-f]{8}\+[0-9A-Za-z+/]+=*\s*)*$")] = ""
    """Verifier keys, apart by blanks, that signed this log before: under an earlier name, before a restore. Checkpoints
    that they signed are held against the log like those of today's key."""

    log_memory_file: Annotated[Path, Field(default_factory=lambda fields: fields["data"] / "signer" / "signed")]
    """What the signer remembers outside of the database: the checkpoint that it signed last."""

    read_ledger: bool = True
    """Whether it is recorded who read what (docs/read-ledger.md)."""

    read_wait_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long a read waits for its read model to pass the asked event before it answers 503."""

    scrub_events_per_second: Annotated[int, Field(ge=0)] = 1000
    """How fast the scrubber looks through the log, over and over; 0 means that there is none."""

    # What one API process bears. Beyond it clients are told to come back (503); see docs/operating.md, "Limits".

    connections: Annotated[int, Field(ge=1)] = 2048
    """How many connections of clients are served at once."""

    orders_waiting: Annotated[int, Field(ge=1)] = 4096
    changes_waiting: Annotated[int, Field(ge=1)] = 20_000
    """How many orders, and changes in them, wait for the writer at once."""

    reads_waiting: Annotated[int, Field(ge=1)] = 1024
    """How many reads wait for a connection to the database at once."""

    body_bytes: Annotated[int, Field(ge=1)] = 16 * 1024 * 1024
    """How many bytes of bodies are under way at once, from the first to the answer; parsed they weigh up to 35 times
    as much."""

    answer_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """How many bytes of answers may wait to be read by their clients at once."""

    head_seconds: Annotated[float, Field(gt=0)] = 10.0
    body_seconds: Annotated[float, Field(gt=0)] = 30.0
    answer_seconds: Annotated[float, Field(gt=0)] = 60.0
    idle_seconds: Annotated[float, Field(gt=0)] = 75.0
    """How long a client may take to send the head of a request, to send the body, to read an answer, and to ask again.
    A proxy in front must let go of an idle connection sooner than we do."""

    request_seconds: Annotated[float, Field(gt=0)] = 120.0
    """How long a request may take until its answer begins."""

    requests_per_second: Annotated[int, Field(ge=0)] = 0
    """How many requests one principal may send to one API process, for twice as many at once; 0: any number."""

    events_per_minute: Annotated[int, Field(ge=0)] = 10_000_000
    """How many events one API process opens for one principal (replays, evidence), and rows it gives out to one (whole
    tables); 0: any number."""

    request_log: bool = True
    """Whether each request is a line of the log."""

    otlp_endpoint: str | None = None
    """Where spans of requests are sent, OTLP over HTTP; None means nowhere. Needs the extra `otel`."""

    behind_tls: bool = False
    """Whether clients come by TLS, which something in front ends: then browsers are told to come by nothing else."""

    # Whose bearer tokens are believed; see docs/identity.md.

    jwks_file: Path | None = None
    jwks_url: Annotated[str, Field(pattern=r"^https://[^\s/?#@]+([/?][^\s#]*)?$")] | None = None
    """Where the issuer's public keys are read, a JWK set: one of both, unless this is for development."""

    jwks_refresh_seconds: Annotated[float, Field(ge=1)] = 300.0
    """How often the address is asked for the set."""

    jwks_again_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How soon at the earliest it is asked once more: after a failure, and for a token with a key that is not known."""

    jwks_max_age_seconds: Annotated[float, Field(gt=0)] = 86_400.0
    """How long the last set counts while the address gives out none."""

    jwt_issuer: str = "dossier"
    jwt_audience: str = "dossier"

    jwt_types: str = "at+jwt"
    """What the header `typ` of a token may be, apart by blanks; during development JWT and nothing are taken too."""

    jwt_leeway_seconds: Annotated[float, Field(ge=0, le=300)] = 30.0
    """By how much the issuer's clock may differ from ours."""

    jwt_roles_claim: Annotated[str, Field(pattern="^/.")] = "/roles"
    """Where in a token's claims the roles are, as a JSON Pointer."""

    jwt_scope_claim: Annotated[str, Field(pattern="^/.")] = "/scope"
    """Where the scopes are, as a JSON Pointer. Where there are none, a token may do all that its roles may."""

    jwt_service_claim: Annotated[str, Field(pattern="^[^=]+=.+$")] | None = None
    """A claim and its value, NAME=VALUE, by which the issuer marks the tokens of programs."""

    url: str | None = None
    """Where a client finds the service; None means the service of the data folder."""

    token: SecretStr | None = None
    """What a client shows to the service; None means the development token of the data folder."""

    purpose: str | None = None
    """What a client reads for: a code, and more in one's own words after a semicolon (docs/read-ledger.md)."""

    @property
    def issuer_obstacle(self) -> str | None:
        """Why it is not settled whose tokens are believed; None when it is."""
        sources = [self.development, self.jwks_file is not None, self.jwks_url is not None]
        if not any(sources):
            return (
                "nobody could come in: name your issuer of tokens (DOSSIER_JWKS_URL or DOSSIER_JWKS_FILE, see "
                "docs/identity.md), or say --development (DOSSIER_DEVELOPMENT=true), where anybody on this machine can "
                "be anybody"
            )
        if sum(sources) > 1:
            return "DOSSIER_DEVELOPMENT, DOSSIER_JWKS_FILE and DOSSIER_JWKS_URL exclude each other"
        if not self.development and "jwt_issuer" not in self.model_fields_set:
            return "DOSSIER_JWT_ISSUER must say what the tokens name as their issuer"
        return None

    @property
    def conninfo(self) -> str | None:
        """How to connect to the database, password included; None while the embedded server is meant."""
        return self.database_url.get_secret_value() if self.database_url else None

    @property
    def keys_conninfo(self) -> str | None:
        """How to connect to the data keys' own database; None while they are in the ledger's."""
        return self.keys_database_url.get_secret_value() if self.keys_database_url else None

    @property
    def kek_text(self) -> str | None:
        """The key encryption keys, when they are not in a file."""
        return self.kek.get_secret_value() if self.kek else None
