"""The training loop: it learns, resumes exactly after a cut, leaves what transformers loads, and says why it stops."""

import math

import pytest
import torch

from gpt_video import train
from gpt_video.dataset import IGNORED, PackedBatches
from gpt_video.model import build_gpt
from gpt_video.shards import write_shards
from gpt_video.train import VideoLoss, main
from tests.conftest import FakeVideoTokenizer, log_of, random_frames

pytest.importorskip("pyarrow", reason="token shards need pyarrow (extra `train`)")


def conversations(seed):
    for number in range(6):
        record = {"conversation": f"{number}", "action": "new", "text": f"a red ball {number}"}
        yield record, random_frames(seed + number, 9, 32, 32)
        edit = record | {"turn": 1, "action": "edit", "parent": 0, "text": "make it blue"}
        yield edit, random_frames(seed + number + 50, 9, 32, 32)


@pytest.fixture(scope="module")
def data(tmp_path_factory, text_tokenizer):
    folder = tmp_path_factory.mktemp("data")
    write_shards(conversations(0), folder / "train", FakeVideoTokenizer())
    write_shards(conversations(100), folder / "validation", FakeVideoTokenizer())
    text_tokenizer.save(folder / "text")
    return folder


@pytest.fixture
def run(data):
    def run(out, *more):
        where = ["--shards", data / "train", "--validation", data / "validation", "--text", data / "text", "--out", out]
        sizes = ["--preset", "tiny", "--window", 256, "--tokens-per-batch", 200, "--steps", 6, "--evaluate-every", 3]
        return main([str(word) for word in [*where, *sizes, *more]])

    return run


def test_a_run_cut_in_the_middle_ends_where_an_uninterrupted_one_does(run, tmp_path, monkeypatch, cut_at):
    monkeypatch.setattr(train, "LOG_EVERY", 1)
    straight = run(tmp_path / "straight")
    with cut_at(train, "train_step", 5):
        run(tmp_path / "cut")
    resumed = run(tmp_path / "cut")
    assert log_of(tmp_path / "cut", "step")[-1] == 6
    assert resumed == pytest.approx(straight, abs=1e-6)
    assert log_of(tmp_path / "cut", "bits")[-3:] == pytest.approx(log_of(tmp_path / "straight", "bits")[-3:], abs=1e-6)
    assert len(list((tmp_path / "cut").glob("checkpoint*"))) == 1


def test_it_learns_from_its_data_and_writes_curves_and_a_gpt_to_start_from(run, tmp_path):
    result = run(tmp_path, "--steps", 40, "--evaluate-every", 40, "--learning-rate", 5e-3)
    assert set(result) == {"all", "new", "edit"}
    assert log_of(tmp_path, "bits")[-1] < log_of(tmp_path, "bits")[0] - 0.1
    assert log_of(tmp_path, "bits")[0] < math.log2(FakeVideoTokenizer.codebook_size) + 1
    assert (tmp_path / "loss.png").stat().st_size > 1000
    again = run(tmp_path / "more", "--init", tmp_path / "gpt", "--steps", 1, "--evaluate-every", 1)
    assert again["all"] == pytest.approx(result["all"], abs=0.2)


def test_sample_sheets_show_what_it_makes_of_held_out_prompts(run, data, tmp_path, monkeypatch):
    class Fake(FakeVideoTokenizer):
        config = type("Config", (), {"quantizer": "fsq", "levels": (4, 4, 4)})

    monkeypatch.setattr(train, "load_video_tokenizer", lambda args, vocabulary: Fake())
    run(tmp_path, "--steps", 1)
    from PIL import Image

    assert Image.open(tmp_path / "samples-000001.png").size[0] >= 2 * 4 * 32


def test_a_loss_that_is_not_finite_stops_the_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr(VideoLoss, "forward", lambda self, *_: self.gpt.model.norm.weight.sum() * math.nan)
    with pytest.raises(SystemExit, match=r"step 1: the loss is nan.*--learning-rate"):
        run(tmp_path)
    assert not list(tmp_path.glob("checkpoint*"))


def test_the_loss_is_that_of_transformers_over_the_video_slice(data, vocabulary, text_tokenizer):
    gpt = build_gpt("tiny", vocabulary.size, 256)
    batch = next(iter(PackedBatches(data / "train", vocabulary, text_tokenizer, tokens_per_batch=200)))
    ids_BL, labels_BL = batch["ids_BL"], batch["labels_BL"]
    with torch.inference_mode():
        logits_BLV = gpt(input_ids=ids_BL).logits
        outside = torch.ones(vocabulary.size, dtype=torch.bool)
        outside[vocabulary.video_slice] = False
        log_BLV = logits_BLV.masked_fill(outside, -torch.inf).log_softmax(-1)[:, :-1]
        labels_BM = labels_BL[:, 1:]
        wanted = -log_BLV.gather(-1, labels_BM.clamp(min=0)[..., None])[..., 0][labels_BM != IGNORED]
        torch.testing.assert_close(VideoLoss(gpt, vocabulary)(ids_BL, labels_BL), wanted)


def test_loss_of_each_action_is_that_of_its_own_turns(vocabulary):
    new, edit = vocabulary.action("new"), vocabulary.action("edit")
    ids_BL = torch.tensor([[0, new, 1, 2, edit, 3], [new, 1, 2, 3, 4, edit]])
    actions_BL = train._actions(ids_BL, vocabulary)
    assert actions_BL[0, 1:].tolist() == [new, new, new, edit, edit]
    assert actions_BL[1].tolist() == [new] * 5 + [edit]


def test_wrong_input_is_named(run, data, tmp_path):
    with pytest.raises(ValueError, match=r"no GPT in .*nowhere"):
        run(tmp_path, "--init", tmp_path / "nowhere")
    build_gpt("tiny", 640, 256).save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="640 tokens and the vocabulary"):
        run(tmp_path, "--init", tmp_path / "other")
