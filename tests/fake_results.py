"""A run of `gpt-video eval` that never took place: painted videos, numbers drawn at random, and words that try to break a page."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from eval.attributes import NAMES
from eval.intervals import mean_interval
from eval.protocol import Protocol, Score
from eval.results import PartRecord, Results, Row
from gpt_video.diorama.language import captions
from gpt_video.diorama.sample import sample_scene
from tests.painted_scenes import paint
from tokenizer.video import write_video

HOSTILE = '<script>document.title="broken"</script> & a "red" <b>ball</b> \'$title\''


def fake_results(out: Path, seed: int = 0, prompts: int = 16, talks: int = 4, skill: float = 0.7) -> Results:
    """Writes the videos of a run on a model and returns its results, not yet saved."""
    rng, rows = np.random.default_rng(seed), []
    (out / "clips").mkdir(parents=True)
    for number in range(prompts):
        text = HOSTILE if number == 0 else _painted(out, f"prompt-{number:04d}-en", number, "en")
        if number == 0:
            _painted(out, "prompt-0000-en", 0, "en")
        right = [float(rng.random() < skill) for _ in range(4)]
        row: Row = _row(f"prompt-{number:04d}-en", "prompt", number, text) | {"attributes right": float(np.mean(right))}
        row |= dict(zip(("kind", "colour", "place", "speed"), right, strict=True))
        row["diorama-clip score (100 cos)"] = float(20 + 10 * np.mean(right) + rng.normal())
        row["wrong"] = "" if all(right) else "colour: blue, not red"
        rows.append(row)
    for talk in range(talks):
        for turn in range(6):
            key = f"conversation-{talk:04d}-{turn}"
            row = _row(key, "turn" if turn else "first", key[:-2], _painted(out, key, 90 + talk, "fr"), turn)
            if turn:
                row |= {"edit done": float(rng.random() < skill - 0.08 * turn), "edit": "colour"}
                row["attributes kept"] = float(np.clip(skill + 0.25 - 0.07 * turn + 0.1 * rng.normal(), 0, 1))
            rows.append(row)
    scores = _scores(rows, rng)
    fading = 40 * np.exp(-np.arange(60) / 90)
    drift = {name: (fading * (1 + 0.1 * rng.random((2, 60)))).tolist() for name in ("colour", "sharpness", "motion")}
    drift["repetition"] = np.sort(rng.random((2, 60)) * 0.4, axis=1).tolist()
    bench = tuple(s.name for s in scores if s.protocol.name.startswith("diorama"))
    parts = (
        PartRecord("bench", bench, 512.0),
        PartRecord("words", ("diorama-clip score (100 cos)",), 40.0),
        PartRecord("distance", ("FD-diorama-features",), 30.0),
        PartRecord("drift", ("drift of colour",), 200.0),
        PartRecord("copies", left_out="the copy check needs the training codes: --shards DIR"),
    )
    skipped = (f"{HOSTILE}.mp4: it is empty, cut off or damaged",)
    subject, curves = {"name": f"model {seed}", "model": "ab12"}, {"drift": drift}
    return Results("model", subject, parts, tuple(scores), tuple(rows), curves, skipped, finished="2026-01-01 12:00:00")


def _painted(out: Path, key: str, number: int, language: str) -> str:
    rng = Random(number)
    scene = sample_scene(rng, frames=9)
    frames_THWC, _ = paint(scene, [(64, 64), (48, 80), (80, 48)][number % 3])
    write_video(out / "clips" / f"{key}.mp4", frames_THWC, 8.0, metadata={"prompt": "secret"})
    return captions(scene, language, rng, 1)[0]


def _row(key: str, what: str, scene: object, text: str, turn: object = "") -> Row:
    words = {"key": key, "what": what, "turn": turn, "scene": str(scene), "language": "en", "prompt": text}
    return words | {"edit": "", "video": f"clips/{key}.mp4", "wrong": ""}


def _scores(rows: list[Row], rng: np.random.Generator) -> list[Score]:
    def mean(name: str, chosen: list[Row], column: str, ceiling: float | None, protocol: str, note: str = "") -> Score:
        values = [row[column] for row in chosen if row.get(column) is not None]
        found = mean_interval(values)
        bounds = tuple(np.clip(found.bounds, 0, 1)) if protocol.startswith("diorama-b") else found.bounds
        settings = Protocol(protocol, reference_sha256="suite", n=len(values))
        return Score(name, found.value, len(values), settings, True, bounds, found.method, ceiling=ceiling, note=note)

    prompts = [row for row in rows if row["what"] == "prompt"]
    turns = [row for row in rows if row["what"] == "turn"]
    bench, scores = "diorama-bench short", []
    for name in NAMES:
        column = name if name in prompts[0] else "kind"
        poor = name == "speed"
        note = "not in any mean: the judge itself is under 80%" if poor else ""
        if name in prompts[0]:
            scores.append(mean(name, prompts, column, 0.7 if poor else 0.95, bench, note))
    scores.append(mean("attributes right", prompts, "attributes right", 0.93, bench))
    for number in range(1, 6):
        these = [row for row in turns if row["turn"] == number]
        for name in ("edit done", "attributes kept"):
            scores.append(mean(f"{name}, edit {number}", these, name, None, bench))
    scores += [mean(name, turns, name, 0.9, bench) for name in ("edit done", "attributes kept")]
    scores.append(mean("diorama-clip score (100 cos)", prompts, "diorama-clip score (100 cos)", None, "clip-score"))
    fd = Protocol("fd-diorama-features", frames=16, n=64, extractor="diorama-features", extractor_sha256="0" * 64)
    scores.append(
        Score("FD-diorama-features", 3.1, 64, fd, False, (2.6, 3.6), "95 % delete-block jackknife, 16 blocks", 0.8, 64)
    )
    scores.append(Score("drift of colour", 0.3, 2, Protocol("drift"), False))
    return scores
