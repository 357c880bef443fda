"""A program for tests: is up, and dies."""

from __future__ import annotations

import sys

from cli.lifeline import tell_parent_we_are_up

if __name__ == "__main__":
    tell_parent_we_are_up()
    sys.exit(1)
