-- The whole schema as it is now, to be read. A database is made by migrations/, and a test proves that both give the
-- same. Change: a new file in migrations/, and the same here.

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
CREATE INDEX event_erasure_idx ON ledger.event (stream, version) WHERE type = 'customer.personal-data-erased';
CREATE INDEX event_staff_idx ON ledger.event (stream, version, type) WHERE type LIKE 'staff.%';
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
COMMENT ON TABLE ledger.log IS 'The total order of events, given after commit by the sealer. The primary key fences a second sealer.';
COMMENT ON COLUMN ledger.log.idx IS 'Dense from 0. Position, as everything else calls it, is idx + 1.';
COMMENT ON COLUMN ledger.log.hash IS 'Leaf hash of the entry.';
COMMENT ON COLUMN ledger.log.known_at IS 'Running maximum of recorded_at in log order: what "as known at T" is measured by.';

CREATE TABLE ledger.checkpoint (
    made_at timestamptz PRIMARY KEY,
    size bigint NOT NULL CHECK (size >= 0),
    root bytea
);
-- Not valid for rows from before the tree: no evidence is rewritten.
ALTER TABLE ledger.checkpoint ADD CONSTRAINT checkpoint_root_check
    CHECK (root IS NOT NULL AND octet_length(root) = 32) NOT VALID;
COMMENT ON TABLE ledger.checkpoint IS 'The size of the log at an instant, also when nothing happened: makes answers about the past final.';
COMMENT ON COLUMN ledger.checkpoint.root IS 'Root of the tree over the first size places of the log; null only in rows from before the tree.';

CREATE TABLE ledger.node (
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
    idx bigint NOT NULL CHECK (idx >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, idx)
);
COMMENT ON TABLE ledger.node IS 'The Merkle tree above the log: one row per complete subtree of 256^level leaves. Level 0 is ledger.log.';
COMMENT ON COLUMN ledger.node.idx IS 'Dense from 0 within a level: the subtree over the leaves from idx * 256^level on.';

