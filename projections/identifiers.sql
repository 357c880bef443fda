-- The inline read model of identifiers: who holds one, kept unique by its primary key.

-- name: holders
-- Who holds these identifiers.
SELECT held.scheme, held.value, held.customer_id
FROM read.identifier held
JOIN unnest(%(schemes)b::text[], %(values)b::text[]) AS claimed (scheme, value) USING (scheme, value);

-- name: release
-- Give up identifiers; only what the customer itself holds.
DELETE FROM read.identifier held
USING unnest(%(schemes)b::text[], %(values)b::text[], %(customer_ids)b::uuid[])
    AS released (scheme, value, customer_id)
WHERE (held.scheme, held.value, held.customer_id) = (released.scheme, released.value, released.customer_id);

-- name: claim
-- Take identifiers, in the order of their keys; one that is held already breaks identifier_pkey.
INSERT INTO read.identifier (scheme, value, customer_id, version)
SELECT * FROM unnest(%(schemes)b::text[], %(values)b::text[], %(customer_ids)b::uuid[], %(versions)b::bigint[]);
