"""Every way in which the command ends without success: one line for people, one exit code for programs.

CliError                      1   the work was done in part, or the machine is in the way
├── UsageError                2   what was asked for makes no sense
├── Unauthorized              3   no token, a bad one, or a role is missing
├── NotFound                  4
├── Conflict                  5   somebody else was faster, or the file is in another state
├── Unavailable               6   no service, no database, or not now
└── Damaged                   7   what is stored is not what it must be
"""

from __future__ import annotations


class CliError(Exception):
    """`str(error)` is one line that says what to do."""

    exit_code = 1


class UsageError(CliError):
    exit_code = 2


class Unauthorized(CliError):
    exit_code = 3


class NotFound(CliError):
    exit_code = 4


class Conflict(CliError):
    exit_code = 5


class Unavailable(CliError):
    exit_code = 6


class Damaged(CliError):
    exit_code = 7
