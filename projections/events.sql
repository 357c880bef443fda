-- The read model of decrypted events, for histories.

-- name: insert
-- Add the events of a batch.
INSERT INTO read.events (
    customer_id, version, position, recorded_at, effective_from, effective_to, event_id, is_decision, type, actor,
    envelope, data
)
SELECT * FROM unnest(
    %(customer_ids)b::uuid[], %(versions)b::bigint[], %(positions)b::bigint[], %(recorded_at)b::timestamptz[],
    %(effective_from)b::timestamptz[], %(effective_to)b::timestamptz[], %(event_ids)b::uuid[], %(decisions)b::boolean[],
    %(types)b::text[], %(actors)b::text[], %(envelopes)b::text[]::jsonb[], %(data)b::text[]::json[]
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
       (SELECT jsonb_agg(jsonb_build_object('path', slot, 'kind', kind)
               || CASE WHEN old IS NULL THEN '{}' ELSE jsonb_build_object('old', old) END
               || CASE WHEN new IS NULL THEN '{}' ELSE jsonb_build_object('new', new) END ORDER BY slot)
        FROM read.changes
        WHERE changes.customer_id = events.customer_id AND changes.version = events.version)::text
FROM unnest(%(customer_ids)b::uuid[], %(versions)b::bigint[]) WITH ORDINALITY AS wanted (customer_id, version, place)
JOIN read.events USING (customer_id, version)
ORDER BY place;

-- name: last_verifications
-- Per slot and event that was verified, the last verification up to a position.
SELECT DISTINCT ON (1, 2)
       data ->> 'path', (data ->> 'value_event_id')::uuid, event_id, recorded_at, actor, data ->> 'method',
       data ->> 'result'
FROM read.events
WHERE customer_id = %(customer_id)s AND is_decision AND type = 'customer.field-verified' AND position <= %(position)s
ORDER BY 1, 2, position DESC;

-- name: history_ascending
-- A page of a customer's events, oldest first, each with the slots it moved.
SELECT page.position,
       read.event_json(page.customer_id, page.version, page.position, page.recorded_at, page.effective_from, page.effective_to,
                       page.event_id, page.is_decision, page.type, page.envelope, page.data),
       (SELECT jsonb_agg(jsonb_build_object('path', slot, 'kind', kind)
               || CASE WHEN old IS NULL THEN '{}' ELSE jsonb_build_object('old', old) END
               || CASE WHEN new IS NULL THEN '{}' ELSE jsonb_build_object('new', new) END ORDER BY slot)
        FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version)::text
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
       (SELECT jsonb_agg(jsonb_build_object('path', slot, 'kind', kind)
               || CASE WHEN old IS NULL THEN '{}' ELSE jsonb_build_object('old', old) END
               || CASE WHEN new IS NULL THEN '{}' ELSE jsonb_build_object('new', new) END ORDER BY slot)
        FROM read.changes
        WHERE changes.customer_id = page.customer_id AND changes.version = page.version)::text
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

-- name: whole_ascending
-- A page of all of a customer's events, oldest first, as it is sent: the position up to which it is (where none is given,
-- the one that all read models have passed), how many events, the last one's position, and the text of all items. For a
-- position that the read models have not passed there are none.
SELECT stand.position, count(item.position), max(item.position),
       convert_to(string_agg(left(item.body, -1) || ',"changes":[' || coalesce(item.changes, '') || ']}', ','
                             ORDER BY item.position), 'UTF8')
FROM (
    SELECT coalesce(%(position)s::bigint, reached, 0), coalesce(reached, 0)
    FROM (SELECT min(position) FROM read.tracking) AS tracking (reached)
) AS stand (position, reached)
LEFT JOIN LATERAL (
    SELECT page.position,
           read.event_json(page.customer_id, page.version, page.position, page.recorded_at, page.effective_from,
                           page.effective_to, page.event_id, page.is_decision, page.type, page.envelope,
                           page.data) AS body,
           (SELECT string_agg('{"path":' || to_json(slot) || ',"kind":"' || kind || '"'
                              || coalesce(',"old":' || old::text, '') || coalesce(',"new":' || new::text, '') || '}',
                              ',' ORDER BY slot)
            FROM read.changes
            WHERE changes.customer_id = page.customer_id AND changes.version = page.version) AS changes
    FROM read.events AS page
    WHERE customer_id = %(customer_id)s AND position <= stand.position AND stand.position <= stand.reached
        AND position > %(after)s
    ORDER BY position
    LIMIT %(limit)s
) AS item ON true
GROUP BY stand.position;

-- name: whole_descending
-- The same, newest first.
SELECT stand.position, count(item.position), min(item.position),
       convert_to(string_agg(left(item.body, -1) || ',"changes":[' || coalesce(item.changes, '') || ']}', ','
                             ORDER BY item.position DESC), 'UTF8')
FROM (
    SELECT coalesce(%(position)s::bigint, reached, 0), coalesce(reached, 0)
    FROM (SELECT min(position) FROM read.tracking) AS tracking (reached)
) AS stand (position, reached)
LEFT JOIN LATERAL (
    SELECT page.position,
           read.event_json(page.customer_id, page.version, page.position, page.recorded_at, page.effective_from,
                           page.effective_to, page.event_id, page.is_decision, page.type, page.envelope,
                           page.data) AS body,
           (SELECT string_agg('{"path":' || to_json(slot) || ',"kind":"' || kind || '"'
                              || coalesce(',"old":' || old::text, '') || coalesce(',"new":' || new::text, '') || '}',
                              ',' ORDER BY slot)
            FROM read.changes
            WHERE changes.customer_id = page.customer_id AND changes.version = page.version) AS changes
    FROM read.events AS page
    WHERE customer_id = %(customer_id)s AND position <= stand.position AND stand.position <= stand.reached
        AND position < %(after)s
    ORDER BY position DESC
    LIMIT %(limit)s
) AS item ON true
GROUP BY stand.position;
