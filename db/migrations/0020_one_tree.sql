-- One tree over the rectangles instead of two. That no two of a slot overlap is asked of the tree once for all that a
-- statement adds, instead of having the exclusion constraint keep a tree of its own and ask it row by row.

-- As the runner does: this waits for its batch to end, and it then for us, so that neither waits for the other for ever.
SELECT FROM read.tracking ORDER BY projection FOR UPDATE;

ALTER TABLE read.facts DROP CONSTRAINT facts_one_winner;
DROP INDEX read.facts_point_idx;
-- By hashes, which are narrow: the tree keeps each of them as a range. That of the slot is the last column, so that it
-- tells rectangles apart without having a say in which of them lie together; sixteen bits keep one in thousands.
CREATE INDEX facts_point_idx ON read.facts USING gist (
    uuid_hash(customer_id), valid, positions, ((hashtext(slot) % 32768)::smallint)
);

CREATE FUNCTION read.refuse_second_winner() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
DECLARE
    second record;
BEGIN
    -- Whoever else adds rectangles to this table waits here for our end. The statements below are begun after that and
    -- find what was committed by then, as nothing does in a transaction that has one snapshot for all of them.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'rectangles are added in READ COMMITTED transactions only';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('dossier rectangles', TG_RELID::bigint));
    -- A rebuild fires this on the shadow of the table. Of a name that is looked up here the plan is kept all the same.
    PERFORM set_config('search_path', format('pg_catalog, %I, pg_temp', TG_TABLE_SCHEMA), true);
    -- Each rectangle finds itself, so a second one is one too many. The fence keeps this a search for each of them.
    IF TG_OP = 'INSERT' THEN
        SELECT added.customer_id, added.slot INTO second
        FROM added CROSS JOIN LATERAL (
            SELECT FROM facts
            WHERE uuid_hash(facts.customer_id) = uuid_hash(added.customer_id)
                AND (hashtext(facts.slot) % 32768)::smallint = (hashtext(added.slot) % 32768)::smallint
                AND facts.customer_id = added.customer_id AND facts.slot = added.slot
                AND facts.valid && added.valid AND facts.positions && added.positions
            OFFSET 1
        ) AS another
        LIMIT 1;
    ELSE
        SELECT NEW.customer_id, NEW.slot INTO second
        FROM facts
        WHERE uuid_hash(facts.customer_id) = uuid_hash(NEW.customer_id)
            AND (hashtext(facts.slot) % 32768)::smallint = (hashtext(NEW.slot) % 32768)::smallint
            AND facts.customer_id = NEW.customer_id AND facts.slot = NEW.slot
            AND facts.valid && NEW.valid AND facts.positions && NEW.positions
        OFFSET 1 LIMIT 1;
    END IF;
    IF FOUND THEN
        -- Whose it is stands in the detail, which the server's log leaves out.
        RAISE EXCEPTION USING
            ERRCODE = 'exclusion_violation',
            MESSAGE = 'a slot would have two values at one point of both times',
            DETAIL = format('Rectangles of slot %s of customer %s overlap.', second.slot, second.customer_id),
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = 'facts_one_winner';
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION read.refuse_second_winner() IS 'At any (known, valid) a slot has at most one value: refuses rectangles that overlap another one of their slot.';
CREATE TRIGGER facts_one_winner AFTER INSERT ON read.facts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION read.refuse_second_winner();
-- What becomes smaller, as every rectangle does that is closed, comes to overlap nothing.
CREATE TRIGGER facts_one_winner_still AFTER UPDATE ON read.facts
    FOR EACH ROW WHEN (
        NEW.customer_id <> OLD.customer_id OR NEW.slot <> OLD.slot
        OR NOT NEW.valid <@ OLD.valid OR NOT NEW.positions <@ OLD.positions
    ) EXECUTE FUNCTION read.refuse_second_winner();
ALTER TABLE read.facts ENABLE ALWAYS TRIGGER facts_one_winner;
ALTER TABLE read.facts ENABLE ALWAYS TRIGGER facts_one_winner_still;
COMMENT ON TRIGGER facts_one_winner ON read.facts IS 'At any (known, valid) a slot has at most one value.';
