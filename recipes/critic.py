"""A critic for a model of the diorama: rendered stills teach it to read pictures, random conversations to read words.

    python recipes/critic.py --out runs/critic --stills 40000 --minutes 30 --workers 2
    gpt-video chat --model runs/critic/bundle

Renders OUT/stills/*.npz (codes of first frames, each also in a mirror; what is true of them; what is in each cell), trains the
two readers of gpt_video/critic.py, each in a process of its own, and writes OUT/bundle: the model with its critic, which now makes
several first frames and goes on with the best. Scenes that the benchmark holds out are in neither. Started again, it goes on where
it stopped: with the stills that are not there yet, then from the newest checkpoints. A batch is a function of seed and step.

Nothing here has seen the judge of eval/ or what it was trained on: who measures must not choose.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from eval.attributes import Claim, values_of
from eval.clips import UNKNOWN, labels_of
from eval.generators import trained_world
from eval.suite import Draws, conversation
from gpt_video.bundle import Bundle, load_bundle, save_bundle
from gpt_video.critic import COUNT, Critic, CriticConfig, Form, Logits, Picture, Words, joined, padded
from gpt_video.diorama.language import noisy
from gpt_video.diorama.make import SHAPE_WEIGHTS, Choices, rendered_turns
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.world import WORLDS
from gpt_video.disk import draft_of
from gpt_video.generate import VideoGenerator
from tokenizer.loop import (
    Clock,
    begin,
    descend,
    log,
    resume,
    run_command,
    save_checkpoint,
    set_learning_rate,
)
from tokenizer.model import VideoTokenizer
from tokenizer.optimizer import MUON_RATE, ConvolutionMuon, Muon
from tokenizer.video import fit, frames_to_clip, nearest_shape

# What a first frame shows; of motion, of the camera and of who stands where it says too little.
OF_THING, OF_SCENE = (COUNT, "colour", "size", "activity"), ("place", "time", "weather", "style")
BLOCK, HELD_BLOCKS, HELD_TALKS = 250, 4, 500  # stills of a file; files, and conversations, that are never trained on
EDITS = (0, 0, 1, 2, 3, 5)  # of a conversation, one drawn
ROWS = 64  # of each half of a batch
ABSENT_WEIGHT, UNSAID_WEIGHT = 0.3, 0.2  # most things are not there, and not spoken of
CELLS_WEIGHT, THING_CELL_WEIGHT = 4.0, 4.0  # as for the judge (eval/objectives.py)
MOST_WRONG_CODES = 0.1  # so that a picture is read that a GPT drew
LOG_EVERY = 50

Labels = dict[str, np.ndarray]
Labelled = tuple[Tensor, dict[str, Tensor]]


class Facts(NamedTuple):
    """What both readers are trained for."""

    world: str
    config: CriticConfig


def form_of(world: str) -> Form:
    """What can be filled in about a world's first frames."""
    values = values_of(world)
    of_thing, of_scene = ({name: values[name] for name in names if name in values} for names in (OF_THING, OF_SCENE))
    return Form(values["kind"], of_thing, of_scene)


# Stills


def render_block(task: tuple[argparse.Namespace, str, bool, int]) -> None:
    """One file: codes_N2hw (as rendered, and in a mirror) of stills of one shape, with cells_NKhw and their labels."""
    args, world, is_held, number = task
    rng = Random(f"{args.seed} {is_held} {number}")
    shape = rng.choices(list(SHAPE_WEIGHTS), list(SHAPE_WEIGHTS.values()))[0]
    choices = Choices(2 * args.seed + is_held, (1, 3), shapes={shape: 1}, frames={1: 1}, held_out=is_held, world=world)
    video_tokenizer = load_bundle(args.model, device="cpu").video_tokenizer
    fitted = nearest_shape(*shape, video_tokenizer.config.shapes)
    grid = video_tokenizer.grid(1, *fitted)[1:]
    frames: list[np.ndarray] = []
    labels: list[Labels] = []
    cells: list[np.ndarray] = []
    index = number * BLOCK
    while len(frames) < BLOCK:
        for one in rendered_turns(index, choices):
            if one.turn.action != "continue":
                frames.append(fit(one.clip.frames_THWC, *fitted))
                labels.append(picture_labels(one.turn.scene))
                cells.append(things_in_cells(one.clip.masks_THW[0], one.turn.scene, grid))
        index += 1
    clip_NCTHW = torch.stack([frames_to_clip(frame_THWC) for frame_THWC in frames])
    both = [encoded(video_tokenizer, clip) for clip in (clip_NCTHW, clip_NCTHW.flip(-1))]
    columns: dict[str, Any] = {name: np.stack([label[name] for label in labels]) for name in labels[0]}
    with draft_of(block_file(args, is_held, number)) as draft, draft.open("wb") as file:
        np.savez_compressed(file, codes=np.stack(both, 1), cells=np.stack(cells), **columns)


