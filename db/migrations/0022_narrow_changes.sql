-- The rows by which changes are looked up say what somebody asks of them and nothing else, without gaps between columns; and
-- of positions the search of all customers' changes knows the thousand, so that changes of one slot share an entry.

-- As the runner does: this waits for its batch to end, and it then for us, so that neither waits for the other for ever.
SELECT FROM read.tracking ORDER BY projection FOR UPDATE;

CREATE TEMPORARY TABLE kept_changes ON COMMIT DROP AS
SELECT customer_id, position, version::integer, old_version::integer, place, kind, slot FROM read.changes;
DROP TABLE read.changes;

CREATE TABLE read.changes (
    customer_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    version integer NOT NULL CHECK (version >= 0),
    old_version integer CHECK (old_version >= 0),
    place smallint NOT NULL CHECK (place >= 0),
    kind text NOT NULL CHECK (kind IN ('CHANGE', 'CORRECTION', 'LATE')),
    slot text NOT NULL
);
INSERT INTO read.changes SELECT * FROM pg_temp.kept_changes ORDER BY position, place;
ALTER TABLE read.changes ADD PRIMARY KEY (customer_id, version, slot);
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
GRANT SELECT ON read.changes TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.changes TO dossier_projector;
GRANT SELECT ON read.changes TO dossier_eraser;
