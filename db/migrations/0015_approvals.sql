-- What waits for a second person, on all files: tier requests, erasure requests, proposals. The first start after this
-- reads the log from its beginning once.

CREATE TABLE read.approvals (
    customer_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    request_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('TIER', 'ERASURE', 'PROPOSAL')),
    opened bigint NOT NULL CHECK (opened >= 1),
    closed bigint CHECK (closed > opened),
    agreed bigint CHECK (agreed > opened),
    agreed_by text,
    requester text NOT NULL,
    requester_for text,
    reason text,
    expires_at timestamptz,
    event_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    subject uuid,
    about jsonb NOT NULL,
    PRIMARY KEY (customer_id, version)
);
CREATE INDEX approvals_open_idx ON read.approvals (opened) WHERE closed IS NULL;
CREATE INDEX approvals_closed_idx ON read.approvals (closed, opened) WHERE closed IS NOT NULL;
-- Another file may speak of the same person: the eraser asks.
CREATE INDEX approvals_subject_idx ON read.approvals (subject) WHERE kind = 'PROPOSAL';
COMMENT ON TABLE read.approvals IS 'Requests that need a second person: open at the positions from opened on and before closed.';
COMMENT ON COLUMN read.approvals.version IS 'Version of the event that made the request.';
COMMENT ON COLUMN read.approvals.agreed IS 'From which position on it is approved, while it waits for a hold to be lifted; null when it does not.';
COMMENT ON COLUMN read.approvals.subject IS 'Of whom the request speaks, or who is to be erased.';
COMMENT ON COLUMN read.approvals.about IS 'The slots that it would move, and the events that it would record.';
GRANT SELECT ON read.approvals TO dossier_app, dossier_projector, dossier_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON read.approvals TO dossier_projector;
GRANT SELECT ON read.approvals TO dossier_eraser;
