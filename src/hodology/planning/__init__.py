"""Routes through graphs, grids and scenes: paths of knowledge graphs, and many agents on one grid."""

from hodology.planning.answer_guard import remove_answer_text, states_answer
from hodology.planning.answer_scores import bert_score, score_answers
from hodology.planning.answers import answer_text, parse_answer
from hodology.planning.chat_model import ChatModel, EndpointModel, TransformersModel, ask
from hodology.planning.congestion_planner import CongestionPlanner
from hodology.planning.controllers import CONTROLLERS, make_controller
from hodology.planning.diverse_paths import k_diverse_paths, neighbours_only
from hodology.planning.edge_classifier import EdgeClassifier, train_edge_classifier
from hodology.planning.edge_classifier_fit import EdgeSettings
from hodology.planning.emergnn import EmerGNN
from hodology.planning.episode import Controller, EpisodeReport, run_episode
from hodology.planning.episode_drawing import episode_gif, episode_svg
from hodology.planning.follower_network import FollowerNetwork, network_shape
from hodology.planning.follower_policy import FollowerPolicy
from hodology.planning.grid_adapters import gymnasium_env, parallel_env
from hodology.planning.grid_generators import maze_map, random_map, rooms_map, warehouse_map
from hodology.planning.grid_map import GridMap, read_map, read_maps
from hodology.planning.kg_folds import check_disjoint, entity_folds, stratified_folds
from hodology.planning.kg_tasks import TASKS, KgTask
from hodology.planning.knowledge_graph import KnowledgeGraph
from hodology.planning.knowledge_graph_files import read_hetionet
from hodology.planning.lifelong_grid import LifelongGrid
from hodology.planning.path_query import KgPath, PairPaths
from hodology.planning.path_steppers import AStarStepper, RandomStepper
from hodology.planning.path_subgraph import background_graph, paths_subgraph, random_subgraph
from hodology.planning.path_text import path_sentence, verbalise
from hodology.planning.pibt import PIBT
from hodology.planning.ppo import TrainingLog, train_follower
from hodology.planning.ppo_rollout import training_environments
from hodology.planning.ppo_settings import TrainingSettings, training_settings
from hodology.planning.prompts import build_prompt
from hodology.planning.relation_features import degree_features, sequence_features
from hodology.planning.retrieval import retrieve
from hodology.planning.rgcn import RGCN, RgcnLayer
from hodology.planning.windowed_prioritised import WindowedPrioritised

__all__ = [
    "CONTROLLERS",
    "PIBT",
    "RGCN",
    "TASKS",
    "AStarStepper",
    "ChatModel",
    "CongestionPlanner",
    "Controller",
    "EdgeClassifier",
    "EdgeSettings",
    "EmerGNN",
    "EndpointModel",
    "EpisodeReport",
    "FollowerNetwork",
    "FollowerPolicy",
    "GridMap",
    "KgPath",
    "KgTask",
    "KnowledgeGraph",
    "LifelongGrid",
    "PairPaths",
    "RandomStepper",
    "RgcnLayer",
    "TrainingLog",
    "TrainingSettings",
    "TransformersModel",
    "WindowedPrioritised",
    "answer_text",
    "ask",
    "background_graph",
    "bert_score",
    "build_prompt",
    "check_disjoint",
    "degree_features",
    "entity_folds",
    "episode_gif",
    "episode_svg",
    "gymnasium_env",
    "k_diverse_paths",
    "make_controller",
    "maze_map",
    "neighbours_only",
    "network_shape",
    "parallel_env",
    "parse_answer",
    "path_sentence",
    "paths_subgraph",
    "random_map",
    "random_subgraph",
    "read_hetionet",
    "read_map",
    "read_maps",
    "remove_answer_text",
    "retrieve",
    "rooms_map",
    "run_episode",
    "score_answers",
    "sequence_features",
    "states_answer",
    "stratified_folds",
    "train_edge_classifier",
    "train_follower",
    "training_environments",
    "training_settings",
    "verbalise",
    "warehouse_map",
]
