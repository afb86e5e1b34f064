"""Small networks on disk: a step of eight bits is all that is lost, and files of the older form are read."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from eval.store import load_network, save_network
from gpt_video.disk import file_sha256


def test_weights_lose_half_a_step_of_eight_bits_at_most(tmp_path):
    torch.manual_seed(0)
    before = {"conv": torch.randn(5, 3, 3, 3) * torch.tensor([1e-3, 1.0, 10.0, 1.0, 0.0])[:, None, None, None]}
    before |= {"matrix": torch.randn(4, 7), "bias": torch.randn(4)}
    sha256 = save_network(tmp_path, "net", before, {"what": "a test"})
    record, after, again = load_network(tmp_path, "net")
    assert again == sha256 and record["what"] == "a test" and after.keys() == before.keys()
    for name in ("conv", "matrix"):
        step = before[name].flatten(1).abs().amax(1) / 127
        lost = (after[name] - before[name]).flatten(1).abs().amax(1)
        assert (lost <= step / 2 + 1e-6).all()
        assert load_file(tmp_path / "net.safetensors")[name].dtype == torch.int8
    torch.testing.assert_close(after["bias"], before["bias"].half().float())


def test_files_of_float16_alone_are_read(tmp_path):
    weights = {"matrix": torch.randn(4, 7).half()}
    save_file(weights, tmp_path / "net.safetensors")
    (tmp_path / "net.json").write_text(json.dumps({"sha256": file_sha256(tmp_path / "net.safetensors")}))
    torch.testing.assert_close(load_network(tmp_path, "net")[1]["matrix"], weights["matrix"].float())
    save_file({"matrix": weights["matrix"] + 1}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="damaged or of another version"):
        load_network(tmp_path, "net")
