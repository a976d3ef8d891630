"""Compact reference networks, small enough to train in a minute on two cores."""

from hodology.nn.models.vision_transformer import VisionTransformer

__all__ = ["VisionTransformer"]
