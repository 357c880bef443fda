-- A rebuild's own statements, besides those of the shadow and of repair.

-- name: take_turn
-- Become the one rebuild, for as long as this connection lives.
SELECT pg_try_advisory_lock(hashtextextended('dossier rebuild', 0));

-- name: end_turn
-- Let another rebuild begin.
SELECT pg_advisory_unlock(hashtextextended('dossier rebuild', 0));

-- name: enter
-- Give projections their row, if no runner has yet: what is to be held must be there.
INSERT INTO read.tracking (projection, position)
SELECT name, 0 FROM unnest(%(names)b::text[]) AS name
ON CONFLICT (projection) DO NOTHING;

-- name: positions
-- How far projections are.
SELECT projection, position FROM read.tracking WHERE projection = ANY (%(names)b::text[]);

-- name: events
-- How many events there are to look at.
SELECT count(*) FROM ledger.event;
