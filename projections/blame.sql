-- Who set what shows: the event that holds each slot, and what it had taken the place of.

-- name: blame
-- For each customer asked about that has a slot with a value, one row: its place among those asked about; the end of the
-- log, how far the read models are, the clock, from when on the read models' position is known; then the slots in their
-- order; of each the item up to who approved it, the event's content where that may tell who did, and the event's id;
-- last what was verified, null if nothing. Without position and instant: at the latest that the read models know, and
-- now. Arrays come from subqueries for the planner's sake, as in past.sql.
WITH stand AS MATERIALIZED (
    SELECT sealed, reached, now, (SELECT known_at FROM ledger.log WHERE idx = reached - 1) AS reached_at
    FROM (
        SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
               coalesce((SELECT min(position) FROM read.tracking), 0),
               clock_timestamp()
    ) AS stand (sealed, reached, now)
)
SELECT asked.place, stand.sealed, stand.reached, stand.now, stand.reached_at,
       blamed.slots, blamed.items, blamed.contents,
       CASE WHEN verified.told IS NOT NULL THEN blamed.event_ids END, verified.told
FROM unnest(
    (SELECT %(customer_ids)b::uuid[]), (SELECT %(positions)b::bigint[]), (SELECT %(valid_at)b::timestamptz[])
) WITH ORDINALITY AS asked (customer_id, position, valid_at, place), stand, LATERAL (
    SELECT coalesce(asked.position, stand.reached), coalesce(asked.valid_at, stand.now)
) AS moment (position, valid_at), LATERAL (
    SELECT array_agg(slot) AS slots, array_agg(item) AS items, array_agg(content) AS contents,
           array_agg(event_id::text) AS event_ids
    FROM (
        SELECT held.slot, setter.event_id,
               CASE WHEN stated ? 'proposed' THEN concat('{"approver_id":', to_json(setter.actor), '}')
                    WHEN data LIKE '%%approver_id%%' THEN data END AS content,
               convert_to(concat(
                   '{"customer_id":"', asked.customer_id, '","path":', to_json(held.slot),
                   ',"value":', coalesce(held.value::text, shared),
                   ',"previous":',
                   CASE WHEN moved.old IS NULL THEN 'null'
                        ELSE concat('{"value":', moved.old, ',"event_id":"',
                                    (SELECT event_id FROM read.events
                                     WHERE customer_id = asked.customer_id AND version = moved.old_version),
                                    '","version":', moved.old_version, '}') END,
                   ',"set_by":{"event_id":"', setter.event_id, '","type":"', type,
                   '","version":', setter.version, ',"position":', setter.position,
                   to_char(setter.recorded_at AT TIME ZONE 'UTC', '",\"recorded_at\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
                   ',"observed_at":', coalesce(stated -> 'observed_at', 'null'),
                   coalesce(to_char(setter.effective_from AT TIME ZONE 'UTC',
                                    '",\"effective_from\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'), ',"effective_from":null'),
                   coalesce(to_char(setter.effective_to AT TIME ZONE 'UTC',
                                    '",\"effective_to\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'), ',"effective_to":null'),
                   ',"actor":', to_json(setter.actor),
                   ',"on_behalf_of":', coalesce(stated #> '{actor,on_behalf_of}', 'null'),
                   ',"source":', coalesce(stated -> 'source', 'null'),
                   ',"reason":', coalesce(stated -> 'reason', 'null'),
                   ',"evidence":', coalesce(stated -> 'evidence', '[]'),
                   ',"certainty":', coalesce(stated -> 'certainty', '"FACT"'),
                   ',"proposed_by":' || (stated #> '{proposed,proposer}')::text,
                   ',"kind":"', moved.kind, '","approved_by":'
               ), 'UTF8') AS item
        FROM (
            SELECT slot, value, version
            FROM read.facts
            WHERE uuid_hash(customer_id) = uuid_hash(asked.customer_id)
                AND customer_id = asked.customer_id AND positions @> moment.position AND valid @> moment.valid_at
                AND NOT absent
            OFFSET 0
        ) AS held, LATERAL (
            SELECT *, envelope::jsonb AS stated, read.shared(data, shared_from, shared_length) AS shared FROM read.events
            WHERE customer_id = asked.customer_id AND version = held.version
            LIMIT 1
        ) AS setter, LATERAL (
            SELECT kind, setter.changes::json -> place::integer -> 'old' AS old, old_version FROM read.changes
            WHERE customer_id = asked.customer_id AND version = held.version AND slot = held.slot
            LIMIT 1
        ) AS moved
        ORDER BY held.slot
    ) AS item
    HAVING count(*) > 0
) AS blamed, LATERAL (
    -- of each slot and the event that had put the verified value there, the last one
    SELECT json_agg(json_build_array(
               path, value_event_id,
               concat('{"event_id":"', event_id,
                      to_char(recorded_at AT TIME ZONE 'UTC', '"\",\"at\":\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""'),
                      ',"by":', to_json(actor), ',"method":', method, ',"result":', result, '}')
           ))::text
    FROM (
        SELECT DISTINCT ON (1, 2)
               told ->> 'path', told ->> 'value_event_id', event_id, recorded_at, actor, told -> 'method', told -> 'result'
        FROM read.events, LATERAL (SELECT data::json) AS content (told)
        WHERE customer_id = asked.customer_id AND is_decision AND type = 'customer.field-verified'
            AND events.position <= moment.position
        ORDER BY 1, 2, events.position DESC
    ) AS verification (path, value_event_id, event_id, recorded_at, actor, method, result)
) AS verified (told);
