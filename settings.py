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

    database_url: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("DATABASE_URL", "DOSSIER_DATABASE_URL", "database_url"))
    ] = None
    """A libpq URL or keywords. None means the embedded server of the data folder."""

    sample: bool = True
    """Whether an empty database is filled with the sample customers when the service starts."""

    jwt_key_file: Annotated[Path, Field(default_factory=lambda fields: fields["data"] / "keys" / "jwt.pem")]
    """The private key that signs development tokens, PEM; its public half verifies them."""

    kek_file: Annotated[Path, Field(default_factory=lambda fields: fields["data"] / "keys" / "kek")]
    """The key that wraps the data keys of customers and contact persons."""

    read_wait_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long a read waits for its read model to pass the asked event before it answers 503."""

    jwt_issuer: str = "dossier"
    jwt_audience: str = "dossier"

    url: str | None = None
    """Where a client finds the service; None means the service of the data folder."""

    token: SecretStr | None = None
    """What a client shows to the service; None means the development token of the data folder."""

    @property
    def conninfo(self) -> str | None:
        """How to connect to the database, password included; None while the embedded server is meant."""
        return self.database_url.get_secret_value() if self.database_url else None
