"""Laws of sampling: the cache changes nothing, nor does the batch; the seed decides; only the asked-for things are sampled."""

import numpy as np
import pytest
import torch
from transformers import Qwen3ForCausalLM

from gpt_video import sequence
from gpt_video.decoder import Decoder, attention_kernels
from gpt_video.engine import LIKELY, Engine, Sampling, restrict, sample
from gpt_video.matrix import FEW_ROWS, Matrix
from gpt_video.model import build_gpt, gpt_config
from gpt_video.sequence import Turn, Vocabulary

VOCABULARY = Vocabulary(text_size=40, codebook_size=24)
GRID = (3, 2, 2)
PLAIN = Sampling(top_p=1.0, guidance_scale=1.0)


@pytest.fixture(scope="module")
def engine():
    torch.manual_seed(0)
    gpt = build_gpt("tiny", VOCABULARY.size, 256)
    for weight in gpt.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.15)  # an untrained model hardly looks at its input
    return Engine(gpt, VOCABULARY, torch.float32)


def prompt(words=(1, 2, 3), before=(), action="new", grid=GRID):
    return sequence.prompt(list(before), words, action, grid, VOCABULARY)


def made(engine, prompts, sampling=PLAIN, seeds=None, grid=GRID, **options):
    seeds = list(range(len(prompts))) if seeds is None else seeds
    return torch.stack(list(engine.generate(prompts, grid, sampling, seeds, **options)), dim=1)


def uncached(engine, row_L, codes_thw, sampling, seed, start=0):
    """The same sampling written the slow way: the whole sequence again for every token."""
    picked = []
    for frame in range(start, len(codes_thw)):
        noise_SK = engine._noise(seed, frame, codes_thw[0].size)
        for cell in range(codes_thw[0].size):
            known = sequence.append_frames(row_L, codes_thw[:frame], VOCABULARY)
            ids_L = np.concatenate([known, VOCABULARY.video_ids(codes_thw[frame].reshape(-1)[:cell])])
            rows = [ids_L, sequence.without_words(ids_L, VOCABULARY)]
            with torch.inference_mode():
                logits_BLV = engine.gpt(input_ids=torch.from_numpy(np.stack(rows))).logits
            logits_BK = logits_BLV[:, -1, VOCABULARY.video_slice]
            rows_BK = logits_BK if sampling.guidance_scale != 1 else logits_BK[:1]
            picked.append(int(sample(rows_BK, noise_SK[cell][None], sampling)))
    return np.array(picked).reshape(-1, *codes_thw.shape[1:])


@pytest.mark.parametrize("sampling", [PLAIN, Sampling(temperature=0.8, top_k=12, top_p=0.9, guidance_scale=3.0)])
def test_cached_sampling_is_uncached_sampling(engine, sampling):
    codes_thw = made(engine, [prompt()], sampling, [7])[0].numpy()
    np.testing.assert_array_equal(uncached(engine, prompt(), codes_thw, sampling, 7), codes_thw)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_sample_does_not_depend_on_its_batch(engine, scale):
    sampling = Sampling(guidance_scale=scale)
    rows = [prompt((n, 5)) for n in range(3)]
    together_Bthw = made(engine, rows, sampling, [3, 4, 5])
    for row, seed, codes_thw in zip(rows, [3, 4, 5], together_Bthw, strict=True):
        assert torch.equal(made(engine, [row], sampling, [seed])[0], codes_thw)


