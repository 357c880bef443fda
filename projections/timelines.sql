-- Everything that one customer's slots ever said, and since when it was known.

-- name: rectangles
-- A page of rectangles as far as they are known at a position, by slot, by the position from which on they are known,
-- and by the instant from which on they hold; closed at a later position, they are still open. The slots come from the
-- changes, which one index has all of; then a page costs its own slots' rectangles and not the whole file's.
WITH touched AS MATERIALIZED (
    SELECT DISTINCT slot FROM read.changes
    WHERE customer_id = %(customer_id)s AND (%(after_slot)s::text IS NULL OR slot >= %(after_slot)s)
        AND (%(path)s::text IS NULL OR slot = %(path)s OR starts_with(slot, %(path)s || '/'))
), page AS MATERIALIZED (
    SELECT rectangle.*
    FROM (SELECT slot FROM touched ORDER BY slot) AS wanted
    CROSS JOIN LATERAL (
        SELECT slot, value, absent, version, lower(valid) AS valid_from, upper(valid) AS valid_to,
               lower(positions) AS opened,
               CASE WHEN upper(positions) <= %(position)s THEN upper(positions) END AS closed
        FROM read.facts
        WHERE uuid_hash(customer_id) = uuid_hash(%(customer_id)s::uuid)
            AND (hashtext(slot) %% 32768)::smallint = (hashtext(wanted.slot) %% 32768)::smallint
            AND customer_id = %(customer_id)s AND slot = wanted.slot AND lower(positions) <= %(position)s
            AND (%(valid_at)s::timestamptz IS NULL OR valid @> %(valid_at)s)
            AND (
                %(after_slot)s::text IS DISTINCT FROM wanted.slot
                OR (lower(positions), lower(valid)) > (%(after_opened)s, %(after_valid_from)s::timestamptz)
            )
        ORDER BY lower(positions), lower(valid)
        LIMIT %(limit)s
    ) AS rectangle
    ORDER BY slot, opened, valid_from
    LIMIT %(limit)s
)
SELECT page.slot,
       coalesce(page.value::text, read.shared(events.data, events.shared_from, events.shared_length)),
       page.absent, page.valid_from, page.valid_to, page.opened, page.closed,
       (SELECT known_at FROM ledger.log WHERE idx = page.opened - 1),
       (SELECT known_at FROM ledger.log WHERE idx = page.closed - 1),
       events.event_id, events.type, events.version, events.position, events.recorded_at, events.actor
FROM page
JOIN read.events ON events.customer_id = %(customer_id)s AND events.version = page.version
ORDER BY page.slot, page.opened, page.valid_from;
