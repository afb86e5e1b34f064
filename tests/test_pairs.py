"""Codes of two parts: one vocabulary, one loss, one sampling for them, and files that hold them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from chat_app.version_files import read_turns, write_turns
from gpt_video import sequence
from gpt_video.dataset import IGNORED, PackedBatches
from gpt_video.engine import Engine, Sampling, sample
from gpt_video.files import turn_of_record, turn_record
from gpt_video.learning import VideoLoss
from gpt_video.model import build_gpt, deepened
from gpt_video.pairs import PairGPT, embedded, read_gpt
from gpt_video.request import PastTurn
from gpt_video.sequence import Turn, Vocabulary
from gpt_video.shards import read_shards, write_shards
from gpt_video.text import TextTokenizer
from tokenizer import VideoTokenizer, VideoTokenizerConfig
from tokenizer.growth import grown
from tokenizer.video import frames_to_clip

PART = 275  # of FSQ levels 5, 5, 11
SINGLE, PAIRS = Vocabulary(40, PART), Vocabulary(40, PART**2)
GRID = (2, 2, 3)


def tiny(vocabulary, seed=0):
    torch.manual_seed(seed)
    gpt = build_gpt("tiny", vocabulary.size, 256, vocabulary.parts)
    for weight in gpt.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.15)  # an untrained model hardly looks at its input
    return gpt.eval()


def codes(seed=0, grid=GRID):
    return np.random.default_rng(seed).integers(0, PART**2, grid)


def test_a_large_codebook_is_one_of_pairs():
    assert not SINGLE.is_paired and SINGLE.part == PART and len(SINGLE.part_slices) == 1
    assert PAIRS.is_paired and PAIRS.part == PART
    first, second = PAIRS.part_slices
    assert (first.start, second.start, second.stop) == (PAIRS.video_slice.start, first.stop, first.stop + PART)
    assert PAIRS.size % 64 == 0 and 0 <= PAIRS.size - second.stop < 64
    with pytest.raises(ValueError, match="no square: give it the same levels twice"):
        Vocabulary(40, PART**2 + 1)


def test_a_sequence_of_pairs_is_unpacked_to_what_was_packed():
    turns = [Turn((1, 2, 3), "new", codes(0)), Turn((4,), "edit", codes(1))]
    assert sequence.unpack(sequence.pack(turns, PAIRS), PAIRS) == turns


def test_a_pair_is_read_as_the_sum_of_its_parts():
    table_VD = torch.randn(PAIRS.size, 8)
    first, second = (table_VD[part] for part in PAIRS.part_slices)
    ids = torch.tensor([3, PAIRS.frame, PAIRS.video_ids(7 + PART * 11)])
    torch.testing.assert_close(embedded(table_VD, ids, PAIRS)[:2], table_VD[[3, PAIRS.frame]])
    torch.testing.assert_close(embedded(table_VD, ids, PAIRS)[2], first[7] + second[11])


def logits_of_both(gpt, ids_L, first_code):
    """The slow way: logits of the first part after ids_L, and of the second where the first is `first_code`."""
    table_VD = gpt.lm_head.weight
    first, second = (table_VD[part] for part in PAIRS.part_slices)
    embeds_BLD = embedded(table_VD, torch.as_tensor(ids_L)[None], PAIRS)
    hidden_BD = gpt.model(inputs_embeds=embeds_BLD).last_hidden_state[:, -1]
    return hidden_BD @ first.T, gpt.second(hidden_BD, first[first_code][None]) @ second.T


@torch.inference_mode()
def test_the_loss_is_that_of_the_first_part_and_of_the_second_knowing_it():
    gpt = tiny(PAIRS)
    ids_L = sequence.pack([Turn((1, 2, 3), "new", codes())], PAIRS)
    is_video_L = sequence.video_mask(ids_L, PAIRS)
    labels_L = np.where(is_video_L, ids_L, IGNORED)
    losses_N = VideoLoss(gpt, PAIRS)(torch.from_numpy(ids_L)[None], torch.from_numpy(labels_L)[None])
    for loss, at in zip(losses_N, np.flatnonzero(is_video_L), strict=True):
        code = int(PAIRS.codes(ids_L[at]))
        both = logits_of_both(gpt, ids_L[:at], code % PART)
        expected = -both[0].log_softmax(-1)[0, code % PART] - both[1].log_softmax(-1)[0, code // PART]
        assert float(loss) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("sampling", [Sampling(top_p=1.0, guidance_scale=1.0), Sampling(0.8, 12, 0.9, 3.0)])
def test_cached_sampling_of_pairs_is_uncached_sampling(sampling):
    engine = Engine(tiny(PAIRS), PAIRS, torch.float32)
    prompt_L = sequence.prompt([], (1, 2, 3), "new", GRID, PAIRS)
    made_thw = torch.stack(list(engine.generate([prompt_L], GRID, sampling, [7])), 1)[0].numpy()
    assert made_thw.min() >= 0 and PART <= made_thw.max() < PART**2
    for frame, codes_hw in enumerate(made_thw):
        noise_SK = engine._noise(7, frame, codes_hw.size)
        for cell, code in enumerate(codes_hw.flat):
            known = sequence.append_frames(prompt_L, made_thw[:frame], PAIRS)
            ids_L = np.concatenate([known, PAIRS.video_ids(codes_hw.reshape(-1)[:cell])])
            rows = [ids_L, sequence.without_words(ids_L, PAIRS)][: 1 + (sampling.guidance_scale != 1)]
            with torch.inference_mode():
                both = [logits_of_both(engine.gpt, row, int(code) % PART) for row in rows]
            (first, second), noises = zip(*both, strict=True), noise_SK[cell].split(PART)
            assert int(sample(torch.cat(first), noises[0][None], sampling)) == code % PART
            assert int(sample(torch.cat(second), noises[1][None], sampling)) == code // PART


@torch.inference_mode()
def test_a_gpt_of_pairs_is_saved_deepened_and_loaded_whole(tmp_path):
    gpt = tiny(PAIRS)
    gpt.save_pretrained(tmp_path)
    again = read_gpt(tmp_path).eval()
    assert isinstance(again, PairGPT)
    ids_BL = torch.from_numpy(sequence.pack([Turn((1, 2, 3), "new", codes())], PAIRS))[None]
    labels_BL = ids_BL.masked_fill(~sequence.video_mask(ids_BL, PAIRS), IGNORED)
    before = VideoLoss(gpt, PAIRS)(ids_BL, labels_BL)
    for other in (again, deepened(gpt, 1).eval()):
        torch.testing.assert_close(VideoLoss(other, PAIRS)(ids_BL, labels_BL), before)


def test_codes_of_pairs_survive_a_sidecar():
    for high in (10, 2**16, PART**2):
        turn = PastTurn("a cat", "new", np.arange(high - 12, high).reshape(GRID) % high)
        record = turn_record(turn)
        again = turn_of_record(record)
        np.testing.assert_array_equal(again.codes_thw, turn.codes_thw)
        assert len(record["codes"]) == 4 * math.ceil(12 * (2 if high <= 2**16 else 4) / 3)


def test_codes_of_pairs_survive_the_files_of_a_version(tmp_path):
    turns = [PastTurn("a cat", "new", codes(0)), PastTurn("a dog", "edit", codes(1) % 100)]
    write_turns(tmp_path / "codes.npz", turns, model="m", tokenizer="t")
    for before, after in zip(turns, read_turns(tmp_path / "codes.npz").turns, strict=True):
        np.testing.assert_array_equal(after.codes_thw, before.codes_thw)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Shards of a tokenizer of pairs, and the codes that it makes."""
    pytest.importorskip("pyarrow", reason="token shards need pyarrow (extra `train`)")
    torch.manual_seed(0)
    tokenizer = VideoTokenizer(replace(VideoTokenizerConfig.preset("tiny"), levels=(5, 5, 11) * 2)).eval()
    frames_THWC = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3)).astype(np.uint8)
    folder = tmp_path_factory.mktemp("shards")
    write_shards([({"text": "noise"}, frames_THWC)], folder, tokenizer)
    with torch.inference_mode():
        return folder, tokenizer.encode(frames_to_clip(frames_THWC)[None])[0].numpy()


