-- Filling empty read models, while nobody else is at work in the database.

-- name: sealed
-- The end of the log.
SELECT coalesce(max(idx) + 1, 0) FROM ledger.log;

-- name: track
-- Say that projections are there already: their tables are about to be put in place.
INSERT INTO read.tracking (projection, position)
SELECT name, %(position)s FROM unnest(%(names)s::text[]) AS name;
