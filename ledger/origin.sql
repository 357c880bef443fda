-- Under which names a log was signed.

-- name: last_note
-- The checkpoint that was signed last, word for word.
SELECT note FROM ledger.signature ORDER BY size DESC LIMIT 1;

-- name: origins
-- All names that it was signed under.
SELECT DISTINCT split_part(note, E'\n', 1) FROM ledger.signature;

-- name: size
-- How long the log is.
SELECT coalesce(max(idx) + 1, 0) FROM ledger.log;
