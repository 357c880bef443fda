"""The evidence: events appended, encrypted, read back, and given their place in the log.

Nobody above this room writes the tables of schema `ledger`, and this room knows no read model.
"""
