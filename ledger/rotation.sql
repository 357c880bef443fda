-- name: take_turn
-- Let one rotation at a time into this database, for as long as the session lasts.
SELECT pg_try_advisory_lock(hashtextextended('dossier key rotation', 0));

-- name: end_turn
-- Let the next one in at once.
SELECT pg_advisory_unlock(hashtextextended('dossier key rotation', 0));

-- name: hold_inserts
-- Wait for inserts under way and hold up new ones until the transaction ends; reading goes on.
LOCK TABLE keys.subject_key IN SHARE ROW EXCLUSIVE MODE;

-- name: enter_unknown
-- Enter the keys that wrap something and that no rotation has met yet as ones that wrap no more, but for the one at hand.
INSERT INTO keys.kek (id, epoch, state)
SELECT kek, (SELECT coalesce(max(epoch), 0) FROM keys.kek) + row_number() OVER (ORDER BY kek), 'former'
FROM (SELECT DISTINCT kek FROM keys.subject_key WHERE kek <> %(kek)s AND state <> 'destroyed') AS wrapping
WHERE NOT EXISTS (SELECT FROM keys.kek WHERE id = wrapping.kek);

-- name: enter_first
-- Enter the key at hand as the current one where there is none.
INSERT INTO keys.kek (id, epoch, state)
SELECT %(kek)s, 1 + (SELECT coalesce(max(epoch), 0) FROM keys.kek), 'current'
WHERE NOT EXISTS (SELECT FROM keys.kek WHERE state = 'current');

-- name: supersede
-- Put the key that wraps now aside, if it is another one. Committed together with `succeed`.
UPDATE keys.kek SET state = 'former', since = now() WHERE state = 'current' AND id <> %(kek)s;

-- name: succeed
-- Make a new key the one that wraps, in the next epoch; nothing if it is already.
INSERT INTO keys.kek (id, epoch, state)
SELECT %(kek)s, 1 + (SELECT coalesce(max(epoch), 0) FROM keys.kek), 'current'
WHERE NOT EXISTS (SELECT FROM keys.kek WHERE id = %(kek)s AND state = 'current');

-- name: next_to_wrap
-- Some data keys that another key wraps, in the order of their subjects.
SELECT subject, kek, wrapped
FROM keys.subject_key
WHERE subject > %(after)s AND kek <> %(kek)s AND state <> 'destroyed'
ORDER BY subject
LIMIT %(limit)s;

-- name: wrap_anew
-- Exchange wrapped data keys for the same ones wrapped anew, but those that were changed or destroyed since they were
-- read. In order of subject, so that two cannot deadlock.
WITH offered AS (
    SELECT subject, before, wrapped, kek
    FROM unnest(%(subjects)s::uuid[], %(before)s::bytea[], %(wrapped)s::bytea[], %(keks)s::text[])
        AS offered (subject, before, wrapped, kek)
), held AS (
    SELECT subject_key.subject
    FROM keys.subject_key
    JOIN offered USING (subject)
    WHERE subject_key.wrapped = offered.before AND subject_key.state <> 'destroyed'
    ORDER BY subject
    FOR UPDATE OF subject_key
)
UPDATE keys.subject_key
SET wrapped = offered.wrapped, kek = offered.kek
FROM offered
JOIN held USING (subject)
WHERE subject_key.subject = offered.subject;

-- name: wrapping_otherwise
-- How many data keys another key than this one wraps.
SELECT count(*) FROM keys.subject_key WHERE kek <> %(kek)s AND state <> 'destroyed';

-- name: retire
-- Put former keys aside for good that wrap nothing. Inserts are held up meanwhile.
UPDATE keys.kek SET state = 'retired', since = now()
WHERE state = 'former'
  AND NOT EXISTS (SELECT FROM keys.subject_key WHERE subject_key.kek = keys.kek.id AND state <> 'destroyed')
RETURNING id;

-- name: listed
-- Every key that is known of or wraps something, the latest epoch first, and how many data keys it wraps.
SELECT coalesce(known.id, wrapping.kek), known.epoch, known.state, known.since, coalesce(wrapping.held, 0)
FROM keys.kek AS known
FULL JOIN (
    SELECT kek, count(*) AS held FROM keys.subject_key WHERE state <> 'destroyed' GROUP BY kek
) AS wrapping ON wrapping.kek = known.id
ORDER BY known.epoch DESC NULLS FIRST, 1;
