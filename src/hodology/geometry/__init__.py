"""Shape of representations: dissimilarities, their comparison, kernel alignment, canonical correlations.

Topology beside geometry, recorded areas on the depth axis of a network, and the geometry that a task asks for.
"""

from hodology.geometry.activations_of import patterns_of
from hodology.geometry.alignment import Alignment, alignment_over_runs, input_target_alignment
from hodology.geometry.allen_scenes import load_allen_natural_scenes
from hodology.geometry.areas import AreaResponses, as_areas, pool_areas, read_areas
from hodology.geometry.binary_tasks import Task, embed, hadamard_task, nudged_xor, recorded_task
from hodology.geometry.cca import CanonicalCorrelations, cca, pwcca, svcca
from hodology.geometry.ccgp import CrossConditionScore, ccgp
from hodology.geometry.cka import MinibatchCKA, cka_from_kernels, cka_matrix, kernel_cka, linear_cka
from hodology.geometry.cka_bootstrap import CKABootstrap, bootstrap_cka
from hodology.geometry.compare_inputs import ModelInputs, RepresentationSet, align_sets, open_representations
from hodology.geometry.compare_measures import PairTable, compare_sets
from hodology.geometry.compare_output import write_compare_outputs
from hodology.geometry.compare_run import CompareRun, CompareSettings, run_compare
from hodology.geometry.crossnobis import crossnobis, noise_covariance
from hodology.geometry.dichotomies import balanced_dichotomies
from hodology.geometry.dimensionality import participation_ratio
from hodology.geometry.dissimilarity import dissimilarities
from hodology.geometry.embedding import classical_mds
from hodology.geometry.geo_topological import geo_topological
from hodology.geometry.geodesic_rdm import geodesic
from hodology.geometry.grid_map import GridMap, grid_map
from hodology.geometry.identification_bootstrap import IdentificationBootstrap, bootstrap_identification
from hodology.geometry.layer_clusters import LayerClusters, cluster_layers
from hodology.geometry.layer_profile import Profile, layer_profile
from hodology.geometry.model_differences import ModelDifference
from hodology.geometry.neural_regression import ridge_predictivity
from hodology.geometry.noise_ceiling import NoiseCeiling, Reliability, noise_ceiling, split_half_reliability
from hodology.geometry.parallelism import Parallelism, parallelism_score
from hodology.geometry.patterns import Patterns, as_patterns
from hodology.geometry.pseudo_depth import DepthDifference, PseudoDepth, depth_differences, pseudo_depth
from hodology.geometry.random_kernels import random_kernel, random_kernel_task
from hodology.geometry.rdm_files import read_rdms, write_rdms
from hodology.geometry.rdms import RDMs, as_rdms, stack_rdms
from hodology.geometry.regime_tests import RegimeTests, compare_regimes, regime_transforms
from hodology.geometry.region_identification import IdentificationResult, identify_regions
from hodology.geometry.robustness import Robustness, robustness
from hodology.geometry.rsa import compare_rdms
from hodology.geometry.rsa_bootstrap import RsaBootstrap, bootstrap_rsa
from hodology.geometry.rsa_tests import permutation_test, subject_test
from hodology.geometry.shallow_activations import Activation, clipped_relu, shifted_relu
from hodology.geometry.shallow_fit import ShallowRun, train_shallow
from hodology.geometry.shallow_training import ALL_WEIGHTS, FIXED_READOUT, Training
from hodology.geometry.shattering import Shattering, shattering_dimension
from hodology.geometry.similarity_matrix import similarity_matrix, ssm, ssm_matrix
from hodology.geometry.simulated_mouse import simulated_mouse
from hodology.geometry.task_spectra import (
    alignment_of_separability,
    even_spectrum,
    random_spectrum,
    separability_of,
)
from hodology.geometry.topological_rdm import TopologicalRDM
from hodology.geometry.toy_patterns import toy_pattern
from hodology.geometry.weight_flow import WeightFlow, WeightPaths, weight_flow, weight_paths

__all__ = [
    "ALL_WEIGHTS",
    "FIXED_READOUT",
    "Activation",
    "Alignment",
    "AreaResponses",
    "CKABootstrap",
    "CanonicalCorrelations",
    "CompareRun",
    "CompareSettings",
    "CrossConditionScore",
    "DepthDifference",
    "GridMap",
    "IdentificationBootstrap",
    "IdentificationResult",
    "LayerClusters",
    "MinibatchCKA",
    "ModelDifference",
    "ModelInputs",
    "NoiseCeiling",
    "PairTable",
    "Parallelism",
    "Patterns",
    "Profile",
    "PseudoDepth",
    "RDMs",
    "RegimeTests",
    "Reliability",
    "RepresentationSet",
    "Robustness",
    "RsaBootstrap",
    "ShallowRun",
    "Shattering",
    "Task",
    "TopologicalRDM",
    "Training",
    "WeightFlow",
    "WeightPaths",
    "align_sets",
    "alignment_of_separability",
    "alignment_over_runs",
    "as_areas",
    "as_patterns",
    "as_rdms",
    "balanced_dichotomies",
    "bootstrap_cka",
    "bootstrap_identification",
    "bootstrap_rsa",
    "cca",
    "ccgp",
    "cka_from_kernels",
    "cka_matrix",
    "classical_mds",
    "clipped_relu",
    "cluster_layers",
    "compare_rdms",
    "compare_regimes",
    "compare_sets",
    "crossnobis",
    "depth_differences",
    "dissimilarities",
    "embed",
    "even_spectrum",
    "geo_topological",
    "geodesic",
    "grid_map",
    "hadamard_task",
    "identify_regions",
    "input_target_alignment",
    "kernel_cka",
    "layer_profile",
    "linear_cka",
    "load_allen_natural_scenes",
    "noise_ceiling",
    "noise_covariance",
    "nudged_xor",
    "open_representations",
    "parallelism_score",
    "participation_ratio",
    "patterns_of",
    "permutation_test",
    "pool_areas",
    "pseudo_depth",
    "pwcca",
    "random_kernel",
    "random_kernel_task",
    "random_spectrum",
    "read_areas",
    "read_rdms",
    "recorded_task",
    "regime_transforms",
    "ridge_predictivity",
    "robustness",
    "run_compare",
    "separability_of",
    "shattering_dimension",
    "shifted_relu",
    "similarity_matrix",
    "simulated_mouse",
    "split_half_reliability",
    "ssm",
    "ssm_matrix",
    "stack_rdms",
    "subject_test",
    "svcca",
    "toy_pattern",
    "train_shallow",
    "weight_flow",
    "weight_paths",
    "write_compare_outputs",
    "write_rdms",
]
