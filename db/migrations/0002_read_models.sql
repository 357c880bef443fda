-- The read models (schema read): disposable, rebuilt from the evidence, not in backups.
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
-- Every write updates its customer's row in place; the free third of each page keeps that a HOT update, which
-- touches no index. For the same reason no column but the key is indexed.
WITH (fillfactor = 67);
-- Not compressed: pglz on a long file's ten kilobytes was a third of what a write cost the server.
ALTER TABLE read.profile ALTER COLUMN state SET STORAGE EXTERNAL;
COMMENT ON TABLE read.profile IS 'The current profile of a customer, written in the transaction of the write itself.';
COMMENT ON COLUMN read.profile.version IS 'Version of the last event of the stream.';
COMMENT ON COLUMN read.profile.profile_version IS 'Version of the last event that changed the profile document; what If-Match compares.';
COMMENT ON COLUMN read.profile.boundaries IS 'How many instants at which a fact began or ended the row has been folded past.';
COMMENT ON COLUMN read.profile.as_of IS 'The instant the row has been folded forward to.';
COMMENT ON COLUMN read.profile.next_boundary IS 'The next instant at which a known fact begins or ends; null when none is ahead.';
COMMENT ON COLUMN read.profile.fold_version IS 'Version of the fold that wrote the row; a row of an older one is folded anew when loaded.';
COMMENT ON COLUMN read.profile.state IS 'Per slot every fact that wins at some instant from as_of on.';

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
    value jsonb NOT NULL,
    absent boolean NOT NULL DEFAULT false,
    valid tstzrange NOT NULL CHECK (NOT isempty(valid)),
    positions int8range NOT NULL CHECK (NOT isempty(positions)),
    fact_from timestamptz NOT NULL,
    rank bigint NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    CONSTRAINT facts_one_winner EXCLUDE USING gist
        (customer_id WITH =, slot WITH =, valid WITH &&, positions WITH &&)
);
COMMENT ON TABLE read.facts IS 'Rectangles: the value a slot has for these valid instants, as known at these positions.';
COMMENT ON COLUMN read.facts.value IS 'The JSON null when absent.';
COMMENT ON COLUMN read.facts.absent IS 'True when the fact says that the slot has no value.';
COMMENT ON COLUMN read.facts.valid IS 'When it is true in the world.';
COMMENT ON COLUMN read.facts.positions IS 'From which position of the log on it is known to be so, and up to which.';
COMMENT ON COLUMN read.facts.fact_from IS 'The fact''s own effective_from: the rectangle may begin later.';
COMMENT ON COLUMN read.facts.rank IS 'Order of recording, which breaks ties of fact_from.';
COMMENT ON COLUMN read.facts.version IS 'Version of the event that holds the slot here.';
COMMENT ON CONSTRAINT facts_one_winner ON read.facts IS 'At any (known, valid) a slot has at most one value.';

CREATE TABLE read.events (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    position bigint NOT NULL UNIQUE CHECK (position >= 1),
    event_id uuid NOT NULL,
    type text NOT NULL,
    is_decision boolean NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    effective_from timestamptz,
    effective_to timestamptz,
    body jsonb NOT NULL,
    PRIMARY KEY (customer_id, version)
);
CREATE INDEX events_customer_position_idx ON read.events (customer_id, position);
CREATE INDEX events_actor_position_idx ON read.events (actor, position);
COMMENT ON TABLE read.events IS 'The decrypted events of the log, for histories and lists.';
COMMENT ON COLUMN read.events.is_decision IS 'True when the event is a decision; false when it asserts facts.';
COMMENT ON COLUMN read.events.effective_from IS 'Null for a decision, which happened when it was recorded.';
COMMENT ON COLUMN read.events.effective_to IS 'Null when no end is known.';

CREATE TABLE read.changes (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    slot text NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    old jsonb,
    new jsonb,
    old_absent boolean NOT NULL,
    new_absent boolean NOT NULL,
    kind text NOT NULL CHECK (kind IN ('CHANGE', 'CORRECTION', 'LATE')),
    old_version bigint CHECK (old_version >= 0),
    PRIMARY KEY (customer_id, version, slot)
);
CREATE INDEX changes_slot_position_idx ON read.changes (customer_id, slot, position);
COMMENT ON TABLE read.changes IS 'The audit trail: per event the slots it moved, from what to what.';
COMMENT ON COLUMN read.changes.old IS 'SQL NULL when the slot had no value; a JSON null is a value.';
COMMENT ON COLUMN read.changes.new IS 'SQL NULL when the slot has no value any more; a JSON null is a value.';
COMMENT ON COLUMN read.changes.old_absent IS 'True when a fact had said that there is no value; false also when nothing was known.';
COMMENT ON COLUMN read.changes.new_absent IS 'True when a fact says that there is no value; false also when nothing is known.';
COMMENT ON COLUMN read.changes.old_version IS 'Version of the event that held the slot before; null when none did.';

GRANT USAGE ON SCHEMA read
    TO dossier_app, dossier_sealer, dossier_signer, dossier_eraser, dossier_projector, dossier_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE ON read.profile, read.identifier TO dossier_app;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.facts, read.events, read.changes, read.tracking TO dossier_projector;
