-- How a whole table is read.

-- name: one_snapshot
-- Read all of it from one snapshot, and change nothing.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
