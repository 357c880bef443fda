-- Receipts: where events stand in the log.

-- name: places
-- The places of some versions of a stream in the log, and their hashes there, in the order of the versions.
SELECT version, idx, hash FROM ledger.log
WHERE stream = %(stream)s AND version >= %(first)s AND version <= %(last)s
ORDER BY version;

-- name: signed
-- Up to which position the log is signed, and the positions of some events in the order asked, null while not sealed.
SELECT coalesce((SELECT max(size) FROM ledger.signature), 0),
       ARRAY(
           SELECT log.idx + 1
           FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) WITH ORDINALITY AS event(stream, version, place)
           LEFT JOIN ledger.log ON (log.stream, log.version) = (event.stream, event.version)
           ORDER BY event.place
       );

-- name: event_exists
-- Whether a stream has an event of that version, sealed or not.
SELECT EXISTS (SELECT FROM ledger.event WHERE stream = %(stream)s AND version = %(version)s);
