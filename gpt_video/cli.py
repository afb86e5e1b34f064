"""`gpt-video`: the command line.

Exit codes: 0 done; 1 something failed (some lines of a batch, or an unexpected error); 2 wrong input, said in one sentence;
130 interrupted. Results go to stdout, progress and errors to stderr. Other packages add commands through the entry-point
group `gpt_video.commands`: a typer app, or a function that takes this app. Heavy imports happen inside the commands.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from gpt_video.batch import Broken
    from gpt_video.generate import VideoGenerator

STYLE: dict[str, Any] = {"no_args_is_help": True, "pretty_exceptions_enable": False, "add_completion": False}
app = typer.Typer(help="Words in, video out.", **STYLE)
data_app = typer.Typer(help="Make, look at and tokenize training data.", **STYLE)
app.add_typer(data_app, name="data")

PLUGINS = "gpt_video.commands"
WORLD_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")  # set by torchrun and by MPIs
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Folder or hub id of a model (default: the one in the package).")
]
EncodedOption = Annotated[Path | None, typer.Option(help="A video tokenizer's folder, in place of a whole model's.")]


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="What the video shows, or how to change or continue it.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file to write: .mp4 or .gif. With --n: OUT-1.mp4, OUT-2.mp4, ...")
    ],
    model: ModelOption = None,
    seconds: Annotated[float | None, typer.Option(help="Length; 0.125 is a still, 60 the longest.")] = None,
    size: Annotated[str | None, typer.Option(help="square, wide, tall, or WxH in pixels.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same video on the same machine.")] = 0,
    n: Annotated[int, typer.Option("--n", help="How many variations: seed, seed+1, ...")] = 1,
    image: Annotated[Path | None, typer.Option(help="An image that becomes the first frame.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video to continue or to edit.")] = None,
    edit: Annotated[
        bool | None, typer.Option("--edit/--continue", help="What to do with --video (default: continue).")
    ] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the words; 1 is off.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Higher is more varied.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Sample among the k likeliest codes; 0 is off.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Sample among the likeliest codes of this total probability.")
    ] = None,
) -> None:
    """Makes a video from a sentence, an image and a sentence, or a video and a sentence.

    A video made by this program is continued or edited from its exact codes, if its .json file is still beside it.
    """
    if edit is not None and video is None:
        raise ValueError("--edit and --continue need a video: name it with --video FILE")
    outs = [out] if n == 1 else [out.with_stem(f"{out.stem}-{i + 1}") for i in range(n)]
    from gpt_video.files import check_output, read_turns, save_video
    from gpt_video.request import GenerateRequest, variations
    from tokenizer.video import read_image

    check_output(out)
    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "guidance_scale": guidance}
    options |= {"seconds": seconds, "size": size, "seed": seed}
    GenerateRequest(prompt, **options)  # what is wrong without a model is said before one is loaded
    if image is not None:
        options["image"] = read_image(image)
    generator = _load(model)
    if video is not None:
        options["action"] = "edit" if edit else "continue"
        options["context"] = read_turns(generator, video, options["action"])
    requests = variations(GenerateRequest(prompt, **options), n)
    with _progress("generating") as report:
        videos = generator.generate_many(requests, on_progress=report)
    for path, made in zip(outs, videos, strict=True):
        save_video(made, path, generator.whole(made))
        print(path)
    times = videos[0].timings
    _say(
        f"first frames after {times.first_frames:.1f} s, {times.total:.1f} s in all, {times.tokens_per_second:.0f} tokens/s"
    )


@app.command()
def batch(
    file: Annotated[Path, typer.Argument(help="Prompts: .txt (one a line), .csv (a column named prompt) or .jsonl.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the videos and manifest.jsonl.")],
    model: ModelOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Videos of equal shape made at once.")] = 8,
    dry_run: Annotated[bool, typer.Option(help="Check every line and say what would be done; write nothing.")] = False,
    shard: Annotated[str | None, typer.Option(help="i/n: only every n-th line, beginning with number i.")] = None,
) -> None:
    """Makes a video for each line of a file. Running it again makes what is missing, failed or changed.

    Under `accelerate launch` each process takes its share of the lines. Lines that cannot be done are reported, the others are
    made, and the exit code is 1.
    """
    from gpt_video.batch import Batch, prepare_folder, read_lines, shard_of

    lines, broken = read_lines(file)
    index, count, state = _shard(shard)
    lines, broken = shard_of(lines, index, count), shard_of(broken, index, count)
    if not dry_run:
        prepare_folder(out)
    run = Batch(_load(model, device=state and state.device), out)
    todo = [line for line in lines if not run.is_done(line)]
    jobs, refused = run.jobs(todo)
    for line in (*broken, *refused):
        _say(f"{line.where}: {line.error}")
        if not dry_run:
            run.record(line, "error", error=line.error)
    _say(f"{len(jobs)} to make, {len(lines) - len(todo)} done before, {len(broken) + len(refused)} that cannot be made")
    if dry_run:
        for job in jobs:
            request = job.plan.request
            print(f"{job.line.id}\t{request.action}\t{request.seconds:g} s\t{request.size}\t{request.prompt}")
    failed: list[Broken] = []
    if jobs and not dry_run:
        with _progress("videos") as report:
            failed = run.run(jobs, batch_size, report)
    for line in failed:
        _say(f"{line.where}: {line.error}")
    if state is not None:
        state.wait_for_everyone()  # the launcher ends all processes as soon as one of them fails
    raise typer.Exit(1 if broken or refused or failed else 0)


def _shard(shard: str | None) -> tuple[int, int, Any]:
    """(i, n, the accelerate state of a launched process): from --shard, or else from the process's rank."""
    import os

    if shard is not None:
        i, _, n = shard.partition("/")
        if not (i.isdecimal() and n.isdecimal()):
            raise ValueError(f"shard {shard!r} is not of the form i/n, such as 1/4")
        return int(i), int(n), None
    if all(int(os.environ.get(name, "1")) == 1 for name in WORLD_SIZES):
        return 1, 1, None
    from datetime import timedelta

    import torch
    from accelerate import PartialState

    # accelerate takes processes without an accelerator for separate runs, unless it is told that they are on the CPU.
    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=timedelta(days=30))  # a share may take long
    return state.process_index + 1, state.num_processes, state


