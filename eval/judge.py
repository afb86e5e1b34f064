"""The judge: what does a clip show? A program's answer, with the accuracy that it has on held-out renders.

Enters: uint8 frames_THWC at 8 fps (128x128, 160x96, 96x160 or any multiple of 16; 1 to 33 frames, more are cut into pieces).
Leaves: a `Judgement`: probabilities of every attribute, and for any `Claim` whether it is right. Frames are computed in float32
one clip at a time, so that a judgement does not depend on what else is judged.

On disk: judge.json (network, accuracy of each attribute, what it was trained on, SHA-256 of the weights), judge.safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eval.attributes import NAMES, SECOND, Claim, claims, values_of
from eval.clips import Clip, network_input, sampled
from eval.judge_net import COARSE, OF_SCENE, PAIRS, JudgeConfig, JudgeNet, channels_last
from eval.reading import ANIMAL
from eval.store import WEIGHTS, load_network, rebuilt, save_network
from gpt_video.diorama.phrasing import ANIMALS
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.world import CORE, WORLDS

LONGEST = 33  # frames that the network was shown at once
CEILING_TO_COUNT = 0.80  # an attribute that the judge itself gets right less often is shown, and left out of means
PRESENT = 0.5


@dataclass(frozen=True, eq=False)
class Judgement:
    """Probabilities: count (K, 4), colour (K, 10), size, action, direction, speed (K, values) of each kind K; relation
    (K, K, PAIRS); place, time, camera (values). In the wide world also activity (K, values); weather, style (values).

    Scenes that it is asked about must be of the judge's world.
    """

    tables: Mapping[str, np.ndarray]

    @cached_property
    def present(self) -> np.ndarray:
        """Probability that each kind is there at all, (K,)."""
        return 1 - self.tables["count"][:, 0]

    def kinds_of(self, scene: Scene) -> list[int]:
        """Which kind, as an index, plays the part of each subject: the one asked for, or where it is missing what is there instead.

        So that a blue dog where a blue cat was asked for is of the wrong kind and of the right colour.
        """
        wanted = [_kinds(scene).index(subject.kind) for subject in scene.subjects]
        others = [k for k in np.argsort(-self.present) if k not in wanted and self.present[k] > PRESENT]
        parts = []
        for kind in wanted:
            replaced = self.present[kind] <= PRESENT and bool(others)
            parts.append(int(others.pop(0)) if replaced else kind)
        return parts

    def probabilities(self, attribute: str, scene: Scene, subject: int = 0) -> dict[str, float]:
        """{value: probability} of one attribute of a subject of the scene, or of the scene as a whole."""
        if attribute in ("kind", "absent"):
            shares = self.present if attribute == "kind" else 1 - self.present
            return dict(zip(_kinds(scene), shares.tolist(), strict=True))
        parts = self.kinds_of(scene)
        if attribute == "relation":
            left, right, behind, _ = self.tables["relation"][parts[0], parts[1]].tolist()
            return {"left of": left, "behind": behind, "next to": left + right}
        table = self.tables[attribute]
        row = table if attribute in OF_SCENE else table[parts[subject]]
        return dict(zip(values_of(scene.world)[attribute], row.tolist(), strict=True))

    def about(self, scene: Scene) -> dict[str, dict[str, float]]:
        """{attribute: {value: probability}} of the scene's topic and of the scene."""
        left_out = {"absent"} if len(scene.subjects) > 1 else {"absent", "relation"}
        return {name: self.probabilities(name, scene) for name in values_of(scene.world) if name not in left_out}

    def answer(self, claim: Claim, scene: Scene) -> str:
        """The most probable value of what the claim is about; the kind that plays its part; for "absent", yes or no."""
        if claim.attribute == "kind":
            return _kinds(scene)[self.kinds_of(scene)[claim.subject]]
        if claim.attribute == "absent":
            return "no" if self._is_there(claim.value, scene) else "yes"
        if claim.attribute == "relation":
            parts = self.kinds_of(scene)
            return PAIRS[int(self.tables["relation"][parts[0], parts[1]].argmax())]
        found = self.probabilities(claim.attribute, scene, claim.subject)
        return max(found, key=found.__getitem__)

    def is_right(self, claim: Claim, scene: Scene) -> bool:
        """Whether the clip shows what the claim says. scene: what was asked for, to know which subject is meant."""
        if claim.attribute in ("kind", "absent"):
            return self._is_there(claim.value, scene) == (claim.attribute == "kind")
        if claim.attribute == "relation":
            return self._is_related(claim.value, scene)
        if claim.attribute == "colour":
            return claim.value in self._colours(claim.subject, scene)
        return self.answer(claim, scene) == claim.value

    def _is_there(self, kind: str, scene: Scene) -> bool:
        wanted = ANIMALS if kind == ANIMAL else (kind,)
        return any(bool(self.present[_kinds(scene).index(one)] > PRESENT) for one in wanted)

    def _is_related(self, relation: str, scene: Scene) -> bool:
        first, second, *_ = self.kinds_of(scene)
        found = PAIRS[int(self.tables["relation"][first, second].argmax())]
        return first != second and (found == relation or (relation == "next to" and found in PAIRS[:2]))

    def _colours(self, subject: int, scene: Scene) -> list[str]:
        """The most probable colour of the subject; where n records are of its kind, the n most probable ones."""
        twins = sum(other.kind == scene.subjects[subject].kind for other in scene.subjects)
        found = self.probabilities("colour", scene, subject)
        return sorted(found, key=found.__getitem__, reverse=True)[:twins]

    @property
    def confidence(self) -> float:
        """Mean of the greatest probabilities of the scene's attributes and of what is there: how sure the judge is at all."""
        scene = [float(self.tables[name].max()) for name in ("place", "time", "camera")]
        best = int(self.present.argmax())
        return float(np.mean([*scene, self.present[best], self.tables["colour"][best].max()]))


