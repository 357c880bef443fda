-- Read models as they stand, customer by customer, for holding them against the evidence.
-- What is text here is text in expected.py; `table` is the live table or its shadow.

-- name: hold
-- Called before anything else is read: no rebuild puts other tables in the place of these while the transaction lasts.
LOCK TABLE read.facts, read.events, read.changes, read.access, read.seen, read.approvals IN ACCESS SHARE MODE;

-- name: speak_plainly
-- Have times written the one way that the expected ones are.
SELECT set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true);

-- name: positions
-- How far the projections are.
SELECT projection, position FROM read.tracking;

-- name: facts
-- The rectangles, of all customers or of some.
SELECT customer_id::text, slot, value::text, absent::text, valid::text, positions::text, fact_from::text, rank::text,
       version::text
FROM {table}
WHERE %(customer_ids)s::uuid[] IS NULL OR customer_id = ANY (%(customer_ids)s::uuid[])
ORDER BY customer_id;

-- name: events
-- The decrypted events, of all customers or of some.
SELECT customer_id::text, version::text, position::text, recorded_at::text, effective_from::text, effective_to::text,
       event_id::text, shared_from::text, shared_length::text, is_decision::text, may_be_sensitive::text, type, actor,
       envelope, data, changes
FROM {table}
WHERE %(customer_ids)s::uuid[] IS NULL OR customer_id = ANY (%(customer_ids)s::uuid[])
ORDER BY customer_id;

-- name: changes
-- The audit trail, of all customers or of some.
SELECT customer_id::text, position::text, version::text, old_version::text, place::text, kind, slot
FROM {table}
WHERE %(customer_ids)s::uuid[] IS NULL OR customer_id = ANY (%(customer_ids)s::uuid[])
ORDER BY customer_id;

-- name: access
-- The views of the read ledger, of all streams or of some.
SELECT stream::text, version::text, place::text, position::text, event_id::text, type, since::text, until::text,
       principal, purpose, view::text
FROM {table}
WHERE %(customer_ids)s::uuid[] IS NULL OR stream = ANY (%(customer_ids)s::uuid[])
ORDER BY stream;

-- name: seen
-- Who was seen in them.
SELECT stream::text, version::text, place::text, customer_id::text, position::text, times::text, request_id
FROM {table}
WHERE %(customer_ids)s::uuid[] IS NULL OR stream = ANY (%(customer_ids)s::uuid[])
ORDER BY stream;

-- name: approvals
-- What waits for a second person, of all customers or of some.
SELECT customer_id::text, version::text, request_id::text, kind, opened::text, closed::text, agreed::text, agreed_by,
       requester, requester_for, reason, expires_at::text, event_id::text, recorded_at::text, subject::text, about::text
FROM {table}
WHERE %(customer_ids)s::uuid[] IS NULL OR customer_id = ANY (%(customer_ids)s::uuid[])
ORDER BY customer_id;

-- name: profile
-- The current profiles, of all customers or of some.
SELECT customer_id, version::text, profile_version::text, boundaries::text, as_of::text, next_boundary::text,
       fold_version::text, state
FROM read.profile
WHERE %(customer_ids)s::uuid[] IS NULL OR customer_id = ANY (%(customer_ids)s::uuid[])
ORDER BY customer_id;

-- name: identifier
-- Who holds which identifiers, of all customers or of some.
SELECT customer_id, scheme, value, version
FROM read.identifier
WHERE %(customer_ids)s::uuid[] IS NULL OR customer_id = ANY (%(customer_ids)s::uuid[])
ORDER BY customer_id;