@app.command()
def bench(
    model: ModelOption = None,
    seconds: Annotated[float, typer.Option(help="Length of the measured video.")] = 4.0,
    size: Annotated[str | None, typer.Option(help="square, wide, tall, or WxH in pixels.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measures this machine: speed, time to first frame, memory, and how far both are from the limits."""
    from gpt_video.bench import measure, table

    generator = _load(model)
    numbers = measure(generator, seconds, size)
    print(json.dumps(numbers, indent=2) if as_json else table(numbers))


@app.command()
def info(model: ModelOption = None) -> None:
    """Checks a model's files and says what it can do."""
    generator = _load(model)
    bundle, settings = generator.bundle, generator.settings
    parts = {"gpt": bundle.gpt, "tokenizer": bundle.video_tokenizer}
    kinds = {kind: generator.lengths(kind) for kind in ("new", "continue")}
    lengths = {kind: [known.seconds(t) for t in known.trained] for kind, known in kinds.items()}
    sampling = ("temperature", "top_k", "top_p", "guidance_scale")
    facts = {
        "folder": str(bundle.folder),
        "model": bundle.model_hash,
        "parameters": {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()},
        "text tokens": bundle.vocabulary.text_size,
        "video codes": bundle.vocabulary.codebook_size,
        "sizes": [f"{w}x{h}" for h, w in settings.shapes],
        "seconds": lengths["new"],
        "seconds of a continuation": lengths["continue"],
        "frames a second": settings.fps,
        "window": settings.window,
        "compute": generator.engine.precision,
        "defaults": {name: getattr(settings, name) for name in sampling},
    }
    for name, value in facts.items():
        print(f"{name:>26}  {value}")


@app.command()
def push(folder: Path, hub_id: str, private: Annotated[bool, typer.Option(help="Only for you.")] = False) -> None:
    """Uploads a model folder to the Hugging Face hub as OWNER/NAME; log in with `hf auth login` first."""
    from gpt_video.bundle import push as push_bundle

    print(push_bundle(folder, hub_id, private=private))


@data_app.command()
def render(
    out: Annotated[Path, typer.Option("--out", "-o", help="The data-set folder; an interrupted one is completed.")],
    clips: Annotated[int, typer.Option(min=0, help="Single clips.")] = 0,
    conversations: Annotated[int, typer.Option(min=0, help="Conversations of several turns.")] = 0,
    stills: Annotated[int, typer.Option(min=0, help="Clips of a single frame.")] = 0,
    long: Annotated[int, typer.Option(min=0, help="Single clips of 8 to 16 seconds, to learn long videos from.")] = 0,
    turns: Annotated[str, typer.Option(help="Turns of a conversation, fewest-most.")] = "1-5",
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result does not depend on it.")] = 1,
    seed: Annotated[int, typer.Option()] = 0,
    held_out: Annotated[bool, typer.Option(help="Only pairs that never occur in training data.")] = False,
    world: Annotated[str, typer.Option(help="core, which never changes, or wide, which knows more.")] = "core",
) -> None:
    """Renders clips and conversations of the procedural world, with captions and masks."""
    few, _, many = turns.partition("-")
    if not (few.isdecimal() and (many or few).isdecimal() and 1 <= int(few) <= int(many or few)):
        raise ValueError(f"turns is {turns!r}: expected fewest-most, such as 1-5")
    if clips + conversations + stills + long == 0:
        raise ValueError("nothing to render: ask for --clips, --conversations, --stills or --long")
    with _needs("world"), _progress("rendering") as report:
        from gpt_video.diorama.make import render_dataset

        render_dataset(
            out,
            clips=clips,
            conversations=conversations,
            stills=stills,
            long=long,
            turns=(int(few), int(many or few)),
            workers=workers,
            seed=seed,
            held_out=held_out,
            world=world,
            on_progress=report,
        )
    print(out)


@data_app.command()
def sheet(
    folder: Annotated[Path, typer.Argument(help="A data-set folder.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The picture (default: FOLDER/sheet.png).")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many clips.")] = 24,
) -> None:
    """Draws a contact sheet of a data set with its captions."""
    with _needs("world"):
        from gpt_video.diorama.make import contact_sheet

        contact_sheet(folder, out or folder / "sheet.png", n)
    print(out or folder / "sheet.png")


@data_app.command()
def tokenize(
    folder: Annotated[Path, typer.Argument(help="A folder of videos with metadata.jsonl.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the token shards; an interrupted one is completed.")
    ],
    model: ModelOption = None,
    tokenizer: EncodedOption = None,
) -> None:
    """Turns a data-set folder into token shards for training."""
    from gpt_video.bundle import find_bundle
    from tokenizer import VideoTokenizer

    video_tokenizer = VideoTokenizer.from_pretrained(tokenizer or find_bundle(model) / "tokenizer")
    with _needs("train"), _progress("tokenizing") as report:
        from gpt_video.dataset import tokenize_folder

        tokenize_folder(folder, out, video_tokenizer, on_progress=report)
    print(out)


# ------------------------------------------------------------------------------------------------ helpers


def _load(model: str | None, **kwargs: Any) -> VideoGenerator:
    from gpt_video.generate import VideoGenerator

    return VideoGenerator.from_pretrained(model, **kwargs)


@contextmanager
def _needs(extra: str) -> Iterator[None]:
    """Turns a missing optional library into a sentence that says what to install."""
    try:
        yield
    except ImportError as error:
        raise ValueError(f"this needs the extra {extra!r} ({error}): pip install 'gpt-video[{extra}]'") from error


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on stderr; yields a function that takes (done, total)."""
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def load_plugins(app: typer.Typer, group: str = PLUGINS) -> None:
    """Adds the commands of other installed packages; one that cannot be loaded is named and left out."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=group):
        try:
            plugin = entry.load()
            if isinstance(plugin, typer.Typer):
                app.add_typer(plugin, name=entry.name)
            else:
                plugin(app)
        except Exception as error:  # whatever is wrong with it, the other commands must work
            _say(f"gpt-video: the commands of {entry.name!r} are left out: {error}")


def _terminate(signum: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + signum)  # unwinds, so that temporary files are removed


def main() -> None:
    """The console script: turns errors into the exit codes above."""
    signal.signal(signal.SIGTERM, _terminate)
    load_plugins(app)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError) as error:
        _say(f"gpt-video: {error}")
        sys.exit(2)


if __name__ == "__main__":
    main()
