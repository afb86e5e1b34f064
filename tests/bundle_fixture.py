"""Session fixtures: a tiny model, random but whole. `pytest_plugins = ["tests.bundle_fixture"]` gives them to a test file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tiny_model import make_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny bundle; copy it before changing it."""
    pytest.importorskip("tokenizers", reason="training a text tokenizer needs the `tokenizers` library (extra `train`)")
    return make_bundle(tmp_path_factory.mktemp("model") / "bundle")


@pytest.fixture(scope="session")
def tiny_generator(tiny_bundle):
    """The tiny bundle, loaded in float32 on the CPU."""
    from gpt_video.generate import VideoGenerator

    return VideoGenerator.from_pretrained(tiny_bundle, dtype=torch.float32, device="cpu")
