"""Which measurements are made, in which order, on what; each of them is made elsewhere.

    measure_model(VideoGenerator.from_pretrained(), "runs/score")
    measure_videos("made/", "runs/score", clip="openai/clip-vit-base-patch32")
    measure_pair("made/", "real/", "runs/score", "styleganv-2048-16f", "i3d_torchscript.pt")

Enters: a model, a folder of videos, or two folders. Leaves: OUT with results.json, per_prompt.csv and index.html. A run is cut into
parts; what a finished part found lies in OUT/parts, and a run that was cut off goes on from there. OUT belongs to one subject:
another model, or other videos, in the same folder is an error.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from eval import model_parts
from eval.clip_score import ClipNetwork, adjacent_consistency, clip_score, consistency_scores, motion
from eval.diorama_nets import diorama_clip, diorama_extractor
from eval.feature_set import Sampling, features_of
from eval.folder import LONGEST, Frames, RememberingClip, Video, readable, videos_in
from eval.fvd import PRESETS, Preset, frechet_scores, load_extractor, preset_of
from eval.instruments import Instruments, LeftOut
from eval.intervals import mean_interval
from eval.model_parts import Count, ModelTask, Part, Report
from eval.protocol import CODE_VERSION, Protocol, Score, digest
from eval.report import write_report
from eval.results import FEATURES, PartRecord, Results, Row, save_features
from gpt_video.disk import write_text
from gpt_video.generate import VideoGenerator

OWN = "diorama"  # in place of a path: the networks that come with the package


@dataclass
class Run:
    """One subject measured in parts, in the folder `out`. on_progress: called with (part, done, total)."""

    out: Path
    what: str
    subject: Mapping[str, Any]
    on_progress: Report = lambda part, done, total: None
    done: list[PartRecord] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Claims the folder. Raises ValueError if another subject, or another version of the measurements, has it."""
        self.out.joinpath("parts").mkdir(parents=True, exist_ok=True)
        path, mine = self.out / "parts" / "subject.json", {"what": self.what, "eval code": CODE_VERSION, **self.subject}
        if path.is_file() and json.loads(path.read_text("utf-8")) != mine:
            raise ValueError(f"{self.out} holds the results of something else: give another folder with --out")
        write_text(path, json.dumps(mine, indent=1, ensure_ascii=False) + "\n")

    def part(self, name: str, measure: Callable[[Count], Part], errors: tuple[type[Exception], ...] = ()) -> None:
        """Measures one part, or reads what an earlier run found. What this machine cannot measure is named and left out.

        errors: after which the rest of the run is still wanted.
        """
        path = self.out / "parts" / f"{name}.json"
        if path.is_file():
            part = Part.from_dict(json.loads(path.read_text("utf-8")))
        else:
            start = time.monotonic()
            try:
                part = measure(lambda done, total: self.on_progress(name, done, total))
            except (LeftOut, ImportError, *errors) as reason:  # type: ignore[misc]
                self.done.append(PartRecord(name, left_out=str(reason)))
                return
            part = replace(part, seconds=round(time.monotonic() - start, 1))
            write_text(path, json.dumps(part.to_dict(), ensure_ascii=False, allow_nan=False))
        self._add(name, part)

    def _add(self, name: str, part: Part) -> None:
        self.done.append(PartRecord(name, tuple(score.name for score in part.scores), part.seconds))
        self.scores += part.scores
        self.skipped += [line for line in part.skipped if line not in self.skipped]
        self.curves |= part.curves
        for row in part.rows:
            self.rows.setdefault(row["key"], {}).update(row)

    def finish(self) -> Results:
        """Writes everything that a person reads. Raises ValueError if nothing was measured."""
        if not self.scores:
            reasons = "; ".join(f"{part.name}: {part.left_out}" for part in self.done if part.left_out)
            raise ValueError(f"nothing could be measured ({reasons or 'no part was asked for'})")
        finished = time.strftime("%Y-%m-%d %H:%M:%S")
        rows, curves, skipped = tuple(self.rows.values()), self.curves, tuple(self.skipped)
        results = Results(
            self.what, self.subject, tuple(self.done), tuple(self.scores), rows, curves, skipped, finished=finished
        )
        results.save(self.out)
        write_report(results, self.out)
        return results


# ------------------------------------------------------------------------------------------------------- a model


def measure_model(
    generator: VideoGenerator,
    out: str | Path,
    task: ModelTask | None = None,
    *,
    name: str = "",
    instruments: Instruments | None = None,
    on_progress: Report = lambda part, done, total: None,
) -> Results:
    """DioramaBench and what goes with it, on a model. Raises ValueError."""
    task = task or ModelTask()
    suite = task.suite
    instruments = instruments or Instruments.load(suite.world)
    subject = {
        "name": name or f"model {generator.bundle.model_hash[:12]}",
        "model": generator.bundle.model_hash,
        "tokenizer": generator.bundle.tokenizer_hash,
        "suite": f"DioramaBench {suite.form} {suite.hash}",
        "judge": instruments.judge.sha256[:12],
        **task.settings,
    }
    run = Run(Path(out), "model", subject, on_progress)
    for part in task.possible:
        measure = partial(model_parts.PARTS[part], generator, run.out, task, instruments)
        run.part(part, measure, () if part == "bench" else (ValueError,))  # the others are not worth losing it for
    return run.finish()


# ---------------------------------------------------------------------------------------------- folders of videos


