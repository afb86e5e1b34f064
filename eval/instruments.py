"""The networks that look at a model's videos: the judge of one world, the tiny CLIP and the features of the widest.

Enters: the name of a world. Leaves: those of the networks that are in the package. What cannot be measured without one is left
out of a run, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from eval.clip_score import ClipNetwork
from eval.diorama_nets import CLIP_FOLDER, diorama_clip, diorama_extractor
from eval.features import Extractor
from eval.judge import Judge
from eval.store import weights_of
from gpt_video.diorama.world import CORE


class LeftOut(Exception):
    """A part that cannot be measured here, with the reason; the others are still wanted."""


@dataclass(frozen=True)
class Instruments:
    """The networks that look at a model's videos, all of them small and inside the package.

    Without a clip or without features, the parts that need them are left out.
    """

    judge: Judge
    clip: ClipNetwork | None
    features: Extractor | None

    @classmethod
    def load(cls, world: str = CORE.name) -> Instruments:
        """Those for a world. Raises ValueError if the judge is missing, or one of them damaged."""
        shared = weights_of(CORE.name)  # trained on the wide world, which holds the core one
        has_clip, has_features = (shared / CLIP_FOLDER).is_dir(), (shared / "diorama-features.json").is_file()
        return cls(
            Judge.load(weights_of(world)),
            diorama_clip(shared / CLIP_FOLDER) if has_clip else None,
            diorama_extractor(shared) if has_features else None,
        )

    def needed_clip(self) -> ClipNetwork:
        """Raises LeftOut where there is none."""
        if self.clip is None:
            raise LeftOut(f"there is no diorama-clip of the world {self.judge.world}: `python -m eval.train clip`")
        return self.clip

    def needed_features(self) -> Extractor:
        """Raises LeftOut where there are none."""
        if self.features is None:
            raise LeftOut(f"there are no features of the world {self.judge.world}: `python -m eval.train features`")
        return self.features