CREATE TABLE ledger.signature (
    size bigint PRIMARY KEY CHECK (size >= 0),
    note text NOT NULL CHECK (note <> ''),
    timestamp_token bytea,
    made_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ledger.signature IS 'The checkpoints that the signer has signed, word for word as they are given out.';
COMMENT ON COLUMN ledger.signature.timestamp_token IS 'An RFC 3161 time stamp of the note; null when none was asked for.';

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

CREATE TABLE ledger.erasure (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    unreadable_since timestamptz NOT NULL,
    scrubbed_since timestamptz,
    keys_kept uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (stream, version)
);
COMMENT ON TABLE ledger.erasure IS 'What has been carried out of the erasures in ledger.event; not evidence: without its row an erasure is carried out once more.';
COMMENT ON COLUMN ledger.erasure.erased_at IS 'When keys and ciphertexts were gone.';
COMMENT ON COLUMN ledger.erasure.unreadable_since IS 'When the last process that could still hold a key has let go of it.';
COMMENT ON COLUMN ledger.erasure.scrubbed_since IS 'When what the database had deleted was no longer in its files; null until then.';
COMMENT ON COLUMN ledger.erasure.keys_kept IS 'Subjects whose keys were not destroyed, because another file uses them or somebody holds them.';

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
GRANT SELECT ON keys.kek TO dossier_app, dossier_projector, dossier_reader;

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

CREATE FUNCTION ledger.refuse_deletion() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
BEGIN
    IF current_setting('dossier.erasing', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'DS001',
            MESSAGE = format('%s.%s is evidence: %s is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP),
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION ledger.refuse_deletion() IS 'Refuses every DELETE but that of ledger.erase_part with SQLSTATE DS001.';

CREATE FUNCTION ledger.require_erasure() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
DECLARE
    part jsonb;
    subject text;
    -- Under this subject stands what says that and why something was erased. It outlives every erasure.
    records CONSTANT text := '0364e2ae-73a9-5588-8cc0-441ef2aa6ecc';
BEGIN
    SELECT convert_from(event.entry, 'UTF8')::jsonb -> 'parts' -> OLD.part::integer
    INTO part
    FROM ledger.event
    WHERE event.stream = OLD.stream AND event.version = OLD.version;
    -- A part that names no subject is the stream's own.
    subject := CASE WHEN part ? 'subject' THEN part ->> 'subject' ELSE OLD.stream::text END;
    -- Entries are compact JSON, in which no string can hold these bytes: its quotes would be escaped.
    IF part IS NULL OR subject IS NULL OR subject = records OR NOT EXISTS (
        SELECT
        FROM ledger.event
        WHERE event.stream = OLD.stream AND event.type = 'customer.personal-data-erased'
            AND position(convert_to('"type":"customer.personal-data-erased"', 'UTF8') IN event.entry) > 0
            AND (position(convert_to(format('"erases":"%s"', subject), 'UTF8') IN event.entry) > 0
                OR position(convert_to(format('"erases":"%s"', OLD.stream), 'UTF8') IN event.entry) > 0)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'DS002',
            MESSAGE = format('no event of stream %s erases part %s of version %s', OLD.stream, OLD.part, OLD.version);
    END IF;
    RETURN OLD;
END
$body$;
COMMENT ON FUNCTION ledger.require_erasure() IS 'Refuses with SQLSTATE DS002 to delete a part that no PersonalDataErased of its stream names, by its subject or by erasing the customer itself.';

-- Per statement, not per row: a statement that would have changed nothing is refused as well.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON ledger.payload
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_deletion BEFORE DELETE ON ledger.payload
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_deletion();
-- Per row: what the function above lets through is looked at once more.
CREATE TRIGGER require_erasure BEFORE DELETE ON ledger.payload
    FOR EACH ROW EXECUTE FUNCTION ledger.require_erasure();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.log
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.node
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.signature
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.idempotency
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger.unsealed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
-- ALWAYS: also for a session that sets session_replication_role to replica.
ALTER TABLE ledger.event ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER refuse_deletion;
ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER require_erasure;
ALTER TABLE ledger.log ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.checkpoint ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.node ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.signature ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.idempotency ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.unsealed ENABLE ALWAYS TRIGGER refuse_truncate;

CREATE FUNCTION ledger.erase_part(of_stream uuid, of_version bigint, of_part smallint) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog
AS $body$
DECLARE
    was_there boolean;
BEGIN
    PERFORM set_config('dossier.erasing', 'on', true);
    DELETE FROM ledger.payload WHERE stream = of_stream AND version = of_version AND part = of_part;
    was_there := FOUND;
    PERFORM set_config('dossier.erasing', 'off', true);
    RETURN was_there;
END
$body$;
COMMENT ON FUNCTION ledger.erase_part(uuid, bigint, smallint) IS 'Deletes the ciphertext of a part that was erased; false when it is gone already. The one way to delete evidence.';
REVOKE ALL ON FUNCTION ledger.erase_part(uuid, bigint, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.erase_part(uuid, bigint, smallint) TO dossier_eraser;

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
GRANT SELECT ON ledger.event, ledger.payload, ledger.log, ledger.unsealed TO dossier_eraser;
GRANT SELECT, INSERT, UPDATE ON ledger.erasure, keys.subject_key TO dossier_eraser;
GRANT SELECT ON ledger.erasure TO dossier_app, dossier_projector, dossier_reader;
GRANT SELECT, INSERT ON ledger.node TO dossier_sealer;
GRANT SELECT ON ledger.event, ledger.log, ledger.node, ledger.checkpoint TO dossier_signer;
GRANT SELECT, INSERT ON ledger.signature TO dossier_signer;
GRANT SELECT ON ledger.node, ledger.signature TO dossier_app, dossier_projector, dossier_reader;

-- In every jsonb column that may be null, SQL NULL means "no value"; a JSON null is 'null'::jsonb.

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

CREATE SCHEMA read;
COMMENT ON SCHEMA read IS 'Read models: plaintext, disposable, rebuilt from the evidence, not in backups.';

CREATE TABLE read.profile (
    customer_id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 0),
    profile_version bigint NOT NULL CHECK (profile_version >= 0),
    boundaries bigint NOT NULL CHECK (boundaries >= 0),
    as_of timestamptz NOT NULL,
    next_boundary timestamptz,
    fold_version integer NOT NULL,
    state bytea NOT NULL
)
-- Every write updates its customer's row in place; the free quarter of each page keeps that a HOT update, which
-- touches no index. For the same reason no column but the key is indexed. A file of somewhat more than two kilobytes
-- stays in its row, of which two fit into the other three quarters: out of line each write puts down pieces with an index
-- of their own, and leaves the former ones to be vacuumed away. Rows are found by their key alone, so statistics change no
-- plan; gathered anew for every tenth of the customers written, they were a sixtieth of what a write costs.
WITH (toast_tuple_target = 2700, autovacuum_analyze_scale_factor = 2, fillfactor = 76);
-- Compressed by whoever writes, and only where that keeps the row whole (projections/stored_state.py): pglz on a long
-- file's ten kilobytes was a third of what a write cost the server.
ALTER TABLE read.profile ALTER COLUMN state SET STORAGE EXTERNAL;
COMMENT ON TABLE read.profile IS 'The current profile of a customer, written in the transaction of the write itself.';
COMMENT ON COLUMN read.profile.version IS 'Version of the last event of the stream.';
COMMENT ON COLUMN read.profile.profile_version IS 'Version of the last event that changed the profile document; what If-Match compares.';
COMMENT ON COLUMN read.profile.boundaries IS 'How many instants at which a fact began or ended the row has been folded past.';
COMMENT ON COLUMN read.profile.as_of IS 'The instant the row has been folded forward to.';
COMMENT ON COLUMN read.profile.next_boundary IS 'The next instant at which a known fact begins or ends; null when none is ahead.';
COMMENT ON COLUMN read.profile.fold_version IS 'Version of the fold that wrote the row; a row of an older one is folded anew when loaded.';
COMMENT ON COLUMN read.profile.state IS 'Per slot every fact that wins at some instant from as_of on: JSON, or a zlib stream of it.';

CREATE TABLE read.identifier (
    scheme text NOT NULL,
    value text NOT NULL,
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    PRIMARY KEY (scheme, value)
);
CREATE INDEX identifier_customer_idx ON read.identifier (customer_id);
COMMENT ON TABLE read.identifier IS 'Who holds an identifier. The primary key is what keeps two customers from holding the same one.';
COMMENT ON COLUMN read.identifier.version IS 'Version of the event, in the customer''s stream, that recorded it.';

CREATE TABLE read.tracking (
    projection text PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0)
);
COMMENT ON TABLE read.tracking IS 'How far each projection has read the log; moved in the transaction that writes its rows.';
COMMENT ON COLUMN read.tracking.position IS 'Position (log idx + 1) of the last event projected; 0 before the first.';

CREATE TABLE read.facts (
    customer_id uuid NOT NULL,
    slot text NOT NULL,
    value jsonb,
    absent boolean NOT NULL DEFAULT false,
    valid tstzrange NOT NULL CHECK (NOT isempty(valid)),
    positions int8range NOT NULL CHECK (NOT isempty(positions)),
    fact_from timestamptz NOT NULL,
    rank bigint NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    -- The bounds once more where customers are counted by the slot: compared very many at a time, several times as fast
    -- as ranges.
    known_from bigint GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN lower(positions) END
    ) STORED,
    known_until bigint GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN coalesce(upper(positions), 9223372036854775807) END
    ) STORED,
    valid_from timestamptz GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN lower(valid) END
    ) STORED,
    valid_until timestamptz GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN coalesce(upper(valid), 'infinity') END
    ) STORED,
    code text GENERATED ALWAYS AS (
        CASE
            WHEN slot LIKE '/tier/%' THEN coalesce(value ->> 'code', '')
            WHEN slot LIKE '/owner/%' THEN coalesce(value #>> '{}', '')
            WHEN slot LIKE '/tags/%' THEN ''
        END
    ) STORED
);
-- Who owns many customers, and which tier is a rare one, does not show in slots and values looked at apart.
CREATE STATISTICS read.facts_values (mcv) ON slot, value FROM read.facts;
CREATE INDEX facts_classified_idx ON read.facts (slot, value, customer_id)
    WHERE slot LIKE '/tier/%' OR slot LIKE '/owner/%' OR slot LIKE '/tags/%';
