"""The folder that VBench reads: names letter by letter, one suffix, prompts with their dimensions, seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.vbench import Ask, from_folder, generate, read_asks
from tests.moving_shapes import video
from tokenizer.video import read_metadata, read_video, write_video

pytest_plugins = ["tests.bundle_fixture"]


def found_by_vbench(out: Path) -> dict[str, list[str]]:
    """How VBench 0.1.5 looks for videos in its standard mode: the suffix of any file, and five names for each prompt."""
    names = [path.name for path in (out / "videos").iterdir()]
    suffix = Path(names[0]).suffix
    info = json.loads((out / "full_info.json").read_text("utf-8"))
    wanted = {entry["prompt_en"]: [f"{entry['prompt_en']}-{i}{suffix}" for i in range(5)] for entry in info}
    return {prompt: [name for name in five if name in names] for prompt, five in wanted.items()}


def test_a_model_makes_what_is_asked_and_goes_on_where_it_stopped(tiny_generator, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red ball\n\nthen it jumps.\na red ball\n", "utf-8")
    asks = read_asks(prompts)
    assert [ask.prompt for ask in asks] == ["a red ball", "then it jumps."]
    hand = generate(tiny_generator, asks, tmp_path / "out", samples=2, seconds=0.125, seed=7)
    assert hand.videos == 4 and found_by_vbench(tmp_path / "out")["a red ball"] == [
        "a red ball-0.mp4",
        "a red ball-1.mp4",
    ]
    record = json.loads((tmp_path / "out" / "made.json").read_text("utf-8"))
    assert record["videos"]["then it jumps.-1.mp4"]["seed"] == 8
    assert record["fewer samples than VBench asks for"] == ["a red ball", "then it jumps."]
    first = tmp_path / "out" / "videos" / "a red ball-0.mp4"
    assert read_metadata(first)["prompt"] == "a red ball"
    before = first.read_bytes()
    (tmp_path / "out" / "videos" / "a red ball-1.mp4").unlink()
    counts: list[int] = []
    again = {"samples": 2, "seconds": 0.125, "seed": 7, "on_progress": lambda done, total: counts.append(done)}
    generate(tiny_generator, asks, tmp_path / "out", **again)
    assert counts == [3, 4] and first.read_bytes() == before
    with pytest.raises(ValueError, match="another source"):
        generate(tiny_generator, asks, tmp_path / "out", samples=2, seconds=0.125, seed=9)


def test_videos_that_exist_are_laid_out_by_their_prompts(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    for number, (name, prompt) in enumerate(
        [("x.mp4", "a cat"), ("y.gif", "a cat"), ("z.mp4", "a/b cat"), ("w.mp4", "a" * 300)]
    ):
        write_video(folder / name, video(number), 8.0, metadata={"prompt": prompt})
    (folder / "torn.mp4").write_bytes(b"no video")
    hand = from_folder(folder, tmp_path / "out")
    assert hand.videos == 4 and len(hand.skipped) == 1 and hand.skipped[0].startswith("torn.mp4")
    assert found_by_vbench(tmp_path / "out") == {"a cat": ["a cat-0.mp4", "a cat-1.mp4"]}
    assert hand.renamed == ["a/b cat", "a" * 300]
    prompts = json.loads((tmp_path / "out" / "prompts.json").read_text("utf-8"))
    names = {path.name for path in (tmp_path / "out" / "videos").iterdir()}
    assert set(prompts) == names and sorted(prompts.values()) == sorted(["a cat", "a cat", "a/b cat", "a" * 300])
    assert (
        all(name.endswith(".mp4") for name in names)
        and read_video(tmp_path / "out/videos/a cat-1.mp4")[0].shape[0] == 9
    )
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def test_labels_of_the_full_info_are_kept(tmp_path):
    entry = {"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}}
    (tmp_path / "info.json").write_text(json.dumps([entry | {"video_list": ["old.mp4"]}]))
    asks = read_asks(tmp_path / "info.json")
    assert asks == [Ask("a red car", entry)] and asks[0].samples == 5
    write_video(tmp_path / "a red car-3.mp4", video(0), 8.0)
    write_video(tmp_path / "a tree.mp4", video(1), 8.0)
    hand = from_folder(tmp_path, tmp_path.parent / "out", info=asks)
    assert hand.videos == 1 and "not in the list" in hand.skipped[0]
    assert json.loads((tmp_path.parent / "out" / "full_info.json").read_text()) == [entry]
    assert Ask("x", {"dimension": ["temporal_flickering"]}).samples == 25


@pytest.mark.parametrize(
    ("name", "text"), [("p.txt", "\n \n"), ("p.json", "{}"), ("p.json", '[{"a": 1}]'), ("p.json", "no")]
)
def test_prompts_that_cannot_be_read_are_a_clear_error(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"p\.(txt|json)"):
        read_asks(tmp_path / name)
    with pytest.raises(ValueError, match="cannot read"):
        read_asks(tmp_path / "nowhere.txt")


def test_a_folder_with_nothing_readable_is_a_clear_error(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match="no video"):
        from_folder(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "x.mp4").write_bytes(b"x")
    with pytest.raises(ValueError, match="none of 1 videos"):
        from_folder(tmp_path / "in", tmp_path / "out")
