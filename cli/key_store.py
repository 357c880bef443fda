"""The key store as the service needs it at its start: migrated, that of its ledger, its key encryption keys at hand."""

from __future__ import annotations

from contextlib import ExitStack

from cli.errors import CliError
from db.migrate import migrate, migrate_keys
from db.pool import sync_pool
from ledger.errors import KeyEncryptionError
from ledger.keys import kek_at, require_keys_of
from ledger.pool import pool_of_keys
from settings import Settings


def migrate_all(conninfo: str, settings: Settings) -> list[str]:
    """Bring the ledger's schema up to date, and that of the keys' own database; what was applied.

    Raises what migrate raises.
    """
    applied = migrate(conninfo)
    if settings.keys_conninfo is not None:
        applied += migrate_keys(settings.keys_conninfo)
    return applied


def ensure_keys(conninfo: str, settings: Settings) -> None:
    """Make the key that wraps the data keys where none can exist yet; else read it once. Raises CliError."""
    try:
        with ExitStack() as stack:
            ledger = stack.enter_context(sync_pool(conninfo, "dossier_app", min_size=1, max_size=1, autocommit=True))
            keys = stack.enter_context(pool_of_keys(settings.keys_conninfo, "dossier_app", ledger, most=1))
            require_keys_of(ledger, keys)
            kek_at(settings.kek_file, keys, settings.kek_text)
    except KeyEncryptionError as error:
        raise CliError(str(error)) from error
