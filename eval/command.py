"""`gpt-video eval`: scores of a model or of videos, their comparison, votes of people, and the hand-over to VBench.

The command line finds it by its entry point, so gpt_video never imports this folder. What it prints: scores and the page it wrote
on stdout, progress and what was skipped on stderr. Exit codes are those of `gpt-video`: 2 with one sentence for wrong input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpt_video.diorama.world import WORLDS

if TYPE_CHECKING:
    from eval.results import Results

eval_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Folder or hub id of a model (default: the one in the package).")
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; an interrupted run goes on.")]


def register(app: typer.Typer) -> None:
    """Adds `eval` to the command line."""
    app.add_typer(eval_app, name="eval")


@eval_app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    out: OutOption = Path("eval-results"),
    model: ModelOption = None,
    long: Annotated[bool, typer.Option("--long/--short", help="The long or the short form of DioramaBench.")] = False,
    world: Annotated[
        str | None, typer.Option(help="`core` or `wide`: whose DioramaBench (default: what the model was trained on).")
    ] = None,
    skip: Annotated[
        str, typer.Option(help="Parts of a model's measurement to leave out, such as drift,surprise.")
    ] = "",
    shards: Annotated[
        Path | None, typer.Option(help="Token shards the model was trained on, for the copy check.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Videos of equal shape made at once.")] = 8,
    videos: Annotated[Path | None, typer.Option(help="A folder of videos to measure, in place of a model.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A folder of real videos, to measure --videos against.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="A named protocol, such as styleganv-2048-16f.")] = None,
    weights: Annotated[
        str, typer.Option(help="Weights of the protocol's network: a file, folder or hub id.")
    ] = "diorama",
    size: Annotated[str | None, typer.Option(help="WxH that all videos are fitted to, where they differ.")] = None,
    clip: Annotated[str | None, typer.Option(help="A CLIP for --videos: folder or hub id, or `diorama`.")] = None,
    scale: Annotated[str, typer.Option(help="Of the CLIP score: `100 cos` or `2.5 cos`.")] = "100 cos",
) -> None:
    """Measures a model (the embedded one by default), a folder of videos, or two folders, and writes a page about it.

    Of a model: DioramaBench, words, distance to renders, surprise, drift over a minute. Of a folder: motion and, with --clip, the
    CLIP score. Of two folders: a Frechet and a kernel distance; FVD with a protocol and the weights of its network.
    """
    if context.invoked_subcommand is not None:
        return
    if videos is None and (reference or protocol or size or clip or weights != "diorama"):
        raise ValueError(
            "--reference, --protocol, --weights, --size and --clip measure a folder: name it with --videos DIR"
        )
    if reference is None and (protocol or size or weights != "diorama"):
        raise ValueError(
            "--protocol, --weights and --size compare two folders: name the real videos with --reference DIR"
        )
    if videos is not None and (model or long or world or skip or shards):
        raise ValueError("--model, --long, --world, --skip and --shards measure a model: give them without --videos")
    with _needs_extra(), _bars() as report:
        if videos is None:
            results = _model(model, out, "long" if long else "short", world, skip, shards, batch_size, report)
        else:
            results = _videos(videos, reference, out, protocol, weights, size, clip, scale, report)
    for line in results.skipped:
        _say(f"skipped {line}")
    for part in results.parts:
        if part.left_out:
            _say(f"left out {part.name}: {part.left_out}")
    for score in results.scores:
        print(score)
    print(out / "index.html")


def _model(
    model: str | None,
    out: Path,
    form: str,
    world: str | None,
    skip: str,
    shards: Path | None,
    batch_size: int,
    report: Any,
) -> Results:
    from eval.generators import trained_world
    from eval.model_parts import PARTS, ModelTask
    from eval.run import measure_model

    left_out = [name.strip() for name in skip.split(",") if name.strip()]
    unknown = [name for name in left_out if name not in PARTS or name == "bench"]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} cannot be skipped: name some of {', '.join(p for p in PARTS if p != 'bench')}"
        )
    if world is not None and world not in WORLDS:
        raise ValueError(f"there is no world {world!r}: use one of {', '.join(WORLDS)}")
    parts = tuple(name for name in PARTS if name not in left_out)
    _claim(out)
    from gpt_video.generate import VideoGenerator

    generator = VideoGenerator.from_pretrained(model)
    task = ModelTask(form, parts, world or trained_world(generator), str(shards) if shards else None, batch_size)
    return measure_model(
        generator, out, task, name=Path(model).name if model else "the embedded model", on_progress=report
    )


def _videos(
    videos: Path, reference: Path | None, out: Path, protocol: str | None, weights: str, size: str | None, clip: str | None,
    scale: str, report: Any,
) -> Results:  # fmt: skip
    from eval.run import measure_pair, measure_videos

    _claim(out)
    if reference is None:
        return measure_videos(videos, out, clip=clip, scale=scale, on_progress=report)
    shape = _shape(size)
    try:
        return measure_pair(
            videos, reference, out, protocol, weights, size=shape, clip=clip, scale=scale, on_progress=report
        )
    except ValueError as error:
        # The library speaks of its own argument, the person needs the option's name.
        raise ValueError(str(error).replace("give Sampling a size", "give --size WxH, a size")) from error


@eval_app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="The folder of a run, or its results.json.")],
    b: Annotated[Path, typer.Argument(help="Another.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("comparison.html"),
) -> None:
    """Compares two runs, prompt by prompt where both answered the same. Refuses runs of different protocols."""
    with _needs_extra():
        from eval.report import write_comparison
        from eval.results import Results

        runs = [Results.load(a), Results.load(b)]
        places = [path if path.is_dir() else path.parent for path in (a, b)]
        pairs = write_comparison(runs[0], runs[1], places[0], places[1], out)
    for one in pairs:
        interval = f", interval {one.interval[0]:+.4g} to {one.interval[1]:+.4g}" if one.interval else ""
        verdict = {"a": "a is better", "b": "b is better", "neither": "no difference shown"}[one.verdict]
        if one.difference is not None and one.difference.p_value is not None:
            interval = f", p = {one.difference.p_value:.3g}"
        print(f"{one.comparison.a.name}: b - a = {one.value:+.4g}{interval}, {verdict}")
    print(out)


@eval_app.command()
def card(
    run: Annotated[Path, typer.Argument(help="The folder of a run, or its results.json.")],
    cards: Annotated[list[Path], typer.Argument(help="Markdown files with a place for scores, such as MODEL_CARD.md.")],
) -> None:
    """Writes the scores of a run into model cards, between the marks <!-- scores --> and <!-- end of scores -->."""
    with _needs_extra():
        from eval.card import write_cards
        from eval.results import Results

        write_cards(Results.load(run), cards, "gpt-video eval")
    for path in cards:
        print(path)


@eval_app.command()
def ab(
    folders: Annotated[
        list[Path], typer.Argument(help="Two or more folders of videos; equal file names answer one prompt.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write; its key lies beside it.")] = Path(
        "votes.html"
    ),
    names: Annotated[str, typer.Option(help="Names of the systems, with commas (default: from the folders).")] = "",
    pairs: Annotated[int, typer.Option(min=1, help="How many pairs are shown.")] = 40,
    checks: Annotated[int, typer.Option(min=0, help="Attention checks: the same video on both sides.")] = 4,
    seed: Annotated[int, typer.Option(help="Of which pairs are shown.")] = 0,
) -> None:
    """Writes a blind page on which people choose the better of two videos. Send the page, keep the key."""
    with _needs_extra(), _bars() as report:
        from eval.preference import write_page

        systems = [name.strip() for name in names.split(",") if name.strip()]
        options: dict[str, Any] = {"pairs": pairs, "checks": checks, "seed": seed}
        key = write_page(
            folders, out, names=systems, on_progress=lambda done, total: report("pairs", done, total), **options
        )
    print(out)
    print(key)


@eval_app.command()
def votes(
    files: Annotated[list[Path], typer.Argument(help="The .jsonl files that voters saved.")],
    key: Annotated[Path, typer.Option(help="The .key.json that was written with the page.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Bradley-Terry scores of the systems that people voted on, with intervals."""
    with _needs_extra():
        from eval.votes import read_votes, strengths, to_json

        found, torn = read_votes(files, key)
        outcome = strengths(found)
    if torn:
        _say(f"skipped {torn} lines that are cut off")
    print(to_json(outcome) if as_json else outcome)


