-- What the eraser reads and does. It deletes nothing itself: ledger.erase_part() does, where an event allows it.

-- name: pending
-- The erasures that nobody has carried out to the end, with the encrypted part that says what each erases.
SELECT event.stream, event.version, event.type, event.entry, payload.part, payload.ct
FROM ledger.event
LEFT JOIN ledger.erasure USING (stream, version)
LEFT JOIN ledger.payload USING (stream, version)
WHERE event.type = 'customer.personal-data-erased' AND erasure.stream IS NULL
ORDER BY event.stream, event.version, payload.part;

-- name: entries
-- The entries of a stream, of which the eraser wants to know whose parts they name.
SELECT version, type, entry FROM ledger.event WHERE stream = %(stream)s ORDER BY version;

-- name: used_elsewhere
-- Tell whether another stream has values of a subject that it has not erased itself: it is the stream's own subject, or
-- one of its contact persons, or spoken of in a proposal, known by the read models or, since what they have seen, by the
-- entries.
WITH others AS (
    SELECT stream FROM ledger.event WHERE stream = %(subject)s
    UNION
    SELECT customer_id FROM read.changes
    WHERE slot COLLATE "C" >= '/contacts/' || %(subject)s::text AND slot COLLATE "C" < '/contacts/' || %(subject)s::text || '0'
    UNION
    SELECT customer_id FROM read.approvals WHERE subject = %(subject)s AND kind = 'PROPOSAL'
    UNION
    SELECT stream
    FROM (
        SELECT stream, version FROM ledger.log
        WHERE idx >= coalesce((SELECT min(position) FROM read.tracking WHERE projection IN ('changes', 'approvals')), 0)
        UNION ALL
        SELECT stream, version FROM ledger.unsealed
    ) AS recent
    JOIN ledger.event USING (stream, version)
    WHERE position(convert_to('"subject":"' || %(subject)s::text || '"', 'UTF8') IN entry) > 0
)
SELECT EXISTS (
    SELECT FROM others
    WHERE stream <> %(stream)s AND NOT EXISTS (
        SELECT FROM ledger.event
        WHERE event.stream = others.stream AND event.type = 'customer.personal-data-erased'
            AND (position(convert_to('"erases":"' || %(subject)s::text || '"', 'UTF8') IN event.entry) > 0
                OR position(convert_to('"erases":"' || event.stream::text || '"', 'UTF8') IN event.entry) > 0)
    )
);

-- name: erase_parts
-- Delete the ciphertexts of parts of a stream; how many were still there.
SELECT count(*) FILTER (WHERE ledger.erase_part(%(stream)s, version, part))
FROM unnest(%(versions)s::bigint[], %(parts)s::smallint[]) AS gone (version, part);

-- name: finish
-- Write down that an erasure has been carried out, and when the last copy of a key is out of use.
INSERT INTO ledger.erasure (stream, version, unreadable_since, keys_kept)
VALUES (%(stream)s, %(version)s, clock_timestamp() + make_interval(secs => %(cache_seconds)s), %(keys_kept)s)
ON CONFLICT (stream, version) DO NOTHING;
