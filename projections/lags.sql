-- name: of_the_log
-- How long the first event in the queue has waited, in seconds, and how long the newest one signed had, until it was.
SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - min(recorded_at)) FROM ledger.unsealed), 0)::float8,
       coalesce((SELECT extract(epoch FROM made_at - known_at)
                 FROM (SELECT size, made_at FROM ledger.signature ORDER BY size DESC LIMIT 1) AS newest
                 JOIN ledger.log ON idx = size - 1), 0)::float8;

-- name: of_read_models
-- How far each read model is, and for how many seconds the first event that it has not passed has been known.
SELECT projection, position,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - known_at)
                 FROM ledger.log WHERE idx = tracking.position), 0)::float8
FROM read.tracking
ORDER BY projection;
