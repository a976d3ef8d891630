"""Compact reference networks, small enough to train in a minute on two cores."""

from hodology.nn.models.small_cnn import SmallCNN
from hodology.nn.models.small_gpt import small_gpt, word_tokenizer
from hodology.nn.models.vision_transformer import VisionTransformer

__all__ = ["SmallCNN", "VisionTransformer", "small_gpt", "word_tokenizer"]
