"""What every sharpening of a decoder is made of: it and the critic side by side, a step of both, the mean of what it becomes.

The decoder is pulled two ways, equally hard: towards the pixels that were there, and to what the critic (`tokenizer/critic.py`)
takes for that thing. For the first part of a run the critic learns alone. What is kept is the running mean of the decoder's
weights.
"""

import copy
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tokenizer.critic import Critic, seen, shown, surprise
from tokenizer.data import Batch
from tokenizer.loop import Clock, descend, set_learning_rate
from tokenizer.losses import attention, reconstruction
from tokenizer.model import VideoTokenizer
from tokenizer.optimizer import make_optimizers

ALONE = 0.25  # of the run, in which only the critic learns, and faster
CRITIC_RATE, CRITIC_RATE_ALONE = 2e-4, 1e-3
AT_EASE = 0.5  # nats: drawn cells that surprise the critic less teach it nothing, or it runs away from the decoder
STILLS_EVERY = 4  # batches: a still shows as much of kinds and colours as a clip, and there are more of them
LOOKS = 4  # frames of each window that the critic is shown
MATCHING = 2.0  # weight of the critic's features against what it says
MEMORY = 0.995  # of the running mean, a step
DRAWING = ("decoder", "quantizer.out")  # parts of a tokenizer that make pixels of codes, and no codes of pixels


class Average:
    """The tokenizer with the running mean of a decoder's weights: `model`, in evaluation mode."""

    def __init__(self, model: VideoTokenizer):
        self.model, self.steps = copy.deepcopy(model).eval().requires_grad_(False), 0

    @torch.no_grad()
    def add(self, model: VideoTokenizer) -> None:
        self.steps += 1
        # The first ones count more: they start from what is to be left behind.
        share = max(1 - MEMORY, 9 / (9 + self.steps))
        for mean, now in zip(drawing(self.model).parameters(), drawing(model).parameters(), strict=True):
            mean.lerp_(now, share)

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.steps = state["steps"]


def drawing(model: VideoTokenizer) -> nn.ModuleList:
    """The parts that draw, of which a change changes no code."""
    return nn.ModuleList([model.get_submodule(name) for name in DRAWING])


class Sharpening:
    """Both networks and their optimizers."""

    def __init__(self, model: VideoTokenizer, classes: int, learning_rate: float, accelerator: Accelerator):
        self.accelerator, self.model = accelerator, model.eval().requires_grad_(False).to(accelerator.device)
        self.draws = accelerator.prepare(drawing(model).requires_grad_(True))
        self.critic = accelerator.prepare(Critic(classes).train())
        self.of_draws = [accelerator.prepare(one) for one in make_optimizers(self.draws, learning_rate)]
        self.of_critic = [accelerator.prepare(one) for one in make_optimizers(self.critic, CRITIC_RATE)]
        self.average = Average(model)

    def step(self, batch: Batch, times_Bn: Tensor, clock: Clock, progress: float) -> dict[str, float]:
        """One step of the critic, and unless it learns alone of the decoder; the named numbers. `progress`: of the run, 0 .. 1."""
        device, alone = self.accelerator.device, progress < ALONE
        clip, times_Bn = batch.clip_BCTHW.to(device), times_Bn.to(device)
        masks = None if batch.masks_BTHW is None else batch.masks_BTHW.to(device)
        shown_Nhw = shown(masks, times_Bn, *clip.shape[-2:])
        with torch.set_grad_enabled(not alone), self.accelerator.autocast():
            drawn = self.model.decode(self.model.encode(clip))
        # The losses are of a copy, so that each gives a gradient of its own: an error and a wish have no common unit.
        pixels = drawn.detach().requires_grad_(not alone)
        with self.accelerator.autocast():
            of_real, real_features = self.critic(seen(clip, times_Bn))
            of_drawn, drawn_features = self.critic(seen(pixels, times_Bn))
        numbers: dict[str, Tensor] = {}
        gradient = None
        if not alone:
            terms = reconstruction(pixels, clip, attention(clip, masks))
            numbers |= terms | {"taken_for": surprise(of_drawn, shown_Nhw, shown_Nhw)}
            numbers["matching"] = matching(drawn_features, real_features)
            wish = numbers["taken_for"] + MATCHING * numbers["matching"]
            gradient = balanced(torch.stack(list(terms.values())).sum(), wish, pixels)
        numbers["real"] = surprise(of_real, shown_Nhw, shown_Nhw)
        numbers["drawn"] = surprise(of_drawn, torch.full_like(shown_Nhw, self.critic.drawn), shown_Nhw)
        set_learning_rate(self.of_critic, clock.step, progress)
        if alone:
            for group in (group for one in self.of_critic for group in one.param_groups):
                group["lr"] *= CRITIC_RATE_ALONE / CRITIC_RATE
        lesson = numbers["real"] + numbers["drawn"] * (alone or float(numbers["drawn"].detach()) > AT_EASE)
        descend(lesson, self.critic, self.of_critic, self.accelerator)
        if gradient is not None:
            set_learning_rate(self.of_draws, self.average.steps, (progress - ALONE) / (1 - ALONE))
            descend((drawn * gradient).sum(), self.draws, self.of_draws, self.accelerator)
            self.average.add(self.model)
        numbers["named"] = share_named(of_real, shown_Nhw)
        return {name: float(value.detach()) for name, value in numbers.items()}


def balanced(error: Tensor, wish: Tensor, pixels: Tensor) -> Tensor:
    """The gradient of the error by the pixels, and that of the wish, made as long."""
    (near,) = torch.autograd.grad(error, pixels)
    (real,) = torch.autograd.grad(wish, pixels, retain_graph=True)  # the critic's own step goes through the same graph
    return near + real * (near.norm() / real.norm().clamp(min=1e-12))


def matching(drawn: list[Tensor], real: list[Tensor]) -> Tensor:
    """How far the critic's features of what was drawn are from those of what was there (Wang et al. 2018), 0 where they agree."""
    pairs = [(a.float(), b.detach().float()) for a, b in zip(drawn, real, strict=True)]
    return torch.stack([(a - b).abs().mean() / b.abs().mean().clamp(min=1e-6) for a, b in pairs]).mean()


def share_named(logits_NKhw: Tensor, shown_Nhw: Tensor) -> Tensor:
    """Of the cells of real things, the share that the critic calls by its name; of all cells where there are no things."""
    things = (shown_Nhw > 0) & (shown_Nhw < logits_NKhw.shape[1] - 1)
    right = logits_NKhw.argmax(dim=1) == shown_Nhw
    return right[things].float().mean() if things.any() else right.float().mean()


def times(seed: int, step: int, clips: int, frames: int) -> Tensor:
    """times_Bn: which frames of each window the critic is shown. A function of (seed, step), as batches are."""
    random = torch.Generator().manual_seed(seed * 1_000_003 + step)
    return torch.stack([torch.randperm(frames, generator=random)[:LOOKS] for _ in range(clips)])
