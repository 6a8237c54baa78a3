"""C42: the page and the JSON of an eval say which adapter was asked, and warn where it changes nothing."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from openwindow.evals.identity import identity_of, in_words
from openwindow.evals.inspect.model_names import model_named
from openwindow.models.hf import load


@pytest.fixture(scope="module")
def adapters(tiny_model, tmp_path_factory):
    """Two adapters on the tiny model, and one whose change is 0."""
    import torch

    folder, found = tmp_path_factory.mktemp("adapters"), []
    for number in range(3):
        model = load(str(tiny_model), "fp32")
        torch.manual_seed(number)
        model.attach_adapter(4, 8, 0.0)
        for name, weight in model.network.named_parameters():
            if "lora_B" in name and number < 2:
                torch.nn.init.normal_(weight, std=0.2)
        model.save(folder / str(number), [])
        found.append(folder / str(number))
    return found


@pytest.mark.slow
def test_c42_adapters_are_told_apart(adapters, tiny_model):
    one, other, none = (identity_of(model_named(str(path))) for path in adapters)
    assert one["adapters"][0]["weights"] != other["adapters"][0]["weights"]
    assert one["adapters"][0]["folder"] == str(adapters[0]) and len(one["adapters"][0]["weights"]) == 12
    assert one["largest_change"] > 0.01 and other["largest_change"] > 0.01 and none["largest_change"] == 0.0
    assert identity_of(model_named(str(tiny_model))) is None and identity_of(model_named("scripted/saint")) is None


@pytest.mark.slow
def test_c42_an_adapter_that_changes_nothing_is_a_warning(adapters, openwindow, tmp_path):
    for number, words in ((0, "changes the logits of a fixed prompt by up to"), (2, "Warning: Adapter")):
        out = tmp_path / str(number)
        done = openwindow("eval", adapters[number], "--suite", "honesty", "--probes-only", "--out", out, "--json")
        assert done.code == 0, done.err
        made = json.loads(done.out)
        assert any(words in line for line in made["summary"]) and made["identity"]["adapters"][0]["weights"]
        assert made["identity"]["adapters"][0]["weights"] in (out / "report.html").read_text()


def test_c42_both_adapters_of_a_comparison_are_named(adapters, openwindow, tmp_path):
    both = (adapters[0], "--against", adapters[2])
    done = openwindow("eval", *both, "--suite", "honesty", "--probes-only", "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["against"]["identity"]["largest_change"] == 0.0 and made["identity"]["largest_change"] > 0
    assert any(line.startswith("Warning: Adapter") and str(adapters[2]) in line for line in made["summary"])


def test_c42_logits_that_are_not_finite_are_unmeasured_and_said(adapters, tmp_path):
    shutil.copytree(adapters[0], tmp_path / "nan")
    path = tmp_path / "nan" / "adapter_model.safetensors"
    save_file({name: weight * float("nan") for name, weight in load_file(path).items()}, path)
    found = identity_of(model_named(str(tmp_path / "nan")))
    assert found["largest_change"] is None and "not known" in in_words(found)[0]


def test_c42_another_file_has_another_hash(adapters, tmp_path):
    shutil.copytree(adapters[0], tmp_path / "copy")
    same = identity_of(model_named(str(tmp_path / "copy")))
    assert same["adapters"][0]["weights"] == identity_of(model_named(str(adapters[0])))["adapters"][0]["weights"]
    path = tmp_path / "copy" / "adapter_model.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    weights[name] = weights[name] + 1.0
    save_file(weights, path)
    assert identity_of(model_named(str(tmp_path / "copy")))["adapters"][0]["weights"] != same["adapters"][0]["weights"]
