"""A model on disk: what is saved comes back, and whatever was changed in between is said in one sentence."""

import json
import shutil
import subprocess

import pytest
import torch

from gpt_video import bundle as bundles
from gpt_video import dtype
from gpt_video.bundle import BundleError, load_bundle, push, save_bundle, write_sums
from gpt_video.matrix import ANY_ROWS, FEW_ROWS
from gpt_video.model import build_gpt
from tests.tiny_model import make_bundle

pytest_plugins = ["tests.bundle_fixture"]


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "copy")


def load(folder):
    return load_bundle(folder, dtype=torch.float32, device="cpu")


def test_a_saved_bundle_comes_back_with_the_same_weights_and_settings(tiny_bundle, tmp_path):
    first = load(tiny_bundle)
    again = tmp_path / "again"
    name = save_bundle(again, first.video_tokenizer, first.gpt, first.text_tokenizer, first.settings, "card", {})
    second = load(again)
    assert second.model_hash == name
    assert second.tokenizer_hash == first.tokenizer_hash
    assert second.settings == first.settings
    for part in ("gpt", "video_tokenizer"):
        states = getattr(first, part).state_dict(), getattr(second, part).state_dict()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_model_keeps_its_name_when_its_card_changes_and_not_when_its_settings_do(copy):
    name = load(copy).model_hash
    (copy / "MODEL_CARD.md").write_text("corrected")
    write_sums(copy)
    assert load(copy).model_hash == name
    settings = json.loads((copy / "generation_config.json").read_text())
    (copy / "generation_config.json").write_text(json.dumps(settings | {"temperature": 0.5}))
    write_sums(copy)
    assert load(copy).model_hash != name


def test_save_replaces_an_old_bundle_but_never_a_folder_of_something_else(copy, tmp_path):
    model = load(copy)
    parts = (model.video_tokenizer, model.gpt, model.text_tokenizer, model.settings)
    (copy / "left-over").write_text("old")
    (tmp_path / "curve.png").write_bytes(b"picture")
    save_bundle(copy, *parts, "card", {}, pictures=[tmp_path / "curve.png"])
    assert not (copy / "left-over").exists()
    assert (copy / "pictures" / "curve.png").read_bytes() == b"picture"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("do not lose")
    with pytest.raises(BundleError, match="nothing was overwritten"):
        save_bundle(mine, *parts, "card", {})
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "curve.png", "mine"]


def test_the_sums_are_those_of_sha256sum(tiny_bundle):
    if not shutil.which("sha256sum"):
        pytest.skip("no sha256sum on this machine")
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tiny_bundle, check=True)


@pytest.mark.parametrize("file", ["gpt/model.safetensors", "tokenizer/config.json", "text/merges.tiktoken"])
def test_a_damaged_or_missing_file_is_named(copy, file):
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{file} is damaged .*download or export it again"):
        load(copy)
    (copy / file).unlink()
    with pytest.raises(BundleError, match=rf"{file} is missing"):
        load(copy)


def test_a_large_gpt_is_stored_in_small_files_and_each_of_them_is_checked(copy):
    first = load(copy)
    gpt = build_gpt("15m", first.vocabulary.size, 600)
    save_bundle(copy, first.video_tokenizer, gpt, first.text_tokenizer, first.settings, "card", {})
    shards = sorted(path.name for path in (copy / "gpt").glob("*.safetensors"))
    assert shards == [f"model-{n}-of-00003.safetensors" for n in ("00001", "00002", "00003")]
    assert all(path.stat().st_size < 16 * 2**20 for path in copy.rglob("*.*"))
    assert "lm_head.weight" not in (copy / "gpt" / "model.safetensors.index.json").read_text(), (
        "the tied table is stored twice"
    )
    assert all(f"gpt/{name}" in (copy / "SHA256SUMS").read_text() for name in (*shards, "model.safetensors.index.json"))
    for name, stored in load(copy).gpt.state_dict().items():
        assert torch.equal(stored, gpt.state_dict()[name].bfloat16().float()), name
    (copy / "gpt" / shards[1]).unlink()
    with pytest.raises(BundleError, match=rf"gpt/{shards[1]} is missing"):
        load(copy)


def test_weights_that_nobody_vouches_for_are_refused(copy):
    shutil.copy(copy / "gpt" / "model.safetensors", copy / "gpt" / "other.safetensors")
    with pytest.raises(BundleError, match=r"gpt/other.safetensors is not listed in SHA256SUMS"):
        load(copy)
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(BundleError, match="SHA256SUMS is missing"):
        load(copy)


