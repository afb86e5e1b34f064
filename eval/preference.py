"""Which video do people like better? A blind page for them: one html file that holds all videos and needs no server.

Enters: folders of videos, or of runs of `gpt-video eval`, one for each system. Leaves: the page and, apart from it, its key. The
page names no system: it knows videos by codes drawn at random, and only the key says whose they are. Some pairs are attention
checks: the same video on both sides. Which side a video is on is drawn anew for each voter. Votes stay in the voter's browser until
they are saved as JSONL; what they say is in votes.py.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from string import Template
from typing import Any

from eval.folder import Video, videos_in
from eval.gallery import small_copy
from eval.results import RESULTS, Results
from gpt_video.disk import write_text
from tokenizer.video import VideoError

TEMPLATE = Path(__file__).parent / "preference.html"
LONG_SIDE, CRF = 320, 20
CHECK = "check"  # in place of both systems of an attention check
Round = tuple[str, Video, Video, str, str]  # name of the answers, a's and b's video, systems a and b


def write_page(
    folders: Sequence[str | Path],
    out: str | Path,
    *,
    names: Sequence[str] = (),
    pairs: int = 40,
    checks: int = 4,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Writes OUT (.html) and the key beside it (.key.json), whose path is returned: keep it away from voters.

    Videos of one name in two folders are answers to one prompt. Raises ValueError where fewer than two folders share any.
    """
    out, rng = Path(out), Random(seed)
    names = list(names) or _short_names(folders)
    if len(folders) < 2 or len(set(names)) != len(folders):
        raise ValueError(
            f"two folders or more with names of their own are compared, not {len(folders)} named {', '.join(names)}"
        )
    answers = [_answers(Path(folder)) for folder in folders]
    systems = {name: {video.name: video for video in found} for name, found in zip(names, answers, strict=True)}
    matches = [
        (a, b, video) for a, b in combinations(names, 2) for video in sorted(systems[a].keys() & systems[b].keys())
    ]
    if not matches:
        raise ValueError(
            f"the folders {', '.join(map(str, folders))} share no file name: answers to one prompt need one name"
        )
    chosen = rng.sample(matches, min(pairs, len(matches)))
    rounds = [(name, systems[a][name], systems[b][name], a, b) for a, b, name in chosen]
    for a, _, name in rng.sample(matches, min(checks, len(matches))):
        rounds.append((name, systems[a][name], systems[a][name], CHECK, CHECK))
    rng.shuffle(rounds)
    page, key = _shown(rounds, on_progress)
    identity = secrets.token_hex(6)
    key |= {"page": identity, "systems": names, "seed": seed}
    data = json.dumps({"page": identity, "seed": seed, **page}, ensure_ascii=True).replace("<", "\\u003c")
    write_text(out, Template(TEMPLATE.read_text("utf-8")).substitute(data=data))
    key_path = out.with_suffix(".key.json")
    write_text(key_path, json.dumps(key, indent=1, ensure_ascii=False) + "\n")
    return key_path


def _answers(folder: Path) -> list[Video]:
    """The videos of a folder; of a run, those of its prompts: an edit means nothing without the video that it edits."""
    if not (folder / RESULTS).is_file():
        return videos_in(folder)
    rows = [row for row in Results.load(folder).rows if row["what"] == "prompt" and row["video"]]
    return [Video(folder / row["video"], row["key"], row["prompt"]) for row in rows]


def _short_names(folders: Sequence[str | Path]) -> list[str]:
    """The last part of each path in which not all of them agree."""
    parts = [Path(folder).resolve().parts[::-1] for folder in folders]
    level = next((i for i, names in enumerate(zip(*parts, strict=False)) if len(set(names)) == len(folders)), 0)
    return [part[level] for part in parts]


def _shown(rounds: Sequence[Round], on_progress: Callable[[int, int], None]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the page holds (videos by codes, and pairs of codes) and what the key says of them."""
    codes: dict[Path, str] = {}
    videos: dict[str, str] = {}
    pairs, meaning = [], {}
    for number, (name, first, second, a, b) in enumerate(rounds, 1):
        try:
            for video in (first, second):
                if video.path not in codes:
                    uri = small_copy(video.path, LONG_SIDE, CRF)[0]
                    codes[video.path] = secrets.token_hex(4)
                    videos[codes[video.path]] = uri
        except VideoError as error:
            raise ValueError(f"{error} Leave that file out of all folders.") from error
        identity = secrets.token_hex(4)
        pairs.append({"id": identity, "prompt": first.prompt, "videos": [codes[first.path], codes[second.path]]})
        meaning[identity] = {"prompt": name, "a": a, "b": b, "videos": pairs[-1]["videos"]}
        on_progress(number, len(rounds))
    return {"videos": videos, "pairs": pairs}, {"pairs": meaning}
