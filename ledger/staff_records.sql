-- The streams of members of staff.

-- name: heads
-- Every member's stream and how far it goes; asked every second, so answered from an index of theirs alone.
SELECT stream, max(version)
FROM ledger.event
WHERE type LIKE 'staff.%'
GROUP BY stream;
