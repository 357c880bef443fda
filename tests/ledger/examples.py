"""One example event per event type, with all its fields and a full envelope, as the golden files have it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from domain.events import Actor, Circumstances, Envelope, Evidence, Payload, Reason, RecordedEvent, Source
from domain.events.access import (
    Answered,
    ProfileExported,
    ProfilesViewed,
    ProfileViewed,
    ReadBasis,
    ReadKind,
    ReadOf,
    SearchRun,
    Seen,
    SensitiveDataViewed,
    View,
)
from domain.events.classification import (
    AttributeRecorded,
    AttributeRemoved,
    OwnerAssigned,
    OwnerRole,
    TagApplied,
    TagRemoved,
    TierBasis,
    TierDirection,
    TierReassigned,
    TierReassignmentApproved,
    TierReassignmentRejected,
    TierReassignmentRequested,
    TierReassignmentWithdrawn,
)
from domain.events.contacts import (
    AddressChanged,
    AddressKind,
    BuyingRole,
    ContactAdded,
    ContactDetails,
    ContactDetailsChanged,
    ContactPointChanged,
    ContactPointKind,
    ContactRemoved,
    Geo,
    PrimaryContactReplaced,
    RemovalReason,
    Usage,
)
from domain.events.envelope import ActorKind, Certainty, SourceKind
from domain.events.identity import IdentifierRecorded, IdentifierRevoked, LegalNameChanged, NameKind
from domain.events.lifecycle import (
    ArchiveReason,
    CustomerArchived,
    CustomerKind,
    CustomerRegistered,
    CustomerReinstated,
)
from domain.events.needs import NeedClosed, NeedDetails, NeedIdentified, NeedOutcome, NeedRevised
from domain.events.policies import (
    PolicyRevised,
    RevisionApproved,
    RevisionProposed,
    RevisionRejected,
    RevisionWithdrawn,
)
from domain.events.privacy import (
    ErasureApproved,
    ErasureRejected,
    ErasureRequested,
    ErasureWithdrawn,
    HoldBasis,
    LegalBasis,
    LegalHoldLifted,
    LegalHoldPlaced,
    PersonalDataErased,
)
from domain.events.proposals import (
    ChangeProposed,
    ProposalApproved,
    ProposalRejected,
    ProposalWithdrawn,
    ProposedChange,
    SeenValue,
)
from domain.events.quality import (
    FactCorrected,
    FactRetracted,
    FieldVerified,
    VerificationMethod,
    VerificationResult,
)
from domain.events.staff import (
    Deactivated,
    Delegated,
    DelegationEnded,
    ManagerAssigned,
    MemberRecorded,
    Reactivated,
    RolesAssigned,
    StaffKind,
    TrainingCompleted,
)
from domain.purposes import Purpose, PurposeCode
from domain.slots import Sensitivity
from domain.values import Budget
from tests.make import at

CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")
CONTACT = UUID("01900000-0000-7000-8000-000000000002")
OTHER_CONTACT = UUID("01900000-0000-7000-8000-000000000003")
ITEM = UUID("01900000-0000-7000-8000-000000000004")
EARLIER_EVENT = UUID("01900000-0000-7000-8000-000000000005")

_PERIOD: Final[dict[str, datetime]] = {"effective_from": at("2026-03-02"), "effective_to": at("2026-09-02")}
_VIEW = View(
    principal="u-118",
    principal_kind=ActorKind.HUMAN,
    on_behalf_of="u-204",
    kind=ReadKind.VIEW,
    of=ReadOf.PROFILE,
    highest=Sensitivity.SENSITIVE,
    basis=ReadBasis(position=12, known_at=at("2026-03-01"), valid_at=at("2026-02-01")),
    purpose=Purpose(code=PurposeCode.CREDIT_REVIEW, text="年度授信"),
    seen=(Seen(customer_id=CUSTOMER, times=2, request_id="req-9"), Seen(customer_id=ITEM)),
)
_LISTED = View(
    principal="u-118",
    kind=ReadKind.SEARCH,
    of=ReadOf.PORTFOLIO,
    highest=Sensitivity.INTERNAL,
    basis=ReadBasis(position=12),
    seen=(Seen(customer_id=CUSTOMER),),
    answered=Answered(
        rows=2, sha256="ab" * 32, question={"where": [{"path": "/tier/VALUE"}]}, request_id="req-9", part=1, parts=2
    ),
)

PAYLOADS: tuple[Payload, ...] = (
    CustomerRegistered(customer_kind=CustomerKind.ORGANISATION),
    CustomerArchived(reason_code=ArchiveReason.DISSOLVED),
    CustomerReinstated(),
    LegalNameChanged(name="青岛远航贸易有限公司", language="zh-Hans", name_kind=NameKind.LEGAL),
    IdentifierRecorded(
        scheme="USCC",
        value="91370200MA3C0000X1",
        issuer="青岛市市场监督管理局",
        issued_on=date(2016, 3, 1),
        expires_on=date(2036, 2, 29),
    ),
    IdentifierRevoked(scheme="USCC", value="91370200MA3C0000X1"),
    AddressChanged(
        address_kind=AddressKind.OFFICE,
        country="CN",
        region="CN-SD",
        city="青岛",
        district="市南区",
        lines=("香港中路 8 号", "12 楼"),
        postcode="266071",
        geo=Geo(latitude=36.0649, longitude=120.3804),
    ),
    ContactAdded(
        contact_id=CONTACT,
        name="王芳",
        title="采购经理",
        department="采购部",
        buying_role=BuyingRole.DECIDER,
        is_primary=True,
    ),
    ContactDetailsChanged(
        contact_id=CONTACT,
        changed=ContactDetails(title="采购总监", department=None),
        old=ContactDetails(title="采购经理", department="采购部"),
    ),
    ContactPointChanged(
        contact_id=CONTACT,
        point_id=ITEM,
        kind=ContactPointKind.MOBILE,
        value="+8613800138000",
        usage=Usage.PERSONAL,
        verified=True,
        number_type="MOBILE",
        old_value="+8613800138001",
    ),
    PrimaryContactReplaced(old_contact_id=CONTACT, new_contact_id=OTHER_CONTACT),
    ContactRemoved(contact_id=CONTACT, removal_reason=RemovalReason.LEFT_COMPANY, was_primary=True),
    NeedIdentified(
        need_id=ITEM,
        statement="两千平方米冷链仓储",
        pain_point="旺季仓位不足",
        concerns=("价格", "温控记录"),
        budget=Budget(min=Decimal("450000.00"), max=Decimal("550000.00"), currency="CNY", approximate=True),
        decision_cycle="P2M",
        required_by=date(2026, 9, 1),
    ),
    NeedRevised(
        need_id=ITEM, changes=NeedDetails(pain_point=None, decision_cycle="P3M"), cause_analysis="招标推迟一个月"
    ),
    NeedClosed(need_id=ITEM, outcome=NeedOutcome.MET),
    TierReassignmentRequested(
        request_id=ITEM,
        scheme="VALUE",
        from_code="POTENTIAL",
        to_code="HIGH_VALUE",
        takes_effect=at("2026-04-01"),
        expires_at=at("2026-04-15T16:00"),
    ),
    TierReassignmentApproved(request_id=ITEM, comment="同意"),
    TierReassignmentRejected(request_id=ITEM, comment="证据不足"),
    TierReassignmentWithdrawn(request_id=ITEM, comment="重复申请"),
    TierReassigned(
        scheme="VALUE",
        from_code="POTENTIAL",
        to_code="HIGH_VALUE",
        direction=TierDirection.RAISED,
        basis=TierBasis.APPROVED,
        request_id=ITEM,
        approver_id="u-007",
    ),
    OwnerAssigned(
        role=OwnerRole.ACCOUNT_MANAGER, from_staff="u-118", to_staff="u-204", handover_note="合同原件在三号柜"
    ),
    TagApplied(taxonomy_version=3, group="INDUSTRY", code="COLD_CHAIN"),
    TagRemoved(taxonomy_version=3, group="INDUSTRY", code="COLD_CHAIN"),
    AttributeRecorded(key="terms/0", value={"state": "NY", "seats": [1, 2.5, True, None], "note": ""}),
    AttributeRemoved(key="terms/0"),
    FactCorrected(
        replaced_type="customer.contact-added",
        replacement=ContactAdded(
            contact_id=CONTACT, name="王方", title=None, buying_role=BuyingRole.USER, is_primary=False
        ),
    ),
    FactRetracted(retracted_type="customer.tag-applied", slots=("/tags/INDUSTRY/COLD_CHAIN",)),
    FieldVerified(
        path="/identity/legal_name",
        value_event_id=EARLIER_EVENT,
        method=VerificationMethod.REGISTRY,
        result=VerificationResult.MISMATCH,
    ),
    ChangeProposed(
        proposal_id=ITEM,
        subject=CONTACT,
        commands=("customer.contact-details-changed",),
        slots=(f"/contacts/{CONTACT}/title",),
        changes=(
            ProposedChange(
                type="customer.contact-details-changed",
                fields={"contact_id": str(CONTACT), "changed": {"title": "采购总监"}},
                circumstances=Circumstances(effective_from=at("2026-03-01"), reason=Reason(text="名片已更新")),
            ),
        ),
        seen=(SeenValue(slot=f"/contacts/{CONTACT}/title", valid_at=at("2026-03-01"), value="采购经理", version=3),),
        expires_at=at("2026-03-16"),
    ),
    ProposalApproved(proposal_id=ITEM, comment="已核对名片"),
    ProposalRejected(proposal_id=ITEM, comment="名片是旧的"),
    ProposalWithdrawn(proposal_id=ITEM, comment="重复提交"),
    ErasureRequested(request_id=ITEM, subject=CONTACT, legal_basis=LegalBasis.GDPR_17_1_B),
    ErasureApproved(request_id=ITEM, after_hold=True, comment="同意"),
    ErasureRejected(request_id=ITEM, comment="仍有未结订单"),
    ErasureWithdrawn(request_id=ITEM, comment="重复申请"),
    PersonalDataErased(
        subject=CONTACT,
        legal_basis=LegalBasis.GDPR_17_1_B,
        fields=(f"/contacts/{CONTACT}/name", f"/contacts/{CONTACT}/title"),
        request_id=ITEM,
        approver_id="u-007",
    ),
    LegalHoldPlaced(hold_id=ITEM, basis=HoldBasis.INVESTIGATION, reference="鲁0202民初17号"),
    LegalHoldLifted(hold_id=ITEM),
    RevisionProposed(
        revision_id=ITEM,
        based_on=1,
        document={"tier": {"protected": ["HIGH_VALUE"]}, "protected": [{"name": "信用额度", "at_least": "100000"}]},
        expires_at=at("2026-03-16"),
    ),
    RevisionApproved(revision_id=ITEM, comment="风险委员会已同意"),
    RevisionRejected(revision_id=ITEM, comment="再议"),
    RevisionWithdrawn(revision_id=ITEM, comment="有误"),
    PolicyRevised(
        edition=2,
        document={"tier": {"protected": ["HIGH_VALUE"]}, "protected": [{"name": "信用额度", "at_least": "100000"}]},
        revision_id=ITEM,
        proposer="u-118",
        proposer_for="u-204",
        approver_id="u-007",
    ),
    ProfileViewed(at=at("2026-03-02T08:29"), view=_VIEW),
    SensitiveDataViewed(at=at("2026-03-02T08:29"), view=_VIEW),
    ProfileExported(at=at("2026-03-02T08:29"), view=_LISTED),
    SearchRun(at=at("2026-03-02T08:29"), view=_LISTED),
    ProfilesViewed(began_at=at("2026-03-02T08:29"), ended_at=at("2026-03-02T08:30"), viewed=(_VIEW, _LISTED)),
    MemberRecorded(subject="u-204", name="陈思敏", kind=StaffKind.HUMAN, team="深圳大客户部"),
    RolesAssigned(roles=("editor", "risk"), **_PERIOD),
    ManagerAssigned(manager="u-301", **_PERIOD),
    Delegated(delegation_id=ITEM, to="u-118", scope=("customer:view",), **_PERIOD),
    DelegationEnded(delegation_id=ITEM, effective_from=at("2026-04-01")),
    TrainingCompleted(training="DATA_PROTECTION", completed_on=date(2026, 3, 2), valid_until=date(2027, 3, 1)),
    Deactivated(),
    Reactivated(),
)


def recorded(payload: Payload) -> RecordedEvent:
    """The payload in an envelope that leaves no field out that it can have."""
    is_decision = payload.decision
    envelope = Envelope(
        event_id=UUID("01900000-0000-7000-8000-0000000000ff"),
        customer_id=CUSTOMER,
        version=7,
        recorded_at=at("2026-03-02T08:30"),
        effective_from=None if is_decision else at("2026-03-01"),
        effective_to=None if is_decision else at("2027-03-01"),
        observed_at=at("2026-03-01T02:15"),
        actor=Actor(
            id="u-118", kind=ActorKind.HUMAN, name_at_time="李娜", roles=("editor", "approver"), on_behalf_of="u-204"
        ),
        source=Source(
            kind=SourceKind.VISIT, detail="现场拜访", url="https://example.com/visits/17", batch_id="b-1", row=4
        ),
        reason=Reason(code="CUSTOMER_ASKED", text="客户来电说明"),
        evidence=(
            Evidence(document_id=ITEM, sha256="ab" * 32),
            Evidence(url="https://example.com/scan.pdf", note="扫描件"),
        ),
        certainty=Certainty.POSSIBILITY,
        probability=0.75,
        correlation_id="visit-17",
        causation_id="call-3",
        request_id="req-9",
        idempotency_key="key-5",
        policy_version=2,
        initial_load=True,
        corrects=EARLIER_EVENT if isinstance(payload, FactCorrected) else None,
        retracts=EARLIER_EVENT if isinstance(payload, FactRetracted) else None,
    )
    return RecordedEvent(envelope, payload)


EXAMPLES: dict[str, RecordedEvent] = {payload.type: recorded(payload) for payload in PAYLOADS}
