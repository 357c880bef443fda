-- name: by_key
-- Tell of the request that took effect under a key: who sent it, and what it recorded where, with its first entry.
SELECT used.actor, used.stream, used.first_version, used.last_version, used.status, event.entry,
       (SELECT idx + 1 FROM ledger.log WHERE (log.stream, log.version) = (used.stream, used.last_version))
FROM ledger.idempotency AS used
JOIN ledger.event ON (event.stream, event.version) = (used.stream, used.first_version)
WHERE used.key = %(key)s;