def test_the_tokenizer_of_another_model_is_refused(copy, tmp_path):
    other = make_bundle(tmp_path / "other", seed=1)
    shutil.copytree(other / "tokenizer", copy / "tokenizer", dirs_exist_ok=True)
    write_sums(copy)
    with pytest.raises(BundleError, match="not the tokenizer that this GPT was trained with"):
        load(copy)


def test_a_gpt_of_another_vocabulary_is_refused(copy):
    model = load(copy)
    model.gpt.resize_token_embeddings(model.vocabulary.size + 64)
    bundles._save_gpt(model.gpt, copy / "gpt")
    write_sums(copy)
    with pytest.raises(BundleError, match="do not belong together: the GPT's number of tokens is"):
        load(copy)


@pytest.mark.parametrize("part", ["text_size", "codebook_size", "vocabulary_size"])
def test_settings_of_other_parts_are_refused_by_the_number_that_differs(copy, part):
    settings = json.loads((copy / "generation_config.json").read_text())
    (copy / "generation_config.json").write_text(json.dumps(settings | {part: 12_345}))
    write_sums(copy)
    with pytest.raises(BundleError, match=r"do not belong together: the .* is [\d,]+ instead of 12,345; export"):
        load(copy)


@pytest.mark.parametrize(("version", "advice"), [(99, "update gpt-video"), (0, "export the model again")])
def test_another_format_version_is_refused(copy, version, advice):
    settings = json.loads((copy / "generation_config.json").read_text())
    (copy / "generation_config.json").write_text(json.dumps(settings | {"format_version": version}))
    write_sums(copy)
    with pytest.raises(BundleError, match=f"format {version}.*{advice}"):
        load(copy)


def test_a_window_longer_than_the_gpt_can_see_is_refused(copy):
    settings = json.loads((copy / "generation_config.json").read_text())
    (copy / "generation_config.json").write_text(json.dumps(settings | {"window": 10_000}))
    write_sums(copy)
    with pytest.raises(BundleError, match="window of 10000, the GPT one of 600"):
        load(copy)


def test_a_model_from_before_guidance_could_be_weaker_is_read(copy):
    settings = json.loads((copy / "generation_config.json").read_text())
    del settings["guidance_with_video"]
    (copy / "generation_config.json").write_text(json.dumps(settings))
    write_sums(copy)
    assert load(copy).settings.guidance_with_video is None


def test_settings_that_lack_something_name_it(copy):
    settings = json.loads((copy / "generation_config.json").read_text())
    del settings["shapes"]
    (copy / "generation_config.json").write_text(json.dumps(settings))
    write_sums(copy)
    with pytest.raises(BundleError, match="does not say shapes"):
        load(copy)


def test_every_user_of_a_machine_can_read_a_bundle(tiny_bundle):
    assert {path.stat().st_mode & 0o777 for path in tiny_bundle.rglob("*")} == {0o755, 0o644}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_unreadable_settings_are_refused(copy, text):
    (copy / "generation_config.json").write_text(text)
    write_sums(copy)
    with pytest.raises(BundleError, match="not a gpt-video settings file"):
        load(copy)


def test_a_missing_folder_is_not_sent_to_the_hub_unless_it_looks_like_an_id(tmp_path, monkeypatch):
    asked = []

    def offline(hub_id):
        asked.append(hub_id)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(BundleError, match=r"no model at .*nowhere.*expected a folder or a hub id"):
        load(tmp_path / "nowhere")
    assert asked == []
    with pytest.raises(BundleError, match="the hub did not deliver 'owner/name': no network"):
        load("owner/name")
    assert asked == ["owner/name"]


def test_a_hub_id_is_downloaded_and_checked(copy, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda hub_id: str(copy))
    assert load("owner/name").folder == copy


class FakeHub:
    def __init__(self):
        self.calls = []

    def create_repo(self, repo_id, **options):
        self.calls.append(("create", repo_id, options))
        return f"https://example.org/{repo_id}"

    def upload_folder(self, **options):
        self.calls.append(("upload", options))


def test_push_uploads_a_checked_folder_and_nothing_else(copy):
    hub = FakeHub()
    assert push(copy, "owner/name", private=True, api=hub) == "https://example.org/owner/name"
    assert hub.calls[0] == ("create", "owner/name", {"private": True, "exist_ok": True})
    assert hub.calls[1][1]["folder_path"] == str(copy)
    (copy / "MODEL_CARD.md").write_text("changed")
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md is damaged"):
        push(copy, "owner/name", api=hub)
    assert len(hub.calls) == 2
    write_sums(copy)
    with pytest.raises(BundleError, match="owner/name"):
        push(copy, "no id", api=hub)


