"""The command line: pure parts here, and the whole of it against a real service."""
