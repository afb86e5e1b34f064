"""Two sets of videos -> how far apart they are, under a named protocol.

    preset = PRESETS["styleganv-2048-16f"]
    scores = fvd("real_videos/", "made_videos/", preset, load_extractor(preset, "i3d_pretrained_400.pt"))

Leaves: a Frechet and a kernel `Score`, each with its interval and its noise floor. They are called FVD and KVD only if the
features are I3D's; those of another network are named after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from eval.feature_set import FeatureSet, Sampling, Source, features_of
from eval.features import (
    I3D_CROP,
    I3D_ORIGINAL,
    I3D_STRETCH,
    Extractor,
    InputLaw,
    i3d_extractor,
    self_supervised_extractor,
)
from eval.frechet import frechet_distance, jedi_distance, kernel_distance
from eval.i3d import BATCH_NORM_EPS
from eval.intervals import Difference, Distance, compare_distances, delete_block_jackknife, noise_floor
from eval.protocol import Protocol, Score, digest

RANDOM_START = Sampling(choice="random")
MINIMUM = 16  # below this many videos a side no interval can be given


@dataclass(frozen=True)
class Preset:
    """A named protocol: `family` of the network, videos a side, frames, input law and arithmetic.

    whole_reference: all real videos are the reference, not as many as were generated. kernel: "kd" or "jedi".
    """

    name: str
    family: str = "i3d"
    n: int = 2048
    whole_reference: bool = False
    sampling: Sampling = RANDOM_START
    law: InputLaw | None = I3D_STRETCH
    batch_norm_eps: float = BATCH_NORM_EPS
    ddof: int = 1
    kernel: str = "kd"


def _presets() -> dict[str, Preset]:
    # The publication leaves frames and N to the caller; 16 and 2048 are customary.
    original = Preset("fvd-original", law=I3D_ORIGINAL)
    stylegan = Preset("styleganv-2048-16f", ddof=0)
    long = replace(RANDOM_START, frames=128)
    tats = Preset("tats-2048-16f", batch_norm_eps=1e-5)
    every = [
        original,
        stylegan,
        replace(stylegan, name="styleganv-2048-128f", sampling=long),
        replace(stylegan, name="styleganv-2048-128f-subsample8", sampling=replace(long, frames=16, stride=8)),
        replace(stylegan, name="larp-ucf-10k", n=10_000, whole_reference=True),
        tats,
        replace(tats, name="videogpt-2048-16f", law=I3D_CROP),
        replace(tats, name="cdfvd", ddof=0),
        # Its pixels stay in [0, 1]. The published network has a norm after the mean that transformers' VideoMAEModel has not.
        replace(tats, name="cdfvd-videomae", family="videomae", ddof=0, law=InputLaw(mean=(0, 0, 0), std=(1, 1, 1))),
        Preset("jedi-kernel-vjepa2", family="vjepa2", n=1024, law=None, kernel="jedi"),
    ]
    return {preset.name: preset for preset in every}


PRESETS = _presets()


def preset_of(extractor: Extractor, *, n: int, sampling: Sampling, ddof: int = 1) -> Preset:
    """A protocol for a network of one's own: named after it, so that its numbers pass for nobody else's."""
    return Preset(f"fd-{extractor.name}", extractor.name, n, sampling=sampling, law=extractor.law, ddof=ddof)


def load_extractor(preset: Preset, weights: str | Path, *, device: str = "cpu") -> Extractor:
    """The network of a preset, with its input law. weights: a file, folder or hub id. Raises ValueError."""
    if preset.family == "i3d":
        law = preset.law or I3D_STRETCH
        return i3d_extractor(weights, law=law, batch_norm_eps=preset.batch_norm_eps, device=device)
    extractor = self_supervised_extractor(weights, law=preset.law, device=device)
    _check_family(preset, extractor)
    return extractor


def fvd(
    reference: Source,
    made: Source,
    preset: Preset,
    extractor: Extractor,
    *,
    codec: str = "as found",
    seeds: Sequence[int] = (),
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Score]:
    """The Frechet and the kernel score of generated videos against real ones. Raises ValueError.

    Twice as many real videos as generated ones are read where there are that many, so that the noise floor is at the same N.
    codec, seeds: of the generated videos, for the protocol.
    """
    _check_family(preset, extractor)
    fake = features_of(made, extractor, preset.sampling, limit=preset.n, progress=progress)
    limit = None if preset.whole_reference else 2 * len(fake)
    real = features_of(reference, extractor, preset.sampling, limit=limit, cache=cache, progress=progress)
    return frechet_scores(real, fake, preset, extractor, codec=codec, seeds=seeds)


def frechet_scores(
    real: FeatureSet,
    fake: FeatureSet,
    preset: Preset,
    extractor: Extractor,
    *,
    codec: str = "as found",
    seeds: Sequence[int] = (),
) -> list[Score]:
    """The same from features, for sets that are used more than once. Raises ValueError on sets too small or not alike."""
    _check_family(preset, extractor)
    n = min(preset.n, len(fake)) if preset.whole_reference else min(preset.n, len(fake), len(real))
    n_reference = len(real) if preset.whole_reference else n
    if min(n, n_reference) < MINIMUM:
        raise ValueError(
            f"a Frechet distance of {len(fake)} videos to {len(real)} says nothing: give at least {MINIMUM} on each side"
        )
    if real.size != fake.size:
        sizes = [f"{height}x{width}" for height, width in (real.size, fake.size)]
        raise ValueError(
            f"the real videos are {sizes[0]} and the generated ones {sizes[1]}: give Sampling a size for both"
        )
    made_ND, real_ND = fake.features_ND[:n], real.features_ND[:n_reference]
    base = Protocol(
        preset.name,
        codec=codec,
        decoder=" and ".join(sorted({real.decoder, fake.decoder})),
        fps=preset.sampling.fps,
        frames=preset.sampling.frames,
        stride=preset.sampling.stride,
        clip_choice=preset.sampling.choice,
        clip_seed=preset.sampling.seed,
        size=fake.size,
        input_law=str(extractor.law),
        extractor=extractor.description,
        extractor_sha256=extractor.sha256,
        n=n,
        n_reference=n_reference,
        reference_sha256=digest(sorted(real.keys[:n_reference])),
        seeds=tuple(seeds),
    )
    scores = []
    for metric, (statistic, ddof, distance) in _metrics(preset).items():
        interval = delete_block_jackknife(real_ND, made_ND, distance, blocks=min(16, n // 2))
        floor = noise_floor(real.features_ND, n, distance)
        score = Score(
            _score_name(metric, extractor),
            interval.value,
            n,
            replace(base, statistic=statistic, ddof=ddof),
            higher_is_better=False,
            interval=interval.bounds,
            interval_method=interval.method,
            floor=floor.value,
            floor_n=floor.n,
            note=_note(preset, extractor.dim if metric == "fd" else 0, n, real, fake),
        )
        scores.append(score)
    return scores


def compare_models(reference: FeatureSet, a: FeatureSet, b: FeatureSet, preset: Preset) -> Difference:
    """Is model B nearer to the reference than model A? A paired permutation test of the Frechet distance, by files of one name."""
    rows_a, rows_b = ({name: row for row, name in enumerate(side.names)} for side in (a, b))
    shared = sorted(rows_a.keys() & rows_b.keys())
    if len(shared) < MINIMUM:
        raise ValueError(
            f"the two models share {len(shared)} file names: at least {MINIMUM} answers to the same prompts are needed"
        )
    distance = _metrics(preset)["fd"][2]
    a_ND, b_ND = a.features_ND[[rows_a[name] for name in shared]], b.features_ND[[rows_b[name] for name in shared]]
    return compare_distances(reference.features_ND, a_ND, b_ND, distance)


def _metrics(preset: Preset) -> dict[str, tuple[str, int | None, Distance]]:
    kernels: dict[str, tuple[str, int | None, Distance]] = {
        "kd": ("unbiased MMD, degree 3, gamma 1/D, coef0 1", None, kernel_distance),
        "jedi": ("biased MMD, degree 2, gamma 1/D, coef0 0, times 100", None, jedi_distance),
    }
    frechet = partial(frechet_distance, ddof=preset.ddof)
    return {"fd": ("Frechet distance, nuclear norm", preset.ddof, frechet), preset.kernel: kernels[preset.kernel]}


def _score_name(metric: str, extractor: Extractor) -> str:
    if extractor.name == "i3d" and metric != "jedi":
        return {"fd": "FVD", "kd": "KVD"}[metric]
    return f"{ {'fd': 'FD', 'kd': 'KD', 'jedi': 'JEDi-kernel'}[metric] }-{extractor.name}"


def _note(preset: Preset, dim: int, n: int, real: FeatureSet, fake: FeatureSet) -> str:
    parts = []
    if n < preset.n:
        parts.append(f"{preset.name} asks for {preset.n} videos")
    if n < dim:  # a kernel distance has no such bias
        parts.append(f"N is below the {dim} features: mostly bias, to be read beside the noise floor")
    for side, features in (("real", real), ("generated", fake)):
        if features.skipped:
            count = len(features.skipped) + len(features)
            parts.append(f"{len(features.skipped)} of {count} {side} videos skipped (the first: {features.skipped[0]})")
    return "; ".join(parts)


def _check_family(preset: Preset, extractor: Extractor) -> None:
    if extractor.name != preset.family:
        raise ValueError(
            f"{preset.name} is a protocol for {preset.family}, not for {extractor.name}: use preset_of for others"
        )
    if preset.family == "i3d" and f"eps {preset.batch_norm_eps:g}" not in extractor.settings.split(", batch norm "):
        raise ValueError(f"{preset.name} has batch norms of eps {preset.batch_norm_eps:g}, not {extractor.settings}")
    if preset.law is not None and extractor.law != preset.law:
        raise ValueError(f"{preset.name} feeds its network by {preset.law}, not by {extractor.law}")
