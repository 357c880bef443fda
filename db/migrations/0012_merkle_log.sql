-- The Merkle tree over the log, the root of each checkpoint, and the signed checkpoints.

CREATE TABLE ledger.node (
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
    idx bigint NOT NULL CHECK (idx >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, idx)
);
COMMENT ON TABLE ledger.node IS 'The Merkle tree above the log: one row per complete subtree of 256^level leaves. Level 0 is ledger.log.';
COMMENT ON COLUMN ledger.node.idx IS 'Dense from 0 within a level: the subtree over the leaves from idx * 256^level on.';

ALTER TABLE ledger.checkpoint ADD COLUMN root bytea;
-- Not valid for rows from before the tree: no evidence is rewritten.
ALTER TABLE ledger.checkpoint ADD CONSTRAINT checkpoint_root_check
    CHECK (root IS NOT NULL AND octet_length(root) = 32) NOT VALID;
COMMENT ON COLUMN ledger.checkpoint.root IS 'Root of the tree over the first size places of the log; null only in rows from before the tree.';

CREATE TABLE ledger.signature (
    size bigint PRIMARY KEY CHECK (size >= 0),
    note text NOT NULL CHECK (note <> ''),
    timestamp_token bytea,
    made_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ledger.signature IS 'The checkpoints that the signer has signed, word for word as they are given out.';
COMMENT ON COLUMN ledger.signature.timestamp_token IS 'An RFC 3161 time stamp of the note; null when none was asked for.';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.node
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.signature
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.node ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE ledger.signature ENABLE ALWAYS TRIGGER refuse_change;

GRANT SELECT, INSERT ON ledger.node TO dossier_sealer;
GRANT SELECT ON ledger.event, ledger.log, ledger.node, ledger.checkpoint TO dossier_signer;
GRANT SELECT, INSERT ON ledger.signature TO dossier_signer;
GRANT SELECT ON ledger.node, ledger.signature TO dossier_app, dossier_projector, dossier_reader;
