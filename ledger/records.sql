-- The write path's own statements, besides those of the recorder and the inline views.

-- name: clock
-- The time that every event of the batch is recorded at.
SELECT clock_timestamp();

-- name: earlier
-- The requests that already took effect under these idempotency keys.
SELECT key, actor, request_mac, stream, first_version, last_version, status = 201, profile_version, masked
FROM ledger.idempotency
WHERE key = ANY (%(keys)s::text[]);

-- name: remember
-- Keep the idempotency keys of the batch for ever, in the order of the keys.
INSERT INTO ledger.idempotency
    (key, actor, request_mac, stream, first_version, last_version, status, profile_version, masked)
SELECT * FROM unnest(
    %(keys)s::text[], %(actors)s::text[], %(macs)s::bytea[], %(streams)s::uuid[], %(first_versions)s::bigint[],
    %(last_versions)s::bigint[], %(statuses)s::smallint[], %(profile_versions)s::bigint[], %(masked)s::jsonb[]
);
