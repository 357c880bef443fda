-- Erasure: a key says which event destroyed it, and the ciphertext of a part can be deleted where an event of its stream
-- has erased its subject. Nothing else of the evidence can.

ALTER TABLE keys.subject_key
    ADD COLUMN erased_by uuid,
    ADD COLUMN destroyed_at timestamptz,
    ADD CONSTRAINT subject_key_destroyed CHECK (
        (state = 'destroyed') = (erased_by IS NOT NULL)
        AND (state = 'destroyed') = (destroyed_at IS NOT NULL)
        AND (state <> 'destroyed' OR octet_length(wrapped) = 0)
    );
COMMENT ON COLUMN keys.subject_key.erased_by IS 'The event that destroyed the key.';
COMMENT ON COLUMN keys.subject_key.destroyed_at IS 'From then on nobody can read the key here; who had read it before lets go of it within a minute.';

CREATE INDEX event_erasure_idx ON ledger.event (stream, version) WHERE type = 'customer.personal-data-erased';

CREATE TABLE ledger.erasure (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    unreadable_since timestamptz NOT NULL,
    scrubbed_since timestamptz,
    keys_kept uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (stream, version)
);
COMMENT ON TABLE ledger.erasure IS 'What has been carried out of the erasures in ledger.event; not evidence: without its row an erasure is carried out once more.';
COMMENT ON COLUMN ledger.erasure.erased_at IS 'When keys and ciphertexts were gone.';
COMMENT ON COLUMN ledger.erasure.unreadable_since IS 'When the last process that could still hold a key has let go of it.';
COMMENT ON COLUMN ledger.erasure.scrubbed_since IS 'When what the database had deleted was no longer in its files; null until then.';
COMMENT ON COLUMN ledger.erasure.keys_kept IS 'Subjects whose keys were not destroyed, because another file uses them or somebody holds them.';

CREATE FUNCTION ledger.refuse_deletion() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
BEGIN
    IF current_setting('dossier.erasing', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'DS001',
            MESSAGE = format('%s.%s is evidence: %s is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP),
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION ledger.refuse_deletion() IS 'Refuses every DELETE but that of ledger.erase_part with SQLSTATE DS001.';

CREATE FUNCTION ledger.require_erasure() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
DECLARE
    subject text;
    -- Under this subject stands what says that and why something was erased. It outlives every erasure.
    records CONSTANT text := '0364e2ae-73a9-5588-8cc0-441ef2aa6ecc';
BEGIN
    SELECT convert_from(event.entry, 'UTF8')::jsonb -> 'parts' -> OLD.part::integer ->> 'subject'
    INTO subject
    FROM ledger.event
    WHERE event.stream = OLD.stream AND event.version = OLD.version;
    -- Entries are compact JSON, in which no string can hold these bytes: its quotes would be escaped.
    IF subject IS NULL OR subject = records OR NOT EXISTS (
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
COMMENT ON FUNCTION ledger.require_erasure() IS 'Refuses with SQLSTATE DS002 to delete a part that no PersonalDataErased of its stream names, by its subject or by erasing the customer itself.';

DROP TRIGGER refuse_change ON ledger.payload;
CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON ledger.payload
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_deletion BEFORE DELETE ON ledger.payload
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_deletion();
-- Per row: what the function above lets through is looked at once more.
CREATE TRIGGER require_erasure BEFORE DELETE ON ledger.payload
    FOR EACH ROW EXECUTE FUNCTION ledger.require_erasure();
ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER refuse_deletion;
ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER require_erasure;

CREATE FUNCTION ledger.erase_part(of_stream uuid, of_version bigint, of_part smallint) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog
AS $body$
DECLARE
    was_there boolean;
BEGIN
    PERFORM set_config('dossier.erasing', 'on', true);
    DELETE FROM ledger.payload WHERE stream = of_stream AND version = of_version AND part = of_part;
    was_there := FOUND;
    PERFORM set_config('dossier.erasing', 'off', true);
    RETURN was_there;
END
$body$;
COMMENT ON FUNCTION ledger.erase_part(uuid, bigint, smallint) IS 'Deletes the ciphertext of a part that was erased; false when it is gone already. The one way to delete evidence.';
REVOKE ALL ON FUNCTION ledger.erase_part(uuid, bigint, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.erase_part(uuid, bigint, smallint) TO dossier_eraser;

GRANT SELECT ON ledger.event, ledger.payload, ledger.log, ledger.unsealed TO dossier_eraser;
GRANT SELECT, INSERT, UPDATE ON ledger.erasure, keys.subject_key TO dossier_eraser;
GRANT SELECT ON ledger.erasure TO dossier_app, dossier_projector, dossier_reader;
-- Another file's contact person may have the same id: its key is then kept.
GRANT SELECT ON read.changes, read.tracking TO dossier_eraser;
