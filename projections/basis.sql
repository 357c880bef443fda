-- What "when" means: positions, instants, and how far the read models are.

-- name: now
-- The end of the log, how far the read models are (0 before the first batch), and the database's clock.
SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       clock_timestamp();

-- name: known_by
-- The greatest position known by an instant (0: none), and whether anything later than it is sealed, so that it stays so.
SELECT coalesce((SELECT idx + 1 FROM ledger.log WHERE known_at <= %(known_at)s ORDER BY known_at DESC, idx DESC LIMIT 1), 0),
       EXISTS (SELECT FROM ledger.log WHERE known_at > %(known_at)s)
       OR EXISTS (SELECT FROM ledger.checkpoint WHERE made_at > %(known_at)s);

-- name: known_at
-- From when on a position is known.
SELECT known_at FROM ledger.log WHERE idx = %(position)s - 1;

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
-- How far sealer and read models are, and whether the advisory locks that elect them are both held in this database.
SELECT (SELECT count(*) FROM ledger.unsealed),
       coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
       coalesce((SELECT min(position) FROM read.tracking), 0),
       (SELECT count(DISTINCT held.key) = 2
        FROM (
            SELECT classid::bigint << 32 | objid::bigint AS key
            FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        ) AS held
        WHERE held.key IN (hashtextextended('dossier sealer', 0), hashtextextended('dossier projections', 0)));
