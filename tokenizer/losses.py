"""Named losses and measures of a reconstruction; no downloaded network.

All take clips_BCTHW; the losses in [-1,1], the measures on the 0..255 scale of a uint8 frame.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

WHITE = 255.0
COMMON_SHARE = 0.1  # of the picture: smaller subjects weigh more, because they were lost most often (EXPERIMENTS.md)


def attention(clip_BCTHW: Tensor, masks_BTHW: Tensor | None, contrast: float = 3.0, subject: float = 8.0) -> Tensor:
    """Weight of each pixel, mean 1 over a clip: weights_B1THW.

    A mean over the frame is blind: floor and sky fill it, and with a plain L1 the subjects vanish while the PSNR rises. Pixels
    of high local contrast weigh up to 1 + `contrast`, and where masks are known (0 is background) subjects `subject` more, and
    those of a clip in which they fill little up to three times that.
    """
    frames = rearrange(clip_BCTHW, "B C T H W -> (B T) C H W")
    areas = F.avg_pool2d(frames, 4)  # contrast between 4x4 areas: a sixteenth of the work, and blind to noise
    local = (areas - F.avg_pool2d(areas, 5, stride=1, padding=2, count_include_pad=False)).abs().mean(1, keepdim=True)
    local = F.interpolate(local, scale_factor=4, mode="nearest")
    local = rearrange(local, "(B T) C H W -> B C T H W", B=len(clip_BCTHW))
    weights = 1 + contrast * (local / 0.15).clamp(max=1)
    if masks_BTHW is not None:
        subjects = (masks_BTHW[:, None] > 0).float()
        share = subjects.mean(dim=(1, 2, 3, 4), keepdim=True).clamp(min=1e-6)
        weights = weights + subject * (COMMON_SHARE / share).sqrt().clamp(1, 3) * subjects
    return weights / weights.mean(dim=(1, 2, 3, 4), keepdim=True)


def reconstruction(clip_BCTHW: Tensor, target_BCTHW: Tensor, weights_B1THW: Tensor) -> dict[str, Tensor]:
    """The named terms: `l1`, `gradient` (edges) and `coarse` (colour of 8x8 areas), each weighted by `weights`."""
    error = clip_BCTHW - target_BCTHW
    l1 = (weights_B1THW * error.abs()).mean()
    down, right = error[..., 1:, :] - error[..., :-1, :], error[..., 1:] - error[..., :-1]
    gradient = ((weights_B1THW[..., 1:, :] * down.abs()).mean() + (weights_B1THW[..., 1:] * right.abs()).mean()) / 2
    coarse = F.avg_pool3d(weights_B1THW * error, (1, 8, 8)).abs().mean()
    return {"l1": l1, "gradient": gradient, "coarse": coarse}


def class_surprise(logits_NKhw: Tensor, masks_BTHW: Tensor, temporal_stride: int, subject: float = 4.0) -> Tensor:
    """Mean cross entropy, in nats, of the classes that fill each code's cell of space and time: background and K - 1 classes.

    masks_BTHW: 0 is background, 1 + k class k; other values count for nothing. Cells of subjects weigh up to 1 + `subject`.
    """
    kinds, height = logits_NKhw.shape[1], logits_NKhw.shape[-2]
    stride = masks_BTHW.shape[2] // height
    folded = torch.cat([masks_BTHW[:, :1].expand(-1, temporal_stride - 1, -1, -1), masks_BTHW], dim=1)
    cells = rearrange(folded, "B (t k) (h p) (w q) -> (B t) h w (k p q)", k=temporal_stride, p=stride, q=stride)
    shares_NKhw = torch.stack([(cells == kind).float().mean(dim=-1) for kind in range(kinds)], dim=1)
    weights_Nhw = 1 + subject * (1 - shares_NKhw[:, 0])
    surprise_Nhw = -(shares_NKhw * logits_NKhw.float().log_softmax(dim=1)).sum(dim=1)
    return (weights_Nhw * surprise_Nhw).sum() / weights_Nhw.sum()


def psnr(frames_a: Tensor, frames_b: Tensor, masks: Tensor | None = None) -> Tensor:
    """PSNR in dB of each clip: uint8 frames_BTHWC (any float on that scale too) -> dB_B.

    `masks_BTHW`: only where they are above 0; a clip with an empty mask gives nan.
    """
    squared = (frames_a.float() - frames_b.float()).square().mean(-1)
    where = torch.ones_like(squared) if masks is None else (masks > 0).float()
    mse = (squared * where).sum(dim=(1, 2, 3)) / where.sum(dim=(1, 2, 3))
    return 10 * torch.log10(WHITE**2 / mse.clamp(min=1e-10))


def edges(frames_a: Tensor, frames_b: Tensor) -> float:
    """Mean step between neighbouring pixels of frames_BTHWC, as a share of that of `b`: under 1 `a` is blurred, over 1 rough."""
    a, b = (
        float(x.float().diff(dim=2).abs().mean() + x.float().diff(dim=3).abs().mean()) for x in (frames_a, frames_b)
    )
    return a / max(b, 1e-6)


def ssim(frames_a: Tensor, frames_b: Tensor) -> float:
    """Mean SSIM over frames_BTHWC uint8, by torchmetrics (extra `train`)."""
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    a, b = (rearrange(x.float(), "B T H W C -> (B T) C H W") for x in (frames_a, frames_b))
    return float(torch.as_tensor(measure(a, b, data_range=WHITE)))
