"""ISO 4217: which currencies exist and how many decimal places they have.

Codes come from pycountry; the decimal places, which it does not carry, are the published exceptions to two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import pycountry

# ISO 4217, list one, column "minor unit", where it is not 2. Funds and metals ("N.A.") are not money here.
_ZERO: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE: Final = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_FOUR: Final = frozenset("CLF UYW".split())
_NO_MONEY: Final = frozenset("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX".split())


@lru_cache(maxsize=512)
def minor_digits(code: str) -> int | None:
    """Decimal places of the currency `code`, or None if ISO 4217 knows no such money."""
    if code in _NO_MONEY or pycountry.currencies.get(alpha_3=code) is None or not code.isupper():
        return None
    if code in _ZERO:
        return 0
    if code in _THREE:
        return 3
    return 4 if code in _FOUR else 2
