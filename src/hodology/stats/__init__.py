"""Intervals and tests, shared by all studies."""

from hodology.stats.intervals import (
    Interval,
    bootstrap_interval,
    hierarchical_bootstrap,
    paired_bootstrap,
    t_interval,
)
from hodology.stats.multiple import benjamini_hochberg, holm
from hodology.stats.permutation import PermutationResult, label_permutation_test, sign_flip_test

__all__ = [
    "Interval",
    "PermutationResult",
    "benjamini_hochberg",
    "bootstrap_interval",
    "hierarchical_bootstrap",
    "holm",
    "label_permutation_test",
    "paired_bootstrap",
    "sign_flip_test",
    "t_interval",
]
