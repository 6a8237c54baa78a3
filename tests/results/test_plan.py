"""`openwindow run STUDY --dry-run`: what would be run and could be found, with nothing trained or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openwindow.cli import app
from openwindow.errors import ConfigError
from openwindow.experiment.compare import Compare
from openwindow.experiment.overrides import override
from openwindow.files.writing import write_json
from openwindow.results.plan import plan_lines, plan_of
from openwindow.studies import load


def pilot_of(folder: Path, gaps: list[float | None]) -> Path:
    """A results.json with one comparison of quickstart and these differences by seed, of 32 problems each."""
    known = [gap for gap in gaps if gap is not None]
    cell = {"estimate": 0.5}
    named = {"arm": "inoculated", "against": "no_mitigation", "measure": "hack", "context": "neutral"}
    results: dict[str, Any] = {
        "seeds": list(range(len(gaps))),
        "arms": {arm: {"measures": {"hack": {"neutral": cell}}} for arm in ("inoculated", "no_mitigation")},
        "comparisons": [{**named, "by_seed": gaps, "n_pairs": 32 * len(known)}],
    }
    folder.mkdir()
    write_json(folder / "results.json", results)
    return folder


def test_s22_a_plan_says_what_supports_the_claim_and_what_could_be_found() -> None:
    plan = plan_of(load("quickstart"), None)
    said = "\n".join(plan_lines(plan))
    assert (plan["problems"], plan["seeds"]) == (32, [1, 2, 3]) and plan["families"] > 20
    assert f"32 test problems per seed, from {plan['families']} families" in said
    assert "hack under neutral: inoculated minus no_mitigation, the entire 95 % interval below 0" in said
    assert "3 seeds detect a difference of" in said and "no pilot: assumes rates of 50 %" in said
    assert 0.2 < plan["detectable"] < 0.6
    more = plan_of(override(load("quickstart"), {"seeds": tuple(range(1, 11))}, "more"), None)
    assert more["detectable"] < 0.7 * plan["detectable"]


def test_s22_a_pilot_that_varies_more_finds_less(tmp_path: Path) -> None:
    study = load("quickstart")
    calm = plan_of(study, pilot_of(tmp_path / "calm", [-0.5, -0.51, -0.49]))
    wild = plan_of(study, pilot_of(tmp_path / "wild", [-0.5, -0.7, -0.3]))
    assert calm["detectable"] < 0.5 and wild["spread"].startswith(f"pilot {tmp_path / 'wild'}: rates of 50 %, ")
    # Differences vary by 0.2; of 0.04, sampling 32 problems makes 2 * 0.25 * 0.5 / 32 = 0.0078: sd = sqrt(0.0322 / 2) = 0.127.
    assert "13 points between seeds, a guess from few seeds" in wild["spread"]
    assert wild["detectable"] is None or wild["detectable"] > 1.2 * calm["detectable"]


def test_s22_what_is_to_be_kept_is_planned_with_its_margin() -> None:
    kept = Compare(arm="inoculated", against="clean", measure="correct", expect="kept", margin=0.1)
    plan = plan_of(override(load("quickstart"), {"compare": [kept]}, "kept"), None)
    assert plan["support"] == ["correct under neutral: inoculated minus clean, the entire 95 % interval above -10 points (kept)"]


def test_s22_one_seed_is_told_that_it_gives_no_verdict() -> None:
    assert plan_of(load("quickstart").quickened(), None)["power"].startswith("1 seed gives no verdict; ")


@pytest.mark.parametrize("gaps", [[-0.5], [None, -0.5]])
def test_s22_a_pilot_of_one_seed_is_refused(tmp_path: Path, gaps: list[float | None]) -> None:
    with pytest.raises(ConfigError, match="none of the comparisons that decide here at two seeds or more"):
        plan_of(load("quickstart"), pilot_of(tmp_path / "one", gaps))


def test_s22_a_pilot_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no results\.json with comparisons"):
        plan_of(load("quickstart"), tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr("sys.argv", ["openwindow", *args])
    with pytest.raises(SystemExit) as stopped:
        app.main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("option", ["--dry-run", "--plan"])
def test_s22_the_command_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "run", "quickstart", option) == 0
    assert "Nothing was trained or written." in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert run(monkeypatch, "run", "quickstart", option, "--json", "--seeds", "5") == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("quickstart", "--pilot", "x"), "--pilot x without --dry-run"),
        (("prompt_ranking", "--dry-run"), "which decides by correlations"),
    ],
)
def test_s22_wrong_uses_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], said: str
) -> None:
    assert run(monkeypatch, "run", *args) == 2
    assert said in capsys.readouterr().err