@pytest.mark.parametrize(
    ("dtype", "reading", "tolerance", "eight_bits"),
    [
        (torch.float32, None, 1e-5, False),
        (torch.bfloat16, None, 3e-2, False),
        (torch.bfloat16, torch.float32, 3e-2, False),
        (torch.bfloat16, None, 3e-2, True),
    ],
)
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_the_decoder_is_the_stock_gpt(dtype, reading, tolerance, eight_bits, key_heads):
    torch.manual_seed(0)
    config = gpt_config("tiny", VOCABULARY.size, 256)
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = 4, key_heads, 16
    gpt = Qwen3ForCausalLM._from_config(config).eval()
    for weight in gpt.parameters():  # the norms' weights too, which start as ones
        torch.nn.init.normal_(weight, std=0.15 if weight.ndim == 2 else 1.0)
    gpt = gpt.to(dtype)
    ids_BL = torch.randint(0, VOCABULARY.size, (3, 40))
    decoder = Decoder(gpt, VOCABULARY, reading, FEW_ROWS if eight_bits else 0)
    if eight_bits:  # it is the stock model with the weights that eight bits leave
        for block in gpt.model.layers:
            for linear in (one for one in block.modules() if isinstance(one, torch.nn.Linear)):
                linear.weight.data = Matrix(linear.weight, FEW_ROWS).weight_OI
    cache = decoder.new_cache(3, 40)
    with torch.inference_mode():
        stock_BLD = gpt.model(input_ids=ids_BL).last_hidden_state
        ours = [decoder.read(ids_BL[:, :30], cache)] + [
            decoder.step(ids_B, cache) for ids_B in ids_BL[:, 30:].unbind(1)
        ]
    assert {hidden_BD.dtype for hidden_BD in ours} == {dtype}
    difference = (torch.stack(ours, 1) - stock_BLD[:, 29:]).float().square().mean().sqrt()
    assert difference / stock_BLD.float().square().mean().sqrt() < tolerance


def test_a_variant_that_the_decoder_does_not_cover_is_an_error():
    config = gpt_config("tiny", VOCABULARY.size, 256)
    config.attention_bias = True
    with pytest.raises(ValueError, match="only plain Qwen3"):
        Decoder(Qwen3ForCausalLM._from_config(config), VOCABULARY)


def test_a_gpu_attends_without_cudnn_and_a_processor_as_it_is_set():
    allowed = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        with attention_kernels(torch.device("cuda")):
            assert not torch.backends.cuda.cudnn_sdp_enabled() and torch.backends.cuda.flash_sdp_enabled()
        with attention_kernels(torch.device("cpu")):
            assert torch.backends.cuda.cudnn_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(allowed)


