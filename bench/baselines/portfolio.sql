-- The table of the portfolio baseline: a customer a row as it is now, with an index on what is asked for.
CREATE TABLE customer (
    customer_id uuid PRIMARY KEY,
    tier text,
    owner text,
    document jsonb NOT NULL
);
CREATE INDEX customer_tier_idx ON customer (tier, customer_id);
