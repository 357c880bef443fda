-- The read model of decrypted events, for histories.

-- name: insert
-- Add the events of a batch.
INSERT INTO read.events (
    customer_id, version, position, recorded_at, effective_from, effective_to, event_id, shared_from, shared_length,
    is_decision, may_be_sensitive, type, actor, envelope, data, changes
)
SELECT * FROM unnest(
    %(customer_ids)b::uuid[], %(versions)b::bigint[], %(positions)b::bigint[], %(recorded_at)b::timestamptz[],
    %(effective_from)b::timestamptz[], %(effective_to)b::timestamptz[], %(event_ids)b::uuid[],
    %(shared_from)b::integer[], %(shared_length)b::integer[], %(decisions)b::boolean[],
    %(may_be_sensitive)b::boolean[], %(types)b::text[], %(actors)b::text[], %(envelopes)b::text[],
    %(data)b::text[], %(changes)b::text[]
);

-- name: forget
-- Delete every row about a customer.
DELETE FROM read.events WHERE customer_id = %(customer_id)s;

-- name: first_known
-- When a customer was first recorded, whatever the position.
SELECT position, recorded_at FROM read.events WHERE customer_id = %(customer_id)s ORDER BY version LIMIT 1;

-- name: by_versions
-- Some events of several customers.
SELECT customer_id, version, read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to,
                                             event_id, is_decision, type, envelope, data)
FROM unnest(%(customer_ids)b::uuid[], %(versions)b::bigint[]) AS wanted (customer_id, version)
JOIN read.events USING (customer_id, version);

-- name: items
-- Some events of any customers, in the order given, each with the slots it moved.
SELECT read.event_json(customer_id, version, position, recorded_at, effective_from, effective_to, event_id, is_decision,
                       type, envelope, data),
       read.changes_json(changes, data, shared_from, shared_length)
FROM unnest(%(customer_ids)b::uuid[], %(versions)b::bigint[]) WITH ORDINALITY AS wanted (customer_id, version, place)
JOIN read.events USING (customer_id, version)
ORDER BY place;

-- name: history_ascending
-- A page of a customer's events, oldest first, each with the slots it moved.
SELECT page.position,
       read.event_json(page.customer_id, page.version, page.position, page.recorded_at, page.effective_from, page.effective_to,
                       page.event_id, page.is_decision, page.type, page.envelope, page.data),
       read.changes_json(page.changes, page.data, page.shared_from, page.shared_length)
FROM read.events AS page
WHERE customer_id = %(customer_id)s AND position <= %(position)s
    AND position > %(after)s AND position >= %(from_position)s
    AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
    AND (%(path)s::text IS NULL OR EXISTS (
        SELECT FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version
            AND (slot = %(path)s OR starts_with(slot, %(path)s || '/'))
    ))
ORDER BY position
LIMIT %(limit)s;

-- name: history_descending
-- The same, newest first.
SELECT page.position,
       read.event_json(page.customer_id, page.version, page.position, page.recorded_at, page.effective_from, page.effective_to,
                       page.event_id, page.is_decision, page.type, page.envelope, page.data),
       read.changes_json(page.changes, page.data, page.shared_from, page.shared_length)
FROM read.events AS page
WHERE customer_id = %(customer_id)s AND position <= %(position)s
    AND (%(after)s = 0 OR position < %(after)s) AND position >= %(from_position)s
    AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(type_prefix)s::text IS NULL OR starts_with(type, %(type_prefix)s))
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s)
    AND (%(path)s::text IS NULL OR EXISTS (
        SELECT FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version
            AND (slot = %(path)s OR starts_with(slot, %(path)s || '/'))
    ))
ORDER BY position DESC
LIMIT %(limit)s;

-- name: whole_pages
-- Pages of all of customers' events in one direction, as they are sent: of each its place among those asked for, the
-- position up to which it is (where none is given, the one that all read models have passed), how many events, the last
-- one's position, whether anything SENSITIVE may be in it, and the text of all items. For a position that the read models
-- have not passed there are none. Arrays come from subqueries for the planner's sake, as in past.sql. An item is what
-- read.event_json says of the event, and what it changed; an instant that stands twice is written once, as that is what
-- costs most.
SELECT asked.place, stand.position, page.number, page.last, page.may_be_sensitive, page.items
FROM unnest(
    (SELECT %(customer_ids)b::uuid[]), (SELECT %(positions)b::bigint[]), (SELECT %(after)b::bigint[]),
    (SELECT %(limits)b::bigint[])
) WITH ORDINALITY AS asked (customer_id, position, after, most, place)
CROSS JOIN (SELECT coalesce(min(position), 0) FROM read.tracking) AS tracking (reached)
CROSS JOIN LATERAL (SELECT coalesce(asked.position, tracking.reached)) AS stand (position)
CROSS JOIN LATERAL (
    SELECT count(*), {last}(item.position), bool_or(item.may_be_sensitive),
           convert_to(string_agg(concat(
               '{{"customer_id":"', item.customer_id, '","version":', item.version, ',"position":', item.position,
               ',"event_id":"', item.event_id, '","type":"', item.type,
               CASE WHEN item.is_decision THEN '","decision":true,"recorded_at":' ELSE '","decision":false,"recorded_at":' END,
               item.recorded,
               CASE WHEN item.effective_from = item.recorded_at THEN ',"effective_from":' || item.recorded
                    ELSE coalesce(to_char(item.effective_from AT TIME ZONE 'UTC',
                                          '",\"effective_from\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
                                  ',"effective_from":null') END,
               coalesce(to_char(item.effective_to AT TIME ZONE 'UTC',
                                '",\"effective_to\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'), ',"effective_to":null'),
               ',"data":', item.data, ',"changes":',
               read.changes_json(item.changes, item.data, item.shared_from, item.shared_length),
               ',', substr(item.envelope, 2)
           ), ',' ORDER BY item.position {direction}), 'UTF8')
    FROM (
        SELECT *, to_char(recorded_at AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""') AS recorded
        FROM read.events
        WHERE customer_id = asked.customer_id AND position {beyond} asked.after
            AND position <= stand.position AND stand.position <= tracking.reached
        ORDER BY position {direction}
        LIMIT asked.most
    ) AS item
) AS page (number, last, may_be_sensitive, items);
