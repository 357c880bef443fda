-- The read models of the read ledger.

-- name: insert_access
-- Add the views of a batch.
INSERT INTO read.access (
    stream, version, place, position, event_id, type, since, until, principal, purpose, view
)
SELECT stream, version, place, position, event_id, type, since, until, principal, purpose, view::json
FROM unnest(
    %(streams)b::uuid[], %(versions)b::bigint[], %(places)b::integer[], %(positions)b::bigint[], %(event_ids)b::uuid[],
    %(types)b::text[], %(since)b::timestamptz[], %(until)b::timestamptz[], %(principals)b::text[],
    %(purposes)b::text[], %(views)b::text[]
) AS given (stream, version, place, position, event_id, type, since, until, principal, purpose, view);

-- name: insert_seen
-- Add the customers seen in them, in the order of the key, along which the table is written.
INSERT INTO read.seen (stream, version, place, customer_id, position, times, request_id)
SELECT stream, version, place, customer_id, position, times, request_id
FROM unnest(
    %(streams)b::uuid[], %(versions)b::bigint[], %(places)b::integer[], %(customer_ids)b::uuid[],
    %(positions)b::bigint[], %(times)b::bigint[], %(request_ids)b::text[]
) AS given (stream, version, place, customer_id, position, times, request_id)
ORDER BY customer_id, position, place;

-- name: of_customer
-- A page of the views in which a customer was seen.
SELECT position, place, access.stream, access.version, event_id, type, since, until, view, customer_id, times,
       request_id
FROM read.seen
JOIN read.access USING (position, place)
WHERE seen.customer_id = %(customer_id)s
    AND position <= %(position)s AND (position, place) > (%(after_position)s, %(after_place)s)
    AND (%(principal)s::text IS NULL OR principal = %(principal)s)
    AND (%(purpose)s::text IS NULL OR purpose = %(purpose)s)
    AND (%(since)s::timestamptz IS NULL OR until >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR since < %(until)s)
ORDER BY position, place
LIMIT %(limit)s;

-- name: of_all
-- The same of all customers, or of those whom one principal has seen; a view that names nobody is there once.
SELECT position, place, access.stream, access.version, event_id, type, since, until, view, customer_id,
       coalesce(times, 1), request_id
FROM read.access
LEFT JOIN read.seen USING (position, place)
WHERE position <= %(position)s AND (position, place) >= (%(after_position)s, %(after_place)s)
    AND (position, place, coalesce(customer_id, '00000000-0000-0000-0000-000000000000'))
        > (%(after_position)s, %(after_place)s, %(after_customer)s::uuid)
    AND (%(principal)s::text IS NULL OR principal = %(principal)s)
    AND (%(purpose)s::text IS NULL OR purpose = %(purpose)s)
    AND (%(since)s::timestamptz IS NULL OR until >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR since < %(until)s)
ORDER BY position, place, coalesce(customer_id, '00000000-0000-0000-0000-000000000000')
LIMIT %(limit)s;
