-- The service's own streams.

-- name: head
-- The last event of a stream (null: there is none) without its parts, and the clock.
SELECT clock_timestamp(), version, type, entry
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
    SELECT version, type, entry
    FROM ledger.event
    WHERE stream = %(stream)s
    ORDER BY version DESC
    LIMIT 1
) AS last ON true;
