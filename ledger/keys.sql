-- name: load_keys
-- Read the wrapped data keys of these subjects.
SELECT subject, wrapped, kek, state FROM keys.subject_key WHERE subject = ANY(%(subjects)s);

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
