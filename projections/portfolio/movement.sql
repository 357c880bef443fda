-- Who entered, left or moved in a segment between two points. A customer that differs differs in a slot that is named,
-- or in being there at all, so that it is found through rectangles that hold at one of the points alone. `family` is
-- what a slot begins with.

-- name: segment
-- Who is in the segment, and one value of each.
SELECT c0.customer_id, {value} AS value
FROM {candidates}
WHERE {conditions};

-- name: opened_between
-- At the later of two positions, and not at the earlier one, a slot holds something; the instant is the same.
SELECT facts.customer_id
FROM read.facts
WHERE facts.slot = {slot} AND facts.slot LIKE {family}
    AND facts.known_from > %(earlier_position)s::bigint AND facts.known_from <= %(later_position)s::bigint
    AND facts.known_until > %(later_position)s::bigint
    AND facts.valid_from <= %(later_valid_at)s::timestamptz AND facts.valid_until > %(later_valid_at)s::timestamptz
    AND NOT facts.absent;

-- name: closed_between
-- The other way round.
SELECT facts.customer_id
FROM read.facts
WHERE facts.slot = {slot} AND facts.slot LIKE {family}
    AND facts.known_until > %(earlier_position)s::bigint AND facts.known_until <= %(later_position)s::bigint
    AND facts.known_from <= %(earlier_position)s::bigint
    AND facts.valid_from <= %(later_valid_at)s::timestamptz AND facts.valid_until > %(later_valid_at)s::timestamptz
    AND NOT facts.absent;

-- name: held_at_one
-- At one point, and not at the other, a slot holds what it holds there.
SELECT facts.customer_id
FROM read.facts
WHERE facts.slot = {slot} AND facts.slot LIKE {family}
    AND facts.known_from <= {position}::bigint AND facts.known_until > {position}::bigint
    AND facts.valid_from <= {valid_at}::timestamptz AND facts.valid_until > {valid_at}::timestamptz
    AND NOT (
        facts.known_from <= {other_position}::bigint AND facts.known_until > {other_position}::bigint
        AND facts.valid_from <= {other_valid_at}::timestamptz AND facts.valid_until > {other_valid_at}::timestamptz
    )
    AND NOT facts.absent;

-- name: recorded_between
-- Of whom anything was recorded between two positions.
SELECT log.stream AS customer_id FROM ledger.log WHERE log.idx >= %(earlier_position)s::bigint AND log.idx < %(later_position)s::bigint;

-- name: begun_between
-- Of whom anything begins between two instants.
SELECT facts.customer_id
FROM read.facts
WHERE lower(facts.valid) > %(first_valid_at)s::timestamptz AND lower(facts.valid) <= %(last_valid_at)s::timestamptz;

-- name: nobody
-- Stands for candidates where everyone in the segment is looked at.
SELECT NULL::uuid AS customer_id WHERE false;

-- name: narrowed
-- Those of a segment whom a closer look is worth.
SELECT segment.customer_id, segment.value
FROM ({segment}) AS segment
WHERE segment.customer_id IN (SELECT candidates.customer_id FROM candidates);

-- name: candidates_there
-- Those of the candidates who were known and had begun, as `everyone` says: a look at each of them.
SELECT registered.customer_id
FROM candidates AS registered
WHERE (
        SELECT events.position FROM read.events
        WHERE events.customer_id = registered.customer_id AND events.version = 1
    ) <= %(position)s
    AND coalesce((
        SELECT true FROM read.facts
        WHERE facts.customer_id = registered.customer_id AND lower(facts.valid) <= %(valid_at)s::timestamptz
            AND lower(facts.positions) <= %(position)s AND (upper(facts.positions) <= %(position)s) IS NOT TRUE
        LIMIT 1
    ), (
        SELECT true FROM read.facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(registered.customer_id)
            AND facts.customer_id = registered.customer_id AND facts.positions @> %(position)s::bigint
        LIMIT 1
    ) IS NULL);

-- name: join_whole
-- Join by hashes. The planner takes a search for a customer's id in facts_point_idx for cheap, and it is not.
SET LOCAL enable_nestloop = off;

-- name: movements
-- A page of who moved, in the order of ids; then from what to what, how many of all.
WITH candidates AS MATERIALIZED (SELECT DISTINCT found.customer_id FROM ({candidates}) AS found),
moved AS MATERIALIZED (
    SELECT customer_id, earlier.value AS before, later.value AS after,
           CASE WHEN earlier.customer_id IS NULL THEN 'ENTERED' WHEN later.customer_id IS NULL THEN 'LEFT' ELSE 'MOVED' END
               AS movement
    FROM ({before}) AS earlier (customer_id, value)
    FULL JOIN ({after}) AS later (customer_id, value) USING (customer_id)
    WHERE earlier.customer_id IS NULL OR later.customer_id IS NULL OR earlier.value IS DISTINCT FROM later.value
)
(
    SELECT customer_id, movement, before::text, after::text, NULL::bigint AS count
    FROM moved
    WHERE customer_id > {place}::uuid
    ORDER BY customer_id
    LIMIT {limit}
)
UNION ALL
(
    SELECT NULL, movement, before::text, after::text, count(*)
    FROM moved
    GROUP BY movement, before, after
    LIMIT {most}
);

-- name: registrations
-- Where in the log each of several customers began.
SELECT customer_id, position
FROM read.events
WHERE customer_id = ANY (%(customer_ids)b::uuid[]) AND version = 1;

-- name: state_decisions
-- By which event each of several customers' files came to be archived, or to be in use again, as known at a position.
SELECT DISTINCT ON (customer_id) customer_id, version, type = 'customer.archived'
FROM read.events
WHERE customer_id = ANY (%(customer_ids)b::uuid[]) AND is_decision AND position <= %(position)s
    AND type IN ('customer.archived', 'customer.reinstated')
ORDER BY customer_id, position DESC;

-- name: beginnings
-- With which fact each of several customers' files begins, as known at a position.
SELECT DISTINCT ON (facts.customer_id) facts.customer_id, facts.slot, facts.version, lower(facts.valid)
FROM read.facts
WHERE facts.customer_id = ANY (%(customer_ids)b::uuid[]) AND facts.positions @> %(position)s::bigint
ORDER BY facts.customer_id, lower(facts.valid), facts.version, facts.slot;
