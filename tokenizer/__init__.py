"""Pixels <-> discrete spacetime codes.

Legend of the shape suffixes, for the whole project: B batch, T frames, H W pixels, C colour or channels; t h w the token
grid (latent frames, rows, columns); N = B * t; L sequence, D width, V vocabulary, K codebook size.
"""

from tokenizer.model import VideoTokenizer, VideoTokenizerConfig

__all__ = ["VideoTokenizer", "VideoTokenizerConfig"]
