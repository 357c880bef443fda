-- What the reads and the runner need of the read models: a cheaper shape of the constraint, and indexes.

-- Equal hashes come first: they send an insert down one branch of the tree, where uuid and text alone make it try
-- many (a third of the cost per event). The columns themselves stay in it, so that no collision is ever a conflict.
ALTER TABLE read.facts DROP CONSTRAINT facts_one_winner;
ALTER TABLE read.facts ADD CONSTRAINT facts_one_winner EXCLUDE USING gist (
    uuid_hash_extended(customer_id, 0) WITH =,
    hashtextextended(slot, 0) WITH =,
    valid WITH &&,
    positions WITH &&,
    customer_id WITH =,
    slot WITH =
);
COMMENT ON CONSTRAINT facts_one_winner ON read.facts IS 'At any (known, valid) a slot has at most one value. Finds a customer''s rectangles by the hash of its id.';

CREATE INDEX facts_classified_idx ON read.facts (slot, value, customer_id)
    WHERE slot LIKE '/tier/%' OR slot LIKE '/owner/%';
CREATE INDEX facts_name_idx ON read.facts (customer_id) WHERE slot LIKE '/identity/%';
CREATE INDEX events_first_idx ON read.events (customer_id) WHERE version = 1;
CREATE INDEX events_decision_idx ON read.events (customer_id, position) WHERE is_decision;
CREATE INDEX changes_identifier_idx ON read.changes (slot, customer_id) WHERE slot LIKE '/identifiers/%';
