CREATE TABLE keys.kek (
    id text PRIMARY KEY CHECK (id <> ''),
    epoch bigint NOT NULL UNIQUE CHECK (epoch >= 1),
    state text NOT NULL CHECK (state IN ('current', 'former', 'retired')),
    since timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX kek_current_idx ON keys.kek (state) WHERE state = 'current';
COMMENT ON TABLE keys.kek IS 'The keys that wrap the data keys, by name alone: which one may wrap, and which ones are to be found nowhere any more.';
COMMENT ON COLUMN keys.kek.epoch IS 'The order in which they came to wrap. Whoever has a copy of this schema from an epoch needs its key to open it.';
COMMENT ON COLUMN keys.kek.state IS 'former: opens what it wrapped, and wraps nothing. retired: wraps nothing any more and is to be destroyed.';
COMMENT ON COLUMN keys.kek.since IS 'When it came to be in that state.';

GRANT SELECT ON keys.kek TO dossier_app, dossier_projector, dossier_reader;
