-- name: load_keys
-- Read the wrapped data keys of these subjects.
SELECT subject, wrapped, kek, state, erased_by FROM keys.subject_key WHERE subject = ANY(%(subjects)s);

-- name: insert_keys
-- Offer new wrapped data keys; who came first keeps theirs. In order of subject, so that two cannot deadlock. Nothing is
-- inserted when one was wrapped by a key that a rotation has put aside; its name is returned, and that of the key that
-- wraps now. The rotation waited for earlier inserts and holds later ones up until it is committed (`hold_inserts`), so
-- none slips through behind it.
WITH offered AS (
    SELECT subject, wrapped, kek
    FROM unnest(%(subjects)s::uuid[], %(wrapped)s::bytea[], %(keks)s::text[]) AS offered (subject, wrapped, kek)
), superseded AS (
    SELECT id FROM keys.kek WHERE state <> 'current' AND id IN (SELECT kek FROM offered)
), inserted AS (
    INSERT INTO keys.subject_key (subject, wrapped, kek, state)
    SELECT subject, wrapped, kek, 'active' FROM offered WHERE NOT EXISTS (SELECT FROM superseded)
    ORDER BY subject
    ON CONFLICT (subject) DO NOTHING
)
SELECT id, (SELECT id FROM keys.kek WHERE state = 'current') FROM superseded LIMIT 1;

-- name: any_key
-- Tell whether any subject has a data key.
SELECT EXISTS (SELECT FROM keys.subject_key);

-- name: destroy_key
-- Leave nothing of a subject's data key but the event that destroyed it; the first such event stands. A held one stays.
INSERT INTO keys.subject_key AS known (subject, wrapped, kek, state, erased_by, destroyed_at)
VALUES (%(subject)s, '', '', 'destroyed', %(by)s, clock_timestamp())
ON CONFLICT (subject) DO UPDATE
SET wrapped = '', state = 'destroyed', erased_by = excluded.erased_by, destroyed_at = excluded.destroyed_at
WHERE known.state = 'active';

-- name: key_state
-- Tell what became of a subject's data key.
SELECT state FROM keys.subject_key WHERE subject = %(subject)s;

-- name: has_key
-- Tell whether this subject has, or had, a data key.
SELECT EXISTS (SELECT FROM keys.subject_key WHERE subject = %(subject)s);

-- name: any_stream
-- Some customer of whom there are events, and whose data key is therefore somewhere.
SELECT stream FROM ledger.event
WHERE stream <> %(own)s AND type NOT LIKE ALL (%(others)s::text[])
ORDER BY stream, version
LIMIT 1;
