-- name: take_turn
-- Become the one sealer, for as long as this connection lives; politeness only, the fence is the key of ledger.log.
SELECT pg_try_advisory_lock(hashtextextended('dossier sealer', 0));

-- name: wait_for_turn
-- Let one appending transaction at a time seal, until it ends.
SELECT pg_advisory_xact_lock(hashtextextended('dossier sealing append', 0));

-- name: seal
-- Give committed events with an id above the floor the next places in the log; the hashes come back for the tree.
-- Entries stay where they are, unread: bytes that are no JSON are sealed as they are.
WITH look AS (
    SELECT CASE WHEN EXISTS (SELECT FROM unnest(%(named)s::text[]::xid8[]) AS named (xid)
                             WHERE pg_visible_in_snapshot(xid, pg_current_snapshot()))
                THEN %(settled)s ELSE %(floor)s END::bigint AS above
), head AS (
    SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) AS size,
           greatest((SELECT known_at FROM ledger.log ORDER BY idx DESC LIMIT 1),
                    (SELECT max(made_at) FROM ledger.checkpoint),
                    '-infinity') AS known_at
), found AS (
    SELECT unsealed.ctid, id, stream, version
    FROM ledger.unsealed
    -- Nothing is done when the log is not what the caller knows of it.
    WHERE id > (SELECT above FROM look) AND (SELECT size FROM head) = %(size)s
    ORDER BY id
    LIMIT %(most)s
), overtaking AS (
    -- None, unless a repair has put a row into the queue whose id is below the floor and below its successor's.
    SELECT count(*) AS events
    FROM (SELECT stream, version, lag(version) OVER (PARTITION BY stream ORDER BY id) AS previous FROM found) AS line
    WHERE %(floor)s >= 0 AND previous IS DISTINCT FROM version - 1
        AND NOT EXISTS (SELECT FROM ledger.log WHERE log.stream = line.stream AND log.version = line.version - 1)
        AND EXISTS (SELECT FROM ledger.event WHERE event.stream = line.stream AND event.version = line.version - 1)
), taken AS (
    DELETE FROM ledger.unsealed
    -- By ctid, so that no plan reads the whole table: dead rows may lie there in hundreds of thousands.
    WHERE ctid = ANY (CASE (SELECT events FROM overtaking) WHEN 0 THEN ARRAY(SELECT ctid FROM found) END)
    RETURNING id, stream, version, recorded_at
), numbered AS (
    -- A row of the queue without its event is dropped before numbering, so that the log stays dense.
    SELECT head.size + row_number() OVER in_order - 1 AS idx, stream, version,
           sha256('\x00'::bytea || event.entry) AS hash,
           greatest(head.known_at, max(taken.recorded_at) OVER in_order) AS known_at
    FROM taken
    JOIN ledger.event USING (stream, version)
    CROSS JOIN head
    WINDOW in_order AS (ORDER BY taken.id)
), logged AS (
    INSERT INTO ledger.log (idx, stream, version, hash, known_at)
    SELECT idx, stream, version, hash, known_at FROM numbered ORDER BY idx
    RETURNING idx, hash
), grown AS (
    SELECT count(*) AS events, string_agg(hash, ''::bytea ORDER BY idx) AS hashes FROM logged
)
SELECT head.size,
       grown.hashes,
       grown.events,
       (SELECT count(*) FROM taken) - grown.events AS dropped,
       overtaking.events AS overtaking,
       (SELECT max(id) FROM taken) AS highest_id,
       (SELECT count(*) FROM found) AS found,
       -- A transaction gets its number when it first writes: this one after it has seen what it seals.
       pg_current_xact_id_if_assigned()::text::bigint AS xid,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_open,
       ARRAY(SELECT xid::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS xid) AS open
FROM head CROSS JOIN grown CROSS JOIN overtaking;

-- name: checkpoint
-- Write down what the log has come to in this transaction, and wake whoever follows it.
-- Not at the clock's time but at the log's: what is sealed next was mostly recorded before now, and is known from then
-- on. Only an idle log's tick moves the time that is known ahead of the events.
INSERT INTO ledger.checkpoint (made_at, size, root)
SELECT greatest((SELECT known_at FROM ledger.log WHERE idx = %(size)s::bigint - 1),
                (SELECT max(made_at) + interval '1 microsecond' FROM ledger.checkpoint)),
       %(size)s,
       %(root)s
RETURNING pg_notify('dossier_sealed', size::text);

-- name: drop_strays
-- Remove queue rows of events that have their place already, or that stand in the queue twice.
DELETE FROM ledger.unsealed AS stray
WHERE EXISTS (SELECT FROM ledger.log WHERE log.stream = stray.stream AND log.version = stray.version)
    OR EXISTS (
        SELECT FROM ledger.unsealed AS first
        WHERE first.stream = stray.stream AND first.version = stray.version AND first.id < stray.id
    );

-- name: tick
-- Write down the size of the log though nothing was sealed: answers about the time before are final now.
INSERT INTO ledger.checkpoint (made_at, size, root)
SELECT greatest(clock_timestamp(),
                (SELECT known_at FROM ledger.log ORDER BY idx DESC LIMIT 1),
                (SELECT max(made_at) + interval '1 microsecond' FROM ledger.checkpoint)),
       %(size)s,
       %(root)s
-- Nothing is written when another sealer has grown the log since its root was known here.
WHERE coalesce((SELECT max(idx) + 1 FROM ledger.log), 0) = %(size)s::bigint;
