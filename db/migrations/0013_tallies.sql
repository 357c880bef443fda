-- Counts of customers by tier at points of both times, for counts at points near them to begin with; and, for what lies
-- between on the axis of valid time, indexes led by its bounds, as there are two by those of positions.

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
GRANT SELECT ON read.tally TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.tally TO dossier_projector;

CREATE INDEX facts_valid_from_idx ON read.facts (slot, valid_from) INCLUDE (valid_until, known_from, known_until, code)
    WHERE slot LIKE '/tier/%' AND NOT absent;
CREATE INDEX facts_valid_until_idx ON read.facts (slot, valid_until) INCLUDE (valid_from, known_from, known_until, code)
    WHERE slot LIKE '/tier/%' AND NOT absent;
