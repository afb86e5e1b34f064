"""Videos -> what VBench (Huang et al. 2024, github.com/Vchitect/VBench) reads, so that outsiders can score a model.

    OUT/videos/<prompt>-<index>.mp4   and nothing else: VBench takes the suffix of all videos from the first file it finds
    OUT/full_info.json                prompts with the dimensions they are for (`--full_json_dir`, its standard mode)
    OUT/prompts.json                  {file name: prompt} (`--prompt_file`, with `--mode custom_input`)
    OUT/made.json                     the seed of every video, the model, what is missing and what could not keep its name

Enters: a model and prompts (a .txt with one a line, or VBench's own VBench_full_info.json, whose dimensions and labels are kept),
or a folder of videos that exist. VBench itself needs CUDA and old libraries: it runs elsewhere, in an environment of its own.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.folder import Video, videos_in
from eval.protocol import digest
from gpt_video.disk import draft_of, write_text
from gpt_video.generate import VideoGenerator
from gpt_video.request import GenerateRequest
from tokenizer.video import VideoError, read_video, write_video

SAMPLES = 5  # of each prompt, and 25 for temporal_flickering, whose static filter drops many
FLICKER, FLICKER_SAMPLES = "temporal_flickering", 25
# What VBench measures without knowing its own prompts; the other dimensions need labels that only its full info has.
FREE_DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)
LONGEST_NAME = 255  # bytes of a file name
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Ask:
    """One prompt, and its entry in the full info: `prompt_en`, `dimension`, and `auxiliary_info` where labels exist."""

    prompt: str
    info: dict[str, Any]

    @property
    def samples(self) -> int:
        return FLICKER_SAMPLES if FLICKER in self.info["dimension"] else SAMPLES


@dataclass
class HandOver:
    """What was written. renamed: prompts that cannot be file names, which only the custom mode can score."""

    out: Path
    videos: int = 0
    skipped: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)

    @property
    def command(self) -> str:
        """How to score one dimension, in a checkout of VBench."""
        return (
            f"python evaluate.py --videos_path {self.out / 'videos'} --full_json_dir {self.out / 'full_info.json'} "
            "--dimension subject_consistency"
        )


def read_asks(path: str | Path) -> list[Ask]:
    """Prompts of a .txt file or of a full-info .json. Raises ValueError, which says where it is not as expected."""
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if path.suffix.lower() == ".json":
        asks = _from_info(text, path)
    else:
        lines = dict.fromkeys(line.strip() for line in text.splitlines())
        asks = [Ask(line, _info(line)) for line in lines if line]
    if not asks:
        raise ValueError(f"{path} holds no prompts: give one a line")
    return asks


def _from_info(text: str, path: Path) -> list[Ask]:
    try:
        records = json.loads(text)
        return [Ask(record["prompt_en"], _checked(record)) for record in records]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no full info of VBench: expected a list of prompt_en and dimension ({error!r})"
        ) from error


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(record["prompt_en"], str) or not isinstance(record["dimension"], list):
        raise TypeError(f"prompt_en and dimension of {record}")
    return {name: value for name, value in record.items() if name != "video_list"}


def _info(prompt: str) -> dict[str, Any]:
    return {"prompt_en": prompt, "dimension": list(FREE_DIMENSIONS)}


# ------------------------------------------------------------------------------------------------- the two ways in


def generate(
    generator: VideoGenerator,
    asks: Sequence[Ask],
    out: str | Path,
    *,
    samples: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    batch_size: int = 8,
    on_progress: Progress = lambda done, total: None,
) -> HandOver:
    """Makes what is not there yet; sample i of a prompt has the seed `seed` + i, whatever else is made. Raises ValueError."""
    hand = _prepared(out, {"model": generator.bundle.model_hash, "seconds": seconds, "seed": seed})
    names = {(ask.prompt, i): _file_name(ask.prompt, i) for ask in asks for i in range(samples or ask.samples)}
    todo = [(prompt, i) for (prompt, i), name in names.items() if not (hand.out / "videos" / name).is_file()]
    on_progress(len(names) - len(todo), len(names))
    for start in range(0, len(todo), batch_size):
        part = todo[start : start + batch_size]
        requests = [GenerateRequest(prompt, seconds=seconds, seed=seed + i) for prompt, i in part]
        for (prompt, i), video in zip(part, generator.generate_many(requests, batch_size), strict=True):
            write_video(
                hand.out / "videos" / names[prompt, i], video.frames_THWC, video.fps, metadata={"prompt": prompt}
            )
        on_progress(len(names) - len(todo) + start + len(part), len(names))
    made = [(names[key], key[0], {"seed": seed + key[1]}) for key in names]
    return _finished(hand, asks, made)


def from_folder(
    folder: str | Path, out: str | Path, *, info: Sequence[Ask] = (), on_progress: Progress = lambda done, total: None
) -> HandOver:
    """Lays out videos that exist, by their prompts. info: where given, entries of these prompts and no others."""
    videos = videos_in(folder)
    known = {ask.prompt: ask for ask in info}
    hand = _prepared(out, {"folder": str(Path(folder).resolve())})
    counted: Counter[str] = Counter()
    made: list[tuple[str, str, dict[str, Any]]] = []
    for number, video in enumerate(videos, 1):
        if known and video.prompt not in known:
            hand.skipped.append(f"{video.name}: its prompt is not in the list: {video.prompt}")
        else:
            name = _file_name(video.prompt, counted[video.prompt])
            if _laid_out(video, hand.out / "videos" / name, hand):
                counted[video.prompt] += 1
                made.append((name, video.prompt, {"source": video.name}))
        on_progress(number, len(videos))
    if not made:
        raise ValueError(f"none of {len(videos)} videos could be used; the first: {hand.skipped[0]}")
    asks = [known.get(prompt, Ask(prompt, _info(prompt))) for prompt in counted]
    return _finished(hand, asks, made)


def _prepared(out: str | Path, source: dict[str, Any]) -> HandOver:
    """Claims the folder. Raises ValueError if it holds videos of another source."""
    out = Path(out)
    (out / "videos").mkdir(parents=True, exist_ok=True)
    path = out / "made.json"
    if path.is_file() and json.loads(path.read_text("utf-8")).get("source") != source:
        raise ValueError(f"{out} holds videos of another source: give another folder with --out")
    write_text(path, json.dumps({"source": source}) + "\n")
    return HandOver(out)


def _laid_out(video: Video, target: Path, hand: HandOver) -> bool:
    """An .mp4 is copied as it is, anything else stored as one. False, with the reason counted, if it cannot be read."""
    try:
        frames_THWC, fps = read_video(video.path)
        if video.path.suffix.lower() != ".mp4":
            write_video(target, frames_THWC, fps)
        else:
            with draft_of(target) as draft:
                shutil.copyfile(video.path, draft)
    except VideoError as error:
        hand.skipped.append(f"{video.name}: {error}")
        return False
    return True


def _finished(hand: HandOver, asks: Sequence[Ask], made: Sequence[tuple[str, str, dict[str, Any]]]) -> HandOver:
    source = json.loads((hand.out / "made.json").read_text("utf-8"))["source"]
    hand.videos = len(made)
    hand.renamed = sorted({prompt for _, prompt, _ in made if not _is_file_name(prompt)})
    prompts = {name: prompt for name, prompt, _ in made}
    samples = Counter(prompt for _, prompt, _ in made)
    missing = [ask.prompt for ask in asks if samples[ask.prompt] < ask.samples]
    info = [ask.info for ask in asks if ask.prompt not in hand.renamed]
    record = {
        "source": source,
        "videos": {name: {"prompt": prompt, **how} for name, prompt, how in made},
        "fewer samples than VBench asks for": missing,
        "only for custom_input": hand.renamed,
        "skipped": hand.skipped,
    }
    for name, value in (("prompts", prompts), ("full_info", info), ("made", record)):
        write_text(hand.out / f"{name}.json", json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    return hand


def _is_file_name(prompt: str) -> bool:
    return (
        len(f"{prompt}-00.mp4".encode()) <= LONGEST_NAME
        and not re.search(r"[/\\\x00-\x1f]", prompt)
        and prompt[:1] != "."
    )


def _file_name(prompt: str, index: int) -> str:
    """VBench looks for the prompt letter by letter; what cannot be a file name gets one that is only found by prompts.json."""
    if _is_file_name(prompt):
        return f"{prompt}-{index}.mp4"
    words = re.sub(r"[^\w ,'-]", " ", prompt).strip()[:60].strip()
    return f"{words} {digest(prompt)[:8]}-{index}.mp4"
