-- name: newest_note
-- The note of the greatest size.
SELECT note FROM ledger.signature ORDER BY size DESC LIMIT 1;
