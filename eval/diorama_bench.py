"""DioramaBench: does a model make what the words say, and change what it is told to change and nothing else?

    bench = DioramaBench(build_suite("short"), Judge.load(), ModelGenerator(VideoGenerator.from_pretrained()), "runs/bench")
    for score in bench.run(print_progress): print(score)

Enters: a suite, a judge, anything that makes videos. Leaves: out/records.jsonl, a line for every prompt and every turn, and
`Score`s with 95 % intervals over scenes, the judge's own accuracy beside each. An interrupted run goes on where it stopped.

The same suite, put to the renderer (`RenderGenerator`), gives the ceiling of edits: what a perfect model would get from this judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.attributes import Claim
from eval.bench_scores import Record, scores_of
from eval.generators import Ask, Generator, Made
from eval.judge import Judge, Judgement
from eval.protocol import Protocol, Score
from eval.suite import Conversation, Prompt, Suite
from eval.unaffected import UnaffectedRegion, rendered
from gpt_video.diorama.render import RendererUnavailable
from gpt_video.disk import write_text
from tokenizer.video import write_video

CHUNK = 10  # prompts or conversations that are generated together, and lost together when a run is cut off
FPS = 8.0
Progress = Callable[[int, int], None]


class DioramaBench:
    """One suite put to one generator, in the folder `out`."""

    def __init__(self, suite: Suite, judge: Judge, generator: Generator, out: str | Path, *, keep_clips: bool = False):
        """keep_clips: also write every video to out/clips.

        ValueError if `out` holds the records of another run, or if the judge knows another world than the suite's.
        """
        if judge.world != suite.world:
            raise ValueError(
                f"the suite is of the world {suite.world}, and the judge knows {judge.world}: give that world's"
            )
        self.suite, self.judge, self.generator, self.keep_clips = suite, judge, generator, keep_clips
        self.out = Path(out)
        self.records: list[Record] = []
        self.notes: set[str] = set()
        self.out.mkdir(parents=True, exist_ok=True)
        if keep_clips:
            (self.out / "clips").mkdir(exist_ok=True)
        self._open()

    @property
    def protocol(self) -> Protocol:
        """What decides the numbers, other than the model."""
        frames = {prompt.scene.frames for prompt in self.suite.prompts} or {
            c.scene.frames for c in self.suite.conversations
        }
        return Protocol(
            f"diorama-bench {self.suite.form}",
            codec="arrays",
            fps=FPS,
            frames=max(frames),
            extractor="diorama-judge",
            extractor_sha256=self.judge.sha256,
            reference_sha256=self.suite.hash,
            seeds=(0,),
        )

    def run(self, on_progress: Progress = lambda done, total: None) -> list[Score]:
        """Everything that is not in the records yet, then the scores of all. on_progress counts prompts and turns."""
        done = {record["key"] for record in self.records}
        total = len(self.suite.prompts) + sum(1 + len(c.steps) for c in self.suite.conversations)
        on_progress(self._videos(), total)
        for prompts in _chunks([p for p in self.suite.prompts if p.key not in done]):
            self._write(self._prompts(prompts))
            on_progress(self._videos(), total)
        waiting = [c for c in self.suite.conversations if _last_key(c) not in done]
        for talks in _chunks(waiting):
            self._write(self._conversations(talks))
            on_progress(self._videos(), total)
        return scores_of(self.records, self.judge, self.protocol, tuple(sorted(self.notes)))

    # --------------------------------------------------------------------------------------------- prompts and turns

    def _prompts(self, prompts: Sequence[Prompt]) -> list[Record]:
        asks = [Ask(p.key, p.text, p.scene, p.size, _seconds(p.scene.frames), p.scene_number) for p in prompts]
        made = self._make(asks)
        return [
            {
                "key": prompt.key,
                "kind": "prompt",
                "scene": prompt.scene_number,
                "language": prompt.language,
                "text": prompt.text,
                "claims": self._verdicts(prompt.claims, self.judge(video.frames_THWC), prompt.scene),
            }
            for prompt, video in zip(prompts, made, strict=True)
        ]

    def _conversations(self, talks: Sequence[Conversation]) -> list[Record]:
        """All first videos together, then all first edits, and so on."""
        films = self._first_videos(talks)
        judgements = {key: self.judge(film[-1].frames_THWC) for key, film in films.items()}
        records = [self._first_record(talk, judgements[talk.key]) for talk in talks if talk.key in films]
        for number in range(max((len(talk.steps) for talk in talks), default=0)):
            going = [talk for talk in talks if number < len(talk.steps) and talk.key in films]
            asks = [self._ask_edit(talk, number, films[talk.key]) for talk in going]
            for talk, video in zip(going, self._make(asks), strict=True):
                after = self.judge(video.frames_THWC)
                records.append(self._turn_record(talk, number, judgements[talk.key], after, video, films[talk.key][-1]))
                judgements[talk.key] = after
                films[talk.key] += [video]
        return sorted(records, key=lambda record: record["key"])

    def _first_videos(self, talks: Sequence[Conversation]) -> dict[str, list[Made]]:
        fresh = [talk for talk in talks if not talk.rendered]
        asks = [Ask(t.key, t.text, t.scene, t.size, _seconds(t.scene.frames), 1000 + t.number) for t in fresh]
        films = {talk.key: [video] for talk, video in zip(fresh, self._make(asks), strict=True)}
        for talk in talks:
            if talk.rendered:
                try:
                    frames_THWC = rendered(talk.scene, talk.size)
                except RendererUnavailable as error:
                    self.notes.add(f"edits of renders left out: {error}")
                    continue
                films[talk.key] = [self.generator.given(frames_THWC, talk.text)]
        return films

    def _ask_edit(self, talk: Conversation, number: int, film: Sequence[Made]) -> Ask:
        scene, seed = talk.steps[number].edit.scene_after, 1000 + talk.number
        seconds = _seconds(talk.scene.frames)
        return Ask(
            f"{talk.key}-{number + 1}", talk.steps[number].text, scene, talk.size, seconds, seed, "edit", tuple(film)
        )

    def _make(self, asks: Sequence[Ask]) -> list[Made]:
        if not asks:
            return []
        made = self.generator.make(asks)
        if len(made) != len(asks):
            raise ValueError(f"{self.generator.name} made {len(made)} videos of {len(asks)}: expected one for each")
        if self.keep_clips:
            for ask, video in zip(asks, made, strict=True):
                write_video(
                    self.out / "clips" / f"{ask.key}.mp4", video.frames_THWC, FPS, metadata={"prompt": ask.prompt}
                )
        return made

    # ------------------------------------------------------------------------------------------------------ records

    def _first_record(self, talk: Conversation, judgement: Judgement) -> Record:
        claims = () if talk.rendered else talk.claims
        return {
            "key": f"{talk.key}-0",
            "kind": "first",
            "scene": talk.key,
            "turn": 0,
            "language": talk.language,
            "text": talk.text,
            "claims": self._verdicts(claims, judgement, talk.scene),
        }

    def _turn_record(
        self, talk: Conversation, number: int, before: Judgement, after: Judgement, video: Made, source: Made
    ) -> Record:
        step = talk.steps[number]
        was, now = step.edit.scene_before, step.edit.scene_after
        record: Record = {
            "key": f"{talk.key}-{number + 1}",
            "kind": "render" if talk.rendered else "turn",
            "scene": talk.key,
            "turn": number + 1,
            "language": talk.language,
            "text": step.text,
            "edit": step.edit.attribute,
            "asked": self._verdicts(step.asked, after, now),
            "kept": [
                {"name": new.name, "before": before.answer(old, was), "after": after.answer(new, now)}
                for old, new in step.kept
            ],
        }
        if talk.rendered:
            region = UnaffectedRegion.of(step.edit, talk.size)
            record["unaffected_share"] = region.share
            record["unaffected_psnr"] = region.psnr(source.frames_THWC, video.frames_THWC)
            best = self.generator.given(region.after_THWC, step.text)
            record["unaffected_psnr_ceiling"] = region.psnr(source.frames_THWC, best.frames_THWC)
        return record

    def _verdicts(self, claims: Sequence[Claim], judgement: Judgement, scene: Any) -> list[Record]:
        return [
            {
                "name": claim.name,
                "wanted": claim.value,
                "subject": claim.subject,
                "seen": judgement.answer(claim, scene),
                "right": judgement.is_right(claim, scene),
            }
            for claim in claims
        ]

    # --------------------------------------------------------------------------------------------------------- disk

    def _open(self) -> None:
        """Reads what an earlier run left, or begins."""
        header = {
            "suite": self.suite.hash,
            "judge": self.judge.sha256,
            "generator": self.generator.name,
            "generator_sha256": self.generator.sha256,
        }
        path = self.out / "records.jsonl"
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
        if lines and lines[0] != header:
            raise ValueError(f"{path} holds records of {lines[0]}, and not of {header}: give another folder")
        self.records = lines[1:]
        if not lines:
            write_text(path, json.dumps(header) + "\n")

    def _write(self, records: Sequence[Record]) -> None:
        """A chunk in one write, so that a cut leaves whole chunks."""
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        with (self.out / "records.jsonl").open("a", encoding="utf-8") as file:
            file.write(text)
        self.records += records

    def _videos(self) -> int:
        return len(self.records)


def _last_key(talk: Conversation) -> str:
    return f"{talk.key}-{len(talk.steps)}"


def _seconds(frames: int) -> float:
    """A clip of 1 + 4k frames lasts k half seconds, as `GenerateRequest` counts; a still lasts a frame."""
    return (frames - 1) / FPS if frames > 1 else 1 / FPS


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
