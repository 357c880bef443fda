-- What the scrubber reads of the log besides its tree (verify.sql).

-- name: around
-- Tell what the last checkpoint covers, and for how many seconds the first event in the queue has waited.
SELECT coalesce((SELECT size FROM ledger.checkpoint ORDER BY made_at DESC LIMIT 1), 0),
       (SELECT extract(epoch FROM clock_timestamp() - recorded_at)::double precision
        FROM ledger.unsealed ORDER BY id LIMIT 1);
