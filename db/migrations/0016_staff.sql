-- Every process asks once a second how far the streams of members of staff go: there are few of them among many events.

CREATE INDEX event_staff_idx ON ledger.event (stream, version) WHERE type LIKE 'staff.%';
