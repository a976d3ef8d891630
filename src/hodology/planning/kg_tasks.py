"""Kinds of questions about two entities of a knowledge graph, and the three of K-Paths.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025 (the tasks and their labels; the words are ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hodology.errors import InputError

__all__ = ["INDICATION", "INTERACTION_TYPE", "SEVERITY", "TASKS", "KgTask", "check_labels"]


@dataclass(frozen=True)
class KgTask:
    """A kind of question about two entities.

    Attributes
    ----------
    name : str
    question : str
        With ``{u}`` and ``{v}`` for the names of the entities.
    labels : tuple of str or None
        The possible answers; None for an open question.
    role : str
        Whom the model is to answer as, as it stands behind "You are".
    label_notes : tuple of str
        What each label means, one per label; may be empty.

    Raises
    ------
    InputError
        For a question without ``{u}`` or ``{v}``, empty texts, fewer than two labels or one twice.
    """

    name: str
    question: str
    labels: tuple[str, ...] | None = None
    role: str = "a pharmacodynamics expert"
    label_notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for slot in ("{u}", "{v}"):
            if slot not in self.question:
                raise InputError(
                    f"the question of task {self.name!r} must hold {slot}, got {self.question!r}."
                )
        if not self.role.strip():
            raise InputError(f"the role of task {self.name!r} must not be empty.")
        if self.labels is not None:
            check_labels(self.labels)
        if self.label_notes and len(self.label_notes) != len(self.labels or ()):
            raise InputError(
                f"task {self.name!r} must have one note per label or none, got {len(self.label_notes)} notes "
                f"for {len(self.labels or ())} labels."
            )

    def ask(self, u_name: str, v_name: str) -> str:
        """The question about two named entities."""
        parts = self.question.split("{u}")
        return u_name.join(part.replace("{v}", v_name) for part in parts)


def check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that are fewer than two, empty, of several lines, or equal but for case.

    Parameters
    ----------
    labels : sequence of str

    Raises
    ------
    InputError
    """
    if isinstance(labels, str) or len(labels) < 2:
        raise InputError(f"labels must be at least two texts, got {labels!r}.")
    for label in labels:
        if not label.strip() or "\n" in label:
            raise InputError(f"labels must be texts of one line, got {label!r}.")
    folded = [label.casefold() for label in labels]
    twice = [label for index, label in enumerate(labels) if label.casefold() in folded[:index]]
    if twice:
        raise InputError(f"labels must differ, got {twice[0]!r} twice.")


INTERACTION_TYPE = KgTask(
    "interaction-type",
    "Which pharmacological interaction is to be expected when {u} and {v} are taken together? "
    "Answer in one sentence that names what changes, in which direction, and for which of the two drugs.",
)
"""Type of a drug-drug interaction (DrugBank, 86 labels): open, or with the labels as `options`."""

SEVERITY = KgTask(
    "severity",
    "How severe is the interaction between the drugs {u} and {v}?",
    ("major", "moderate", "minor"),
    label_notes=(
        "may threaten life or do lasting harm; the combination is avoided or needs close intervention",
        "may worsen the patient's condition or call for a change of therapy",
        "has limited effects that seldom call for a change of therapy",
    ),
)
"""Severity of a drug-drug interaction (DDInter)."""

INDICATION = KgTask(
    "indication",
    "Which relation does the drug {u} have to the disease {v}?",
    ("disease-modifying", "palliates", "non-indication"),
    label_notes=(
        "the drug changes the course of the disease itself",
        "the drug relieves symptoms only",
        "the drug is no treatment of the disease",
    ),
)
"""Indication of a drug for a disease (PharmacotherapyDB)."""

TASKS: Mapping[str, KgTask] = {task.name: task for task in (INTERACTION_TYPE, SEVERITY, INDICATION)}