CREATE INDEX facts_region_idx ON read.facts (slot, (value ->> 'region'), customer_id) WHERE slot LIKE '/addresses/%';
-- Counts of what a slot held read one of the two: long ago little had become known, of late little is known no more.
CREATE INDEX facts_known_from_idx ON read.facts (slot, known_from)
    INCLUDE (known_until, valid_from, valid_until, code, customer_id)
    WHERE (slot LIKE '/tier/%' OR slot LIKE '/owner/%' OR slot LIKE '/tags/%') AND NOT absent;
CREATE INDEX facts_known_until_idx ON read.facts (slot, known_until)
    INCLUDE (known_from, valid_from, valid_until, code, customer_id)
    WHERE (slot LIKE '/tier/%' OR slot LIKE '/owner/%' OR slot LIKE '/tags/%') AND NOT absent;
-- Between a tally and a point near it, along the axis of valid time.
CREATE INDEX facts_valid_from_idx ON read.facts (slot, valid_from) INCLUDE (valid_until, known_from, known_until, code)
    WHERE slot LIKE '/tier/%' AND NOT absent;
CREATE INDEX facts_valid_until_idx ON read.facts (slot, valid_until) INCLUDE (valid_from, known_from, known_until, code)
    WHERE slot LIKE '/tier/%' AND NOT absent;
