-- What the read models repeated, and indexes that no statement needs.

-- As the runner does: this waits for its batch to end, and it then for us, so that neither waits for the other for ever.
SELECT FROM read.tracking ORDER BY projection FOR UPDATE;

-- An event's JSON repeated every column, and members that nobody had stated. Now a column holds what no other says.
CREATE TEMPORARY TABLE kept_events ON COMMIT DROP AS
SELECT customer_id, version, position, recorded_at, effective_from, effective_to, event_id, is_decision, type, actor,
       (
           SELECT jsonb_object_agg(key, value)
           FROM jsonb_each(body)
           WHERE key NOT IN ('customer_id', 'version', 'position', 'recorded_at', 'effective_from', 'effective_to',
                             'event_id', 'decision', 'type', 'data')
               AND value <> 'null'
               AND (key, value) NOT IN (('certainty', '"FACT"'), ('evidence', '[]'), ('initial_load', 'false'))
       ) AS envelope,
       (body -> 'data')::json AS data
FROM read.events;
DROP TABLE read.events;

CREATE TABLE read.events (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    position bigint NOT NULL CHECK (position >= 1),
    recorded_at timestamptz NOT NULL,
    effective_from timestamptz,
    effective_to timestamptz,
    event_id uuid NOT NULL,
    is_decision boolean NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    envelope jsonb NOT NULL,
    data json NOT NULL
);
INSERT INTO read.events SELECT * FROM pg_temp.kept_events;

ALTER TABLE read.events ADD PRIMARY KEY (customer_id, version);
CREATE INDEX events_customer_position_idx ON read.events (customer_id, position);
CREATE INDEX events_first_idx ON read.events (customer_id) WHERE version = 1;
CREATE INDEX events_decision_idx ON read.events (customer_id, position) WHERE is_decision;
CREATE INDEX events_planning_idx ON read.events (customer_id, position)
    WHERE effective_from > recorded_at OR effective_to > recorded_at;
COMMENT ON TABLE read.events IS 'The decrypted events of the log, for histories and lists.';
COMMENT ON COLUMN read.events.is_decision IS 'True when the event is a decision; false when it asserts facts.';
COMMENT ON COLUMN read.events.effective_from IS 'Null for a decision, which happened when it was recorded.';
COMMENT ON COLUMN read.events.effective_to IS 'Null when no end is known.';
COMMENT ON COLUMN read.events.envelope IS 'The members of the envelope that were stated and that no other column says.';
COMMENT ON COLUMN read.events.data IS 'The event''s own content; json, as it is only ever given out as it came.';
GRANT SELECT ON read.events TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.events TO dossier_projector;

-- Takes columns and not a row: what depends on the type of the table's rows would be in the way of its successor.
CREATE FUNCTION read.event_json(
    customer_id uuid, version bigint, "position" bigint, recorded_at timestamptz, effective_from timestamptz,
    effective_to timestamptz, event_id uuid, is_decision boolean, type text, envelope jsonb, data json
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
    ',"data":', data, ',',
    substr(('{"observed_at": null, "source": null, "reason": null, "evidence": [], "certainty": "FACT",
              "probability": null, "correlation_id": null, "causation_id": null, "request_id": null,
              "idempotency_key": null, "initial_load": false, "corrects": null, "retracts": null}'::jsonb
            || envelope)::text, 2)
);
COMMENT ON FUNCTION read.event_json IS 'An event as histories show it, with the members that nobody stated as what leaving them out means.';

-- A customer's id stands in the constraint by two hashes: in both, 128 bits, two ids of a billion agree once in 10^21
-- times. The second one goes into that of the slot. The slot itself stays: who records a fact may choose its name, and
-- these hashes keep nobody from finding two that agree.
ALTER TABLE read.facts DROP CONSTRAINT facts_one_winner;
ALTER TABLE read.facts ADD CONSTRAINT facts_one_winner EXCLUDE USING gist (
    uuid_hash_extended(customer_id, 0) WITH =,
    hashtextextended(slot, uuid_hash_extended(customer_id, 1)) WITH =,
    valid WITH &&,
    positions WITH &&,
    slot WITH =
);
COMMENT ON CONSTRAINT facts_one_winner ON read.facts IS 'At any (known, valid) a slot has at most one value. Finds a customer''s rectangles by the hash of its id.';

-- Changes are looked up by event; by slot only where they correct something.
DROP INDEX read.changes_slot_position_idx;
CREATE INDEX changes_correction_idx ON read.changes (customer_id, slot, position) WHERE kind = 'CORRECTION';