def test_the_seed_decides_and_the_global_state_does_not(engine):
    torch.manual_seed(1)
    first = made(engine, [prompt()], seeds=[9])
    state = torch.get_rng_state()
    assert torch.equal(made(engine, [prompt()], seeds=[9]), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(made(engine, [prompt()], seeds=[10]), first)
    assert torch.equal(made(engine, [prompt()], seeds=[-(2**70)]), made(engine, [prompt()], seeds=[-(2**70)]))


def test_guidance_of_one_is_no_guidance(engine):
    conditional_BK, free_BK, noise_BK = torch.randn(3, 2, 24).unbind(0)
    plain = sample(conditional_BK, noise_BK, Sampling(guidance_scale=1.0))
    nearly_one = Sampling(guidance_scale=1.0 + 1e-7)  # computed on the doubled batch
    assert torch.equal(sample(torch.cat([conditional_BK, free_BK]), noise_BK, nearly_one), plain)
    assert torch.equal(made(engine, [prompt()], nearly_one), made(engine, [prompt()], Sampling(guidance_scale=1.0)))


def test_guidance_without_words_is_sampling_without_words(engine):
    none = Sampling(guidance_scale=0.0)
    assert torch.equal(made(engine, [prompt((1,))], none), made(engine, [prompt((2, 3))], none))


def test_noise_follows_the_place_in_the_turn_so_a_branch_repeats_what_was_made(engine):
    whole_Bthw = made(engine, [prompt()], seeds=[4])
    rest_Bthw = made(engine, [prompt()], seeds=[4], given=whole_Bthw[:, :1], start_frame=1)
    assert torch.equal(rest_Bthw, whole_Bthw[:, 1:])


def test_given_frames_are_read_and_not_yielded(engine):
    given_Bthw = torch.randint(0, 24, (2, 2, 2, 2))
    rows = [prompt(), prompt((9,))]
    codes_Bthw = made(engine, rows, given=given_Bthw, start_frame=2)
    assert codes_Bthw.shape == (2, 1, 2, 2)
    for row in range(2):
        film_thw = torch.cat([given_Bthw[row], codes_Bthw[row]]).numpy()
        np.testing.assert_array_equal(uncached(engine, rows[row], film_thw, PLAIN, row, start=2), codes_Bthw[row])


def test_earlier_turns_are_context(engine):
    earlier = [Turn((1,), "new", np.full(GRID, code)) for code in (0, 23)]
    codes = [made(engine, [prompt(before=[turn], action="edit")]) for turn in earlier]
    assert not torch.equal(*codes)


def test_codes_arrive_frame_by_frame_within_the_codebook(engine):
    frames = engine.generate([prompt()], GRID, PLAIN, [0])
    first_Bhw = next(frames)
    assert first_Bhw.shape == (1, 2, 2) and first_Bhw.dtype == torch.int64
    codes_Bthw = torch.stack([first_Bhw, *frames], dim=1)
    assert codes_Bthw.shape == (1, *GRID)
    assert codes_Bthw.min() >= 0 and codes_Bthw.max() < VOCABULARY.codebook_size


def test_a_stop_is_heard_between_tokens(engine):
    asked = []

    def should_stop():
        asked.append(True)
        return len(asked) > 6  # within the second frame

    assert len(list(engine.generate([prompt()], GRID, PLAIN, [0], should_stop=should_stop))) == 1
    assert len(asked) == 7


def test_top_k_and_top_p_keep_the_likeliest():
    logits_BK = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = {(k, p): torch.isfinite(restrict(logits_BK, k, p))[0].tolist() for k in (0, 1, 9) for p in (1.0, 0.7, 0.01)}
    assert kept[0, 1.0] == kept[9, 1.0] == [True] * 4
    assert kept[0, 0.7] == [True, True, False, False]
    assert kept[0, 0.01] == kept[1, 1.0] == kept[1, 0.7] == [True, False, False, False]


@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0])  # where the likeliest few do not hold enough, and where they do
def test_top_p_keeps_the_smallest_set_that_holds_it(spread):
    torch.manual_seed(0)
    logits_BK = torch.randn(3, 5 * LIKELY) * spread
    kept_BK = torch.isfinite(restrict(logits_BK, 0, 0.8))
    for logits_K, kept_K in zip(logits_BK, kept_BK, strict=True):
        share_K, order_K = logits_K.softmax(-1).sort(descending=True)
        smallest = int((share_K.cumsum(-1) < 0.8).sum()) + 1
        assert torch.equal(kept_K.nonzero()[:, 0], order_K[:smallest].sort().values)
    assert torch.equal(restrict(logits_BK, 0, 0.8)[kept_BK], logits_BK[kept_BK])


def test_samples_have_the_distribution_of_the_logits():
    logits_K = torch.tensor([0.6, 0.3, 0.1]).log()
    generator = torch.Generator().manual_seed(0)
    noise_BK = -torch.empty(20_000, 3).exponential_(generator=generator).log()
    codes_B = sample(logits_K.expand(20_000, 3), noise_BK, PLAIN)
    torch.testing.assert_close(codes_B.bincount() / 20_000, torch.tensor([0.6, 0.3, 0.1]), atol=0.015, rtol=0)


def test_wrong_input_is_named(engine):
    with pytest.raises(ValueError, match="lengths"):
        made(engine, [prompt(), prompt(tuple(range(35)))])
    with pytest.raises(ValueError, match="exceeds the window of 256"):
        made(engine, [prompt(grid=(17, 4, 4))], grid=(17, 4, 4))
    with pytest.raises(ValueError, match="temperature"):
        Sampling(temperature=0)
    with pytest.raises(ValueError, match="not of one model"):
        Engine(engine.gpt, Vocabulary(400, 24))
