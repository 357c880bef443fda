-- The inline read model of current profiles.

-- name: load
-- A row for each of these customers, for deciding commands on them, nulls for who has none, and the clock.
SELECT customer_id, version, profile_version, boundaries, as_of, fold_version, state, next_boundary,
       (SELECT clock_timestamp())
FROM unnest(%(customer_ids)b::uuid[]) AS wanted (customer_id)
LEFT JOIN read.profile USING (customer_id);

-- name: save
-- Write the rows of a batch; sorted by key, so that two writers lock in the same order.
INSERT INTO read.profile AS profile
    (customer_id, version, profile_version, boundaries, as_of, next_boundary, fold_version, state)
SELECT * FROM unnest(
    %(customer_ids)b::uuid[], %(file_versions)b::bigint[], %(profile_versions)b::bigint[], %(boundaries)b::bigint[],
    %(as_of)b::timestamptz[], %(next_boundaries)b::timestamptz[], %(fold_versions)b::integer[], %(states)b::bytea[]
)
ON CONFLICT (customer_id) DO UPDATE SET
    version = excluded.version,
    profile_version = excluded.profile_version,
    boundaries = excluded.boundaries,
    as_of = excluded.as_of,
    next_boundary = excluded.next_boundary,
    fold_version = excluded.fold_version,
    state = excluded.state;

-- name: current
-- Some customers' rows, each with the clock it is to be folded forward to.
SELECT customer_id, version, profile_version, boundaries, as_of, fold_version, state, clock_timestamp()
FROM read.profile
WHERE customer_id = ANY (%(customer_ids)b::uuid[]);