@eval_app.command()
def vbench(
    prompts: Annotated[Path | None, typer.Option(help="Prompts: a .txt, one a line, or VBench_full_info.json.")] = None,
    videos: Annotated[Path | None, typer.Option(help="A folder of videos that exist, in place of a model.")] = None,
    out: OutOption = Path("vbench"),
    model: ModelOption = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Videos a prompt (VBench asks for 5, 25 for flicker).")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of each video.")] = None,
    seed: Annotated[int, typer.Option(help="Of the first sample of each prompt.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Videos of equal shape made at once.")] = 8,
) -> None:
    """Writes videos and prompts as VBench reads them, from a model or from videos that exist."""
    if prompts is None and videos is None:
        raise ValueError("there is nothing to hand over: give --prompts FILE for a model, or --videos DIR")
    with _needs_extra(), _bars() as bars:
        from eval.vbench import from_folder, generate, read_asks

        asks = read_asks(prompts) if prompts else []
        report: Callable[[int, int], None] = lambda done, total: bars("videos", done, total)  # noqa: E731
        if videos is not None:
            hand = from_folder(videos, out, info=asks, on_progress=report)
        else:
            from gpt_video.generate import VideoGenerator

            options: dict[str, Any] = {"samples": samples, "seconds": seconds, "seed": seed, "batch_size": batch_size}
            hand = generate(VideoGenerator.from_pretrained(model), asks, out, on_progress=report, **options)
    for line in hand.skipped:
        _say(f"skipped {line}")
    if hand.renamed:
        _say(f"{len(hand.renamed)} prompts cannot be file names: only custom_input, with prompts.json, can score them")
    _say(f"{hand.videos} videos; to score them, in a checkout of VBench:\n{hand.command}")
    print(out)


# ------------------------------------------------------------------------------------------------------- helpers


def _shape(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ValueError(f"size {size!r} is not of the form WxH, such as 128x128")
    return int(height), int(width)


def _claim(out: Path) -> None:
    """ValueError before anything is computed, if the results could not be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"cannot write into {out}: {error.strerror}; choose another folder with --out") from error


@contextmanager
def _needs_extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ValueError(f"this needs the extra 'eval' ({error}): pip install 'gpt-video[eval]'") from error


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each part on stderr; yields a function that takes (part, done, total)."""
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(part, total=total)
            bars.update(tasks[part], completed=done, total=total)

        yield report


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
