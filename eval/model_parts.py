"""The measurements of a model, one function each: bench, sentences, article, words, anchors, reconstructions, surprise,
drift, copies.

Enters: a loaded model, the folder of the run, what is asked (`ModelTask`), and the networks that judge (`Instruments`). Leaves: a
`Part`: scores, and a row for every prompt and turn. Videos are kept as files, so that a part that was cut off goes on, and so
that later parts look at what the first one made. The real side of every comparison is drawn by the renderer and stored by the
same encoder as the model's videos.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from eval.autoregressive import MEASURES, Pairs, anchored, drift, surprise_scores
from eval.bench_scores import Record, Scores
from eval.clip_score import clip_score, consistency_scores
from eval.copies import TrainingCodes, copy_scores
from eval.diorama_bench import FPS, DioramaBench
from eval.folder import Frames, RememberingClip, Video
from eval.generators import Ask, Generator, Made, ModelGenerator, RenderGenerator, codes_of
from eval.instruments import Instruments, LeftOut
from eval.judge import Judge
from eval.protocol import Protocol, Score
from eval.reconstructions import Pair, reconstruction_scores
from eval.results import APART, Row
from eval.sentences import article_suite, sentences_suite
from eval.suite import Form, Prompt, Suite, build_suite
from eval.unaffected import rendered
from gpt_video.diorama.render import RendererUnavailable
from gpt_video.diorama.world import CORE, WIDE
from gpt_video.generate import VideoGenerator
from tokenizer.video import read_video, write_video

CODEC = "H.264 crf 12"
CLIPS, CODES, REAL = "clips", "codes", "real"
LEAST_SCENES = 32  # two for each block of the jackknife
Count = Callable[[int, int], None]
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Part:
    """What one measurement found. rows: numbers of single prompts, by "key"; curves: of drift."""

    scores: tuple[Score, ...]
    rows: tuple[Row, ...] = ()
    skipped: tuple[str, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "scores": [score.to_dict() for score in self.scores]}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Part:
        scores = tuple(Score.from_dict(score) for score in record["scores"])
        return cls(**{**record, "scores": scores, "rows": tuple(record["rows"]), "skipped": tuple(record["skipped"])})


@dataclass(frozen=True)
class ModelTask:
    """What is asked of a model. form: of DioramaBench in the world of that name, or a Suite of any world; shards: training
    codes, for the copy check."""

    form: str | Suite = "short"
    parts: tuple[str, ...] = (
        "bench",
        "sentences",
        "article",
        "words",
        "anchors",
        "reconstructions",
        "surprise",
        "drift",
        "copies",
    )
    world: str = CORE.name
    shards: str | None = None
    batch_size: int = 8
    drift_videos: int = 8
    drift_seconds: float = 60.0

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or "bench" not in self.parts:
            raise ValueError(
                f"the parts are {', '.join(PARTS)}, and bench is needed by all: not {', '.join(self.parts)}"
            )

    @cached_property
    def suite(self) -> Suite:
        return build_suite(self.form, world=self.world) if isinstance(self.form, str) else self.form

    @property
    def possible(self) -> tuple[str, ...]:
        """The parts that are asked for, in their order, without those that the suite's world has nothing for."""
        of_world = set(self.parts) if self.suite.world == WIDE.name else set(self.parts) - {"article"}
        return tuple(part for part in PARTS if part in of_world)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the numbers, beside the suite. The parts do not: more of them can be added to a run later."""
        # The folder's name alone: the report is there to be shown, and where it lay is nobody's business.
        return {
            "shards": Path(self.shards).name if self.shards else None,
            "drift": [self.drift_videos, self.drift_seconds],
        }

    @property
    def scenes(self) -> list[Prompt]:
        """One prompt a scene, in turn in each language: for what compares whole sets of videos."""
        by_scene: dict[int, list[Prompt]] = {}
        for prompt in self.suite.prompts:
            by_scene.setdefault(prompt.scene_number, []).append(prompt)
        return [prompts[number % len(prompts)] for number, prompts in by_scene.items()]


# --------------------------------------------------------------------------------------------------------- parts


def bench(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """DioramaBench itself; its videos and their codes are kept."""
    maker = KeepsCodes(ModelGenerator(generator, task.batch_size), out / CODES)
    part = run_bench(maker, out, task.suite, instruments.judge, report)
    try:
        return with_kept_ceiling(part, RenderGenerator(), out / "renderer", task.suite, instruments.judge)
    except RendererUnavailable:
        return part


def with_kept_ceiling(part: Part, perfect: Generator, out: Path, suite: Suite, judge: Judge) -> Part:
    """What the renderer keeps through the same edits, in the eyes of the same judge, as the ceiling of what is kept.

    The ceiling of everything else stands in the judge's own record, from more scenes.
    """
    if not suite.conversations:
        return part
    best = DioramaBench(replace(suite, prompts=()), judge, perfect, out).run()
    ceilings = {score.name: score.value for score in best if score.name.startswith("attributes kept")}
    return replace(part, scores=tuple(replace(s, ceiling=ceilings.get(s.name, s.ceiling)) for s in part.scores))


def run_bench(maker: Generator, out: Path, suite: Suite, judge: Judge, report: Count) -> Part:
    """The same on anything that makes videos."""
    run = DioramaBench(suite, judge, maker, out, keep_clips=True)
    scores = run.run(report)
    table = Scores(judge, run.protocol, "")
    return Part(tuple(scores), tuple(_row(record, table, out) for record in run.records))


def sentences(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """The prompts that no template made, scored apart."""
    maker = ModelGenerator(generator, task.batch_size)
    return run_apart(maker, out, sentences_suite(task.suite.world), "sentences", instruments.judge, report)


def article(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """The scenes of the article, for the eye; the numbers of ten videos are only beside them."""
    return run_apart(
        ModelGenerator(generator, task.batch_size), out, article_suite(), "article", instruments.judge, report
    )


def run_apart(maker: Generator, out: Path, suite: Suite, part: str, judge: Judge, report: Count) -> Part:
    """Prompts beside those of the benchmark, in a folder of their own, under scores and rows that bear their name."""
    run = DioramaBench(suite, judge, maker, out / part, keep_clips=True)
    scores = [score for score in run.run(report) if score.name.startswith(("attributes right", "French minus"))]
    table, (what, said_of) = Scores(judge, run.protocol, ""), APART[part]
    rows = (_row(record, table, out / part) for record in run.records)
    named = tuple(row | {"what": what, "video": f"{part}/{row['video']}"} for row in rows)
    return Part(tuple(replace(score, name=f"{score.name}, {said_of}") for score in scores), named)


def words(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """How well the videos of the prompts fit their words, and how steady they are beside how much moves."""
    videos = [Video(out / CLIPS / f"{prompt.key}.mp4", prompt.key, prompt.text) for prompt in task.suite.prompts]
    network = RememberingClip.of(instruments.needed_clip(), out / "cache" / "clip")
    prompts = [video.prompt for video in videos]
    score, alignment = clip_score(_counted(Frames(videos), report), prompts, network, codec=CODEC)
    values = zip(videos, alignment.per_video("100 cos"), strict=True)
    rows = [{"key": video.name, score.name: float(value)} for video, value in values]
    scores = (score, *consistency_scores(Frames(videos), prompts, network, codec=CODEC))
    shutil.rmtree(out / "cache", ignore_errors=True)
    return Part(scores, tuple(rows))


def anchors(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """The tokenizer's and the model's distance to real videos, between real ones and shuffled captions."""
    mine, others = task.scenes, _other_scenes(task)
    if len(mine) < LEAST_SCENES:
        raise LeftOut(f"a distance of {len(mine)} videos says nothing: it needs {LEAST_SCENES} scenes")
    total, network, clip = len(mine) + len(others), instruments.needed_features(), instruments.needed_clip()
    real = [_drawn(prompt, out / REAL / f"{prompt.key}.mp4") for prompt in _counted(mine, report, total)]
    reference = [_drawn(p, out / REAL / f"other-{p.key}.mp4") for p in _counted(others, report, total, len(mine))]
    made = {
        "tokenizer": [_coded(generator, path, out / REAL / f"coded-{path.name}") for path in real],
        "model": [out / CLIPS / f"{prompt.key}.mp4" for prompt in mine],
    }

    def pairs(paths: Sequence[Path], prompts: Sequence[Prompt]) -> Pairs:
        texts = [clip.text_features(prompt.text)[0] for prompt in prompts]
        return Pairs(np.concatenate([network([read_video(path)[0]]) for path in paths]), np.stack(texts))

    settings = Protocol(
        "diorama-fvd between anchors",
        codec=CODEC,
        fps=FPS,
        input_law=str(network.law),
        extractor=f"{network.description} and {clip.name}",
        extractor_sha256=f"{network.sha256} {clip.sha256}",
        statistic="joint Frechet distance, parts scaled to variance 1",
        reference_sha256=task.suite.hash,
    )
    sets = {name: pairs(paths, mine) for name, paths in made.items()}
    return Part(tuple(anchored("diorama-fvd", pairs(reference, others), pairs(real, mine), sets, settings)))


def reconstructions(
    generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count
) -> Part:
    """What the judge recognises after the tokenizer alone, in the suite's scenes and as many others."""
    mine, others = task.scenes, _other_scenes(task)
    prompts = [*mine, *others]
    paths = [out / REAL / f"{prompt.key}.mp4" for prompt in mine]
    paths += [out / REAL / f"other-{prompt.key}.mp4" for prompt in others]

    def pairs() -> Iterator[Pair]:
        for prompt, path in _counted(list(zip(prompts, paths, strict=True)), report):
            drawn = _drawn(prompt, path)
            rebuilt = _coded(generator, drawn, out / REAL / f"coded-{path.name}")
            yield Pair(prompt.scene, read_video(drawn)[0], read_video(rebuilt)[0])

    protocol = Protocol(
        "judge on reconstructions",
        codec=CODEC,
        fps=FPS,
        n=len(prompts),
        extractor="diorama-judge",
        extractor_sha256=instruments.judge.sha256,
        reference_sha256=task.suite.hash,
    )
    return Part(tuple(reconstruction_scores(pairs(), instruments.judge, protocol)))