CREATE INDEX facts_name_idx ON read.facts (customer_id) WHERE slot LIKE '/identity/%';
-- By hashes, which are narrow: the tree keeps each of them as a range. That of the slot is the last column, so that it
-- tells rectangles apart without having a say in which of them lie together; sixteen bits keep one in thousands.
CREATE INDEX facts_point_idx ON read.facts USING gist (
    uuid_hash(customer_id), valid, positions, ((hashtext(slot) % 32768)::smallint)
);
CREATE INDEX facts_beginning_idx ON read.facts (customer_id, lower(valid));
COMMENT ON TABLE read.facts IS 'Rectangles: the value a slot has for these valid instants, as known at these positions.';
COMMENT ON COLUMN read.facts.value IS 'The JSON null when absent; null when it is the long text that the row of its event in read.events shares.';
COMMENT ON COLUMN read.facts.absent IS 'True when the fact says that the slot has no value.';
COMMENT ON COLUMN read.facts.valid IS 'When it is true in the world.';
COMMENT ON COLUMN read.facts.positions IS 'From which position of the log on it is known to be so, and up to which.';
COMMENT ON COLUMN read.facts.fact_from IS 'The fact''s own effective_from: the rectangle may begin later.';
COMMENT ON COLUMN read.facts.rank IS 'Order of recording, which breaks ties of fact_from.';
COMMENT ON COLUMN read.facts.version IS 'Version of the event that holds the slot here.';
COMMENT ON COLUMN read.facts.known_from IS 'The bounds of positions and valid again, open ends as the greatest value; null for slots that nobody is counted by.';
COMMENT ON COLUMN read.facts.code IS 'The code of a tier, the staff id of an owner, empty for a tag; null for every other slot.';

CREATE FUNCTION read.refuse_second_winner() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
DECLARE
    second record;