def test_codes_of_pairs_survive_shards(corpus):
    folder, codes_thw = corpus
    stored = read_shards(folder)
    assert stored.codebook_size == PART**2 and stored.conversations[0][0].codes_thw.dtype == np.uint32
    np.testing.assert_array_equal(stored.conversations[0][0].codes_thw, codes_thw)


def test_corruption_leaves_every_second_first_part(corpus):
    folder, codes_thw = corpus
    text_tokenizer = TextTokenizer.train(["noise"], vocab_size=257)
    vocabulary = Vocabulary(text_tokenizer.vocab_size, PART**2)
    off = dict.fromkeys(("truncate_share", "rolled_share", "caption_dropout"), 0.0)
    batches = PackedBatches(folder, vocabulary, text_tokenizer, corrupt_share=1, corrupt_rate=1.0, **off)
    seen = 0
    for epoch in range(8):
        ids_L, labels_L = batches.row(epoch, 0)
        is_video_L = labels_L != IGNORED
        read, true = vocabulary.codes(ids_L[is_video_L]), vocabulary.codes(labels_L[is_video_L])
        np.testing.assert_array_equal(true, codes_thw.ravel())
        wrong = np.flatnonzero(read != true)
        same_first = read[wrong] % PART == true[wrong] % PART
        assert read.min() >= 0 and read.max() < PART**2
        assert len(wrong) // 2 <= same_first.sum() <= len(wrong) // 2 + 3
        seen += len(wrong)
    assert seen > 50


@torch.inference_mode()
def test_a_tokenizer_grows_to_pairs_and_a_wider_encoder_without_a_change():
    torch.manual_seed(0)
    small = VideoTokenizerConfig(
        channels=(16, 24), encoder_blocks=(1, 1), decoder_blocks=(1, 1), levels=(5, 5, 11), shapes=((32, 32),)
    )
    old = VideoTokenizer(small).eval()
    wide = VideoTokenizerConfig(
        channels=(32, 24), encoder_blocks=(1, 1), decoder_channels=(16, 24), decoder_blocks=(1, 1),
        levels=(5, 5, 11, 5, 5, 11), shapes=((32, 32),),
    )  # fmt: skip
    new = grown(old, wide).eval()
    assert new.codebook_size == PART**2
    clip = torch.rand(2, 3, 9, 32, 32) * 2 - 1
    codes_Bthw = new.encode(clip)
    assert torch.equal(codes_Bthw % PART, old.encode(clip))
    torch.testing.assert_close(new.decode(codes_Bthw), old.decode(codes_Bthw % PART))
