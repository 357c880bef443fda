-- What "when" means: positions, instants, and how far the read models are.

-- name: latest
-- The end of the log, how far the read models are (0 before the first batch), the database's clock, and from when on
-- the read models' position is known.
SELECT sealed, reached, clock_timestamp(), (SELECT known_at FROM ledger.log WHERE idx = reached - 1)
FROM (
    SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
           coalesce((SELECT min(position) FROM read.tracking), 0)
) AS stand (sealed, reached);

-- name: known_by
-- The greatest position known by an instant (0: none), whether anything later than it is sealed, so that it stays so;
-- how far the read models are, and the clock.
-- The log's known_at never goes back, so halving it again and again finds the place without an index on it.
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, coalesce((SELECT max(idx) + 1 FROM ledger.log), 0)
    UNION ALL
    SELECT CASE WHEN is_known THEN middle + 1 ELSE low END, CASE WHEN is_known THEN high ELSE middle END
    FROM (
        SELECT low, high, middle,
               coalesce((SELECT known_at <= %(known_at)s FROM ledger.log WHERE idx = middle), false) AS is_known
        FROM search, LATERAL (SELECT (low + high) / 2) AS half (middle)
        WHERE low < high
    ) AS step
)
SELECT (SELECT low FROM search WHERE low = high),
       coalesce(greatest((SELECT known_at FROM ledger.log ORDER BY idx DESC LIMIT 1),
                         (SELECT max(made_at) FROM ledger.checkpoint)) > %(known_at)s, false),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       clock_timestamp();

-- name: all_known_by
-- The same of several instants, each searched for between the low and the high that its position is believed to lie
-- between (a belief that does not hold is not followed), and counted along the last 64 events. First the place of each
-- among them.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT *
    FROM unnest((SELECT %(known_at)b::timestamptz[]), (SELECT %(low)b::bigint[]), (SELECT %(high)b::bigint[]))
        WITH ORDINALITY AS one (known_at, low, high, place)
), search (place, known_at, low, high) AS (
    SELECT place, known_at,
           CASE WHEN (SELECT log.known_at <= asked.known_at FROM ledger.log WHERE idx = asked.low - 1) THEN low
                ELSE 0::bigint END,
           CASE WHEN (SELECT log.known_at > asked.known_at FROM ledger.log WHERE idx = asked.high) THEN high
                ELSE coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) END
    FROM asked
    UNION ALL
    SELECT place, known_at,
           CASE WHEN is_known THEN middle + 1 ELSE low END,
           CASE WHEN is_known THEN high ELSE middle END
    FROM (
        SELECT place, search.known_at, low, high, middle,
               coalesce((SELECT log.known_at <= search.known_at FROM ledger.log WHERE idx = middle), false) AS is_known
        FROM search, LATERAL (SELECT (low + high) / 2) AS half (middle)
        WHERE high - low > 64
    ) AS step
)
SELECT place,
       low + (SELECT count(*) FROM ledger.log WHERE idx >= low AND idx < high AND log.known_at <= search.known_at),
       coalesce(greatest((SELECT known_at FROM ledger.log ORDER BY idx DESC LIMIT 1),
                         (SELECT max(made_at) FROM ledger.checkpoint)) > known_at, false),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       clock_timestamp()
FROM search
WHERE high - low <= 64;

-- name: at_position
-- The end of the log, how far the read models are, and from when on a position is known.
SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       (SELECT known_at FROM ledger.log WHERE idx = %(position)s - 1);

-- name: reached
-- How far the read models are.
SELECT coalesce(min(position), 0) FROM read.tracking;

-- name: position_of
-- The position of an event, null while it is not sealed; no row if there is no such event.
SELECT (SELECT idx + 1 FROM ledger.log WHERE (log.stream, log.version) = (event.stream, event.version))
FROM ledger.event
WHERE stream = %(customer_id)s AND version = %(version)s;

-- name: passed
-- How far the read models are, and the positions of some events in the order asked, null while they are not sealed.
SELECT coalesce((SELECT min(position) FROM read.tracking), 0),
       ARRAY(
           SELECT log.idx + 1
           FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) WITH ORDINALITY AS event(stream, version, place)
           LEFT JOIN ledger.log ON (log.stream, log.version) = (event.stream, event.version)
           ORDER BY event.place
       );

-- name: progress
-- How far sealer, signer and read models are, and whether the advisory locks that elect the first and the last are held.
SELECT (SELECT count(*) FROM ledger.unsealed),
       coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
       coalesce((SELECT max(size) FROM ledger.signature), 0),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       (SELECT count(DISTINCT held.key) = 2
        FROM (
            SELECT classid::bigint << 32 | objid::bigint AS key
            FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        ) AS held
        WHERE held.key IN (hashtextextended('dossier sealer', 0), hashtextextended('dossier projections', 0)));