def measure_videos(
    folder: str | Path,
    out: str | Path,
    *,
    clip: str | Path | None = None,
    scale: str = "100 cos",
    on_progress: Report = lambda part, done, total: None,
) -> Results:
    """Motion of the videos of a folder and, with a CLIP, how well they fit their words and how steady they are."""
    videos = videos_in(folder)
    network = _clip(clip) if clip else None
    run = Run(Path(out), "videos", _subject(folder, videos, network, scale), on_progress)
    _video_parts(run, videos, network, scale)
    return run.finish()


def measure_pair(
    folder: str | Path,
    reference: str | Path,
    out: str | Path,
    protocol: str | None = None,
    weights: str | Path = OWN,
    *,
    size: tuple[int, int] | None = None,
    clip: str | Path | None = None,
    scale: str = "100 cos",
    on_progress: Report = lambda part, done, total: None,
) -> Results:
    """Frechet and kernel distance of a folder to real videos under a protocol, and everything of `measure_videos`.

    protocol: a name in PRESETS; None with the package's own network ("diorama") for weights. size: (height, width) that all
    videos are fitted to, needed where they differ. Raises ValueError.
    """
    videos, network = videos_in(folder), _clip(clip) if clip else None
    videos_in(reference)
    preset, extractor = _protocol(protocol, weights, size)
    subject = _subject(folder, videos, network, scale) | {
        "reference": Path(reference).name,
        "protocol": preset.name,
        "features": extractor.sha256[:12],
        "size": list(size) if size else None,
    }
    run = Run(Path(out), "two folders", subject, on_progress)

    def distance(report: Count) -> Part:
        cache = run.out / "cache"
        made = features_of(folder, extractor, preset.sampling, limit=preset.n, cache=cache, progress=report)
        limit = None if preset.whole_reference else 2 * len(made)
        real = features_of(reference, extractor, preset.sampling, limit=limit, cache=cache, progress=report)
        scores = frechet_scores(real, made, preset, extractor)
        save_features(run.out / FEATURES, scores[0], real.features_ND, made.features_ND, made.names)
        return Part(tuple(scores), skipped=(*real.skipped, *made.skipped))

    run.part("distance", distance)
    if network is not None:
        _video_parts(run, videos, network, scale)
    return run.finish()


def _video_parts(run: Run, videos: Sequence[Video], network: ClipNetwork | None, scale: str) -> None:
    def measure(report: Count) -> Part:
        usable, skipped = readable(videos, 2, lambda done, total: report(done, 2 * total))
        if len(usable) < 2:
            raise ValueError(f"{len(usable)} video says little: give at least 2 that can be read")
        prompts, moves = [video.prompt for video in usable], []
        rows: list[Row] = [_row(video) for video in usable]
        for number, (row, frames_THWC) in enumerate(zip(rows, Frames(usable), strict=True), 1):
            row["motion"] = motion(frames_THWC)
            moves.append(row["motion"])
            if network is not None:
                features_TD = network.frame_features(frames_THWC)
                row[f"{network.name} frame consistency"] = adjacent_consistency(features_TD)
            report(len(usable) + number, 2 * len(usable))
        if network is None:
            return Part((_motion(moves, videos=usable),), tuple(rows), tuple(skipped))
        codec = f"as found, at most {LONGEST} frames"
        score, alignment = clip_score(iter(Frames(usable)), prompts, network, scale=scale, codec=codec)
        for row, value in zip(rows, alignment.per_video(scale), strict=True):
            row[score.name] = float(value)
        scores = [score, *consistency_scores(Frames(usable), prompts, network, codec=codec)]
        return Part(tuple(scores), tuple(rows), tuple(skipped))

    if network is not None:
        network = RememberingClip.of(network, run.out / "cache" / "clip")
    run.part("words and motion" if network else "motion", measure)
    shutil.rmtree(run.out / "cache" / "clip", ignore_errors=True)


def _motion(moves: Sequence[float], videos: Sequence[Video]) -> Score:
    found = mean_interval(moves)
    words = digest(sorted(video.prompt for video in videos))
    protocol = Protocol("motion", codec="as found", frames=LONGEST, n=len(moves), reference_sha256=words)
    note = "levels of 255 from frame to frame; a still video has 0, flicker counts"
    return Score("motion", found.value, len(moves), protocol, True, found.bounds, found.method, note=note)


def _row(video: Video) -> Row:
    return {"key": video.name, "what": "video", "scene": video.prompt, "prompt": video.prompt, "video": str(video.path)}


def _subject(folder: str | Path, videos: Sequence[Video], network: ClipNetwork | None, scale: str) -> dict[str, Any]:
    place = Path(folder).resolve()
    listing = digest([[video.name, video.path.stat().st_size, video.prompt] for video in videos])
    clip = f"{network.name} {network.sha256[:12]}, {scale}" if network else "none"
    return {"name": place.name, "folder": str(place), "videos": len(videos), "listing": listing[:12], "clip": clip}


def _clip(source: str | Path) -> ClipNetwork:
    return diorama_clip() if str(source) == OWN else ClipNetwork.from_pretrained(source)


def _protocol(name: str | None, weights: str | Path, size: tuple[int, int] | None) -> tuple[Preset, Any]:
    """A preset with its network; the package's own network has a protocol of its own name."""
    if name is not None and name not in PRESETS:
        raise ValueError(f"there is no protocol {name!r}: use one of {', '.join(PRESETS)}")
    if str(weights) == OWN:
        if name is not None:
            raise ValueError(f"the protocol {name} needs the weights of its network: give --weights FILE")
        extractor = diorama_extractor()
        return preset_of(extractor, n=2048, sampling=Sampling(choice="random", fps=8.0, size=size)), extractor
    preset = PRESETS[name or "styleganv-2048-16f"]
    return replace(preset, sampling=replace(preset.sampling, size=size)), load_extractor(preset, weights)
