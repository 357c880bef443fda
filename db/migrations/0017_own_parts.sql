-- An entry no longer repeats its stream in every part that is the stream's own.
CREATE OR REPLACE FUNCTION ledger.require_erasure() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
DECLARE
    part jsonb;
    subject text;
    -- Under this subject stands what says that and why something was erased. It outlives every erasure.
    records CONSTANT text := '0364e2ae-73a9-5588-8cc0-441ef2aa6ecc';
BEGIN
    SELECT convert_from(event.entry, 'UTF8')::jsonb -> 'parts' -> OLD.part::integer
    INTO part
    FROM ledger.event
    WHERE event.stream = OLD.stream AND event.version = OLD.version;
    -- A part that names no subject is the stream's own.
    subject := CASE WHEN part ? 'subject' THEN part ->> 'subject' ELSE OLD.stream::text END;
    -- Entries are compact JSON, in which no string can hold these bytes: its quotes would be escaped.
    IF part IS NULL OR subject IS NULL OR subject = records OR NOT EXISTS (
        SELECT
        FROM ledger.event
        WHERE event.stream = OLD.stream AND event.type = 'customer.personal-data-erased'
            AND position(convert_to('"type":"customer.personal-data-erased"', 'UTF8') IN event.entry) > 0
            AND (position(convert_to(format('"erases":"%s"', subject), 'UTF8') IN event.entry) > 0
                OR position(convert_to(format('"erases":"%s"', OLD.stream), 'UTF8') IN event.entry) > 0)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'DS002',
            MESSAGE = format('no event of stream %s erases part %s of version %s', OLD.stream, OLD.part, OLD.version);
    END IF;
    RETURN OLD;
END
$body$;
