"""An example of every kind of answer, for openapi.json: one customer, asked in every way."""

from __future__ import annotations

from typing import Any, Final

from api.examples import EXAMPLES

_REVISION: Final = "0198c0de-0000-7000-8000-000000000009"
_CUSTOMER: Final = "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d6e"
_EVENT: Final = "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d70"
_EARLIER_EVENT: Final = "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d6f"
_CONTACT: Final = "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d71"
_POINT: Final = "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d72"
_REQUEST: Final = "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d73"
_RECORDED: Final = "2026-07-02T09:14:07.120331Z"
_FROM: Final = "2026-06-30T16:00:00.000000Z"
_NOW: Final = "2026-07-15T00:00:00.000000Z"

_CIRCUMSTANCES: Final = {
    "source": {"kind": "ERP"},
    "reason": {"text": "12-month amount reached 151 200 CNY"},
    "evidence": [{"note": "ERP report 2026-06, page 3"}],
}
_EVENT_PLACE: Final = {"event_id": _EVENT, "type": "customer.tier-reassigned", "version": 24}
_TIER_DATA: Final = {
    "scheme": "VALUE",
    "from_code": "ORDINARY",
    "to_code": "POTENTIAL",
    "direction": "RAISED",
    "basis": "MANUAL",
}
_IN_BRIEF: Final = {**_EVENT_PLACE, "position": 259, "recorded_at": _RECORDED, "actor": "u-118"}
_TOLD: Final = {
    "position": 259,
    "known_at": _RECORDED,
    "event": {**_IN_BRIEF, "observed_at": None, "on_behalf_of": None, **_CIRCUMSTANCES, "certainty": "FACT"},
}
_BASIS: Final = {"known_at": _NOW, "position": 260, "valid_at": _NOW, "stable": True}

_HASH: Final = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
_OTHER_HASH: Final = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw="
_NOTE: Final = f"dossier.local/1f0a4d0e\n3\n{_HASH}\n\n— dossier.local/1f0a4d0e 6Zq0…\n"

_MEMBER: Final = {
    "subject": "u-118",
    "name": "Li Na",
    "kind": "HUMAN",
    "team": "Shenzhen",
    "active": True,
    "roles": ["editor"],
    "manager": "u-301",
    "delegations": [
        {
            "delegation_id": _REQUEST,
            "to": "u-133",
            "scope": ["customer:view"],
            "effective_from": _FROM,
            "effective_to": _NOW,
        }
    ],
    "trainings": [{"training": "DATA_PROTECTION", "completed_on": "2026-03-02", "valid_until": "2027-03-01"}],
}
_OF_STAFF: Final = {
    "event_id": _EVENT,
    "type": "staff.roles-assigned",
    "version": 4,
    "recorded_at": _RECORDED,
    "actor": {"id": "u-900", "kind": "HUMAN", "name_at_time": None, "roles": ["administrator"], "on_behalf_of": None},
    "reason": {"code": None, "text": "moves to customer care"},
    "data": {"roles": ["editor"], "effective_from": _FROM, "effective_to": None},
}