def surprise(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """Bits per video token on renders of the suite's scenes, and how many of them the words save."""
    prompts = task.scenes
    paths = [_drawn(prompt, out / REAL / f"{prompt.key}.mp4") for prompt in _counted(prompts, report)]
    clips = [read_video(path)[0] for path in paths]
    return Part(tuple(surprise_scores(generator, [prompt.text for prompt in prompts], clips)))


def long_videos(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """Minutes of video, second by second. Their floor is what the renderer shows of the same scenes, in which things move too."""
    prompts = task.scenes[: task.drift_videos]
    asks = [Ask(p.key, p.text, p.scene, p.size, task.drift_seconds, number) for number, p in enumerate(prompts)]
    clips, batches = [], range(0, len(asks), task.batch_size)
    for number, start in enumerate(batches):
        maker = ModelGenerator(generator, task.batch_size, partial(_shifted, report, number, len(batches)))
        clips += _kept(maker, asks[start : start + task.batch_size], out / "drift")
    found = drift(clips, instruments.judge)
    frames = 1 + 4 * (len(clips[0]) // 4)  # as many, in whole seconds, as a scene can have
    asks = [replace(ask, scene=replace(ask.scene, frames=frames)) for ask in asks]
    try:
        floor = drift(_kept(RenderGenerator(), asks, out / "drift" / "renderer"), instruments.judge)
    except RendererUnavailable:
        floor = None
    judge = instruments.judge.sha256
    protocol = Protocol(
        "drift",
        codec=CODEC,
        fps=FPS,
        extractor="diorama-judge",
        extractor_sha256=judge,
        reference_sha256=task.suite.hash,
    )
    curves = {name: found.measures[name].tolist() for name in MEASURES}
    return Part(tuple(found.scores(protocol, floor)), curves={"drift": curves})


def copies(generator: VideoGenerator, out: Path, task: ModelTask, instruments: Instruments, report: Count) -> Part:
    """Do the outputs repeat training clips more than clips do that cannot be copies?"""
    if task.shards is None:
        raise LeftOut("the copy check needs the training codes: --shards DIR")
    from gpt_video.shards import read_shards

    corpus = read_shards(task.shards)
    if corpus.tokenizer != generator.bundle.tokenizer_hash:
        raise ValueError(
            f"{task.shards} was made by another tokenizer than this model's: its codes say nothing about it"
        )
    known = TrainingCodes([clip.codes_thw for talk in corpus.conversations for clip in talk])
    prompts = task.scenes
    outputs = [np.load(out / CODES / f"{prompt.key}.npy") for prompt in _counted(prompts, report)]
    paths = [_drawn(prompt, out / REAL / f"{prompt.key}.mp4") for prompt in prompts]
    held_out = [codes_of(generator, read_video(path)[0]) for path in paths]
    protocol = Protocol(
        "copies", reference_sha256=task.suite.hash, extra={"tokenizer": generator.bundle.tokenizer_hash}
    )
    return Part(tuple(copy_scores(known.check(outputs), known.check(held_out), protocol)))


PARTS: dict[str, Callable[[VideoGenerator, Path, ModelTask, Instruments, Count], Part]] = {
    "bench": bench,
    "sentences": sentences,
    "article": article,
    "words": words,
    "anchors": anchors,
    "reconstructions": reconstructions,
    "surprise": surprise,
    "drift": long_videos,
    "copies": copies,
}


# ------------------------------------------------------------------------------------------------------- helpers


class KeepsCodes:
    """A maker that also writes the codes of what it makes to folder/KEY.npy."""

    def __init__(self, maker: Generator, folder: Path):
        self.maker, self.folder = maker, folder
        self.name, self.sha256 = maker.name, maker.sha256
        folder.mkdir(parents=True, exist_ok=True)

    def make(self, asks: Sequence[Ask]) -> list[Made]:
        made = self.maker.make(asks)
        for ask, video in zip(asks, made, strict=True):
            np.save(self.folder / f"{ask.key}.npy", video.turn.codes_thw)
        return made

    def given(self, frames_THWC: np.ndarray, prompt: str) -> Made:
        return self.maker.given(frames_THWC, prompt)


def _row(record: Record, table: Scores, out: Path) -> Row:
    """One record of the benchmark as a row: words first, then each number under the name of its score."""
    claims: list[Record] = record.get("claims") or record.get("asked") or []
    wrong = [f"{claim['name']}: {claim['seen']}, not {claim['wanted']}" for claim in claims if not claim["right"]]
    kept = [one for one in record.get("kept", []) if one["before"] != one["after"]]
    wrong += [f"{one['name']} changed to {one['after']}" for one in kept]
    row: Row = {name: record.get(name, "") for name in ("key", "turn", "scene", "language", "edit")}
    row |= {"what": record["kind"], "prompt": record["text"], "wrong": "; ".join(wrong)}
    # A conversation's first video bears the conversation's name, its edits a number after it.
    video = out / CLIPS / f"{record['key'].removesuffix('-0') if record['kind'] == 'first' else record['key']}.mp4"
    row["video"] = f"{CLIPS}/{video.name}" if video.is_file() else ""
    if "asked" in record:
        return row | {"edit done": table.is_done(record), "attributes kept": table.share_kept(record)}
    found: dict[str, list[bool]] = {}
    for claim in claims:
        found.setdefault(claim["name"], []).append(claim["right"])
    return row | {"attributes right": table.share_right(record)} | {n: float(np.mean(v)) for n, v in found.items()}


def _other_scenes(task: ModelTask) -> list[Prompt]:
    """As many held-out scenes again, which the model was not asked for."""
    form = Form(len(task.scenes), conversations=0, turns=1, renders=0)
    frames = max((prompt.scene.frames for prompt in task.scenes), default=1)
    return ModelTask(build_suite(form, seed=1, frames=frames, world=task.suite.world), parts=("bench",)).scenes


def _drawn(prompt: Prompt, path: Path) -> Path:
    """The render of a prompt's scene as a file, drawn if it is not there. Raises LeftOut where nothing can be drawn."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _drawing():
            write_video(path, rendered(prompt.scene, prompt.size), FPS)
    return path


@contextmanager
def _drawing() -> Iterator[None]:
    try:
        yield
    except RendererUnavailable as error:
        raise LeftOut(f"needs renders of held-out scenes: {error}") from error


def _coded(generator: VideoGenerator, source: Path, path: Path) -> Path:
    """A video through the tokenizer and back, as a file of the same size."""
    if not path.is_file():
        frames_THWC, _ = read_video(source)
        write_video(path, ModelGenerator(generator).given(frames_THWC, "").frames_THWC, FPS)
    return path


def _kept(maker: Generator, asks: Sequence[Ask], folder: Path) -> list[np.ndarray]:
    """frames_THWC of each ask, as its file in the folder has them; what is not there is made, together."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{ask.key}.mp4" for ask in asks]
    missing = [(ask, path) for ask, path in zip(asks, paths, strict=True) if not path.is_file()]
    made = maker.make([ask for ask, _ in missing]) if missing else []
    for video, (ask, path) in zip(made, missing, strict=True):
        write_video(path, video.frames_THWC, FPS, metadata={"prompt": ask.prompt})
    return [read_video(path)[0] for path in paths]


def _shifted(report: Count, number: int, batches: int, done: int, total: int) -> None:
    report(number * total + done, batches * total)


def _counted(items: Sequence[Any], report: Count, total: int | None = None, before: int = 0) -> Iterator[Any]:
    for number, item in enumerate(items, 1):
        yield item
        report(before + number, total or len(items))
