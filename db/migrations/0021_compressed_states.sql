-- Long states of read.profile are compressed from now on, so that they stay in their rows.

-- Of rows of a kilobyte and a half a page takes one more, and has room for another one's new version still. What usual
-- files take stays as it was.
ALTER TABLE read.profile SET (fillfactor = 76);
-- What version 3 of the fold wrote, version 4 reads as it is: it would not fold otherwise. Without this the stream of each
-- customer would be folded for every read until somebody writes to it.
UPDATE read.profile SET fold_version = 4 WHERE fold_version = 3;
COMMENT ON COLUMN read.profile.state IS 'Per slot every fact that wins at some instant from as_of on: JSON, or a zlib stream of it.';