_IN_LOG: Final = {
    "customer_id": _CUSTOMER,
    **_EVENT_PLACE,
    "position": 259,
    "decision": False,
    "recorded_at": _RECORDED,
    "effective_from": _FROM,
    "effective_to": None,
    "actor": {
        "id": "u-118",
        "kind": "HUMAN",
        "name_at_time": "Li Na",
        "roles": ["editor"],
        "on_behalf_of": None,
    },
    **_CIRCUMSTANCES,
    "idempotency_key": "2f1c5c1e-1f0a-4d0e-9a53-5f0f5c1d7b11",
    "policy_version": 1,
    "data": _TIER_DATA,
}

ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "Recorded": {
        "customer_id": _CUSTOMER,
        "version": 24,
        "profile_version": 24,
        "events": [
            {
                **_EVENT_PLACE,
                "recorded_at": _RECORDED,
                "effective_from": _FROM,
                "effective_to": None,
                "masked_from": "2026-07-01T16:00:00.000000Z",
                "data": _TIER_DATA,
            }
        ],
        "entry_hashes": ["PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw="],
    },
    "UsedIdempotencyKey": {
        "key": "erp-2026-07-02-0017",
        "actor": "u-118",
        "customer_id": _CUSTOMER,
        "first_version": 24,
        "last_version": 24,
        "status": 200,
        "recorded_at": "2026-07-02T09:14:07.120331Z",
        "position": 260,
    },
    "EventReceipt": {
        "customer_id": _CUSTOMER,
        "version": 24,
        "position": 260,
        "entry_hash": "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
        "proof": "c2sp.org/tlog-proof@v1\nindex 259\n…\n\ndossier.local/1f0a4d0e\n260\n…",
    },
    "Profile": {
        "customer_id": _CUSTOMER,
        "customer_kind": "ORGANISATION",
        "file_state": "LIVE",
        "existence": "EFFECTIVE",
        "display_name": "深圳市腾讯计算机系统有限公司",
        "basis": {**_BASIS, "version": 24},
        "primary_contact": _CONTACT,
        "addresses": {"REGISTERED": {"country": "CN", "lines": []}},
        "attributes": {"erp.debtor_number": 70012},
        "contacts": {
            _CONTACT: {
                "name": "王芳",
                "title": "采购总监",
                "points": {
                    _POINT: {
                        "kind": "MOBILE",
                        "value": "+8613800138000",
                        "usage": "WORK",
                        "verified": False,
                        "number_type": "MOBILE",
                    }
                },
            }
        },
        "identifiers": {"CN_USCC": {"9144030071526726XG": {"issuer": "深圳市市场监督管理局"}}},
        "identity": {"legal_name": "深圳市腾讯计算机系统有限公司", "legal_name_language": "zh-CN"},
        "owner": {"ACCOUNT_MANAGER": "u-118"},
        "tags": {"REGION": {"SOUTH": True}},
        "tier": {"VALUE": {"code": "POTENTIAL"}},
        "pending": [
            {
                "kind": "PROPOSAL",
                "request_id": "0198c0de-0000-7000-8000-000000000007",
                "requester": "u-118",
                "requester_for": None,
                "reason": "D&B merged the number",
                "expires_at": "2026-07-15T01:00:00.000000Z",
                "event_id": "0198c0de-0000-7000-8000-000000000008",
                "version": 22,
                "paths": ["/identifiers/DUNS/544428764"],
                "commands": ["customer.identifier-revoked"],
                "subject": _CUSTOMER,
                "approved_by": None,
            },
            {
                "path": "/owner/ACCOUNT_MANAGER",
                "value": "u-204",
                "effective_from": "2026-07-31T16:00:00.000000Z",
                "effective_to": None,
                "version": 23,
            },
        ],
        "more_pending": False,
        "requests": [],
        "provenance": f"/v1/customers/{_CUSTOMER}/blame?at_position=260&valid_at=2026-07-15T00%3A00%3A00.000000Z",
    },
    "PolicyEdition": {
        "name": "customer",
        "edition": 2,
        "document": EXAMPLES["ProposeRevision"]["document"],
        "since": "2026-07-01T02:00:00.000000Z",
        "revision_id": _REVISION,
        "proposed_by": "u-701",
        "approved_by": "u-702",
        "basis": {"known_at": "2026-07-15T00:00:00.000000Z", "version": 3},
    },
    "PolicyRevisionPage": {
        "items": [
            {
                "number": 1,
                "revision_id": _REVISION,
                "based_on": 1,
                "document": EXAMPLES["ProposeRevision"]["document"],
                "expires_at": "2026-07-08T01:00:00.000000Z",
                "requester": "u-701",
                "requester_for": None,
                "reason": "resolution 2026-17 of the risk committee",
                "proposed_at": "2026-07-01T01:00:00.000000Z",
                "state": "APPROVED",
                "decided_by": "u-702",
                "decided_at": "2026-07-01T02:00:00.000000Z",
                "comment": "as the committee resolved",
                "edition": 2,
                "can_decide": False,
            }
        ],
        "next_page_token": None,
    },
    "PolicyRecorded": {
        "name": "customer",
        "edition": 1,
        "version": 1,
        "events": [
            {
                "event_id": "0198c0de-0000-7000-8000-00000000000a",
                "type": "policy.revision-withdrawn",
                "version": 1,
                "recorded_at": "2026-07-01T01:00:00.000000Z",
                "data": {"revision_id": _REVISION, "comment": "proposed twice"},
            }
        ],
    },
    "ApprovalPage": {
        "items": [
            {
                "kind": "PROPOSAL",
                "customer_id": _CUSTOMER,
                "request_id": "0198c0de-0000-7000-8000-000000000007",
                "requester": "u-118",
                "requester_for": None,
                "reason": "D&B merged the number",
                "expires_at": "2026-07-15T01:00:00.000000Z",
                "event_id": "0198c0de-0000-7000-8000-000000000008",
                "version": 22,
                "recorded_at": "2026-07-01T01:00:00.000000Z",
                "position": 259,
                "paths": ["/identifiers/DUNS/544428764"],
                "commands": ["customer.identifier-revoked"],
                "subject": _CUSTOMER,
                "approved_by": None,
                "owner": "u-204",
                "can_decide": True,
            }
        ],
        "next_page_token": None,
        "basis": {"position": 260},
    },
    "HistoryPage": {
        "items": [
            {
                **_IN_LOG,
                "changes": [
                    {
                        "path": "/tier/VALUE",
                        "old": {"code": "ORDINARY"},
                        "new": {"code": "POTENTIAL"},
                        "kind": "LATE",
                    }
                ],
            }
        ],
        "next_page_token": None,
        "basis": {"position": 260},
    },
    "AccessPage": {
        "items": [
            {
                "position": 263,
                "stream": "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d7a",
                "version": 1,
                "place": 1,
                "event_id": "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d7b",
                "type": "access.sensitive-data-viewed",
                "since": _RECORDED,
                "until": _RECORDED,
                "customer_id": _CUSTOMER,
                "times": 1,
                "request_id": "req-9",
                "principal": "u-402",
                "principal_kind": "HUMAN",
                "on_behalf_of": None,
                "kind": "VIEW",
                "of": "PROFILE",
                "highest": "SENSITIVE",
                "basis": None,
                "purpose": {"code": "CREDIT_REVIEW", "text": "annual review of the limit"},
                "answered": None,
            }
        ],
        "next_page_token": None,
        "basis": {"position": 264},
    },
    "BlamePage": {
        "items": [
            {
                "customer_id": _CUSTOMER,
                "path": "/tier/VALUE",
                "value": {"code": "POTENTIAL"},
                "set_by": {
                    **_EVENT_PLACE,
                    "position": 259,
                    "recorded_at": _RECORDED,
                    "observed_at": None,
                    "effective_from": _FROM,
                    "effective_to": None,
                    "actor": "u-118",
                    "on_behalf_of": None,
                    **_CIRCUMSTANCES,
                    "certainty": "FACT",
                    "approved_by": None,
                    "kind": "LATE",
                },
                "previous": {"value": {"code": "ORDINARY"}, "event_id": _EARLIER_EVENT, "version": 7},
                "last_verified": {
                    "event_id": "0198b8a2-7c10-7d53-9f6e-3b1f2a4c5d73",
                    "at": "2026-07-10T02:00:00.000000Z",
                    "by": "u-204",
                    "method": "DOCUMENT",
                    "result": "MATCH",
                },
            }
        ],
        "next_page_token": None,
        "basis": _BASIS,
    },
    "TimelinePage": {
        "items": [
            {
                "customer_id": _CUSTOMER,
                "path": "/tier/VALUE",
                "value": {"code": "POTENTIAL"},
                "valid_from": _FROM,
                "valid_to": None,
                "position_from": 259,
                "position_to": None,
                "known_from": _RECORDED,
                "known_to": None,
                "set_by": _IN_BRIEF,
            }
        ],
        "next_page_token": None,
        "basis": {"position": 260},
    },
    "KnowledgePage": {
        "items": [
            {
                "customer_id": _CUSTOMER,
                "path": "/tier/VALUE",
                "value": {"code": "POTENTIAL"},
                "first": {**_TOLD, "valid": [{"valid_from": _FROM, "valid_to": None}]},
                "last": {**_TOLD, "valid": [{"valid_from": _FROM, "valid_to": None}]},
                "still_believed": True,
                "ended": None,
            }
        ],
        "next_page_token": None,
        "basis": {"position": 260},
    },
    "ReplayLine": {
        "n": 24,
        "position": 259,
        "type": "customer.tier-reassigned",
        "event": _IN_LOG,
        "state_hash_before": "5f2cb0a1f0b7f0d1d6b7f4b0a9c1b1d2e3f405162738495a6b7c8d9eafb0c1d2",
        "state_hash_after": "9d1c0ffee0b7f0d1d6b7f4b0a9c1b1d2e3f405162738495a6b7c8d9eafb0c1d3",
        "changed": ["/tier/VALUE"],
    },
    "Differences": {
        "customer_id": _CUSTOMER,
        "axis": "known",
        "from": {**_BASIS, "position": 140, "known_at": _FROM, "valid_at": _FROM},
        "to": _BASIS,
        "changes": [
            {
                "op": "replace",
                "path": "/tier/VALUE/code",
                "from": "ORDINARY",
                "to": "POTENTIAL",
                "caused_by": [
                    {
                        **_EVENT_PLACE,
                        "position": 259,
                        "actor": "u-118",
                        "approved_by": None,
                        "reason": "12-month amount reached 151 200 CNY",
                    }
                ],
                "effective_from": _FROM,
                "kind": "CHANGE",
            }
        ],
    },
    "CustomerPage": {
        "items": [
            {
                "customer_id": _CUSTOMER,
                "display_name": "深圳市腾讯计算机系统有限公司",
                "customer_kind": "ORGANISATION",
                "file_state": "LIVE",
                "tier": {"VALUE": "POTENTIAL"},
                "owner": {"ACCOUNT_MANAGER": "u-118"},
            }
        ],
        "next_page_token": None,
    },
    "PortfolioPage": {
        "items": [
            {"customer_id": _CUSTOMER, "/tier/VALUE/code": "POTENTIAL", "/owner/ACCOUNT_MANAGER": "u-118"},
        ],
        "next_page_token": None,
        "basis": {
            **_BASIS,
            "row_count": 1,
            "content_sha256": "1d06dfb3da06a5c41d763a7eba5728ad03e055c6c5cb629493278771c3b18a4e",
        },
    },
    "PortfolioDifferences": {
        "items": [
            {
                "customer_id": _CUSTOMER,
                "movement": "MOVED",
                "from": "ORDINARY",
                "to": "POTENTIAL",
                "caused_by": [
                    {
                        **_EVENT_PLACE,
                        "position": 259,
                        "actor": "u-118",
                        "approved_by": None,
                        "reason": "12-month amount reached 151 200 CNY",
                    }
                ],
                "effective_from": _FROM,
                "kind": "CHANGE",
            }
        ],
        "matrix": [{"from": "ORDINARY", "to": "POTENTIAL", "count": 1}],
        "counts": {"ENTERED": 0, "LEFT": 0, "MOVED": 1},
        "next_page_token": None,
        "from": {**_BASIS, "position": 140, "known_at": _FROM, "valid_at": _FROM},
        "to": _BASIS,
    },
    "Alive": {"status": "alive"},
    "FileErasures": {
        "customer_id": _CUSTOMER,
        "position": 260,
        "erasures": [
            {
                "request_id": _REQUEST,
                "subject": _CONTACT,
                "legal_basis": "GDPR_17_1_B",
                "state": "ERASED",
                "requested": {
                    "at": _RECORDED,
                    "by": "u-501",
                    "event_id": _EARLIER_EVENT,
                    "reason": "letter of 30 June",
                },
                "decided": {"at": _RECORDED, "by": "u-502", "event_id": _EVENT, "comment": "identity checked"},
                "erased": {
                    "at": _RECORDED,
                    "by": "u-502",
                    "event_id": _EVENT,
                    "version": 24,
                    "position": 259,
                    "fields": [f"/contacts/{_CONTACT}/name"],
                },
                "unreadable_since": _NOW,
                "scrubbed_since": None,
                "residue": ["deleted rows in the database's files and its write-ahead log, until they are scrubbed"],
            }
        ],
        "holds": [],
    },
    "Ready": {
        "status": "ready",
        "unsealed": 0,
        "sealed": 260,
        "signed": 260,
        "position": 260,
        "unsigned_because": None,
        "scrubber": {
            "position": 0,
            "laps": 12,
            "looked_at": "2026-03-02T09:30:00.123456Z",
            "oldest_unsealed_seconds": None,
            "finding": None,
        },
    },
    "InclusionProof": {
        "position": 3,
        "index": 2,
        "leaf_hash": _HASH,
        "hashes": [_OTHER_HASH],
        "checkpoint": _NOTE,
    },
    "StaffMember": {
        **_MEMBER,
        "basis": {"known_at": _NOW, "valid_at": _NOW, "version": 4},
    },
    "StaffPage": {"items": [_MEMBER], "next_page_token": None},
    "StaffHistoryPage": {"items": [_OF_STAFF], "next_page_token": None},
    "StaffRecorded": {"subject": "u-118", "stream": "0a3e9e3e-54e6-5b0a-b0f9-4a3a3e6f8f10", **_OF_STAFF},
    "ConsistencyProof": {"from_size": 2, "hashes": [_OTHER_HASH], "checkpoint": _NOTE},
}
