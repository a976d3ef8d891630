"""A compact Vision Transformer, small enough to train in a minute on two cores.

Parameter names follow timm, so weights of a timm model of the same shape load with ``load_state_dict``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hodology.errors import InputError
from hodology.rng import derive_seed

__all__ = ["VisionTransformer"]


class VisionTransformer(nn.Module):
    """Vision Transformer with pre-norm blocks (Dosovitskiy et al., ICLR 2021) under timm's names.

    Parameters
    ----------
    image_size, patch_size : int
        Side of the square image and of its patches, pixels.
    channels, classes : int
    depth, width, heads, hidden : int
        Blocks, embedding size, attention heads, units of each feed-forward block.
    pool : {"token", "avg"}
        Read the class token, or the mean of the patches followed by a norm (as a fine-tuned MAE does).
    dropout : float
        Drop rate after the embedding and in the feed-forward blocks while training.
    rng : int
        Seed of the initial weights; global random state is left alone.

    Raises
    ------
    InputError
        When sizes do not divide.
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 16,
        channels: int = 1,
        classes: int = 10,
        depth: int = 12,
        width: int = 384,
        heads: int = 6,
        hidden: int | None = None,
        pool: str = "token",
        dropout: float = 0.0,
        rng: int = 0,
    ) -> None:
        super().__init__()
        if image_size % patch_size or width % heads:
            raise InputError(
                f"patch_size must divide image_size and heads divide width, got {image_size}/{patch_size} and "
                f"{width}/{heads}."
            )
        if pool not in ("token", "avg"):
            raise InputError(f"pool must be 'token' or 'avg', got {pool!r}.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(rng, "init"))
            self.pool = pool
            self.patch_embed = PatchEmbed(patch_size, channels, width)
            self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
            positions = (image_size // patch_size) ** 2 + 1
            self.pos_embed = nn.Parameter(torch.randn(1, positions, width) * 0.02)
            self.pos_drop = nn.Dropout(dropout)
            self.blocks = nn.Sequential(
                *(Block(width, heads, hidden or 4 * width, dropout) for _ in range(depth))
            )
            self.norm = nn.LayerNorm(width, eps=1e-6) if pool == "token" else nn.Identity()
            self.fc_norm = nn.LayerNorm(width, eps=1e-6) if pool == "avg" else nn.Identity()
            self.head = nn.Linear(width, classes)
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=0.02 if width > 128 else width**-0.5 / 2)
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``(batch, classes)`` of images ``(batch, channels, height, width)``."""
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        x = self.norm(self.blocks(self.pos_drop(x)))
        return self.head(self.fc_norm(x[:, 0] if self.pool == "token" else x[:, 1:].mean(dim=1)))


class PatchEmbed(nn.Module):
    """Cuts an image into square patches and maps each to a vector."""

    def __init__(self, patch_size: int, channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch_size, patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Patches ``(batch, patches, width)`` of images ``(batch, channels, height, width)``."""
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix tokens; shape ``(batch, tokens, width)`` in and out."""
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.num_heads, d // self.num_heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(b, n, d))


class Mlp(nn.Module):
    """Feed-forward block ``fc2(act(fc1 x))``."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.drop1 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, width)
        self.drop2 = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(batch, tokens, width)`` in and out."""
        return self.drop2(self.fc2(self.drop1(self.act(self.fc1(x)))))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, hidden, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(batch, tokens, width)`` in and out."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))
