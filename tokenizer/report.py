"""How good is a tokenizer: numbers and a sheet of pictures, on any folder of clips.

python -m tokenizer.report --model gpt_video/weights/tokenizer --data DIR --clips 200 --sheet sheet.png
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tokenizer.data import ClipFolder
from tokenizer.loop import run_command
from tokenizer.losses import edges, psnr, ssim
from tokenizer.model import VideoTokenizer
from tokenizer.quantizer import usage
from tokenizer.search import search_codes
from tokenizer.video import clip_to_frames, frames_to_clip


@torch.inference_mode()
def reconstruct(model: VideoTokenizer, frames_THWC: np.ndarray, *, search: bool = False) -> tuple[np.ndarray, Tensor]:
    """frames -> their reconstruction (uint8, cut to 1 + a multiple of the temporal stride) and codes_thw.

    search: from the codes of `search_codes`, not those of the encoder.
    """
    keep = 1 + (len(frames_THWC) - 1) // model.config.temporal_stride * model.config.temporal_stride
    device = next(iter(model.state_dict().values())).device
    clip_CTHW = frames_to_clip(frames_THWC[:keep]).to(device)
    codes = search_codes(model, clip_CTHW)[None] if search else model.encode(clip_CTHW[None])
    return clip_to_frames(model.decode(codes)[0]), codes[0].cpu()


def evaluate(
    model: VideoTokenizer, clips: ClipFolder, count: int, frames: int = 33, *, search: bool = False
) -> dict[str, float]:
    """Means over the first `count` clips: PSNR (dB of each clip), the same inside the masks, SSIM, edges, usage and perplexity.

    search: as of `reconstruct`.
    """
    was_training = model.training
    model.eval()
    whole, inside, similar, sharp, codes = [], [], [], [], []
    for i in range(min(count, len(clips))):
        original, masks = clips.clip(i)
        rebuilt, codes_thw = reconstruct(model, original[:frames], search=search)
        a, b = torch.from_numpy(original[: len(rebuilt)])[None], torch.from_numpy(rebuilt)[None]
        whole.append(float(psnr(a, b)))
        sharp.append(edges(b, a))
        similar.append(ssim(a[:, ::8], b[:, ::8]))  # it is slow, and neighbours in time are alike
        codes.append(codes_thw.flatten())
        if masks is not None and (masks[: len(rebuilt)] > 0).any():
            inside.append(float(psnr(a, b, torch.from_numpy(masks[: len(rebuilt)])[None])))
    model.train(was_training)
    used, perplexity = usage(torch.cat(codes), model.codebook_size)
    result: dict[str, float] = {
        "clips": len(whole),
        "psnr": float(np.mean(whole)),
        "ssim": float(np.mean(similar)),
        "edges": float(np.mean(sharp)),
        "usage": used,
        "perplexity": perplexity,
    }
    if inside:
        result["psnr_subjects"] = float(np.mean(inside))
    return {name: round(value, 4) for name, value in result.items()}


def sheet(model: VideoTokenizer, clips: ClipFolder, count: int, path: str | Path, columns: int = 4) -> None:
    """A PNG: for each clip its first and last frame, originals above their reconstructions."""
    from PIL import Image

    was_training = model.training
    model.eval()
    cells = []
    for i in range(min(count, len(clips))):
        original, _ = clips.clip(i)
        rebuilt, _ = reconstruct(model, original[:33])
        ends = [0, len(rebuilt) - 1]
        pair = np.concatenate([np.concatenate(list(x[ends]), axis=1) for x in (original, rebuilt)], axis=0)
        cells.append(np.asarray(Image.fromarray(pair).resize((256, 256))))
    model.train(was_training)
    cells += [np.full((256, 256, 3), 255, np.uint8)] * (-len(cells) % columns)
    page = rearrange(np.stack(cells), "(r c) H W C -> (r H) (c W) C", c=columns)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page).save(path)


def main(argv: list[str] | None = None) -> None:
    """Print the numbers as JSON; with --sheet also write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a trained tokenizer")
    parser.add_argument("--data", required=True, help="folder of clips")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--frames", type=int, default=33, help="of each clip, at most")
    parser.add_argument("--sheet", help="PNG to write")
    parser.add_argument(
        "--search", action="store_true", help="search for codes, as for an image that a user brings; slow"
    )
    args = parser.parse_args(argv)
    model = VideoTokenizer.from_pretrained(args.model)
    clips = ClipFolder(args.data, model.config.shapes)
    print(json.dumps(evaluate(model, clips, args.clips, args.frames, search=args.search)))
    if args.sheet:
        sheet(model, clips, 24, args.sheet)


if __name__ == "__main__":
    run_command(main)
