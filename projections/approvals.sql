-- What waited, or waits, for a second person, on all files.

-- name: open
-- Add a request.
INSERT INTO read.approvals (
    customer_id, version, request_id, kind, opened, requester, requester_for, reason, expires_at, event_id, recorded_at,
    subject, about
)
VALUES (
    %(customer_id)s, %(version)s, %(request_id)s, %(kind)s, %(position)s, %(requester)s, %(requester_for)s, %(reason)s,
    %(expires_at)s, %(event_id)s, %(recorded_at)s, %(subject)s, %(about)s::jsonb
);

-- name: agree
-- Note that a request is approved, and waits all the same.
UPDATE read.approvals SET agreed = %(position)s, agreed_by = %(by)s
WHERE customer_id = %(customer_id)s AND kind = %(kind)s AND request_id = %(request_id)s AND closed IS NULL;

-- name: close
-- End the request with an id, or those about somebody who was erased; of the customer itself, all of them.
UPDATE read.approvals SET closed = %(position)s
WHERE customer_id = %(customer_id)s AND closed IS NULL
    AND (kind = %(kind)s AND request_id = %(request_id)s OR subject = %(subject)s OR customer_id = %(subject)s);

-- name: forget
-- Delete every row about a customer.
DELETE FROM read.approvals WHERE customer_id = %(customer_id)s;

-- name: inbox
-- A page of what is open at a position, oldest first, behind the request that was opened at position `after`; with the
-- account's owner as known there and at that instant. Where `mine` is given, only what somebody may decide who stands
-- for these people and may decide these kinds.
SELECT customer_id, request_id, kind, requester, requester_for, reason, expires_at, event_id, version, recorded_at, opened,
       subject, about, CASE WHEN agreed <= %(position)s THEN agreed_by END AS approved_by, owner.staff AS owner
FROM read.approvals
LEFT JOIN LATERAL (
    SELECT value #>> '{}' AS staff
    FROM read.facts
    WHERE uuid_hash(facts.customer_id) = uuid_hash(approvals.customer_id)
        AND facts.customer_id = approvals.customer_id AND positions @> %(position)s::bigint
        AND valid @> %(valid_at)s::timestamptz AND slot = '/owner/ACCOUNT_MANAGER' AND NOT absent
) AS owner ON true
WHERE opened > %(after)s AND opened <= %(position)s AND (closed IS NULL OR closed > %(position)s)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(requester)s::text IS NULL OR requester = %(requester)s)
    AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
    AND (
        %(mine)s::text[] IS NULL
        OR (
            kind = ANY (%(kinds)s::text[])
            AND requester <> ALL (%(mine)s::text[])
            AND coalesce(requester_for <> ALL (%(mine)s::text[]), true)
            AND (kind = 'ERASURE' OR coalesce(owner.staff <> ALL (%(mine)s::text[]), true))
            AND coalesce(expires_at > %(valid_at)s, true)
            AND coalesce(agreed > %(position)s, true)
        )
    )
ORDER BY opened
LIMIT %(limit)s;
