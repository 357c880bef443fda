-- What a backup says about the evidence and the keys in it.

-- name: log
-- The size of the log and the root of its tree, from when on its last event is known, how many events wait for their
-- place, and how many customers there are.
SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0),
       (SELECT root FROM ledger.checkpoint ORDER BY made_at DESC LIMIT 1),
       (SELECT known_at FROM ledger.log ORDER BY idx DESC LIMIT 1),
       (SELECT count(*) FROM ledger.unsealed),
       (SELECT count(DISTINCT stream) FROM ledger.event
        WHERE stream <> %(own)s AND type NOT LIKE ALL (%(others)s::text[]));

-- name: destroyed
-- Whose keys were destroyed, by which event, and when; in that order.
SELECT subject, erased_by, destroyed_at
FROM keys.subject_key
WHERE state = 'destroyed'
ORDER BY destroyed_at, subject;

-- name: wrapped_by
-- Of each key encryption key that is in use one data key that it wrapped, and how many.
SELECT DISTINCT ON (kek) kek, subject, wrapped, count(*) OVER (PARTITION BY kek)
FROM keys.subject_key
WHERE state <> 'destroyed'
ORDER BY kek, subject;
