-- Erasures that a restored database has to do again, or does not know of.

-- name: destroy
-- Destroy data keys, whatever state they came back in; where one is destroyed already, nothing.
INSERT INTO keys.subject_key AS known (subject, wrapped, kek, state, erased_by, destroyed_at)
SELECT subject, '', '', 'destroyed', by, clock_timestamp()
FROM unnest(%(subjects)s::uuid[], %(by)s::uuid[]) AS listed (subject, by)
ON CONFLICT (subject) DO UPDATE
SET wrapped = '', state = 'destroyed', erased_by = excluded.erased_by, destroyed_at = excluded.destroyed_at
WHERE known.state <> 'destroyed';

-- name: destroyed
-- Whose keys are destroyed, and by which event.
SELECT subject, erased_by FROM keys.subject_key WHERE state = 'destroyed';

-- name: entries
-- Every customer's entries, stream by stream, and the clock.
SELECT stream, version, type, entry, clock_timestamp()
FROM ledger.event
WHERE stream <> %(own)b AND type NOT LIKE ALL (%(others)b::text[])
ORDER BY stream, version;
