-- What the audit trail of all customers is searched by: who moved this slot, in the order of the log.

-- In the order of bytes, so that what slots begin with is one stretch of the index.
CREATE INDEX changes_search_idx ON read.changes (slot COLLATE "C", position);

-- What happened, in its order, and what somebody did: the search that names no slot reads along one of these.
CREATE INDEX events_position_idx ON read.events (position);
CREATE INDEX events_actor_position_idx ON read.events (actor, position);
