"""What tests of whole programs share: a tiny model on disk, the command line as a child process, a few frames."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch

SENTENCES = ["a red ball rolls across the snow", "make it blue", "la balle devient bleue", "then it jumps", "at night"]
WINDOW = 600


def make_bundle(folder: Path, seed: int = 0) -> Path:
    """Saves a tiny bundle; another seed gives other weights of the same shapes."""
    from gpt_video.bundle import BundleSettings, save_bundle
    from gpt_video.model import build_gpt
    from gpt_video.sequence import Vocabulary
    from gpt_video.text import TextTokenizer
    from tokenizer.model import VideoTokenizer, VideoTokenizerConfig

    text_tokenizer = TextTokenizer.train(SENTENCES * 4, vocab_size=300)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        video_tokenizer = VideoTokenizer(VideoTokenizerConfig.preset("tiny")).eval()
        vocabulary = Vocabulary(text_tokenizer.vocab_size, video_tokenizer.codebook_size)
        gpt = build_gpt("tiny", vocabulary.size, WINDOW).eval()
        for parameter in gpt.parameters():  # a fresh GPT has blocks that do nothing: let each of them matter
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.1)
    settings = BundleSettings(WINDOW, (1, 3, 5), (2, 4), shapes=((32, 32), (32, 48), (48, 32)))
    save_bundle(folder, video_tokenizer, gpt, text_tokenizer, settings, "# A random model for tests\n", {"clips": 0})
    return folder


def environment() -> dict[str, str]:
    """For child processes: one thread, no GPU, no probe, this source tree."""
    root = str(Path(__file__).parents[1])
    settings = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "GPT_VIDEO_DTYPE": "float32", "PYTHONPATH": root}
    return {**os.environ, **settings, "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}


def command(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `gpt-video ARGS` in a process of its own, as a person would."""
    line = [sys.executable, "-m", "gpt_video.cli", *map(str, args)]
    return subprocess.run(line, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=240)


def moving_square(frames: int, height: int = 32, width: int = 32) -> np.ndarray:
    """frames_THWC: a white square that goes to the right."""
    frames_THWC = np.full((frames, height, width, 3), 40, np.uint8)
    for index, frame_HWC in enumerate(frames_THWC):
        left = 4 + 2 * index % max(width - 16, 1)
        frame_HWC[8:20, left : left + 12] = 255
    return frames_THWC


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


def run(*args: object) -> Result:
    """`gpt-video ARGS` in this process: faster than `command`, with the same exit codes."""
    from gpt_video import cli

    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.object(sys, "argv", ["gpt-video", *map(str, args)]),
        mock.patch.object(cli, "load_plugins"),
        mock.patch.dict("os.environ", {"GPT_VIDEO_DTYPE": "float32", "COLUMNS": "200"}),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Result(code, out.getvalue(), err.getvalue())
