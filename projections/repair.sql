-- Putting rows right that are written with the events, one customer at a time, while writers are at work.

-- name: lock_profile
-- Read a row and let no writer pass it until the transaction ends.
SELECT version::text, profile_version::text, boundaries::text, as_of::text, next_boundary::text, fold_version::text, state
FROM read.profile
WHERE customer_id = %(customer_id)s
FOR UPDATE;

-- name: delete_profile
-- Remove a row that belongs to no stream.
DELETE FROM read.profile WHERE customer_id = %(customer_id)s;

-- name: held
-- The identifiers that a customer is said to hold.
SELECT scheme, value, version FROM read.identifier WHERE customer_id = %(customer_id)s;

-- name: release
-- Give up identifiers; only what the customer itself is said to hold.
DELETE FROM read.identifier AS held
USING unnest(%(schemes)b::text[], %(values)b::text[]) AS released (scheme, value)
WHERE (held.scheme, held.value, held.customer_id) = (released.scheme, released.value, %(customer_id)s);

-- name: claim
-- Give a customer identifiers that nobody else holds, in the order of their keys; of its own, put the version right.
INSERT INTO read.identifier AS held (scheme, value, customer_id, version)
SELECT scheme, value, %(customer_id)s, version
FROM unnest(%(schemes)b::text[], %(values)b::text[], %(versions)b::bigint[]) AS claimed (scheme, value, version)
ON CONFLICT (scheme, value) DO UPDATE SET version = excluded.version WHERE held.customer_id = excluded.customer_id;
