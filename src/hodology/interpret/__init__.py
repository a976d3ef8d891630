"""Paths inside trained networks: find them, score them, edit them, compare them."""

from hodology.interpret.ablation import ablate, keep_units
from hodology.interpret.activation_table import ActivationTable
from hodology.interpret.activations import collect_activations
from hodology.interpret.causal_comparison import compare, edge_stability, group_effect, pair_effects
from hodology.interpret.causal_evaluation import cut_figures, evaluate_graph
from hodology.interpret.causal_graph import causal_graph
from hodology.interpret.causal_maps import causal_maps
from hodology.interpret.causal_result import CausalGraph
from hodology.interpret.causal_stream import causal_stream_graph, cut_stream
from hodology.interpret.class_profile import ClassProfile, class_agreement, class_profile, prune_mask
from hodology.interpret.concept_detection import concept_scores, describe_features, judge_texts
from hodology.interpret.concept_match import match_concepts, name_features
from hodology.interpret.deletion import AverageDrop, DeletionCurve, average_drop, deletion_curve
from hodology.interpret.edge_baselines import edge_scores, top_edges
from hodology.interpret.edge_sets import EdgeSet, cut, keep_only, without_edges
from hodology.interpret.feature_baselines import (
    difference_of_means,
    independent_components,
    principal_components,
    random_directions,
    single_units,
)
from hodology.interpret.feature_reading import feature_units, top_contexts, vocab_projection
from hodology.interpret.frequency_profile import FrequencyProfile, frequency_profile
from hodology.interpret.map_stability import MapStability, map_similarity, map_stability
from hodology.interpret.neuron_path import NeuronPath
from hodology.interpret.path_baselines import knowledge_neurons
from hodology.interpret.path_decomposition import PathDecomposition, decompose, decompose_data
from hodology.interpret.path_ensemble import PathEnsemble
from hodology.interpret.path_evaluation import PathEffects, evaluate_paths
from hodology.interpret.path_influence import PathInfluence, path_influence
from hodology.interpret.path_knockout import knock_out
from hodology.interpret.path_probes import linear_probes
from hodology.interpret.path_pruning import PathPruning, mask_before_depth, prune_paths
from hodology.interpret.path_result import PathResult
from hodology.interpret.pruning import PruneEffect, prune_effect, random_masks
from hodology.interpret.readout_fit import fit_readout
from hodology.interpret.saliency import grad_cam, gradient_map, integrated_gradients, smooth_gradient
from hodology.interpret.scale_fit import ScaleFit, fit_scale
from hodology.interpret.scaled_branches import scale_branches
from hodology.interpret.semi_nmf import SemiNMF, match_components
from hodology.interpret.semi_nmf_recursive import RecursiveSemiNMF
from hodology.interpret.semi_nmf_tree import concept_tree, tree_purity
from hodology.interpret.semi_nmf_units import shared_units
from hodology.interpret.short_paths import ShortPathLoss, ShortPaths, distill_short_paths
from hodology.interpret.sparse_autoencoder import SparseAutoencoder
from hodology.interpret.steering import generate_steered, harmonic_score, steer, steering_strength

__all__ = [
    "ActivationTable",
    "AverageDrop",
    "CausalGraph",
    "ClassProfile",
    "DeletionCurve",
    "EdgeSet",
    "FrequencyProfile",
    "MapStability",
    "NeuronPath",
    "PathDecomposition",
    "PathEffects",
    "PathEnsemble",
    "PathInfluence",
    "PathPruning",
    "PathResult",
    "PruneEffect",
    "RecursiveSemiNMF",
    "ScaleFit",
    "SemiNMF",
    "ShortPathLoss",
    "ShortPaths",
    "SparseAutoencoder",
    "ablate",
    "average_drop",
    "causal_graph",
    "causal_maps",
    "causal_stream_graph",
    "class_agreement",
    "class_profile",
    "collect_activations",
    "compare",
    "concept_scores",
    "concept_tree",
    "cut",
    "cut_figures",
    "cut_stream",
    "decompose",
    "decompose_data",
    "deletion_curve",
    "describe_features",
    "difference_of_means",
    "distill_short_paths",
    "edge_scores",
    "edge_stability",
    "evaluate_graph",
    "evaluate_paths",
    "feature_units",
    "fit_readout",
    "fit_scale",
    "frequency_profile",
    "generate_steered",
    "grad_cam",
    "gradient_map",
    "group_effect",
    "harmonic_score",
    "independent_components",
    "integrated_gradients",
    "judge_texts",
    "keep_only",
    "keep_units",
    "knock_out",
    "knowledge_neurons",
    "linear_probes",
    "map_similarity",
    "map_stability",
    "mask_before_depth",
    "match_components",
    "match_concepts",
    "name_features",
    "pair_effects",
    "path_influence",
    "principal_components",
    "prune_effect",
    "prune_mask",
    "prune_paths",
    "random_directions",
    "random_masks",
    "scale_branches",
    "shared_units",
    "single_units",
    "smooth_gradient",
    "steer",
    "steering_strength",
    "top_contexts",
    "top_edges",
    "tree_purity",
    "vocab_projection",
    "without_edges",
]
