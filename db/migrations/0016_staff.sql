-- Every process asks once a second how far the streams of members of staff go: there are few of them among many events.
-- With the type in it, the index alone answers: 1.4 instead of 10 ms for ten thousand events of theirs.

CREATE INDEX event_staff_idx ON ledger.event (stream, version, type) WHERE type LIKE 'staff.%';
