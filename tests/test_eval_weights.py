"""The networks that come with the package, on renders: they are whole, small and know their world; worse videos rank below.

Which number does not see which damage is said here, number by number: `UNSEEN`.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("scipy", reason="scipy is in the extra `eval`")

from eval.clip_score import align, motion
from eval.diorama_nets import CLIP_FOLDER, diorama_clip, diorama_extractor
from eval.frechet import frechet_distance
from eval.generators import WAYS
from eval.judge import CEILING_TO_COUNT, Judge
from eval.store import WEIGHTS
from eval.suite import Form, build_suite
from gpt_video.bundle import DEFAULT_FOLDER
from gpt_video.diorama.render import Renderer, RendererUnavailable
from gpt_video.disk import file_sha256
from tokenizer.model import VideoTokenizer
from tokenizer.video import clip_to_frames

SCENES, FRAMES = 24, 17
# Numbers that a kind of damage does not lower (a distance: does not raise), and why.
UNSEEN = {
    "shuffled": ("kind", "colour", "place", "words"),  # every frame still shows what is there
    "frozen": ("kind", "colour", "place", "words"),
    "wrong words": ("distance",),  # a set of videos is the same whoever its captions belong to
}
DAMAGES = (*WAYS, "wrong words", "random weights")


@pytest.fixture(scope="module")
def world() -> SimpleNamespace:
    """Held-out prompts with their renders, and the networks."""
    prompts = build_suite(Form(SCENES, 0, 1, 0), seed=7, frames=FRAMES).prompts[::2]
    try:
        drawn = [Renderer(*prompt.size).render(prompt.scene).frames_THWC for prompt in prompts]
        others = [
            Renderer(*prompt.size).render(prompt.scene).frames_THWC
            for prompt in build_suite(Form(SCENES, 0, 1, 0), seed=8, frames=FRAMES).prompts[::2]
        ]
    except RendererUnavailable as error:
        pytest.skip(f"no GL back end for MuJoCo: {error}")
    return SimpleNamespace(
        prompts=prompts,
        drawn=drawn,
        others=others,
        judge=Judge.load(),
        clip=diorama_clip(),
        features=diorama_extractor(),
        good=None,
    )


def numbers(world: SimpleNamespace, videos: list[np.ndarray], prompts) -> dict[str, float]:
    """Higher is better, also of the distance, which is turned round."""
    right: dict[str, list[bool]] = {}
    for prompt, frames_THWC in zip(prompts, videos, strict=True):
        judgement = world.judge(frames_THWC)
        for claim in prompt.claims:
            right.setdefault(claim.name, []).append(judgement.is_right(claim, prompt.scene))
    found = {name: float(np.mean(right[name])) for name in ("kind", "colour", "place", "action")}
    found["words"] = float(align(videos, [prompt.text for prompt in prompts], world.clip).per_video("100 cos").mean())
    found["distance"] = -frechet_distance(world.features(world.others), world.features(videos), ddof=1)
    return found | {"motion": float(np.mean([motion(video) for video in videos]))}


@pytest.fixture(scope="module")
def good(world) -> dict[str, float]:
    return numbers(world, world.drawn, world.prompts)


def test_the_files_are_whole_and_at_most_15_mib_together():
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15 * 2**20
    records = {"judge": WEIGHTS, "diorama-features": WEIGHTS, "diorama-clip": WEIGHTS / CLIP_FOLDER}
    for name, folder in records.items():
        record = json.loads((folder / f"{name}.json").read_text("utf-8"))
        weights = Path(folder, "model.safetensors" if name == "diorama-clip" else f"{name}.safetensors")
        assert record["sha256"] == file_sha256(weights)


def test_the_judges_ceiling_is_high_enough_to_judge_by():
    ceiling = Judge.load().ceiling
    counted = [share for share in ceiling.values() if share >= CEILING_TO_COUNT]
    assert np.mean(counted) >= 0.9 and len(counted) >= 11
    assert all(ceiling[name] > 0.95 for name in ("kind", "colour", "place", "time"))


def test_the_judge_knows_renders_that_it_never_saw(good):
    assert good["kind"] > 0.85 and good["colour"] > 0.85 and good["place"] > 0.9 and good["action"] > 0.6


def videos_of_random_weights(videos: list[np.ndarray]) -> list[np.ndarray]:
    """What a GPT that was never trained makes: any codes, through the embedded tokenizer."""
    tokenizer = VideoTokenizer.from_pretrained(DEFAULT_FOLDER / "tokenizer")
    made, generator = [], torch.Generator().manual_seed(0)
    for frames_THWC in videos:
        grid = tokenizer.grid(*frames_THWC.shape[:3])
        codes_Bthw = torch.randint(tokenizer.codebook_size, (1, *grid), generator=generator)
        with torch.inference_mode():
            made.append(clip_to_frames(tokenizer.decode(codes_Bthw)[0]))
    return made


@pytest.mark.parametrize("damage", DAMAGES)
def test_worse_videos_rank_below_on_every_number_that_can_see_it(world, good, damage):
    videos, prompts = world.drawn, world.prompts
    if damage == "wrong words":
        videos = [*videos[1:], *videos[:1]]
    elif damage == "random weights":
        videos = videos_of_random_weights(videos)
    else:
        videos = [WAYS[damage](video, np.random.default_rng(0)) for video in videos]
    bad = numbers(world, videos, prompts)
    for name in ("kind", "colour", "place", "words", "distance"):
        if name in UNSEEN.get(damage, ()):
            assert bad[name] > good[name] - 0.25 * abs(good[name]) - 3, f"{name} does see {damage}: say so"
        else:
            assert bad[name] < good[name], f"{name} must see {damage}: {bad[name]:.3f}, {good[name]:.3f} undamaged"
    if damage == "frozen":  # what a still gains in steadiness, motion takes away
        assert bad["motion"] == 0 < good["motion"] and bad["action"] < good["action"]
