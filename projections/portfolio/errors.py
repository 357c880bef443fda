"""What can be wrong about a question: each error carries what was named, and what comes nearest to it.

QuestionRefused
├── PathUnknown       no slot, no member of its value, nothing else that may be asked for
└── NotGroupable      free text, and ids: no two customers would be in one group
"""

from __future__ import annotations

from projections.errors import ProjectionError


class QuestionRefused(ProjectionError):
    """Root of the tree."""


class PathUnknown(QuestionRefused):
    """`nearest` is the known path that looks most like it."""

    def __init__(self, text: str, nearest: str) -> None:
        super().__init__(f"there is no {text} to ask for; {nearest}?")
        self.nearest = nearest


class NotGroupable(QuestionRefused):
    """Grouping by what is different for nearly every customer."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text} is free text or an id, of which nearly every customer has another: no group for it")
