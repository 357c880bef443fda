-- The log's tree, read.

-- name: stretches
-- Read stretches of the tree's levels, each as one value of hashes in their order; level 0 is the log itself.
SELECT CASE level
           WHEN 0 THEN (SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM ledger.log
                        WHERE idx >= wanted.begin AND idx < wanted.finish)
           ELSE (SELECT string_agg(hash, ''::bytea ORDER BY idx) FROM ledger.node
                 WHERE node.level = wanted.level AND idx >= wanted.begin AND idx < wanted.finish)
       END
FROM unnest(%(levels)b::smallint[], %(begins)b::bigint[], %(ends)b::bigint[])
    WITH ORDINALITY AS wanted (level, begin, finish, number)
ORDER BY number;
