-- The evidence (schema ledger), the keys that open it (schema keys), and the roles that may touch them.

CREATE SCHEMA ledger;
COMMENT ON SCHEMA ledger IS 'The evidence: what was recorded, in which order, and the proof of it. Insert-only.';
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

CREATE TABLE ledger.schema_migration (
    name text PRIMARY KEY CHECK (name ~ '^[0-9]{4}_[a-z0-9_]+$'),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ledger.schema_migration IS 'One row per migration applied to this database, written in its own transaction.';
COMMENT ON COLUMN ledger.schema_migration.sha256 IS 'Digest of the file as it was applied: a migration that was edited later is refused.';

CREATE TABLE ledger.event (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    type text NOT NULL,
    entry bytea NOT NULL CHECK (octet_length(entry) <= 65535),
    PRIMARY KEY (stream, version)
);
COMMENT ON TABLE ledger.event IS 'One row per recorded event. The primary key is the concurrency control.';
COMMENT ON COLUMN ledger.event.version IS 'Dense within a stream; our codec starts at 1, the event sourcing library''s own tests at 0.';
COMMENT ON COLUMN ledger.event.type IS 'Repeats the type inside the entry, for queries; the entry is what counts.';
COMMENT ON COLUMN ledger.event.entry IS 'The exact bytes that are hashed into the log, written once and never re-serialised.';

CREATE TABLE ledger.payload (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    part smallint NOT NULL CHECK (part >= 0),
    ct bytea NOT NULL,
    PRIMARY KEY (stream, version, part)
);
COMMENT ON TABLE ledger.payload IS 'The encrypted parts of an event. No foreign key to event: both are distributed by stream.';
COMMENT ON COLUMN ledger.payload.ct IS 'Ciphertext under a key of the part''s data subject; its hash is in the entry.';

CREATE TABLE ledger.unsealed (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger.unsealed IS 'A queue, not evidence: events that have no place in the log yet. The sealer empties it.';
COMMENT ON COLUMN ledger.unsealed.id IS 'Order of insertion, with gaps, visible out of order: a set to work off, never a cursor.';

CREATE TABLE ledger.log (
    idx bigint PRIMARY KEY CHECK (idx >= 0),
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    known_at timestamptz NOT NULL,
    UNIQUE (stream, version)
);
CREATE INDEX log_known_at_idx ON ledger.log (known_at, idx);
COMMENT ON TABLE ledger.log IS 'The total order of events, given after commit by the sealer. The primary key fences a second sealer.';
COMMENT ON COLUMN ledger.log.idx IS 'Dense from 0. Position, as everything else calls it, is idx + 1.';
COMMENT ON COLUMN ledger.log.hash IS 'Leaf hash of the entry.';
COMMENT ON COLUMN ledger.log.known_at IS 'Running maximum of recorded_at in log order: what "as known at T" is measured by.';

CREATE TABLE ledger.checkpoint (
    made_at timestamptz PRIMARY KEY,
    size bigint NOT NULL CHECK (size >= 0)
);
COMMENT ON TABLE ledger.checkpoint IS 'The size of the log at an instant, also when nothing happened: makes answers about the past final.';

CREATE TABLE ledger.idempotency (
    key text PRIMARY KEY CHECK (char_length(key) BETWEEN 1 AND 255),
    actor text NOT NULL,
    request_mac bytea NOT NULL,
    stream uuid NOT NULL,
    first_version bigint NOT NULL CHECK (first_version >= 0),
    last_version bigint NOT NULL,
    status smallint NOT NULL,
    profile_version bigint NOT NULL CHECK (profile_version >= 0),
    masked jsonb,
    CHECK (last_version >= first_version)
);
COMMENT ON TABLE ledger.idempotency IS 'Accepted commands by idempotency key, kept for ever. The answer is rebuilt from stream and versions.';
COMMENT ON COLUMN ledger.idempotency.request_mac IS 'MAC of the request under a key derived from the subject''s data key, so that it dies with it.';
COMMENT ON COLUMN ledger.idempotency.status IS 'HTTP status of the first answer.';
COMMENT ON COLUMN ledger.idempotency.profile_version IS 'Version of the last event that had changed the profile when the command was answered.';
COMMENT ON COLUMN ledger.idempotency.masked IS 'What the answer said about facts hidden behind later ones; null when there were none.';

CREATE TABLE keys.subject_key (
    subject uuid PRIMARY KEY,
    wrapped bytea NOT NULL,
    kek text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'held', 'destroyed'))
);
COMMENT ON TABLE keys.subject_key IS 'One data key per data subject, wrapped by a key that is not in the database.';
COMMENT ON COLUMN keys.subject_key.kek IS 'Name of the wrapping key.';
COMMENT ON COLUMN keys.subject_key.state IS 'held: under legal hold, must not be destroyed. destroyed: wrapped holds nothing that opens anything.';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'DS001',
        MESSAGE = format('%s.%s is evidence: %s is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP),
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME;
END
$body$;
COMMENT ON FUNCTION ledger.refuse_change() IS 'Refuses the statement with SQLSTATE DS001, whoever runs it.';

-- Per statement, not per row: a statement that would have changed nothing is refused as well.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.payload
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.log
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.idempotency
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger.unsealed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
-- ALWAYS: also for a session that sets session_replication_role to replica.
ALTER TABLE ledger.event ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.log ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.checkpoint ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.idempotency ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.unsealed ENABLE ALWAYS TRIGGER refuse_truncate;

GRANT USAGE ON SCHEMA ledger, keys
    TO dossier_app, dossier_sealer, dossier_signer, dossier_eraser, dossier_projector, dossier_reader;
GRANT SELECT ON ledger.schema_migration TO dossier_app, dossier_reader;
GRANT SELECT, INSERT ON ledger.event, ledger.payload, ledger.unsealed, ledger.idempotency TO dossier_app;
GRANT SELECT ON ledger.log, ledger.checkpoint TO dossier_app;
GRANT SELECT, INSERT ON keys.subject_key TO dossier_app;
GRANT SELECT ON ledger.event TO dossier_sealer;
GRANT SELECT, DELETE ON ledger.unsealed TO dossier_sealer;
GRANT SELECT, INSERT ON ledger.log, ledger.checkpoint TO dossier_sealer;
GRANT SELECT ON ledger.event, ledger.payload, ledger.log, ledger.checkpoint, keys.subject_key TO dossier_projector;
GRANT SELECT ON
    ledger.event, ledger.payload, ledger.unsealed, ledger.log, ledger.checkpoint, ledger.idempotency,
    keys.subject_key
    TO dossier_reader;
