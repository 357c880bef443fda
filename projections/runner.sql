-- The runner's own statements.

-- name: take_turn
-- Become the one runner, for as long as this connection lives.
SELECT pg_try_advisory_lock(hashtextextended('dossier projections', 0));

-- name: enter
-- Give new projections their row, at the beginning of the log.
INSERT INTO read.tracking (projection, position)
SELECT name, 0 FROM unnest(%(names)s::text[]) AS name
ON CONFLICT (projection) DO NOTHING;

-- name: positions
-- How far the projections are.
SELECT projection, position FROM read.tracking WHERE projection = ANY (%(names)s::text[]);

-- name: hold
-- Let nobody else move these projections, nor put other tables in the place of theirs, until the transaction ends.
SELECT position FROM read.tracking WHERE projection = ANY (%(names)s::text[]) ORDER BY projection FOR UPDATE;

-- name: advance
-- Move projections from one position to the next; moves none that stands elsewhere.
UPDATE read.tracking SET position = %(position)s
WHERE projection = ANY (%(names)s::text[]) AND position = %(from_position)s;

-- name: prefer_indexes
-- The tables grow faster than their statistics: on a young table the planner would read all of it for every batch.
SET enable_seqscan = off;
