-- known_at never goes back along the log, so an instant's place is found by its primary key: the index on the time was
-- a third entry that sealing made for every event.

DROP INDEX ledger.log_known_at_idx;
