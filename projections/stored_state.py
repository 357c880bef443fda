"""The bytes of read.profile.state: JSON, compressed where it would not stay in its row, but would so.

Owns both forms. What must stay true: whatever was stored comes back, or StateMalformed is raised; and two states are
compared by what they say, never by their bytes, since another zlib may compress the same otherwise.

    {...            JSON
    x...            a zlib stream (RFC 1950) of JSON, with the preset dictionary below; ends with a checksum of the JSON
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import orjson

from projections.errors import StateMalformed

_LONGEST_IN_ROW: Final = 2600
"""What toast_tuple_target keeps in the row, beside the other columns. To compress less takes more than it saves."""

_LONGEST_COMPRESSED: Final = 6000
"""Of this length most come to stay in the row. The pieces of a longer one cost the server less than it costs us to make
them fewer."""

_JSON: Final = b"{"
_ZLIB: Final = b"x"
_LEVEL: Final = 3
"""Takes a thirtieth more than the fastest, for a hundredth less; the next one would take a sixth more."""

DICTIONARY: Final = (
    b'"privacy":{"requests":[],"holds":[],"erased":{}},"proposals":[{"proposal_id":"'
    b'/tags/":true]],/identifiers/DUNS/LEI/USCC/":[[,{"issuer":"","issued_on":"","expires_on":"'
    b'"/addresses/REGISTERED/OFFICE/BILLING":[[,{"country":"","region":"","city":"","district":"","lines":["","postcode":"'
    b'/outcome/required_by/decision_cycle/budget":[[,{"min":0,"max":000,"currency":"USD""EUR""CNY","approximate":false}]],'
    b'"/needs/01/statement/pain_point/concerns":[[,[""]]],"/primary_contact":[[,"/contacts/01":[[,true]],'
    b'"/contacts/01/name/title/department/buying_role":[["/contacts/01/points/01":[[,'
    b'{"kind":"PHONE","value":"+86 {"kind":"MOBILE","value":"+4{"kind":"EMAIL","value":"@.com","usage":"WORK",'
    b'"verified":false}]],"/tier/VALUE":[[,"CHURN_RISK""HIGH_VALUE""POTENTIAL""ORDINARY""INDIVIDUAL"'
    b'{"kind":"ORGANISATION","archived":false,"registered_at":"2025-01-01T00:00:00Z",'
    b'"effective_since":"2025-01-01T00:00:00.000000Z","requests":[],"slots":{'
    b'"/identity/legal_name":[[2,"2025-01-01T00:00:00Z",""]],"/identity/legal_name_language":[[2,"2025-01-01T00:00:00Z"]],'
    b'"/owner/ACCOUNT_MANAGER":[[3,"2025-01-01T00:00:00Z","u-1"]],"/attributes/":[[4,"2025-01-01T00:00:00Z","'
)
"""What most states say, the commonest last. Another one makes other bytes: a change raises FOLD_VERSION."""


def dump(content: dict[str, Any]) -> bytes:
    """The bytes that say it."""
    state = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    if not _LONGEST_IN_ROW < len(state) <= _LONGEST_COMPRESSED:
        return state
    compressor = zlib.compressobj(_LEVEL, zdict=DICTIONARY)
    return compressor.compress(state) + compressor.flush()


def load(state: bytes) -> Any:
    """What the bytes say. Raises StateMalformed."""
    form = state[:1]
    if form not in (_JSON, _ZLIB):
        raise StateMalformed("it is neither JSON nor compressed")
    try:
        return orjson.loads(state if form == _JSON else _decompressed(state))
    except orjson.JSONDecodeError as error:
        raise StateMalformed("it is no JSON") from error


def _decompressed(state: bytes) -> bytes:
    decompressor = zlib.decompressobj(zdict=DICTIONARY)
    try:
        content = decompressor.decompress(state)
    except zlib.error as error:
        raise StateMalformed("it does not decompress") from error
    if not decompressor.eof or decompressor.unused_data:
        raise StateMalformed("its compressed bytes are not all of it, or more")
    return content
