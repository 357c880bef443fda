"""Examples of request bodies in openapi.json. Each is sent for real by a test."""

from __future__ import annotations

from typing import Any, Final

_REASON: Final = {"text": "12-month amount reached 151 200 CNY"}
_EVIDENCE: Final = [{"note": "ERP report 2026-06, page 3"}]

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "RegistrationBody": {
        "customer_kind": "ORGANISATION",
        "name": "深圳市腾讯计算机系统有限公司",
        "language": "zh-CN",
        "country": "CN",
        "identifiers": [{"scheme": "CN_USCC", "value": "9144030071526726XG"}],
        "contact": {
            "name": "李雷",
            "title": "采购总监",
            "points": [{"kind": "MOBILE", "value": "13800138000"}, {"kind": "EMAIL", "value": "lilei@example.com"}],
        },
        "owner": "u-118",
        "source": {"kind": "VISIT"},
        "evidence": [{"note": "copy of the business licence"}],
    },
    "ChangesBody": {
        "reason": {"text": "first visit after the contract"},
        "changes": [
            {"type": "customer.tag-applied", "group": "REGION", "code": "SOUTH"},
            {"type": "customer.attribute-recorded", "key": "erp.debtor_number", "value": 70012},
        ],
    },
    "ChangeLegalNameBody": {
        "name": "Tencent Computer Systems",
        "language": "en",
        "name_kind": "TRANSLITERATED",
        "evidence": [{"note": "English letterhead"}],
        "observed_at": "2026-11-01T09:00:00+08:00",
    },
    "AddContactBody": {"name": "韩梅梅", "title": "财务经理", "points": [{"kind": "PHONE", "value": "0755-86013388"}]},
    "IdentifyNeedBody": {
        "statement": "降低系统运维成本",
        "concerns": ["性价比", "售后响应速度"],
        "budget": {"min": "200000", "max": "300000", "currency": "CNY"},
        "decision_cycle": "P2M",
    },
    "RequestTierReassignmentBody": {"to_code": "HIGH_VALUE", "reason": _REASON, "evidence": _EVIDENCE},
    "AssignTierBody": {"scheme": "SERVICE", "to_code": "PROSPECT", "reason": _REASON, "evidence": _EVIDENCE},
    "RecordAttributeBody": {"key": "annual_report.url", "value": None},
}
