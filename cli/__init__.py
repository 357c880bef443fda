"""The `dossier` command: starts everything, and reads and writes as a client of the HTTP API.

This room may import every other and is imported by none.
"""