BEGIN
    -- Whoever else adds rectangles to this table waits here for our end. The statements below are begun after that and
    -- find what was committed by then, as nothing does in a transaction that has one snapshot for all of them.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'rectangles are added in READ COMMITTED transactions only';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('dossier rectangles', TG_RELID::bigint));
    -- A rebuild fires this on the shadow of the table. Of a name that is looked up here the plan is kept all the same.
    PERFORM set_config('search_path', format('pg_catalog, %I, pg_temp', TG_TABLE_SCHEMA), true);
    -- Each rectangle finds itself, so a second one is one too many. The fence keeps this a search for each of them.
    IF TG_OP = 'INSERT' THEN
        SELECT added.customer_id, added.slot INTO second
        FROM added CROSS JOIN LATERAL (
            SELECT FROM facts
            WHERE uuid_hash(facts.customer_id) = uuid_hash(added.customer_id)
                AND (hashtext(facts.slot) % 32768)::smallint = (hashtext(added.slot) % 32768)::smallint
                AND facts.customer_id = added.customer_id AND facts.slot = added.slot
                AND facts.valid && added.valid AND facts.positions && added.positions
            OFFSET 1
        ) AS another
        LIMIT 1;
    ELSE
        SELECT NEW.customer_id, NEW.slot INTO second
        FROM facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(NEW.customer_id)
            AND (hashtext(facts.slot) % 32768)::smallint = (hashtext(NEW.slot) % 32768)::smallint
            AND facts.customer_id = NEW.customer_id AND facts.slot = NEW.slot
            AND facts.valid && NEW.valid AND facts.positions && NEW.positions
        OFFSET 1 LIMIT 1;
    END IF;
    IF FOUND THEN
        -- Whose it is stands in the detail, which the server's log leaves out.
        RAISE EXCEPTION USING
            ERRCODE = 'exclusion_violation',
            MESSAGE = 'a slot would have two values at one point of both times',
            DETAIL = format('Rectangles of slot %s of customer %s overlap.', second.slot, second.customer_id),
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = 'facts_one_winner';
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION read.refuse_second_winner() IS 'At any (known, valid) a slot has at most one value: refuses rectangles that overlap another one of their slot.';
CREATE TRIGGER facts_one_winner AFTER INSERT ON read.facts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION read.refuse_second_winner();
-- What becomes smaller, as every rectangle does that is closed, comes to overlap nothing.
CREATE TRIGGER facts_one_winner_still AFTER UPDATE ON read.facts
    FOR EACH ROW WHEN (
        NEW.customer_id <> OLD.customer_id OR NEW.slot <> OLD.slot
        OR NOT NEW.valid <@ OLD.valid OR NOT NEW.positions <@ OLD.positions
    ) EXECUTE FUNCTION read.refuse_second_winner();
ALTER TABLE read.facts ENABLE ALWAYS TRIGGER facts_one_winner;
ALTER TABLE read.facts ENABLE ALWAYS TRIGGER facts_one_winner_still;
COMMENT ON TRIGGER facts_one_winner ON read.facts IS 'At any (known, valid) a slot has at most one value.';

CREATE TABLE read.tally (
    slot text NOT NULL,
    "position" bigint NOT NULL CHECK ("position" >= 1),
    valid_at timestamptz NOT NULL,
    code text NOT NULL,
    customers bigint NOT NULL CHECK (customers >= 0),
    PRIMARY KEY (slot, "position", valid_at, code)
);
COMMENT ON TABLE read.tally IS 'How many customers had which tier at some points of both times. What is known at a position stays so: a tally holds until rectangles of before it are replaced, and may be deleted at any time.';
COMMENT ON COLUMN read.tally.valid_at IS 'Each position has a first one at -infinity, where nobody has any.';
COMMENT ON COLUMN read.tally.code IS 'As in read.facts.';

CREATE TABLE read.events (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    position bigint NOT NULL CHECK (position >= 1),
    recorded_at timestamptz NOT NULL,
    effective_from timestamptz,
    effective_to timestamptz,
    event_id uuid NOT NULL,
    shared_from integer CHECK (shared_from >= 1),
    shared_length integer CHECK (shared_length >= 1),
    is_decision boolean NOT NULL,
    may_be_sensitive boolean NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    envelope text NOT NULL CHECK (envelope LIKE '%"actor":%'),
    data text NOT NULL,
    changes text NOT NULL,
    PRIMARY KEY (customer_id, version),
    CHECK ((shared_from IS NULL) = (shared_length IS NULL))
);
CREATE INDEX events_customer_position_idx ON read.events (customer_id, position);
-- The audit trail of all customers is searched along these.
CREATE INDEX events_position_idx ON read.events (position);
CREATE INDEX events_actor_position_idx ON read.events (actor, position);
CREATE INDEX events_first_idx ON read.events (customer_id) WHERE version = 1;
CREATE INDEX events_decision_idx ON read.events (customer_id, position) WHERE is_decision;
CREATE INDEX events_planning_idx ON read.events (customer_id, position)
    WHERE effective_from > recorded_at OR effective_to > recorded_at;