def test_the_probe_is_asked_once_and_its_answer_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("GPT_VIDEO_DTYPE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    probes = []

    def probe():
        probes.append(1)
        return 2.0

    monkeypatch.setattr(dtype, "probe_gain", probe)
    for _ in range(2):
        dtype._cpu_prefers_bf16.cache_clear()
        assert dtype.best_dtype(torch.device("cpu")) == torch.bfloat16
    assert len(probes) == 1
    dtype._cpu_prefers_bf16.cache_clear()


def test_a_bf16_model_reads_its_prompt_in_float32_where_that_is_faster(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cpu, gains = torch.device("cpu"), {"decoding": 2.0, "reading": 0.2}
    monkeypatch.setattr(dtype, "probe_gain", lambda rows=2, **_: gains["decoding" if rows == 2 else "reading"])
    monkeypatch.delenv("GPT_VIDEO_DTYPE", raising=False)
    for _ in range(2):  # asked, then remembered: neither answer drives the other out
        dtype._cpu_prefers_bf16.cache_clear()
        dtype._cpu_reads_in_bf16.cache_clear()
        assert dtype.best_dtype(cpu) == torch.bfloat16
        assert dtype.reading_dtype(torch.bfloat16, cpu) == torch.float32
        gains = {"decoding": 0.5, "reading": 5.0}
    assert dtype.reading_dtype(torch.float32, cpu) == torch.float32
    assert dtype.reading_dtype(torch.bfloat16, torch.device("cuda")) == torch.bfloat16
    dtype._cpu_prefers_bf16.cache_clear()
    dtype._cpu_reads_in_bf16.cache_clear()


def test_a_read_only_home_and_a_broken_cache_cost_a_probe_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.delenv("GPT_VIDEO_DTYPE", raising=False)
    monkeypatch.setattr(dtype, "probe_gain", lambda: 1.0)
    monkeypatch.setattr(dtype, "has_eight_bits", lambda: False)
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "gpt-video").mkdir()
    (tmp_path / "gpt-video" / "dtype.json").write_text("[]")
    for home in (tmp_path / "file", tmp_path):
        monkeypatch.setenv("XDG_CACHE_HOME", str(home))
        dtype._cpu_prefers_bf16.cache_clear()
        dtype._cpu_prefers_eight_bits.cache_clear()
        assert dtype.best_dtype(torch.device("cpu")) == torch.float32
    dtype._cpu_prefers_bf16.cache_clear()
    dtype._cpu_prefers_eight_bits.cache_clear()


@pytest.mark.parametrize(("gain", "precision"), [(2.0, torch.bfloat16), (1.0, torch.float32)])
def test_eight_bits_are_taken_where_a_step_is_faster_with_them(tmp_path, monkeypatch, gain, precision):
    monkeypatch.delenv("GPT_VIDEO_DTYPE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(dtype, "probe_gain", lambda: 1.0)
    monkeypatch.setattr(dtype, "eight_bits_gain", lambda: gain)
    cpu = torch.device("cpu")
    dtype._cpu_prefers_bf16.cache_clear()
    dtype._cpu_prefers_eight_bits.cache_clear()
    assert dtype.best_dtype(cpu) == precision  # bfloat16 alone is no gain here
    # Where bfloat16 is slow for many rows, eight bits are for all.
    for reads, rows in ((True, FEW_ROWS), (False, ANY_ROWS)):
        monkeypatch.setattr(dtype, "_cpu_reads_in_bf16", lambda reads=reads: reads)
        assert dtype.eight_bit_rows(torch.bfloat16, cpu) == (rows if gain > 1.2 else 0)
    assert dtype.eight_bit_rows(torch.float32, cpu) == 0
    assert dtype.eight_bit_rows(torch.bfloat16, torch.device("cuda")) == 0
    dtype._cpu_prefers_bf16.cache_clear()
    dtype._cpu_prefers_eight_bits.cache_clear()


def test_the_environment_decides_the_dtype(monkeypatch):
    cpu = torch.device("cpu")
    for wanted, precision, eight_bits in (
        ("bfloat16", torch.bfloat16, False),
        ("int8", torch.bfloat16, True),
        ("float32", torch.float32, False),
    ):
        monkeypatch.setenv("GPT_VIDEO_DTYPE", wanted)
        assert dtype.best_dtype(cpu) == precision
        assert (dtype.eight_bit_rows(precision, cpu) > 0) == eight_bits
    monkeypatch.setenv("GPT_VIDEO_DTYPE", "int3")
    with pytest.raises(ValueError, match=r"int3.*float32, bfloat16 or int8"):
        dtype.best_dtype(torch.device("cpu"))


def test_the_probe_measures_without_touching_the_global_random_state():
    state = torch.get_rng_state()
    assert dtype.probe_gain(width=32, layers=2, repeats=1) > 0
    assert dtype.eight_bits_gain(width=32, layers=2, repeats=1) > 0
    assert torch.equal(state, torch.get_rng_state())
