-- name: load_keys
-- Read the wrapped data keys of these subjects.
SELECT subject, wrapped, kek, state, erased_by FROM keys.subject_key WHERE subject = ANY(%(subjects)s);

-- name: insert_keys
-- Offer new wrapped data keys; who came first keeps theirs. In order of subject, so that two cannot deadlock.
INSERT INTO keys.subject_key (subject, wrapped, kek, state)
SELECT subject, wrapped, %(kek)s, 'active'
FROM unnest(%(subjects)s::uuid[], %(wrapped)s::bytea[]) AS offered (subject, wrapped)
ORDER BY subject
ON CONFLICT (subject) DO NOTHING;

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
