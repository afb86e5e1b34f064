"""Words in, video out: laws of the whole path on a tiny random model, and every request that cannot be done."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gpt_video import generate, sequence
from gpt_video.bundle import load_bundle
from gpt_video.files import read_turns, save_video, sidecar_of
from gpt_video.generate import VideoGenerator
from gpt_video.request import GenerateRequest, Lengths, PastTurn, Progress, cut_film, film_codes, parse_size, variations
from tests.tiny_model import moving_square
from tokenizer.video import read_metadata, read_video, write_video

pytest_plugins = ["tests.bundle_fixture"]

RED = GenerateRequest("a red ball", seconds=1, seed=3)
SHAPES = ((128, 128), (96, 160), (160, 96))


def same_video(a, b) -> bool:
    return np.array_equal(a.codes_thw, b.codes_thw) and np.array_equal(a.frames_THWC, b.frames_THWC)


@pytest.fixture(scope="module")
def red(tiny_generator):
    return tiny_generator.generate(RED)


# ------------------------------------------------------------------------------------------------ laws


def test_a_video_has_the_length_and_size_that_were_asked_for(tiny_generator):
    for seconds, size, t in ((0.125, "square", 1), (1, "48x32", 3), (2, "tall", 5), (3.5, "wide", 8)):
        video = tiny_generator.generate(replace(RED, seconds=seconds, size=size))
        h, w = (2, 2) if size == "square" else (3, 2) if size == "tall" else (2, 3)
        assert video.codes_thw.shape == (t, h, w)
        assert video.frames_THWC.shape == (1 + 4 * (t - 1), 16 * h, 16 * w, 3)
        assert video.frames_THWC.dtype == np.uint8
        assert (video.fps, video.seed, video.stopped) == (8.0, 3, False)
        assert video.request.seconds == seconds
        assert video.timings.tokens == t * h * w


def test_the_same_request_gives_the_same_video_and_another_seed_another(tiny_generator, red):
    assert same_video(red, tiny_generator.generate(RED))
    assert not np.array_equal(red.codes_thw, tiny_generator.generate(replace(RED, seed=4)).codes_thw)


def test_a_sample_does_not_depend_on_its_batch(tiny_generator, red):
    others = [replace(RED, prompt="at night it jumps"), replace(RED, seconds=2), replace(RED, size="wide")]
    batch = tiny_generator.generate_many([others[0], RED, *others[1:], *variations(RED, 2)])
    for video in (batch[1], batch[4]):
        assert np.array_equal(video.codes_thw, red.codes_thw)
        assert (
            np.abs(video.frames_THWC.astype(int) - red.frames_THWC).max() <= 1
        )  # convolutions of a batch round otherwise
    assert [video.request.prompt for video in batch[:2]] == ["at night it jumps", "a red ball"]
    assert len(batch[2].codes_thw) == 5
    assert batch[5].seed == 4


def test_a_stream_is_the_whole_video_in_pieces(tiny_generator, red):
    pieces = list(tiny_generator.stream(RED))
    assert [piece.latent_index for piece in pieces] == [1, 2, 3]
    assert [len(piece.frames_THWC) for piece in pieces] == [1, 4, 4]
    assert [piece.video is None for piece in pieces] == [True, True, False]
    assert pieces[0].seconds_left > 0 == pieces[-1].seconds_left
    assert same_video(pieces[-1].video, red)
    assert np.array_equal(np.concatenate([piece.frames_THWC for piece in pieces]), red.frames_THWC)


def test_frames_come_while_the_rest_is_not_made_yet(tiny_generator):
    made = []
    engine_generate = tiny_generator.engine.generate

    def watched(*args, **kwargs):
        for codes_Bhw in engine_generate(*args, **kwargs):
            made.append(1)
            yield codes_Bhw

    tiny_generator.engine.generate = watched
    try:
        assert [len(made) for _ in tiny_generator.stream(RED)] == [1, 2, 3]
    finally:
        del tiny_generator.engine.generate


def test_a_stopped_stream_keeps_what_was_made(tiny_generator, red):
    pieces: list[Progress] = []
    for piece in tiny_generator.stream(RED, should_stop=lambda: len(pieces) >= 2):
        pieces.append(piece)
    video = pieces[-1].video
    assert video is not None
    assert video.stopped
    assert len(pieces[-1].frames_THWC) == 0  # all of them came before
    assert np.array_equal(video.codes_thw, red.codes_thw[:2])
    assert np.array_equal(video.frames_THWC, red.frames_THWC[:5])
    assert list(tiny_generator.stream(RED, should_stop=lambda: True)) == []


def test_progress_counts_the_latent_frames_of_all_videos(tiny_generator):
    calls = []
    tiny_generator.generate_many([RED, replace(RED, seed=9), replace(RED, seconds=2)], 8, lambda *n: calls.append(n))
    assert calls == [(2, 11), (4, 11), (6, 11), (7, 11), (8, 11), (9, 11), (10, 11), (11, 11)]


def test_the_global_random_state_is_not_touched(tiny_generator):
    state, numpy_state = torch.get_rng_state(), str(np.random.get_state(legacy=False))
    tiny_generator.generate(RED)
    assert torch.equal(state, torch.get_rng_state())
    assert numpy_state == str(np.random.get_state(legacy=False))


def test_a_model_saved_and_loaded_makes_the_same_video(tiny_bundle, red):
    again = VideoGenerator(load_bundle(tiny_bundle, dtype=torch.float32, device="cpu"))
    assert same_video(again.generate(RED), red)


# ------------------------------------------------------------------------------------------------ context


def test_an_image_is_the_first_frame(tiny_generator):
    image = moving_square(1, 40, 90)[0]
    video = tiny_generator.generate(GenerateRequest("it moves", seconds=1, image=image))
    assert video.request.size == "48x32"  # the trained shape nearest to the image's
    assert video.request.image.shape == (32, 48, 3)
    assert np.array_equal(video.codes_thw[:1], tiny_generator.take_in(video.request.image[None]))
    assert len(video.codes_thw) == 3
    assert video.timings.tokens == 2 * 2 * 3


def test_a_continuation_is_decoded_with_what_it_continues(tiny_generator, red):
    more = tiny_generator.generate(GenerateRequest("then it jumps", seconds=2, action="continue", context=red.turns))
    assert more.codes_thw.shape == (4, 2, 2)
    assert more.frames_THWC.shape[0] == 16
    film = tiny_generator.film(more.turns)
    assert np.array_equal(film, np.concatenate([red.frames_THWC, more.frames_THWC]))
    assert np.array_equal(tiny_generator.whole(more), film)
    assert np.array_equal(film_codes(more.turns), np.concatenate([red.codes_thw, more.codes_thw]))


def test_an_edit_is_as_long_as_its_source_and_reads_it(tiny_generator, red):
    edit = GenerateRequest("make it blue", action="edit", context=red.turns, seed=1)
    video = tiny_generator.generate(edit)
    assert video.codes_thw.shape == red.codes_thw.shape
    other = PastTurn(red.turn.prompt, "new", (red.codes_thw + 1) % 5)
    assert not np.array_equal(video.codes_thw, tiny_generator.generate(replace(edit, context=(other,))).codes_thw)
    assert np.array_equal(tiny_generator.whole(video), video.frames_THWC)
    ids = tiny_generator.first_window(tiny_generator.plan(edit)).ids_L
    turns = sequence.unpack(ids[: -(sequence.slot_length(3) + 4)], tiny_generator.bundle.vocabulary)
    assert np.array_equal(turns[0].codes_thw, red.codes_thw)


def context_of(generator, *actions_and_lengths, action="edit", **options):
    """(action, t) of the turns that the GPT reads for a conversation of turns of these actions and lengths."""
    rng = np.random.default_rng(0)
    turns = [PastTurn("a ball", past, rng.integers(0, 125, (t, 2, 2))) for past, t in actions_and_lengths]
    plan = generator.plan(GenerateRequest("make it blue", action=action, context=tuple(turns), **options))
    return plan, [(turn.action, len(turn.codes_thw)) for turn in plan.context]


def test_the_context_has_the_form_of_the_training_data(tiny_generator):
    plan, read = context_of(tiny_generator, ("new", 3), ("new", 3), ("edit", 3), ("edit", 3))
    assert (plan.t, read) == (3, [("new", 3), ("edit", 3), ("edit", 3)])  # nothing from before the last new video
    plan, read = context_of(tiny_generator, ("new", 3), ("continue", 2), ("edit", 1), ("continue", 4))
    assert (plan.t, read) == (5, [("new", 5), ("edit", 5)])  # the film is edited, not its last piece
    assert np.array_equal(plan.context[1].codes_thw, film_codes(plan.request.context))
    plan, read = context_of(tiny_generator, ("new", 5), seconds=1)
    assert (plan.t, read) == (3, [("new", 3)])  # all turns alike
    plan, read = context_of(tiny_generator, ("new", 9), seconds=4)
    assert (plan.t, read) == (9, [("new", 5)])
    _, read = context_of(tiny_generator, ("new", 3), ("continue", 2), action="continue")
    assert read == [("new", 3), ("continue", 2)]
    _, read = context_of(tiny_generator, ("new", 3), ("edit", 3), action="new")
    assert read == []


def test_a_long_video_rolls_and_its_start_is_that_of_a_short_one(tiny_generator):
    short = tiny_generator.generate(replace(RED, seconds=2))
    long = tiny_generator.generate(replace(RED, seconds=5))
    assert len(long.codes_thw) == 11
    assert np.array_equal(long.codes_thw[:5], short.codes_thw)
    tails = {codes_thw.tobytes() for codes_thw in (long.codes_thw[5:8], long.codes_thw[8:11])}
    assert len(tails) == 2  # the noise of a window is that of its place in the video, not of its place in the window


def test_guidance_is_weaker_where_earlier_video_is_read_along(tiny_bundle, red, monkeypatch):
    bundle = load_bundle(tiny_bundle)
    settings = replace(bundle.settings, guidance_scale=6.0, guidance_with_video=2.5)
    generator = VideoGenerator(replace(bundle, settings=settings))
    edit = GenerateRequest("make it blue", action="edit", context=(red.turn,))
    assert generator.plan(RED).sampling.guidance_scale == 6.0
    assert generator.plan(edit).request.guidance_scale == 2.5
    assert generator.plan(replace(edit, guidance_scale=4.0)).sampling.guidance_scale == 4.0  # who asks gets it
    used, make = [], generator.engine.generate

    def listening(prompts, grid, sampling, *args, **options):
        used.append(sampling.guidance_scale)
        return make(prompts, grid, sampling, *args, **options)

    monkeypatch.setattr(generator.engine, "generate", listening)
    generator.generate(replace(RED, seconds=5))
    assert used == [6.0, 2.5, 2.5]  # windows that roll on
    used.clear()
    generator.generate(replace(RED, seconds=5, guidance_scale=1.5))
    assert used == [1.5, 1.5, 1.5]


def test_sixty_seconds_are_possible(tiny_generator):
    plan = tiny_generator.plan(replace(RED, seconds=60))
    assert plan.t == 121


def test_a_continuation_of_a_film_that_does_not_fit_the_window_goes_on_from_its_end(tiny_generator):
    codes_thw = np.random.default_rng(0).integers(0, 125, (12, 2, 2))
    film = PastTurn("a red ball", "new", codes_thw)
    plan = tiny_generator.plan(GenerateRequest("then it jumps", seconds=3, action="continue", context=(film,)))
    window = tiny_generator.first_window(plan)
    assert np.array_equal(window.given_thw, codes_thw[[0, 9, 10, 11]])
    assert tiny_generator.generate(plan.request).codes_thw.shape == (6, 2, 2)


def test_variations_of_one_image_search_once(tiny_generator, monkeypatch):
    calls, real = [], generate.search_codes
    monkeypatch.setattr(generate, "search_codes", lambda *args: calls.append(args) or real(*args))
    image = np.random.default_rng(5).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    first, again = (tiny_generator.take_in(image[None]) for _ in range(2))
    first[:] = 0  # what is given away is the caller's own
    assert again.any() and len(calls) == 1


def test_a_checked_request_waits_with_the_search_and_holds_no_large_image(tiny_generator, monkeypatch):
    calls, real = [], generate.search_codes
    monkeypatch.setattr(generate, "search_codes", lambda *args: calls.append(args) or real(*args))
    image = np.random.default_rng(6).integers(0, 256, (320, 330, 3), dtype=np.uint8)
    plans = [tiny_generator.plan(replace(RED, seconds=1, image=some)) for some in (image, None)]
    assert tiny_generator.batches(plans, 8) == [[0], [1]] and plans[0].request.image.shape == (32, 32, 3)
    assert not calls
    assert [len(video.codes_thw) for video in tiny_generator.make(plans)] == [3, 3] and len(calls) == 1


def test_any_video_can_be_continued_or_edited(tiny_generator, tmp_path):
    write_video(tmp_path / "mine.mp4", moving_square(70, 50, 120), fps=24)  # 2.9 s, 23 frames at 8 fps
    last = tiny_generator.past_turn_from_video(tmp_path / "mine.mp4")
    first = tiny_generator.past_turn_from_video(tmp_path / "mine.mp4", "a square", action="edit")
    assert last.codes_thw.shape == first.codes_thw.shape == (5, 2, 3)
    frames_THWC, _ = read_video(tmp_path / "mine.mp4", fps=8, size=(32, 48))
    assert np.array_equal(first.codes_thw, tiny_generator.encode(frames_THWC[:17]))
    assert np.array_equal(last.codes_thw, tiny_generator.encode(frames_THWC[-17:]))
    assert first.prompt == "a square"
    for action in ("edit", "continue"):
        context = read_turns(tiny_generator, tmp_path / "mine.mp4", action)
        video = tiny_generator.generate(GenerateRequest("make it blue", seconds=1, action=action, context=context))
        assert video.request.size == "48x32"


@pytest.mark.parametrize("action", ["new", "continue", "image"])
def test_an_interrupted_video_goes_on_as_if_it_had_not_been(tiny_generator, red, action):
    request = {
        "new": replace(RED, seconds=5),
        "continue": GenerateRequest("then it jumps", seconds=5, action="continue", context=red.turns),
        "image": replace(RED, seconds=2, image=moving_square(1)[0]),
    }[action]
    whole = tiny_generator.generate(request)
    for n in range(1, len(whole.codes_thw) + 1):  # in the first window, at its border, in a rolled window, at the end
        pieces = list(tiny_generator.stream(request, made_thw=whole.codes_thw[:n]))
        assert same_video(pieces[-1].video, whole), n
        n_given = max(n, 1 if action == "image" else 0)
        assert pieces[-1].video.timings.tokens == (len(whole.codes_thw) - n_given) * 4


def test_codes_that_are_not_the_start_of_a_video_are_refused(tiny_generator, red):
    for codes_thw in (red.codes_thw[:, :1], np.full((2, 2, 2), 999), np.zeros((4, 2, 2), np.int64)):
        with pytest.raises(ValueError, match="are not the start of this video"):
            tiny_generator.stream(RED, made_thw=codes_thw)


def test_a_film_is_cut_at_any_latent_frame():
    rng = np.random.default_rng(0)
    turns = [PastTurn("", a, rng.integers(0, 9, (t, 2, 2))) for a, t in (("new", 3), ("edit", 3), ("continue", 2))]
    for kept in range(1, 6):
        cut = cut_film(turns, kept)
        assert np.array_equal(film_codes(cut), film_codes(turns)[:kept])
        assert [turn.action for turn in cut] == ["new", "edit", "continue"][: 2 + (kept > 3)]
    for kept in (0, 6):
        with pytest.raises(ValueError, match="a video of 5 latent frames cannot be cut to"):
            cut_film(turns, kept)


def test_a_film_cut_to_a_length_that_was_not_trained_goes_on_from_its_end(tiny_generator):
    codes_thw = np.random.default_rng(0).integers(0, 125, (5, 2, 2))
    for kept, rolls in ((1, False), (2, False), (3, False), (4, True), (5, False)):
        cut = cut_film([PastTurn("a red ball", "new", codes_thw)], kept)
        request = GenerateRequest("then it jumps", seconds=1, action="continue", context=cut)
        window = tiny_generator.first_window(tiny_generator.plan(request))
        assert np.array_equal(window.given_thw, codes_thw[:4] if rolls else codes_thw[:0])
        assert tiny_generator.generate(request).codes_thw.shape == (2, 2, 2)


# ------------------------------------------------------------------------------------------------ files


def test_a_saved_video_says_what_made_it_and_is_continued_from_its_exact_codes(tiny_generator, red, tmp_path):
    path = tmp_path / "out.mp4"
    save_video(red, path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "out.mp4.json"]
    made_by = read_metadata(path)
    assert made_by["prompt"] == "a red ball"
    assert (made_by["seed"], made_by["model"], made_by["size"]) == ("3", red.model_hash, "32x32")
    turns = read_turns(tiny_generator, path, "continue")
    assert np.array_equal(turns[0].codes_thw, red.codes_thw)
    more = tiny_generator.generate(GenerateRequest("then it jumps", seconds=1, action="continue", context=turns))
    save_video(more, path, tiny_generator.whole(more))
    assert len(read_video(path)[0]) == 9 + 8
    assert [turn.action for turn in read_turns(tiny_generator, path, "edit")] == ["new", "continue"]


def test_a_sidecar_counts_only_for_the_video_it_was_written_for(tiny_generator, red, tmp_path):
    path = tmp_path / "out.mp4"
    save_video(red, path)
    write_video(path, moving_square(9), fps=8)  # somebody cut the video; the old sidecar is still there
    assert not np.array_equal(read_turns(tiny_generator, path, "continue")[0].codes_thw, red.codes_thw)
    save_video(red, path)
    sidecar_of(path).write_text("{")
    assert len(read_turns(tiny_generator, path, "continue")) == 1


def test_codes_of_another_tokenizer_are_not_taken_from_a_sidecar(tiny_generator, red, tmp_path):
    save_video(replace(red, tokenizer_hash="another"), tmp_path / "out.mp4")
    assert not np.array_equal(
        read_turns(tiny_generator, tmp_path / "out.mp4", "edit")[0].codes_thw, red.codes_thw
    ) or np.array_equal(red.codes_thw, tiny_generator.encode(red.frames_THWC))


def test_a_gif_can_be_written(red, tmp_path):
    save_video(red, tmp_path / "out.gif")
    assert read_metadata(tmp_path / "out.gif")["prompt"] == "a red ball"


# ------------------------------------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "  "}, "the prompt is empty"),
        ({"seconds": 0}, "seconds is 0: expected more than 0"),
        ({"seconds": 1000}, "seconds is 1000: expected more than 0 and at most 60"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"temperature": 0}, "temperature is 0: expected more than 0"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"guidance_scale": -1}, "guidance_scale is -1"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"top_p": True}, "top_p is True"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"action": "undo"}, "action 'undo' is unknown: use one of new, edit, continue"),
        ({"action": "edit"}, "nothing to edit"),
        ({"image": np.zeros((8, 8), np.uint8)}, r"the image is uint8 \(8, 8\): expected uint8"),
        ({"image": np.zeros((0, 8, 3), np.uint8)}, r"the image is uint8 \(0, 8, 3\): expected uint8"),
    ],
)
def test_a_request_that_no_model_could_do_is_an_error_at_once(change, message):
    with pytest.raises(ValueError, match=message):
        replace(RED, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "ball " * 200}, r"has \d+ tokens and at most 94 fit: shorten it"),
        ({"seconds": 1.3}, r"seconds is 1.3, .* choose 0.125 \(a still\), 1, 2, or a longer multiple of 0.5 up to 60"),
        ({"seconds": 1.5}, "a length that was not trained"),
        ({"size": "64x64"}, r"size '64x64' was not trained: choose 32x32 \(square\), 48x32 \(wide\), 32x48 \(tall\)"),
        ({"size": "big"}, "size 'big' was not trained"),
        ({"image": np.zeros((8, 8, 3), np.uint8), "seconds": 0.125}, "a still of an image is that image"),
    ],
)
def test_a_request_that_this_model_cannot_do_is_an_error_before_anything_is_made(tiny_generator, change, message):
    with pytest.raises(ValueError, match=message):
        tiny_generator.stream(replace(RED, **change))  # not even one item is asked for


def test_a_model_of_very_short_clips_says_that_it_cannot_roll(tiny_bundle):
    bundle = load_bundle(tiny_bundle, dtype=torch.float32, device="cpu")
    short = VideoGenerator(replace(bundle, settings=replace(bundle.settings, latent_frames=(1, 3))))
    assert short.plan(replace(RED, seconds=1)).t == 3
    with pytest.raises(ValueError, match="seconds is 2, more than this model can make: at most 1 are possible"):
        short.plan(replace(RED, seconds=2))


def test_a_context_that_does_not_fit_is_an_error(tiny_generator, red):
    with pytest.raises(ValueError, match="size 'wide' is not that of the video to edit: 32x32"):
        tiny_generator.plan(GenerateRequest("make it blue", size="wide", action="edit", context=red.turns))
    strange = PastTurn("", "new", np.zeros((3, 5, 5), np.int64))
    with pytest.raises(ValueError, match="size '80x80' was not trained"):
        tiny_generator.plan(GenerateRequest("make it blue", action="edit", context=(strange,)))
    foreign = PastTurn("", "new", np.full((3, 2, 2), 999))
    with pytest.raises(ValueError, match="video code 999 is out of range"):
        tiny_generator.plan(GenerateRequest("make it blue", action="edit", context=(foreign,)))


def test_sizes_and_lengths():
    assert [parse_size(s, SHAPES) for s in ("square", "160x96", "96 X 160", "Tall")] == [*SHAPES, (160, 96)]
    new, more = (Lengths(t, fresh, 0.5, 8.0) for t, fresh in (((1, 3, 5, 7, 9), True), ((2, 4), False)))
    assert [new.latent(s) for s in (0.125, 1, 2, 3, 4, 4.5, 60)] == [1, 3, 5, 7, 9, 10, 121]
    assert [more.latent(s) for s in (1, 2, 2.5, 60)] == [2, 4, 5, 120]
    for lengths in (new, more):
        assert all(lengths.latent(lengths.seconds(t)) == t for t in lengths.trained)
    for seconds in (0.5, 1.25, 4.2, 60.5, 0.001):
        with pytest.raises(ValueError, match="was not trained"):
            new.latent(seconds)


def test_variations_are_seeds():
    assert [request.seed for request in variations(RED, 3)] == [3, 4, 5]
    with pytest.raises(ValueError, match="0 variations"):
        variations(RED, 0)
