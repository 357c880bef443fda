-- The write path's own statements, besides those of the recorder and the inline views.

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
    %(keys)b::text[], %(actors)b::text[], %(macs)b::bytea[], %(key_streams)b::uuid[], %(first_versions)b::bigint[],
    %(last_versions)b::bigint[], %(statuses)b::smallint[], %(answered_versions)b::bigint[], %(masked)b::jsonb[]
);
