"""The PostgreSQL floor: finding and running a server, connections with a role, named statements, migrations.

This room knows no customers. It may be imported by every room above it and imports none of them.
"""
