-- What histories give out as it is becomes the text that it is given out as: an event's content, and the slots that it
-- moved, which no longer stand in the rows by which they are looked up.

-- As the runner does: this waits for its batch to end, and it then for us, so that neither waits for the other for ever.
SELECT FROM read.tracking ORDER BY projection FOR UPDATE;

CREATE TEMPORARY TABLE kept_changes ON COMMIT DROP AS
SELECT customer_id, version, slot, position,
       row_number() OVER (PARTITION BY customer_id, version ORDER BY slot COLLATE "C") - 1 AS place,
       old, new, old_absent, new_absent, kind, old_version
FROM read.changes;
CREATE TEMPORARY TABLE kept_events ON COMMIT DROP AS
SELECT events.*, coalesce(moved.changes, '[]') AS changes
FROM read.events
LEFT JOIN (
    SELECT customer_id, version,
           concat('[', string_agg(concat('{"path":', to_json(slot), ',"kind":"', kind, '"', ',"old":' || old::text,
                                         ',"new":' || new::text, '}'), ',' ORDER BY place), ']') AS changes
    FROM pg_temp.kept_changes
    GROUP BY customer_id, version
) AS moved USING (customer_id, version);
DROP FUNCTION read.event_json;
DROP TABLE read.events;
DROP TABLE read.changes;

CREATE TABLE read.events (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    position bigint NOT NULL CHECK (position >= 1),
    recorded_at timestamptz NOT NULL,
    effective_from timestamptz,
    effective_to timestamptz,
    event_id uuid NOT NULL,
    is_decision boolean NOT NULL,
    may_be_sensitive boolean NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    envelope jsonb NOT NULL CHECK (envelope ? 'actor'),
    data text NOT NULL,
    changes text NOT NULL
);
INSERT INTO read.events
SELECT customer_id, version, position, recorded_at, effective_from, effective_to, event_id, is_decision,
       concat(envelope, data, changes) ~ '["/](CN_RIC|HOME|PERSONAL)["/]', type, actor, envelope, data::text, changes
FROM pg_temp.kept_events;
ALTER TABLE read.events ADD PRIMARY KEY (customer_id, version);
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
COMMENT ON COLUMN read.events.envelope IS 'The members of the envelope that were stated and that no other column says; never empty.';
COMMENT ON COLUMN read.events.data IS 'The event''s own content. JSON, kept as text: it is given out as it came.';
COMMENT ON COLUMN read.events.changes IS 'A JSON array of the slots that the event moved, by name, from what to what; kept as text.';
GRANT SELECT ON read.events TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.events TO dossier_projector;

-- Takes columns and not a row: what depends on the type of the table's rows would be in the way of its successor.
CREATE FUNCTION read.event_json(
    customer_id uuid, version bigint, "position" bigint, recorded_at timestamptz, effective_from timestamptz,
    effective_to timestamptz, event_id uuid, is_decision boolean, type text, envelope jsonb, data text
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
    ',"data":', data, ',', substr(envelope::text, 2)
);
COMMENT ON FUNCTION read.event_json IS 'An event as histories show it; members that nobody stated are left out, but for the times.';

CREATE TABLE read.changes (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    slot text NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    place smallint NOT NULL CHECK (place >= 0),
    old_absent boolean NOT NULL,
    new_absent boolean NOT NULL,
    kind text NOT NULL CHECK (kind IN ('CHANGE', 'CORRECTION', 'LATE')),
    old_version bigint CHECK (old_version >= 0)
);
INSERT INTO read.changes
SELECT customer_id, version, slot, position, place, old_absent, new_absent, kind, old_version
FROM pg_temp.kept_changes;
ALTER TABLE read.changes ADD PRIMARY KEY (customer_id, version, slot);
-- Changes are looked up by event; by slot only where they correct something.
CREATE INDEX changes_correction_idx ON read.changes (customer_id, slot, position) WHERE kind = 'CORRECTION';
-- Who moved this slot, whosever it is; in the order of bytes, where what slots begin with is one stretch.
CREATE INDEX changes_search_idx ON read.changes (slot COLLATE "C", position);
CREATE INDEX changes_identifier_idx ON read.changes (slot, customer_id) WHERE slot LIKE '/identifiers/%';
COMMENT ON TABLE read.changes IS 'The audit trail: per event the slots it moved; from what to what stands in read.events.changes.';
COMMENT ON COLUMN read.changes.place IS 'Where in that array, from 0.';
COMMENT ON COLUMN read.changes.old_absent IS 'True when a fact had said that there is no value; false also when nothing was known.';
COMMENT ON COLUMN read.changes.new_absent IS 'True when a fact says that there is no value; false also when nothing is known.';
COMMENT ON COLUMN read.changes.old_version IS 'Version of the event that held the slot before; null when none did.';
GRANT SELECT ON read.changes TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.changes TO dossier_projector;
GRANT SELECT ON read.changes TO dossier_eraser;
