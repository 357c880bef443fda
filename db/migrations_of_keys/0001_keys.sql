-- The schema `keys` of a database of its own (KEYS_DATABASE_URL). A test proves it equal to the one that migrations/ makes
-- beside the ledger.

CREATE SCHEMA keys;
COMMENT ON SCHEMA keys IS 'Wrapped data keys. A database of its own in production, with its own short backup retention.';

-- Roles belong to the whole server, so two databases may create them at the same moment: the loser of the race
-- waits for the winner's commit and then finds the role there.
DO $roles$
DECLARE
    role_name text;
    -- Until 15 a member could always SET ROLE; since 16 who creates a role is a member who cannot.
    may_take CONSTANT text := CASE
        WHEN pg_catalog.current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET'
    END;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'dossier_app', 'dossier_sealer', 'dossier_signer', 'dossier_eraser', 'dossier_projector', 'dossier_reader'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_catalog.pg_has_role(role_name, may_take) THEN
            BEGIN
                EXECUTE pg_catalog.format('GRANT %I TO CURRENT_USER', role_name);
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END
$roles$;

CREATE TABLE keys.schema_migration (
    name text PRIMARY KEY CHECK (name ~ '^[0-9]{4}_[a-z0-9_]+$'),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE keys.schema_migration IS 'One row per migration applied to this database, written in its own transaction.';

CREATE TABLE keys.subject_key (
    subject uuid PRIMARY KEY,
    wrapped bytea NOT NULL,
    kek text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'held', 'destroyed')),
    erased_by uuid,
    destroyed_at timestamptz,
    CONSTRAINT subject_key_destroyed CHECK (
        (state = 'destroyed') = (erased_by IS NOT NULL)
        AND (state = 'destroyed') = (destroyed_at IS NOT NULL)
        AND (state <> 'destroyed' OR octet_length(wrapped) = 0)
    )
);
COMMENT ON TABLE keys.subject_key IS 'One data key per data subject, wrapped by a key that is not in the database.';
COMMENT ON COLUMN keys.subject_key.kek IS 'Name of the wrapping key.';
COMMENT ON COLUMN keys.subject_key.state IS 'held: under legal hold, must not be destroyed. destroyed: wrapped holds nothing that opens anything.';
COMMENT ON COLUMN keys.subject_key.erased_by IS 'The event that destroyed the key.';
COMMENT ON COLUMN keys.subject_key.destroyed_at IS 'From then on nobody can read the key here; who had read it before lets go of it within a minute.';

-- Empty until the first rotation: until then whatever key is at hand may wrap.
CREATE TABLE keys.kek (
    id text PRIMARY KEY CHECK (id <> ''),
    epoch bigint NOT NULL UNIQUE CHECK (epoch >= 1),
    state text NOT NULL CHECK (state IN ('current', 'former', 'retired')),
    since timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX kek_current_idx ON keys.kek (state) WHERE state = 'current';
COMMENT ON TABLE keys.kek IS 'The keys that wrap the data keys, by name alone: which one may wrap, and which ones are to be found nowhere any more.';
COMMENT ON COLUMN keys.kek.epoch IS 'The order in which they came to wrap. Whoever has a copy of this schema from an epoch needs its key to open it.';
COMMENT ON COLUMN keys.kek.state IS 'former: opens what it wrapped, and wraps nothing. retired: wraps nothing any more and is to be destroyed.';
COMMENT ON COLUMN keys.kek.since IS 'When it came to be in that state.';

GRANT USAGE ON SCHEMA keys
    TO dossier_app, dossier_sealer, dossier_signer, dossier_eraser, dossier_projector, dossier_reader;
GRANT SELECT ON keys.schema_migration TO dossier_app, dossier_reader;
GRANT SELECT, INSERT ON keys.subject_key TO dossier_app;
GRANT SELECT ON keys.subject_key TO dossier_projector, dossier_reader;
GRANT SELECT, INSERT, UPDATE ON keys.subject_key TO dossier_eraser;
GRANT SELECT ON keys.kek TO dossier_app, dossier_projector, dossier_reader;
