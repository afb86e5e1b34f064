"""How fast a model is on this machine, and how far from the limits: `gpt-video bench`.

Enters: a loaded `VideoGenerator`. Leaves: a dict of numbers. All of them come from one run on one machine: the memory bandwidth
that the speed is compared with, and the speed of transformers' own `generate` on the same weights.
"""

from __future__ import annotations

import platform
import resource
import sys
import time
from typing import Any

import torch

from gpt_video.generate import VideoGenerator
from gpt_video.request import GenerateRequest

PROMPT = "a red ball rolls slowly across the snow"
MIB = 2**20
Numbers = dict[str, Any]


def measure(generator: VideoGenerator, seconds: float = 4.0, size: str | None = None, repeats: int = 3) -> Numbers:
    """Makes the same video `repeats` times after a warm-up; reports the best run. ValueError on an untrained size or length."""
    request = GenerateRequest(PROMPT, seconds=seconds, size=size)
    runs = [_one(generator, request) for _ in range(repeats + 1)][1:]
    peak = peak_memory()  # before the other measurements take memory of their own
    best = min(runs, key=lambda run: run["total_seconds"])
    plan = generator.plan(request)
    rows = 2 if plan.sampling.guidance_scale != 1 else 1
    bandwidth = memory_bandwidth(generator.device)
    bytes_a_weight = 1 if generator.engine.eight_bit_rows else generator.bundle.dtype.itemsize
    bytes_a_step = bytes_a_weight * sum(p.numel() for p in generator.bundle.gpt.parameters())
    reference = transformers_tokens_per_second(generator, rows, best["tokens"])
    return {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {generator.device.type}",
        "model": generator.bundle.model_hash,
        "precision": generator.engine.precision,
        "video_seconds": seconds,
        "size": plan.request.size,
        "rows": rows,
        **{name: round(value, 3) for name, value in best.items()},
        "video_seconds_per_second": round(seconds / best["total_seconds"], 3),
        "peak_memory_mib": round(peak / MIB),
        "memory_bandwidth_gb_s": round(bandwidth / 1e9, 1),
        "share_of_bandwidth": round(best["later_tokens_per_second"] * bytes_a_step / bandwidth, 3),
        "transformers_tokens_per_second": round(reference, 1),
        "ratio_to_transformers": round(best["later_tokens_per_second"] / reference, 2),
    }


def _one(generator: VideoGenerator, request: GenerateRequest) -> dict[str, float]:
    *_, last = generator.stream(request)
    assert last.video is not None
    timings = last.video.timings
    later_tokens = timings.tokens * (1 - 1 / last.latent_total)  # after the first frames, so without reading the prompt
    later_seconds = timings.total - timings.first_frames
    return {
        "first_frames_seconds": timings.first_frames,
        "total_seconds": timings.total,
        "tokens": timings.tokens,
        "tokens_per_second": timings.tokens_per_second,
        "later_tokens_per_second": later_tokens / later_seconds if later_tokens else timings.tokens_per_second,
    }


def peak_memory() -> int:
    """Bytes of the largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_bandwidth(device: torch.device, mib: int = 256, repeats: int = 5) -> float:
    """Bytes a second that a large copy moves (read and write), the best of several: what a decoding step cannot exceed."""
    source = torch.ones(mib * MIB, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        target.copy_(source)
        _wait(device)
        times.append(time.perf_counter() - start)
    return 2 * source.numel() / min(times[1:])


@torch.inference_mode()
def transformers_tokens_per_second(generator: VideoGenerator, rows: int, tokens: float) -> float:
    """Tokens a second and video of transformers' `generate` on the same weights, with as many rows as guidance takes.

    It samples from the whole vocabulary and knows neither guidance nor special tokens, so it does slightly less than we do.
    """
    gpt: Any = generator.bundle.gpt
    plan = generator.plan(GenerateRequest(PROMPT))
    ids_L = torch.from_numpy(generator.first_window(plan).ids_L).to(generator.device)
    ids_BL = ids_L.expand(rows, -1)

    def seconds(n: int) -> float:
        start = time.perf_counter()
        options: dict[str, Any] = {"max_new_tokens": n, "min_new_tokens": n, "do_sample": True, "pad_token_id": 0}
        gpt.generate(ids_BL, attention_mask=torch.ones_like(ids_BL), **options)
        _wait(generator.device)
        return time.perf_counter() - start

    n = max(2, min(int(tokens), 200))
    seconds(2)  # warm up
    return (n - 1) / max(seconds(n) - seconds(1), 1e-9)  # without reading the prompt, as ours


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def table(numbers: Numbers) -> str:
    """The numbers, a line each."""
    return "\n".join(f"{name.replace('_', ' '):>32}  {value}" for name, value in numbers.items())
