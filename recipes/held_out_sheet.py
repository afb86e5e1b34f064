"""The contact sheet of a diorama model: held-out prompts that nobody tuned to, and what the model makes of them.

    python recipes/held_out_sheet.py --out docs/contact_sheet.jpg [--model DIR] [--world wide] [--seed 0]
    python recipes/held_out_sheet.py --out docs/article.jpg --sentences eval/article.jsonl

24 prompts, half of them English, half French; every prompt holds a pair (kind and colour, place or action) that training never
showed. 16 are new videos: first, middle and last frame. 8 are edits: the last frame of the source, which the model also made,
then three frames of the edited video. The prompts are a function of the seed; each video's seed is its number.
With --sentences new videos of the sentences of a file, in place of them.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from random import Random

from eval.generators import trained_world
from gpt_video.diorama.edits import instruction, sample_edit
from gpt_video.diorama.language import captions
from gpt_video.diorama.sample import sample_scene
from gpt_video.diorama.world import WORLDS
from gpt_video.generate import GenerateRequest, VideoGenerator
from gpt_video.sheets import contact_sheet

LANGUAGES = ("en", "fr")
NEW, EDITS = 8, 4  # of each language


def prompts(seed: int, world: str) -> list[tuple[str, str | None]]:
    """(prompt of a new video, instruction that edits it or None), the languages in turn."""
    rng, found = Random(seed), []
    for number in range(NEW + EDITS):
        for language in LANGUAGES:
            scene = sample_scene(rng, held_out=True, world=WORLDS[world])
            (prompt,) = captions(scene, language, rng, 1)
            words = instruction(sample_edit(scene, rng), language, rng) if number >= NEW else None
            found.append((prompt, words))
    return found


def main(argv: list[str] | None = None) -> None:
    """Makes the videos and draws the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="PNG to write")
    parser.add_argument("--model", help="folder or hub id; the model in the package by default")
    parser.add_argument("--world", choices=list(WORLDS), help="whose scenes the prompts are of (default: the model's)")
    parser.add_argument(
        "--sentences", type=Path, help='lines of JSON with a "text" each: these instead of held-out prompts'
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=4.0)
    args = parser.parse_args(argv)
    generator = VideoGenerator.from_pretrained(args.model)
    asked: list[tuple[str, str | None]]
    if args.sentences:
        asked = [(json.loads(line)["text"], None) for line in args.sentences.read_text("utf-8").splitlines()]
    else:
        asked = prompts(args.seed, args.world or trained_world(generator))
    requests = [GenerateRequest(prompt, seconds=args.seconds, seed=i) for i, (prompt, _) in enumerate(asked)]
    rows = []
    for request, video, (_, edit) in zip(requests, generator.generate_many(requests), asked, strict=True):
        shown, caption = [], request.prompt
        if edit is not None:
            shown.append(video.frames_THWC[-1])
            video = generator.generate(replace(request, prompt=edit, action="edit", context=video.turns))
            caption += f"  >>  {edit}"
        shown += [video.frames_THWC[i] for i in (0, len(video.frames_THWC) // 2, -1)]
        rows.append((caption, shown))
        print(caption, flush=True)
    contact_sheet(rows, args.out)


if __name__ == "__main__":
    main()
