-- What questions about all customers need of the rectangles: who has a certain value, in the order of ids, for lists;
-- and what a slot held at a point of both times, for counts. For these the bounds stand in columns of their own: they
-- are compared several times as fast as ranges, and an index can hold them beside what is counted.

ALTER TABLE read.facts
    ADD COLUMN known_from bigint GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN lower(positions) END
    ) STORED,
    ADD COLUMN known_until bigint GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN coalesce(upper(positions), 9223372036854775807) END
    ) STORED,
    ADD COLUMN valid_from timestamptz GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN lower(valid) END
    ) STORED,
    ADD COLUMN valid_until timestamptz GENERATED ALWAYS AS (
        CASE WHEN slot LIKE ANY ('{/tier/%,/owner/%,/tags/%}') THEN coalesce(upper(valid), 'infinity') END
    ) STORED,
    ADD COLUMN code text GENERATED ALWAYS AS (
        CASE
            WHEN slot LIKE '/tier/%' THEN coalesce(value ->> 'code', '')
            WHEN slot LIKE '/owner/%' THEN coalesce(value #>> '{}', '')
            WHEN slot LIKE '/tags/%' THEN ''
        END
    ) STORED;
COMMENT ON COLUMN read.facts.known_from IS 'The bounds of positions and valid again, open ends as the greatest value; null for slots that nobody is counted by.';
COMMENT ON COLUMN read.facts.code IS 'The code of a tier, the staff id of an owner, empty for a tag; null for every other slot.';

-- Who owns many customers, and which tier is a rare one, does not show in slots and values looked at apart.
CREATE STATISTICS read.facts_values (mcv) ON slot, value FROM read.facts;

DROP INDEX read.facts_classified_idx;
CREATE INDEX facts_classified_idx ON read.facts (slot, value, customer_id)
    WHERE slot LIKE '/tier/%' OR slot LIKE '/owner/%' OR slot LIKE '/tags/%';
CREATE INDEX facts_region_idx ON read.facts (slot, (value ->> 'region'), customer_id) WHERE slot LIKE '/addresses/%';
CREATE INDEX facts_known_from_idx ON read.facts (slot, known_from)
    INCLUDE (known_until, valid_from, valid_until, code, customer_id)
    WHERE (slot LIKE '/tier/%' OR slot LIKE '/owner/%' OR slot LIKE '/tags/%') AND NOT absent;
CREATE INDEX facts_known_until_idx ON read.facts (slot, known_until)
    INCLUDE (known_from, valid_from, valid_until, code, customer_id)
    WHERE (slot LIKE '/tier/%' OR slot LIKE '/owner/%' OR slot LIKE '/tags/%') AND NOT absent;
