-- The tables of the CRUD baseline: a document a customer, and a trigger that keeps old and new of every update.
CREATE TABLE customer (
    customer_id uuid PRIMARY KEY,
    version bigint NOT NULL DEFAULT 1,
    document jsonb NOT NULL,
    updated_by text NOT NULL,
    updated_because text
) WITH (fillfactor = 67);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    reason text,
    old jsonb NOT NULL,
    new jsonb NOT NULL
);

CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO audit (customer_id, actor, reason, old, new)
    VALUES (NEW.customer_id, NEW.updated_by, NEW.updated_because, OLD.document, NEW.document);
    RETURN NULL;
END
$body$;

CREATE TRIGGER keep AFTER UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION keep();
