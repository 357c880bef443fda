-- A file's requests for erasure and its holds, from the events about them, and what has been carried out of them.

-- name: told
-- The events about erasures and holds of a customer up to a position, in their order.
SELECT version, position, event_id, type, recorded_at, actor, envelope::json #>> '{reason,text}', data::json
FROM read.events
WHERE customer_id = %(customer_id)s AND is_decision AND position <= %(position)s AND type = ANY (%(types)s::text[])
ORDER BY version;

-- name: carried_out
-- What the eraser has done of the customer's erasures. A time that is not over is none yet.
SELECT version,
       CASE WHEN unreadable_since <= clock_timestamp() THEN unreadable_since END,
       scrubbed_since, keys_kept
FROM ledger.erasure
WHERE stream = %(customer_id)s;
