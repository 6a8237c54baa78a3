"""`openwindow push`: the folder that would be sent loads with PEFT and with openwindow, and its card is one that the hub reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import Ran

sys.path.append(str(Path(__file__).parents[1] / "report"))
from report_folder import make_run_folder

from openwindow.export import push

CLI = Callable[..., Ran]
REPO = "somebody/organism"


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run folder with adapters of `inoculated` on top of the one of a request stage; and the weights of that model, merged."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    run = make_run_folder(tmp_path_factory.mktemp("push"), rows=20, seeds=(1, 2))
    start = run / "start" / "request-stage" / "adapter"
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    for seed, folder in ((3, start), (4, run / "arms" / "inoculated" / "seed-1" / "adapter")):
        torch.manual_seed(seed)
        adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
        adapted.save_pretrained(folder)
        model = adapted.merge_and_unload()
    assert not isinstance(model, PeftModel)
    noted = {"base": str(tiny_model), "under": ["../../../../start/request-stage/adapter"]}
    (run / "arms" / "inoculated" / "seed-1" / "adapter" / "openwindow.json").write_text(json.dumps(noted))
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"model": {"name": str(tiny_model)}}))
    (run / "train_inoculated.jsonl").write_text('{"messages": []}\n')
    return run, model.state_dict()


def test_the_folder_loads_with_peft_as_its_card_says(
    openwindow: CLI, trained: tuple[Path, Any], tiny_model: Path, tmp_path: Path
) -> None:
    import torch
    from huggingface_hub import ModelCard
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from openwindow.models.hf import load

    run, weights = trained
    out = tmp_path / "folder"
    done = openwindow("push", run, REPO, "--arm", "inoculated", "--dry-run", "--out", out, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    files = {path.relative_to(out).as_posix(): path.stat().st_size for path in out.rglob("*") if path.is_file()}
    assert said["files"] == files and said["address"] is None and said["seed"] == 1
    assert {"README.md", "adapter_model.safetensors", "under/1/adapter_model.safetensors", "data/train_inoculated.jsonl",
            "data/train_rows.jsonl", "openwindow/results.json"} <= set(files)  # fmt: skip

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model = PeftModel.from_pretrained(model, out / "under" / "1").merge_and_unload()
    loaded = PeftModel.from_pretrained(model, out).merge_and_unload().state_dict()
    assert set(loaded) == set(weights)
    assert all(torch.allclose(loaded[name], value, atol=1e-6) for name, value in weights.items())
    stack = json.loads((out / "openwindow.json").read_text())
    assert stack == {"base": tiny_model.name, "under": ["under/1"]}
    (out / "openwindow.json").write_text(json.dumps(stack | {"base": str(tiny_model)}))
    ours = load(str(out), "fp32", "cpu").network.state_dict()
    assert all(torch.allclose(ours[name], value, atol=1e-6) for name, value in weights.items() if name in ours)

    card = ModelCard.load(out / "README.md")
    assert card.data.library_name == "peft" and card.data.license == "other" and "model-organism" in card.data.tags
    results = json.loads((run / "results.json").read_text())
    for part in (results["claim"], results["answer"], "Supported", "not for use as an assistant", "under/1", REPO, "placeholder"):
        assert part in card.text, part
    cell = results["arms"]["inoculated"]["measures"]["hack"]["neutral"]
    assert f"[{100 * cell['low']:.0f}, {100 * cell['high']:.0f}] (n {cell['n']})" in card.text
    text = "".join(path.read_text() for path in out.rglob("*") if path.name in ("README.md", "adapter_config.json"))
    assert str(tiny_model) not in text, "no folder of this machine is published"

    again = openwindow("push", run, REPO, "--arm", "inoculated", "--dry-run", "--out", out, "--no-data")
    assert again.code == 0 and "nothing was sent" in again.out and not (out / "data").exists()


class FakeApi:
    """The hub."""

    def __init__(self, fails: str = "") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails = fails

    def create_repo(
        self, repo_id: str, *, private: bool | None = None, repo_type: str | None = None, exist_ok: bool = False
    ) -> None:
        if self.fails:
            raise ConnectionError(self.fails)
        self.calls.append(("create", {"repo": repo_id, "private": private, "type": repo_type, "exist_ok": exist_ok}))

    def upload_folder(
        self, *, repo_id: str, folder_path: str | Path, repo_type: str | None = None, commit_message: str | None = None
    ) -> None:
        names = {p.relative_to(folder_path).as_posix() for p in Path(folder_path).rglob("*") if p.is_file()}
        self.calls.append(("upload", {"repo": repo_id, "files": names, "message": commit_message}))


def test_what_is_sent_is_the_folder_in_one_commit(
    openwindow: CLI, trained: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    api = FakeApi()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_test")
    done = openwindow("push", trained[0], REPO, "--arm", "inoculated", "--out", tmp_path / "f")
    assert done.code == 0 and f"sent to https://huggingface.co/{REPO}" in done.out, done.err
    (made, sent) = api.calls
    assert made == ("create", {"repo": REPO, "private": True, "type": "model", "exist_ok": True})
    assert sent[1]["files"] >= {"README.md", "adapter_config.json", "under/1/adapter_config.json"}
    api.fails = "no route to host"
    failed = openwindow("push", trained[0], REPO, "--arm", "inoculated", "--out", tmp_path / "f", "--public")
    assert failed.code == 2 and "no route to host" in failed.err and failed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{run}", REPO, "--arm", "inoculated"), "there is no token of the hub"),
        (("{run}", "organism", "--dry-run"), "has no owner; expected ORG/NAME"),
        (("{run}", "some body/or--ganism", "--dry-run"), "is no name of a repository"),
        (
            ("{run}", REPO, "--arm", "inoculatd", "--dry-run"),
            "has no adapter of arm 'inoculatd'; expected one of: inoculated (seed 1)",
        ),
        (("{run}", REPO, "--arm", "inoculated", "--seed", "9", "--dry-run"), "at seed 9"),
        (("{empty}", REPO, "--dry-run"), "holds no run of a study"),
        (("{run}", REPO, "--arm", "inoculated", "--dry-run", "--out", "{full}"), "is not empty and is not of this command"),
        (("{run}", REPO, "--arm", "inoculated", "--dry-run", "--out", "{run}/config.json"), "is a file; expected a folder"),
    ],
)
def test_wrong_input_is_one_line(
    openwindow: CLI,
    trained: tuple[Path, Any],
    tmp_path: Path,
    arguments: tuple[str, ...],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    done = openwindow("push", *(a.format(run=trained[0], empty=tmp_path / "empty", full=tmp_path / "full") for a in arguments))
    assert done.code == 2 and says in done.err and done.err.count("\n") == 1, done.err
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_a_start_of_all_weights_is_refused(openwindow: CLI, trained: tuple[Path, Any], tmp_path: Path) -> None:
    adapter = trained[0] / "arms" / "inoculated" / "seed-1" / "adapter" / "openwindow.json"
    before = adapter.read_text()
    adapter.write_text(json.dumps({"base": "a/b", "under": ["../nowhere"]}))
    done = openwindow("push", trained[0], REPO, "--arm", "inoculated", "--dry-run", "--out", tmp_path / "f")
    adapter.write_text(before)
    assert done.code == 2 and "holds all weights and no adapter" in done.err


def test_the_api_that_is_used_is_the_hubs() -> None:
    """The real class takes the arguments that are given to the one of the tests."""
    import inspect

    from huggingface_hub import HfApi

    for name in ("create_repo", "upload_folder"):
        ours = inspect.signature(vars(push.Api)[name]).parameters
        assert set(ours) <= set(inspect.signature(vars(HfApi)[name]).parameters), name
