-- Tallies: counts of customers by tier at points of both times, from which counts at other points are not far.

-- name: count
-- How many customers a slot has by code at a point: those of the nearest tally before it on both axes, and what came and
-- went on the way from there, first along what is valid, then along what is known. Null where there is no tally to begin
-- with. Each stretch is one that an index leads along.
WITH known AS MATERIALIZED (
    SELECT max(position) AS position FROM read.tally WHERE slot = %(slot)s AND position <= %(position)s
), start AS MATERIALIZED (
    SELECT known.position, (
        SELECT max(valid_at) FROM read.tally
        WHERE slot = %(slot)s AND tally.position = known.position AND valid_at <= %(valid_at)s
    ) AS valid_at
    FROM known
)
SELECT array_agg(code), array_agg(number)
FROM (
    SELECT code, sum(number)::bigint AS number
    FROM (
        SELECT tally.code, tally.customers
        FROM start
        JOIN read.tally ON tally.slot = %(slot)s AND tally.position = start.position AND tally.valid_at = start.valid_at
        UNION ALL
        SELECT code, count(*) FROM read.facts
        WHERE slot = %(slot)s AND slot LIKE '/tier/%%' AND NOT absent
            AND valid_from > (SELECT valid_at FROM start) AND valid_from <= %(valid_at)s AND valid_until > %(valid_at)s
            AND known_from <= (SELECT position FROM start) AND known_until > (SELECT position FROM start)
        GROUP BY code
        UNION ALL
        SELECT code, -count(*) FROM read.facts
        WHERE slot = %(slot)s AND slot LIKE '/tier/%%' AND NOT absent
            AND valid_until > (SELECT valid_at FROM start) AND valid_until <= %(valid_at)s
            AND valid_from <= (SELECT valid_at FROM start)
            AND known_from <= (SELECT position FROM start) AND known_until > (SELECT position FROM start)
        GROUP BY code
        UNION ALL
        SELECT code, count(*) FROM read.facts
        WHERE slot = %(slot)s AND slot LIKE '/tier/%%' AND NOT absent
            AND known_from > (SELECT position FROM start) AND known_from <= %(position)s AND known_until > %(position)s
            AND valid_from <= %(valid_at)s AND valid_until > %(valid_at)s
        GROUP BY code
        UNION ALL
        SELECT code, -count(*) FROM read.facts
        WHERE slot = %(slot)s AND slot LIKE '/tier/%%' AND NOT absent
            AND known_until > (SELECT position FROM start) AND known_until <= %(position)s
            AND known_from <= (SELECT position FROM start)
            AND valid_from <= %(valid_at)s AND valid_until > %(valid_at)s
        GROUP BY code
    ) AS change (code, number)
    GROUP BY code
) AS counted
HAVING (SELECT position FROM known) IS NOT NULL;

-- name: positions
-- At which positions there are tallies of a slot.
SELECT position FROM read.tally WHERE slot = %(slot)s AND valid_at = '-infinity';

-- name: make
-- The tallies of a slot at a position, at so many instants that about as many values begin between any two.
WITH held AS MATERIALIZED (
    SELECT code, valid_from, valid_until
    FROM read.facts
    WHERE slot = %(slot)s AND slot LIKE '/tier/%%' AND NOT absent
        AND known_from <= %(position)s AND known_until > %(position)s
), instants AS MATERIALIZED (
    SELECT array_agg(DISTINCT valid_at) AS listed
    FROM (
        SELECT unnest(percentile_disc(
            (SELECT array_agg(number / %(instants)s::float8) FROM generate_series(0, %(instants)s) AS number)
        ) WITHIN GROUP (ORDER BY valid_from))
        FROM held
    ) AS chosen (valid_at)
), change AS (
    -- how many of the instants lie before it: it counts at all others
    SELECT code, width_bucket(at - interval '1 microsecond', instants.listed) AS place, sum(customers) AS customers
    FROM (
        SELECT code, valid_from, 1 FROM held
        UNION ALL
        SELECT code, valid_until, -1 FROM held WHERE valid_until < 'infinity'
    ) AS bound (code, at, customers), instants
    GROUP BY code, place
)
INSERT INTO read.tally (slot, position, valid_at, code, customers)
SELECT %(slot)s, %(position)s, '-infinity', '', 0
UNION ALL
SELECT %(slot)s, %(position)s, instants.listed[number], code, sum(change.customers)
FROM instants, generate_subscripts(instants.listed, 1) AS number, change
WHERE change.place < number
GROUP BY code, number, instants.listed
HAVING sum(change.customers) > 0;

-- name: forget
-- To be called, in the same transaction, by whoever replaces rectangles that were there already.
DELETE FROM read.tally;