@torch.inference_mode()
def encoded(video_tokenizer: VideoTokenizer, clip_NCTHW: Tensor) -> np.ndarray:
    codes = [video_tokenizer.encode(part)[:, 0] for part in clip_NCTHW.split(32)]
    return torch.cat(codes).numpy().astype(np.uint16)


def picture_labels(scene: Scene) -> Labels:
    """What is true of a first frame, as `eval.clips.labels_of` has it."""
    return {name: values for name, values in labels_of(scene).items() if name in (*OF_THING, *OF_SCENE)}


def things_in_cells(mask_HW: np.ndarray, scene: Scene, grid: tuple[int, int]) -> np.ndarray:
    """uint8 cells_Khw: the share of each cell that each kind of thing covers, of 255."""
    kinds = values_of(scene.world)["kind"]
    cells_Khw = np.zeros((len(kinds), *grid), np.uint8)
    for record, subject in enumerate(scene.subjects, 1):
        share_1hw = F.adaptive_avg_pool2d(torch.from_numpy(mask_HW == record).float()[None], grid)
        cells_Khw[kinds.index(subject.kind)] += (255 * share_1hw[0]).byte().numpy()
    return cells_Khw


def block_file(args: argparse.Namespace, is_held: bool, number: int) -> Path:
    return Path(args.out) / "stills" / f"{'held' if is_held else 'seen'}-{number:05d}.npz"


