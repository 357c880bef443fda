-- name: take_turn
-- Become the one signer, for as long as this connection lives; politeness only, the fence is the key of ledger.signature.
SELECT pg_try_advisory_lock(hashtextextended('dossier signer', 0));

-- name: stand
-- How long the log is, the newest checkpoint with its root, and the newest note.
SELECT coalesce((SELECT max(idx) + 1 FROM ledger.log), 0), checkpoint.size, checkpoint.root, signature.note
FROM (SELECT) AS one
LEFT JOIN (SELECT size, root FROM ledger.checkpoint ORDER BY made_at DESC LIMIT 1) AS checkpoint ON true
LEFT JOIN (SELECT note FROM ledger.signature ORDER BY size DESC LIMIT 1) AS signature ON true;

-- name: publish
-- Give out a note, unless one of that size is there.
INSERT INTO ledger.signature (size, note) VALUES (%(size)s, %(note)s) ON CONFLICT (size) DO NOTHING;

-- name: note_of
-- The note that was given out for a size.
SELECT note FROM ledger.signature WHERE size = %(size)s;
