"""A CLIP of a few kilobytes with random weights and a tokenizer of single letters, and one that knows colours by construction."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

LIMIT = 12  # tokens, start and end included


def tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["<|startoftext|>", *letters, *(f"{letter}</w>" for letter in letters), "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=[])


def random_clip() -> Any:
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    end = len(tokenizer()) - 1
    ids = {"bos_token_id": 0, "eos_token_id": end, "pad_token_id": end}
    text = {**sizes, **ids, "vocab_size": end + 1, "max_position_embeddings": LIMIT}
    vision = {**sizes, "image_size": 16, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).eval()


class ColourClip:
    """Both sides are a mean colour: of a picture, and of the letters r, g and b of a text. Right captions win by construction."""

    config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=77))

    def get_image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return pixel_values.mean(dim=(2, 3))

    def get_text_features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        letters = tokenizer().convert_ids_to_tokens(input_ids[0].tolist())
        return torch.tensor([[float(sum(letter in (one, f"{one}</w>") for letter in letters)) for one in "rgb"]])
