-- A long text stands once in the row of an event that moved a slot to it: in the event's content, where what it moved says
-- that it lies, and no more where it holds a slot. What was stated in an envelope is kept as the text that it is given out as.

-- As the runner does: this waits for its batch to end, and it then for us, so that neither waits for the other for ever.
SELECT FROM read.tracking ORDER BY projection FOR UPDATE;

CREATE TEMPORARY TABLE kept_events ON COMMIT DROP AS SELECT * FROM read.events;
DROP FUNCTION read.event_json;
DROP TABLE read.events;

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
    CHECK ((shared_from IS NULL) = (shared_length IS NULL))
);
-- The longest of the long texts that stand in the content as well; of several, the first.
INSERT INTO read.events
SELECT customer_id, version, position, recorded_at, effective_from, effective_to, event_id,
       octet_length(left(data, strpos(data, shared.text) - 1)) + 1, octet_length(shared.text), is_decision,
       may_be_sensitive, type, actor,
       -- but for what is within quotes without spaces
       regexp_replace(envelope::text, '("(?:[^"\\]|\\.)*")|\s', '\1', 'g'), data,
       CASE WHEN shared.text IS NULL THEN changes
            ELSE (
                SELECT concat('[', string_agg(
                           CASE WHEN number = shared.number
                                THEN concat(left(change, -length(concat('"new":', shared.text, '}'))), '"\/":0}')
                                ELSE change END,
                           ',' ORDER BY number), ']')
                FROM json_array_elements(changes::json) WITH ORDINALITY AS element (json, number),
                     LATERAL (SELECT json::text) AS told (change)
            ) END
FROM pg_temp.kept_events
LEFT JOIN LATERAL (
    SELECT number, new.text
    FROM json_array_elements(CASE WHEN octet_length(changes) >= 200 THEN changes ELSE '[]' END::json)
             WITH ORDINALITY AS element (change, number),
         LATERAL (SELECT (change -> 'new')::text) AS new (text)
    WHERE new.text LIKE '"%' AND octet_length(new.text) >= 200 AND strpos(data, new.text) > 0
    ORDER BY octet_length(new.text) DESC, number
    LIMIT 1
) AS shared ON true;
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
COMMENT ON COLUMN read.events.envelope IS 'The members of the envelope that were stated and that no other column says; JSON, kept as text, and never empty.';
COMMENT ON COLUMN read.events.data IS 'The event''s own content. JSON, kept as text: it is given out as it came.';
COMMENT ON COLUMN read.events.changes IS 'A JSON array of the slots that the event moved, by name, from what to what; kept as text, with a mark in place of one long text (see changes_json).';
COMMENT ON COLUMN read.events.shared_from IS 'Where in data that text begins, in bytes, the first of which is 1; null when there is none.';
COMMENT ON COLUMN read.events.shared_length IS 'How many bytes of data it is, quotes included; null when there is none.';
GRANT SELECT ON read.events TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.events TO dossier_projector;

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

-- The same rule as for rows that are written from now on: see projections/long_texts.py.
ALTER TABLE read.facts ALTER value DROP NOT NULL;
COMMENT ON COLUMN read.facts.value IS 'The JSON null when absent; null when it is the long text that the row of its event in read.events shares.';
UPDATE read.facts SET value = NULL
FROM read.events
WHERE events.customer_id = facts.customer_id AND events.version = facts.version AND shared_from IS NOT NULL
    AND facts.slot NOT LIKE '/identity/%' AND facts.slot NOT LIKE '/owner/%'
    AND jsonb_typeof(facts.value) = 'string'
    AND facts.value = read.shared(events.data, shared_from, shared_length)::jsonb;