class Judge:
    """A trained network with its record. `judge(frames_THWC)` -> `Judgement`."""

    def __init__(self, net: JudgeNet, record: Mapping[str, Any], sha256: str = ""):
        self.net, self.record, self.sha256 = channels_last(net.eval()), dict(record), sha256

    @classmethod
    def load(cls, folder: str | Path = WEIGHTS) -> Judge:
        """Raises ValueError if the files are missing, damaged, or of another version of their world."""
        record, tensors, sha256 = load_network(folder, "judge")
        config = record.get("config", {})
        world = config.get("world", CORE.name)
        if world not in WORLDS or record.get("values") != _values(world):
            raise ValueError(f"the judge in {folder} knows other kinds or colours than this world: train it again")
        return cls(rebuilt(lambda: JudgeNet(JudgeConfig(**config)), tensors, folder), record, sha256)

    def save(self, folder: str | Path) -> str:
        """Writes judge.json and judge.safetensors; returns the SHA-256 of the weights."""
        record = self.record | {"config": asdict(self.net.config), "values": _values(self.world)}
        self.sha256 = save_network(folder, "judge", self.net.state_dict(), record)
        return self.sha256

    @property
    def world(self) -> str:
        """The name of the world that it knows."""
        return self.net.config.world

    @property
    def ceiling(self) -> dict[str, float]:
        """{name of a claim: share of it that this judge gets right on held-out renders}."""
        return dict(self.record.get("accuracy", {}))

    def counts(self, name: str) -> bool:
        """Whether an attribute takes part in means: the judge must know it well itself."""
        return self.ceiling.get(name, 0.0) >= CEILING_TO_COUNT

    @torch.inference_mode()
    def __call__(self, frames_THWC: np.ndarray) -> Judgement:
        """uint8 frames_THWC at 8 fps. Longer clips than 33 frames are judged piece by piece, and the pieces averaged."""
        check_frames(frames_THWC)
        starts = range(0, max(len(frames_THWC) - LONGEST // 2, 1), LONGEST)
        parts = [self.tables(sampled(frames_THWC[start : start + LONGEST])) for start in starts]
        return Judgement({name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]})

    def judge_many(self, clips: Sequence[np.ndarray]) -> list[Judgement]:
        """One after another, for the same numbers in any company."""
        return [self(frames_THWC) for frames_THWC in clips]

    @torch.inference_mode()
    def tables(self, sampled_THWC: np.ndarray) -> dict[str, np.ndarray]:
        """The tables of a `Judgement`, of frames that are every second one already."""
        logits = self.net(network_input(sampled_THWC)[None].to(next(self.net.parameters()).device))
        return {name: values[0].softmax(dim=-1).cpu().numpy() for name, values in logits.items() if name != "cells"}


def accuracy(judge: Judge, clips: Sequence[Clip]) -> dict[str, tuple[float, int]]:
    """{name of a claim: (share that is right, how many)} over everything that is true of rendered clips: the ceiling."""
    right: dict[str, list[bool]] = {name: [] for name in NAMES}
    for clip in clips:
        judgement = Judgement(judge.tables(clip.frames_THWC))
        for claim in claims(clip.scene):
            if not claim.subject or claim.name in SECOND:
                right[claim.name].append(judgement.is_right(claim, clip.scene))
    return {name: (float(np.mean(found)), len(found)) for name, found in right.items() if found}


def check_frames(frames_THWC: np.ndarray) -> None:
    """ValueError unless these are uint8 frames whose sides are multiples of 16."""
    shape = frames_THWC.shape
    is_video = frames_THWC.dtype == np.uint8 and len(shape) == 4 and shape[3] == 3 and 0 not in shape
    if not is_video or shape[1] % COARSE or shape[2] % COARSE:
        raise ValueError(
            f"frames are {frames_THWC.dtype} {shape}: expected uint8 (T, H, W, 3) with H and W multiples of 16"
        )


def _kinds(scene: Scene) -> tuple[str, ...]:
    return values_of(scene.world)["kind"]


def _values(world: str) -> dict[str, list[str]]:
    """What the heads stand for, so that weights of an older world are not read as of this one."""
    return {name: list(values) for name, values in values_of(world).items()} | {"pairs": list(PAIRS)}