def render(args: argparse.Namespace, world: str) -> None:
    """The files that are not there yet."""
    (Path(args.out) / "stills").mkdir(parents=True, exist_ok=True)
    wanted = [(False, number) for number in range(-(-args.stills // BLOCK))]
    wanted += [(True, number) for number in range(min(HELD_BLOCKS, len(wanted)))]
    tasks = [(args, world, *one) for one in wanted if not block_file(args, *one).exists()]
    if args.workers == 1:
        for task in tasks:
            render_block(task)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the workers, which start anew
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        for done, _ in enumerate(pool.imap_unordered(render_block, tasks), 1):
            print(f"rendered {done} of {len(tasks)} files of {BLOCK} stills", flush=True)


class Pictures:
    """What the reader of pictures learns from: stills in memory, by shape, as rows of codes_N2hw, cells_NKhw and labels."""

    def __init__(self, args: argparse.Namespace, facts: Facts):
        self.seed, self.reader = args.seed, Picture(facts.config)
        self.seen, self.held = (stills_by_shape(args, is_held) for is_held in (False, True))

    def batch(self, step: int) -> Labelled:
        """codes_Nhw of one shape, a part of them wrong, and their labels."""
        rng = np.random.default_rng((self.seed, step))
        sizes = np.array([len(rows["codes"]) for rows in self.seen])
        rows = self.seen[rng.choice(len(sizes), p=sizes / sizes.sum())]
        chosen, turned = rng.integers(0, len(rows["codes"]), ROWS), rng.integers(0, 2, ROWS)
        codes_Nhw = rows["codes"][chosen, turned].astype(np.int64)
        is_wrong = rng.random(codes_Nhw.shape) < MOST_WRONG_CODES * rng.random((ROWS, 1, 1))
        codes_Nhw[is_wrong] = rng.permutation(codes_Nhw.ravel())[: is_wrong.sum()]
        labels = {name: torch.from_numpy(values[chosen]) for name, values in rows.items() if name != "codes"}
        labels["cells"][turned == 1] = labels["cells"][turned == 1].flip(-1)
        return torch.from_numpy(codes_Nhw), labels

    def losses(self, reader: Any, batch: Labelled) -> dict[str, Tensor]:
        form, cells_NQhw = reader(batch[0])
        return picture_losses(form, cells_NQhw, batch[1])

    @torch.inference_mode()
    def accuracy(self) -> dict[str, float]:
        """Shares that are right of held-out stills, by attribute."""
        hits = Hits()
        for rows in self.held:
            codes_Nhw = torch.from_numpy(rows["codes"][:, 0].astype(np.int64))
            parts = [self.reader(part)[0] for part in codes_Nhw.split(128)]
            for name in parts[0]:
                values, label = torch.cat([part[name] for part in parts]), torch.from_numpy(rows[name])
                known = label.amax(-1) == 1 if name == "colour" else label > 0 if name == COUNT else label != UNKNOWN
                label = label.argmax(-1) if name == "colour" else label
                hits.add(f"{name} seen", values.argmax(-1) == label, known)
                if name == COUNT:
                    hits.add("kind seen", values.softmax(-1)[..., 0] < 0.5, known)
        return hits.shares()


def stills_by_shape(args: argparse.Namespace, is_held: bool) -> list[Labels]:
    parts: dict[tuple[int, ...], list[Labels]] = {}
    for path in sorted((Path(args.out) / "stills").glob(f"{'held' if is_held else 'seen'}-*.npz")):
        block = dict(np.load(path))
        parts.setdefault(block["codes"].shape[2:], []).append(block)
    return [
        {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]} for blocks in parts.values()
    ]


def picture_losses(logits: Logits, found_NQhw: Tensor, labels: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross entropies over what is known, and of what is in each cell."""
    cells_NKhw = labels["cells"] / 255
    nothing_N1hw = (1 - cells_NKhw.sum(1, keepdim=True)).clamp_min(0)
    surprise_Nhw = -(torch.cat([nothing_N1hw, cells_NKhw], 1) * found_NQhw.log_softmax(1)).sum(1)
    weights_Nhw = 1 + THING_CELL_WEIGHT * (1 - nothing_N1hw[:, 0])
    cells = CELLS_WEIGHT * (weights_Nhw * surprise_Nhw).sum() / weights_Nhw.sum()
    weights = torch.ones(logits[COUNT].shape[-1], device=logits[COUNT].device)
    weights[0] = ABSENT_WEIGHT
    terms = {
        "cells": cells,
        f"{COUNT} seen": F.cross_entropy(logits[COUNT].flatten(0, 1), labels[COUNT].flatten(), weights),
    }
    is_there = labels["colour"].sum(dim=-1) > 0
    terms["colour seen"] = F.cross_entropy(logits["colour"][is_there], labels["colour"][is_there])
    for name in (name for name in logits if name not in (COUNT, "colour")):
        known = labels[name] != UNKNOWN
        surprise = F.cross_entropy(logits[name].flatten(0, -2), labels[name].flatten(), ignore_index=UNKNOWN)
        terms[f"{name} seen"] = surprise if known.any() else logits[name].sum() * 0
    return terms


# Words

Talk = tuple[list[str], Labels]  # the words of every turn, and what they name of the last video


def talks(rng: Random, world: str, form: Form, held_out: bool = False) -> list[Talk]:
    """A conversation after its last turn, and after one before it."""
    frames = rng.choice((1, 9, 17, 33))
    draw = Draws(WORLDS[world], frames, held_out)
    one = conversation(rng.randrange(2), rng.choice(EDITS), rng, draw)
    texts, said, found = [one.text], set(one.claims), [([one.text], words_labels(one.scene, one.claims, form))]
    if one.steps and rng.random() < 0.1:  # of a video from elsewhere nothing was said
        texts, said, found = [], set(), []
    for step in one.steps:
        said = {after for before, after in step.kept if before in said} | set(step.asked)
        texts = [*texts, step.text]
        found.append((texts, words_labels(step.edit.scene_after, said, form)))
    return found[-2:]


def words_labels(scene: Scene, claims: Sequence[Claim] | set[Claim], form: Form) -> Labels:
    """What the claims say, as indices into the form's values; the number of values where they say nothing, -1 where two things."""
    values = {**form.of_thing, **form.of_scene}
    labels = {
        name: np.full(len(form.things) if name in form.of_thing else (), len(known)) for name, known in values.items()
    }
    for claim in claims:
        if claim.attribute == "absent":
            labels[COUNT][form.things.index(claim.value)] = 0
        elif claim.attribute in values:
            value, here = values[claim.attribute].index(claim.value), labels[claim.attribute]
            if claim.attribute in form.of_scene:
                here[...] = value
            else:
                thing = form.things.index(scene.subjects[claim.subject].kind)
                here[thing] = value if here[thing] in (value, len(values[claim.attribute])) else UNKNOWN
    return labels


class Conversations:
    """What the reader of words learns from: random conversations, none twice."""

    def __init__(self, args: argparse.Namespace, facts: Facts):
        self.seed, self.reader = args.seed, Words(facts.config)
        self.world, self.form, self.text_size = facts.world, facts.config.form, facts.config.text_size
        self.encode = load_bundle(args.model, device="cpu").text_tokenizer.encode

    def batch(self, step: int) -> Labelled:
        """ids_BL and labels."""
        return self.drawn(Random(f"{self.seed} {step}"), ROWS)

    def drawn(self, rng: Random, rows: int, held_out: bool = False) -> Labelled:
        drawn: list[Talk] = []
        while len(drawn) < rows:
            drawn += talks(rng, self.world, self.form, held_out)
        drawn = drawn[:rows]
        texts = [joined([self.encode(noisy(text, rng)) for text in said], self.text_size) for said, _ in drawn]
        labels = {name: torch.from_numpy(np.stack([label[name] for _, label in drawn])) for name in drawn[0][1]}
        return padded(texts), labels

    def losses(self, reader: Any, batch: Labelled) -> dict[str, Tensor]:
        return words_losses(reader(batch[0]), batch[1], self.form)

    @torch.inference_mode()
    def accuracy(self) -> dict[str, float]:
        """Shares that are right of what conversations about held-out scenes say, and of what they do not say."""
        hits = Hits()
        ids_BL, labels = self.drawn(Random("held out"), HELD_TALKS, held_out=True)
        for name, values in self.reader(ids_BL).items():
            found, label, unsaid = values.argmax(-1), labels[name], values.shape[-1] - 1
            hits.add(f"{name} said", found == label, (label != UNKNOWN) & (label != unsaid))
            hits.add(f"{name} not said", found == label, label == unsaid)
        return hits.shares()


def words_losses(logits: Logits, labels: dict[str, Tensor], form: Form) -> dict[str, Tensor]:
    """Cross entropies; that nothing is said of a thing counts less, since it is the rule."""
    terms = {}
    for name, values in logits.items():
        weights = torch.ones(values.shape[-1], device=values.device)
        weights[-1] = UNSAID_WEIGHT if name in form.of_thing else 1.0
        terms[f"{name} said"] = F.cross_entropy(
            values.flatten(0, -2), labels[name].flatten(), weights, ignore_index=UNKNOWN
        )
    return terms


# The loop


class Lesson(Protocol):
    """A reader and what it learns from."""

    reader: Any

    def batch(self, step: int) -> Labelled: ...

    def losses(self, reader: Any, batch: Labelled) -> dict[str, Tensor]: ...

    def accuracy(self) -> dict[str, float]: ...


LESSONS: dict[str, Callable[[argparse.Namespace, Facts], Lesson]] = {"picture": Pictures, "words": Conversations}


class Hits:
    """What was right, by name."""

    def __init__(self) -> None:
        self.found: dict[str, list[Tensor]] = {}

    def add(self, name: str, is_right: Tensor, counts: Tensor) -> None:
        """is_right: of any shape; those of which counts is true are counted."""
        self.found.setdefault(name, []).append(is_right[counts].float())

    def shares(self) -> dict[str, float]:
        joint = {name: torch.cat(found) for name, found in self.found.items()}
        return {name: round(float(found.mean()), 4) for name, found in joint.items() if len(found)}


def make_optimizers(reader: nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for convolutions and for the matrices of attention; AdamW for all else."""
    named = dict(reader.named_parameters())
    matrices = {name: p for name, p in named.items() if p.ndim == 2 and "looks." in name}
    rest = [p for name, p in named.items() if p.ndim != 4 and name not in matrices]
    convolutions = [p for p in named.values() if p.ndim == 4]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(list(matrices.values()), MUON_RATE * learning_rate, weight_decay=0.01),
        torch.optim.AdamW(rest, learning_rate, betas=(0.9, 0.95), weight_decay=0.01),
    ]
    return optimizers + ([ConvolutionMuon(convolutions, MUON_RATE * learning_rate)] if convolutions else [])


def train(task: tuple[argparse.Namespace, str, Facts]) -> dict[str, Any]:
    """Trains one reader in OUT/picture or OUT/words and leaves reader.safetensors there; returns how, and what it gets right."""
    args, name, facts = task
    # ---- setup
    out, accelerator = begin(argparse.Namespace(out=Path(args.out) / name, seed=args.seed))
    lesson = LESSONS[name](args, facts)
    reader = accelerator.prepare(lesson.reader.train())
    optimizers = [accelerator.prepare(optimizer) for optimizer in make_optimizers(lesson.reader, args.learning_rate)]
    clock = Clock()
    resume(out, accelerator, clock)
    # ---- loop
    while clock.progress(args) < 1:
        start = time.monotonic()
        set_learning_rate(optimizers, clock.step, clock.progress(args))
        with accelerator.autocast():
            terms = lesson.losses(reader, lesson.batch(clock.step))
        loss = torch.stack(list(terms.values())).sum()
        descend(loss, reader, optimizers, accelerator)
        clock.tick(time.monotonic() - start, accelerator)
        if clock.step % LOG_EVERY == 0:
            log(out, accelerator, clock, {n: float(term.detach()) for n, term in {"loss": loss, **terms}.items()})
        if clock.step % args.evaluate_every == 0:
            save_checkpoint(out, accelerator, clock.step)
            log(out, accelerator, clock, {"held out": lesson.accuracy()})
    # ---- the end
    save_checkpoint(out, accelerator, clock.step)
    found = lesson.accuracy()
    log(out, accelerator, clock, {"held out": found})
    state = {n: tensor.contiguous() for n, tensor in lesson.reader.state_dict().items()}
    save_file(state, out / "reader.safetensors")
    return {"steps": clock.step, "minutes": round(clock.minutes, 1), "right of held-out scenes": found}


def one_thread() -> None:
    """Of a process for one of such small networks: two threads take longer than one (EXPERIMENTS.md)."""
    torch.set_num_threads(1)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the bundle that gets a critic (default: the one in the package)")
    parser.add_argument("--out", required=True)
    parser.add_argument("--stills", type=int, default=40_000)
    parser.add_argument("--minutes", type=float, default=30.0, help="training time; ignored with --steps")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--candidates", type=int, default=4, help="first frames that the model will choose among")
    parser.add_argument("--evaluate-every", type=int, default=1000, help="steps")
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="processes that render; with 1 the readers are trained one after the other",
    )
    parser.add_argument("--seed", type=int, default=5000)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Renders, trains, writes the bundle; returns what the critic gets right."""
    args = parse(argv)
    bundle = load_bundle(args.model, device="cpu")
    world, out = trained_world(VideoGenerator(bundle)), Path(args.out)
    sizes = bundle.vocabulary.codebook_size, bundle.vocabulary.text_size
    facts = Facts(world, CriticConfig(form_of(world), *sizes))
    render(args, world)
    tasks = [(args, name, facts) for name in LESSONS]
    if args.workers == 1:
        trained = [train(task) for task in tasks]
    else:
        with multiprocessing.get_context("spawn").Pool(len(tasks), one_thread) as pool:
            trained = pool.map(train, tasks)
    critic = Critic(facts.config)
    for name in LESSONS:
        getattr(critic, name).load_state_dict(load_file(out / name / "reader.safetensors"))
    record = {"recipe": "recipes/critic.py", "stills": args.stills, "seed": args.seed}
    record |= dict(zip(LESSONS, trained, strict=True))
    name = with_critic(bundle, critic, args.candidates, record, out / "bundle")
    print(f"{out / 'bundle'} is model {name}: it makes {args.candidates} first frames and goes on with the best")
    return record


def with_critic(bundle: Bundle, critic: Critic, candidates: int, record: dict[str, Any], folder: Path) -> str:
    """Writes the model with its critic into `folder`; returns its hash."""
    return save_bundle(
        folder,
        bundle.video_tokenizer,
        bundle.gpt,
        bundle.text_tokenizer,
        replace(bundle.settings, candidates=candidates),
        card=(bundle.folder / "MODEL_CARD.md").read_text("utf-8"),
        manifest=json.loads((bundle.folder / "training_data.json").read_text("utf-8")) | {"critic": record},
        pictures=sorted((bundle.folder / "pictures").glob("*")),
        critic=critic,
    )


if __name__ == "__main__":
    run_command(main)
