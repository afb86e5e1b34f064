"""The tokenizer's part of a training in memory: windows of rendered clips in, a tokenizer out (recipes/one_gpu.py).

Stills first, then all of it on windows of video, until its encoder is to settle; then the decoder alone, and at last the decoder
against a critic, as `tokenizer.sharpen` does it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import nn

from gpt_video.diorama.stream import Made
from gpt_video.diorama.windows import Windows
from tokenizer import VideoTokenizer, VideoTokenizerConfig
from tokenizer.data import windows_in
from tokenizer.growth import grown
from tokenizer.learning import Learner, train_step
from tokenizer.loop import Clock, set_learning_rate
from tokenizer.optimizer import make_optimizers
from tokenizer.precision import mixed_precision
from tokenizer.sharpening import STILLS_EVERY, Sharpening, times

FRAMES, RATE, SHARPENING_RATE = 17, 1e-3, 4e-4


class Schedule(NamedTuple):
    """Shares of a run: until when the tokenizer sees stills alone, when its encoder settles, when its decoder meets a critic."""

    stills_until: float
    settled_at: float
    sharpened_from: float


class TokenizerTraining:
    """A tokenizer of a preset, grown from another; `kinds`: how many classes the masks of its clips name."""

    def __init__(
        self, old: VideoTokenizer, preset: str, kinds: int, schedule: Schedule, latent_frames: int, device: str
    ) -> None:
        torch.manual_seed(0)
        self.accelerator = Accelerator(mixed_precision=mixed_precision())
        config = replace(VideoTokenizerConfig.preset(preset), shapes=old.config.shapes) if preset else old.config
        self.model = grown(old, config)
        self.kinds, self.schedule, self.latent_frames = kinds, schedule, latent_frames
        learner = Learner(self.model, kinds).train()
        self.learner = self.accelerator.prepare(learner)
        reads = nn.ModuleList([self.model.encoder, self.model.quantizer.into])
        draws = nn.ModuleList([self.model.decoder, self.model.quantizer.out, *filter(None, [learner.names])])
        self.reading, self.drawing = (
            [self.accelerator.prepare(optimizer) for optimizer in make_optimizers(part, RATE)]
            for part in (reads, draws)
        )
        self.stills, self.clips = Windows(1, device), Windows(FRAMES, device)
        self.sharpening: Sharpening | None = None
        self.steps, self.reading_steps, self.clock = 0, 0, Clock()
        self.numbers: dict[str, float] = {}

    def add(self, made: Made) -> None:
        """More to train on: of the sets "stills" and "clips"."""
        self.stills.add([turn for name, turns in made if name == "stills" for turn in turns])
        self.clips.add([turn for name, turns in made if name == "clips" for turn in turns])

    def step(self, progress: float) -> None:
        """progress: of the whole run, 0 .. 1."""
        stills_until, settled_at, sharpened_from = self.schedule
        if progress < sharpened_from:
            is_reading = stills_until <= progress < settled_at
            self._step_of_both(is_reading, progress)
        else:
            self._step_of_sharpening((progress - sharpened_from) / (1 - sharpened_from))
        self.steps += 1
        if self.steps % 100 == 1:
            print(json.dumps({"tokenizer": self.steps, "progress": round(progress, 3), **self.numbers}), flush=True)

    def _step_of_both(self, is_reading: bool, progress: float) -> None:
        stills_until, settled_at, sharpened_from = self.schedule
        self.model.encoder.requires_grad_(is_reading)
        self.model.quantizer.into.requires_grad_(is_reading)
        optimizers = list(self.drawing)
        if is_reading:
            set_learning_rate(self.reading, self.reading_steps, (progress - stills_until) / (settled_at - stills_until))
            optimizers += self.reading
            self.reading_steps += 1
        set_learning_rate(self.drawing, self.steps, progress / sharpened_from)
        # With a GPT beside it the decoder takes smaller batches: the GPU is shared.
        size = self.latent_frames if progress < settled_at else max(self.latent_frames // 2, 1)
        self.numbers = train_step(
            self.learner, optimizers, self.accelerator, self._batch(size, progress < stills_until)
        )

    def _step_of_sharpening(self, progress: float) -> None:
        if self.sharpening is None:
            self.sharpening = Sharpening(self.model, self.kinds, SHARPENING_RATE, self.accelerator)
        batch = self._batch(max(self.latent_frames // 2, 1), stills=False)
        chosen = times(0, self.clock.step, len(batch.clip_BCTHW), batch.clip_BCTHW.shape[2])
        self.numbers = self.sharpening.step(batch, chosen, self.clock, progress)
        self.clock.step += 1

    def _batch(self, latent_frames: int, stills: bool):
        if stills or self.steps % STILLS_EVERY == 0:
            return self.stills.batch(latent_frames)
        return self.clips.batch(windows_in(latent_frames, FRAMES, self.model.config.temporal_stride))

    def settle(self, folder: Path) -> None:
        """The encoder as it will be stored; it does not change any more."""
        self.save(folder)
        self.model.load_state_dict(VideoTokenizer.from_pretrained(folder).state_dict())
        self.model.encoder.eval()
        self.model.quantizer.norm.eval()

    def save(self, folder: Path) -> None:
        """Writes the tokenizer, of a sharpened decoder the running mean, in float16."""
        average = self.sharpening.average if self.sharpening else None
        model = average.model if average and average.steps else self.model
        model.save_pretrained(folder, dtype=torch.float16)

    @property
    def facts(self) -> dict[str, float]:
        """What was done, and the last numbers."""
        steps = {"steps": self.steps, "of its encoder": self.reading_steps, "against a critic": self.clock.step}
        return {**steps, **self.numbers}