COMMENT ON TABLE read.events IS 'The decrypted events of the log, for histories and lists.';
COMMENT ON COLUMN read.events.is_decision IS 'True when the event is a decision; false when it asserts facts.';
COMMENT ON COLUMN read.events.may_be_sensitive IS 'Whether anything of the class SENSITIVE may stand in the row, for the record of who saw it.';
COMMENT ON COLUMN read.events.effective_from IS 'Null for a decision, which happened when it was recorded.';
COMMENT ON COLUMN read.events.effective_to IS 'Null when no end is known.';
COMMENT ON COLUMN read.events.envelope IS 'The members of the envelope that were stated and that no other column says; JSON, kept as text, and never empty.';
COMMENT ON COLUMN read.events.data IS 'The event''s own content. JSON, kept as text: it is given out as it came.';
COMMENT ON COLUMN read.events.changes IS 'A JSON array of the slots that the event moved, by name, from what to what; kept as text, with a mark in place of one long text (see changes_json).';
COMMENT ON COLUMN read.events.shared_from IS 'Where in data that text begins, in bytes, the first of which is 1; null when there is none.';
COMMENT ON COLUMN read.events.shared_length IS 'How many bytes of data it is, quotes included; null when there is none.';

-- Takes columns and not a row: what depends on the type of the table's rows would be in the way of its successor.
CREATE FUNCTION read.event_json(
    customer_id uuid, version bigint, "position" bigint, recorded_at timestamptz, effective_from timestamptz,
    effective_to timestamptz, event_id uuid, is_decision boolean, type text, envelope text, data text
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN concat(
    '{"customer_id":"', customer_id, '","version":', version, ',"position":', "position", ',"event_id":"', event_id,
    '","type":"', type, '","decision":', CASE WHEN is_decision THEN 'true' ELSE 'false' END,
    to_char(recorded_at AT TIME ZONE 'UTC', '",\"recorded_at\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
    coalesce(to_char(effective_from AT TIME ZONE 'UTC', '",\"effective_from\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
             ',"effective_from":null'),
    coalesce(to_char(effective_to AT TIME ZONE 'UTC', '",\"effective_to\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
             ',"effective_to":null'),
    ',"data":', data, ',', substr(envelope, 2)
);
COMMENT ON FUNCTION read.event_json IS 'An event as histories show it; members that nobody stated are left out, but for the times.';

-- By bytes: characters would have to be counted, which takes several times as long.
CREATE FUNCTION read.shared(data text, shared_from integer, shared_length integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN convert_from(substr(convert_to(data, 'UTF8'), shared_from, shared_length), 'UTF8');
COMMENT ON FUNCTION read.shared IS 'The JSON of the long text of which an event''s row has only one; null when there is none.';

-- The mark is no JSON that is ever stored: no slash is escaped there.
CREATE FUNCTION read.changes_json(changes text, data text, shared_from integer, shared_length integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN shared_from IS NULL THEN changes
            ELSE replace(changes, '"\/":0', '"new":' || read.shared(data, shared_from, shared_length)) END;
COMMENT ON FUNCTION read.changes_json IS 'What an event moved, as histories show it: with the text for which a mark stands in its row.';

CREATE TABLE read.changes (
    customer_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    version integer NOT NULL CHECK (version >= 0),
    old_version integer CHECK (old_version >= 0),
    place smallint NOT NULL CHECK (place >= 0),
    kind text NOT NULL CHECK (kind IN ('CHANGE', 'CORRECTION', 'LATE')),
    slot text NOT NULL,
    PRIMARY KEY (customer_id, version, slot)
);
-- Changes are looked up by event; by slot only where they correct something.
CREATE INDEX changes_correction_idx ON read.changes (customer_id, slot, position) WHERE kind = 'CORRECTION';
-- Who moved this slot, whosever it is; in the order of bytes, where what slots begin with is one stretch. Of positions it
-- knows the 1024 that they are among: changes of one slot share an entry, and a page sorts no more than those.
CREATE INDEX changes_search_idx ON read.changes (slot COLLATE "C", (position >> 10));
CREATE INDEX changes_identifier_idx ON read.changes (slot, customer_id) WHERE slot LIKE '/identifiers/%';
COMMENT ON TABLE read.changes IS 'The audit trail: per event the slots it moved; from what to what stands in read.events.changes.';
COMMENT ON COLUMN read.changes.version IS 'Of the event. No customer''s stream comes near the end of these numbers.';
COMMENT ON COLUMN read.changes.old_version IS 'Version of the event that held the slot before; null when none did.';
COMMENT ON COLUMN read.changes.place IS 'Where in that array, from 0.';

CREATE TABLE read.access (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    place integer NOT NULL CHECK (place >= 1),
    position bigint NOT NULL CHECK (position >= 1),
    event_id uuid NOT NULL,
    type text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    principal text NOT NULL,
    purpose text,
    view json NOT NULL,
    PRIMARY KEY (position, place)
);
CREATE INDEX access_principal_idx ON read.access (principal, position, place);
COMMENT ON TABLE read.access IS 'The read ledger: one row per view that an event of it tells of.';
COMMENT ON COLUMN read.access.place IS 'The view''s number in its event, from 1.';
COMMENT ON COLUMN read.access.since IS 'The view was not before this, and not after until: about a second apart where many were gathered.';
COMMENT ON COLUMN read.access.purpose IS 'The code of the purpose; null where none was stated.';
COMMENT ON COLUMN read.access.view IS 'The view as the event has it, without the customers seen; json, as it is only ever given out as it came.';

CREATE TABLE read.seen (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    place integer NOT NULL CHECK (place >= 1),
    customer_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    times bigint NOT NULL CHECK (times >= 1),
    request_id text,
    PRIMARY KEY (customer_id, position, place)
);
CREATE INDEX seen_position_idx ON read.seen (position, place, customer_id);
COMMENT ON TABLE read.seen IS 'Who was seen: one row per customer and view. Narrow, as there are very many.';
COMMENT ON COLUMN read.seen.stream IS 'Of the event, as are version, place and position.';
COMMENT ON COLUMN read.seen.times IS 'How often, in views that are alike.';
COMMENT ON COLUMN read.seen.request_id IS 'Of the last of them, where the client stated one.';

CREATE TABLE read.approvals (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    request_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('TIER', 'ERASURE', 'PROPOSAL')),
    opened bigint NOT NULL CHECK (opened >= 1),
    closed bigint CHECK (closed > opened),
    agreed bigint CHECK (agreed > opened),
    agreed_by text,
    requester text NOT NULL,
    requester_for text,
    reason text,
    expires_at timestamptz,
    event_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    subject uuid,
    about jsonb NOT NULL,
    PRIMARY KEY (customer_id, version)
);
CREATE INDEX approvals_open_idx ON read.approvals (opened) WHERE closed IS NULL;
CREATE INDEX approvals_closed_idx ON read.approvals (closed, opened) WHERE closed IS NOT NULL;
-- Another file may speak of the same person: the eraser asks.
CREATE INDEX approvals_subject_idx ON read.approvals (subject) WHERE kind = 'PROPOSAL';
COMMENT ON TABLE read.approvals IS 'Requests that need a second person: open at the positions from opened on and before closed.';
COMMENT ON COLUMN read.approvals.version IS 'Version of the event that made the request.';
COMMENT ON COLUMN read.approvals.agreed IS 'From which position on it is approved, while it waits for a hold to be lifted; null when it does not.';
COMMENT ON COLUMN read.approvals.subject IS 'Of whom the request speaks, or who is to be erased.';
COMMENT ON COLUMN read.approvals.about IS 'The slots that it would move, and the events that it would record.';

GRANT USAGE ON SCHEMA read
    TO dossier_app, dossier_sealer, dossier_signer, dossier_eraser, dossier_projector, dossier_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE ON read.profile, read.identifier TO dossier_app;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON
    read.facts, read.events, read.changes, read.access, read.seen, read.tracking, read.tally, read.approvals
    TO dossier_projector;
-- Another file's contact person may have the same id: its key is then kept.
GRANT SELECT ON read.changes, read.approvals, read.tracking TO dossier_eraser;
