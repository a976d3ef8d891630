"""Paths inside trained networks: find them, score them, edit them, compare them."""

from hodology.interpret.ablation import ablate, keep_units
from hodology.interpret.class_profile import ClassProfile, class_agreement, class_profile, prune_mask
from hodology.interpret.neuron_path import NeuronPath
from hodology.interpret.path_baselines import knowledge_neurons
from hodology.interpret.path_evaluation import PathEffects, evaluate_paths
from hodology.interpret.path_result import PathResult
from hodology.interpret.pruning import PruneEffect, prune_effect, random_masks

__all__ = [
    "ClassProfile",
    "NeuronPath",
    "PathEffects",
    "PathResult",
    "PruneEffect",
    "ablate",
    "class_agreement",
    "class_profile",
    "evaluate_paths",
    "keep_units",
    "knowledge_neurons",
    "prune_effect",
    "prune_mask",
    "random_masks",
]
