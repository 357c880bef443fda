-- The read ledger: who saw which customer. No event of it was recorded before this migration, so its projections begin
-- where the others are.

CREATE TABLE read.access (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    place integer NOT NULL CHECK (place >= 1),
    position bigint NOT NULL CHECK (position >= 1),
    event_id uuid NOT NULL,
    type text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    principal text NOT NULL,
    purpose text,
    view json NOT NULL,
    PRIMARY KEY (position, place)
);
CREATE INDEX access_principal_idx ON read.access (principal, position, place);
COMMENT ON TABLE read.access IS 'The read ledger: one row per view that an event of it tells of.';
COMMENT ON COLUMN read.access.place IS 'The view''s number in its event, from 1.';
COMMENT ON COLUMN read.access.since IS 'The view was not before this, and not after until: about a second apart where many were gathered.';
COMMENT ON COLUMN read.access.purpose IS 'The code of the purpose; null where none was stated.';
COMMENT ON COLUMN read.access.view IS 'The view as the event has it, without the customers seen; json, as it is only ever given out as it came.';

CREATE TABLE read.seen (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    place integer NOT NULL CHECK (place >= 1),
    customer_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position >= 1),
    times bigint NOT NULL CHECK (times >= 1),
    request_id text,
    PRIMARY KEY (customer_id, position, place)
);
CREATE INDEX seen_position_idx ON read.seen (position, place, customer_id);
COMMENT ON TABLE read.seen IS 'Who was seen: one row per customer and view. Narrow, as there are very many.';
COMMENT ON COLUMN read.seen.stream IS 'Of the event, as are version, place and position.';
COMMENT ON COLUMN read.seen.times IS 'How often, in views that are alike.';
COMMENT ON COLUMN read.seen.request_id IS 'Of the last of them, where the client stated one.';

GRANT SELECT ON read.access, read.seen TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.access, read.seen TO dossier_projector;

INSERT INTO read.tracking (projection, position)
SELECT name, min(position)
FROM read.tracking
CROSS JOIN (VALUES ('access'), ('seen')) AS begun (name)
GROUP BY name;
