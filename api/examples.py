"""An example of every request body, for openapi.json and for readers. Each is sent for real by a test.

Ids that a client may choose are chosen here, so that the examples tell one story.
"""

from __future__ import annotations

from typing import Any, Final

_LI_LEI: Final = "0198c0de-0000-7000-8000-000000000001"
_HAN_MEIMEI: Final = "0198c0de-0000-7000-8000-000000000002"
_NEED: Final = "0198c0de-0000-7000-8000-000000000003"
_REQUEST: Final = "0198c0de-0000-7000-8000-000000000004"
_EVENT: Final = "0198c0de-0000-7000-8000-000000000005"
_PROPOSAL: Final = "0198c0de-0000-7000-8000-000000000007"
_HOLD: Final = "0198c0de-0000-7000-8000-000000000006"

_REASON: Final = {"text": "12-month amount reached 151 200 CNY"}
_EVIDENCE: Final = [{"note": "ERP report 2026-06, page 3"}]
_OBSERVED: Final = "2026-07-01T09:00:00+08:00"

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "RegistrationBody": {
        "customer_kind": "ORGANISATION",
        "name": "深圳市腾讯计算机系统有限公司",
        "language": "zh-CN",
        "country": "CN",
        "identifiers": [{"scheme": "CN_USCC", "value": "9144030071526726XG", "issuer": "深圳市市场监督管理局"}],
        "contact": {
            "name": "王芳",
            "title": "采购总监",
            "points": [{"kind": "MOBILE", "value": "13800138000"}, {"kind": "EMAIL", "value": "wangfang@example.com"}],
        },
        "owner": "u-118",
        "source": {"kind": "VISIT", "detail": "first visit, Shenzhen"},
        "evidence": [{"note": "copy of the business licence"}],
    },
    "ChangesBody": {
        "reason": {"text": "first visit after the contract"},
        "changes": [
            {"type": "customer.contact-added", "contact_id": _LI_LEI, "name": "李雷", "title": "总经理"},
            {"type": "customer.attribute-recorded", "key": "erp.debtor_number", "value": 70012},
            {"type": "customer.tag-applied", "group": "REGION", "code": "SOUTH", "effective_from": "2026-11-01"},
        ],
    },
    "ProposalBody": {
        "proposal_id": _PROPOSAL,
        "reason": {"text": "the account manager leaves at the end of the month"},
        "evidence": [{"note": "decision of the head of sales, 2026-07-01"}],
        "changes": [
            {"type": "customer.owner-assigned", "role": "ACCOUNT_MANAGER", "to_staff": "u-205"},
            {"type": "customer.identifier-revoked", "scheme": "CN_USCC", "value": "9144030071526726XG"},
        ],
    },
    "ProposeRevision": {
        "based_on": 1,
        "reason": {"text": "resolution 2026-17 of the risk committee"},
        "document": {
            "tier": {"protected": ["HIGH_VALUE", "IMPORTANT"], "protected_raise_steps": 2, "reason_characters": 10},
            "effective_date": {
                "future_days": 366,
                "backdated_days": 30,
                "second_person_days": 180,
                "shortest_period_days": 1,
            },
            "approval": {"roles": ["approver"], "valid_days": 7, "services_alone": ["importer"]},
            "protected": [
                {"name": "removing an identifier", "slot": "/identifiers/{scheme}/{value}", "removing": True},
                {
                    "name": "a credit note of 100 000 or more",
                    "slot": "/attributes/{key}",
                    "member": "credit_note",
                    "at_least": "100000",
                },
            ],
            "required": [{"event": "customer.owner-assigned", "replacing": True, "reason": True}],
            "cooling_off": [
                {"event": "customer.owner-assigned", "after": "customer.contact-point-changed", "hours": 24}
            ],
        },
    },
    "RevisionAnswer": {"comment": "as the committee resolved"},
    "ApproveProposalBody": {"comment": "called the head of sales"},
    "RejectProposalBody": {"comment": "the number is still valid"},
    "WithdrawProposalBody": {"comment": "proposed twice"},
    "ChangeLegalNameBody": {
        "name": "Tencent Computer Systems",
        "language": "en",
        "name_kind": "TRANSLITERATED",
        "evidence": [{"note": "English letterhead"}],
        "observed_at": _OBSERVED,
    },
    "RecordIdentifierBody": {"scheme": "DUNS", "value": "54-442-8764", "evidence": [{"note": "D&B report"}]},
    "RevokeIdentifierBody": {"scheme": "DUNS", "value": "544428764", "reason": {"text": "D&B merged the number"}},
    "ChangeAddressBody": {
        "address_kind": "OFFICE",
        "country": "CN",
        "region": "CN-GD",
        "city": "深圳市",
        "district": "南山区",
        "lines": ["科技中一路"],
        "postcode": "518057",
        "source": {"kind": "OFFICIAL_WEBSITE", "url": "https://example.com/contact"},
    },
    "AddContactBody": {
        "contact_id": _HAN_MEIMEI,
        "name": "韩梅梅",
        "title": "财务经理",
        "buying_role": "INFLUENCER",
        "points": [{"kind": "PHONE", "value": "0755-86013388"}],
    },
    "ChangeContactDetailsBody": {"changed": {"title": "财务总监", "department": "财务部"}},
    "ChangeContactPointBody": {"kind": "WECHAT", "value": "hanmeimei_88", "verified": True},
    "ReplacePrimaryContactBody": {
        "new_contact_id": _HAN_MEIMEI,
        "reason": {"text": "asked to be called first"},
        "observed_at": _OBSERVED,
    },
    "RemoveContactBody": {
        "removal_reason": "LEFT_COMPANY",
        "new_primary_contact_id": _LI_LEI,
        "observed_at": _OBSERVED,
    },
    "IdentifyNeedBody": {
        "need_id": _NEED,
        "statement": "降低系统运维成本",
        "concerns": ["性价比", "售后响应速度"],
        "budget": {"min": "200000", "max": "300000", "currency": "CNY"},
        "decision_cycle": "P2M",
    },
    "ReviseNeedBody": {
        "changes": {"budget": {"min": "250000", "max": "400000", "currency": "CNY"}, "required_by": "2027-03-31"},
        "cause_analysis": "the data centre moves, so twice the servers are to be served",
    },
    "CloseNeedBody": {"outcome": "MET"},
    "AssignTierBody": {"scheme": "SERVICE", "to_code": "STANDARD", "reason": _REASON, "evidence": _EVIDENCE},
    "RequestTierReassignmentBody": {
        "request_id": _REQUEST,
        "to_code": "HIGH_VALUE",
        "reason": _REASON,
        "evidence": _EVIDENCE,
    },
    "ApproveTierReassignmentBody": {"comment": "seen the report"},
    "RejectTierReassignmentBody": {"comment": "the report is of another customer"},
    "WithdrawTierReassignmentBody": {"comment": "asked too early"},
    "AssignOwnerBody": {
        "role": "ACCOUNT_MANAGER",
        "to_staff": "u-204",
        "handover_note": "likes to be visited",
        "reason": {"text": "u-118 moved to Chengdu"},
    },
    "ApplyTagBody": {"group": "CUSTOMER_TYPE", "code": "END_CUSTOMER"},
    "RemoveTagBody": {"group": "REGION", "code": "SOUTH", "reason": {"text": "served from Shanghai now"}},
    "RecordAttributeBody": {"key": "annual_report.url", "value": None},
    "RemoveAttributeBody": {"key": "annual_report.url"},
    "ArchiveCustomerBody": {"reason_code": "NO_INTENT"},
    "ReinstateCustomerBody": {"reason": {"text": "they called again"}},
    "CorrectFactBody": {
        "corrects": _EVENT,
        "replacement": {"value": 70021},
        "reason": {"text": "two digits were swapped when it was typed in"},
    },
    "VerifyFieldBody": {
        "path": "/attributes/erp.debtor_number",
        "value_event_id": _EVENT,
        "method": "THIRD_PARTY",
        "result": "MATCH",
        "evidence": [{"note": "list of debtors of 2026-06-30, line 12"}],
    },
    "RetractFactBody": {"retracts": _EVENT, "reason": {"text": "belongs to another customer"}},
    "RequestErasureBody": {
        "request_id": _REQUEST,
        "subject": _HAN_MEIMEI,
        "legal_basis": "GDPR_17_1_B",
        "reason": {"text": "letter of 30 November, checked by the front desk"},
    },
    "ApproveErasureBody": {"comment": "identity checked"},
    "RejectErasureBody": {"comment": "the contract still runs"},
    "WithdrawErasureBody": {"comment": "the person asks for a correction instead"},
    "PlaceLegalHoldBody": {
        "hold_id": _HOLD,
        "reference": "(2026) Yue 0305 Min Chu 17",
        "reason": {"text": "court order of 28 November"},
    },
    "LiftLegalHoldBody": {"reason": {"text": "the case was settled"}},
    "PortfolioQueryBody": {
        "valid_at": "2026-06-30",
        "where": {
            "all": [
                {"path": "/tier/VALUE/code", "in": ["POTENTIAL", "HIGH_VALUE"]},
                {"path": "/owner/ACCOUNT_MANAGER", "eq": "u-118"},
            ]
        },
        "columns": ["customer_id", "/tier/VALUE/code", "/owner/ACCOUNT_MANAGER"],
    },
    "RecordMember": {"subject": "u-118", "name": "Li Na", "team": "Shenzhen"},
    "AssignRolesBody": {"roles": ["editor"], "reason": {"text": "moves to customer care"}},
    "AssignManagerBody": {"manager": "u-301"},
    "DelegateBody": {
        "to": "u-133",
        "effective_to": "2027-01-08",
        "reason": {"text": "away until then"},
    },
    "EndDelegationBody": {"reason": {"text": "back earlier"}},
    "RecordTrainingBody": {"training": "DATA_PROTECTION", "completed_on": "2026-03-02", "valid_until": "2027-03-01"},
    "DeactivateBody": {"reason": {"text": "has left"}},
    "ReactivateBody": {"reason": {"text": "has come back"}},
    "EvidenceBody": {"customer_id": "0198c0de-0000-7000-8000-000000000001", "disclose": ["1", "3.0"]},
    "PortfolioDiffBody": {
        "from": {"known_at": "2026-03-31T23:59:59+08:00"},
        "to": {"known_at": "2026-06-30T23:59:59+08:00"},
        "where": {"all": [{"path": "/owner/ACCOUNT_MANAGER", "eq": "u-118"}]},
        "path": "/tier/VALUE/code",
    },
}
