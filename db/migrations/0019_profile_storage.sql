-- A file of two kilobytes or somewhat more stays in its row, of which two fit into the part of a page that is filled: out
-- of line each write puts down pieces with an index of their own, and leaves the former ones to be vacuumed away.
-- Rows are found by their key alone, so statistics change no plan; but every write updates one, and a tenth of the
-- customers written was reason to gather them anew: a sixtieth of what a write costs among 100,000 customers.
ALTER TABLE read.profile SET (toast_tuple_target = 2700, autovacuum_analyze_scale_factor = 2);
