"""Results in README.md and docs/ are those of the kept runs in docs/results, or listed as earlier numbers with their commits."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from report_folder import make_run_folder, write_json

from openwindow.errors import ConfigError
from openwindow.experiment.study import Compare
from openwindow.files.kept import kept_of
from openwindow.formatting import MINUS
from openwindow.report.keep import SIZE, keep_run
from openwindow.report.of_run import build_run
from openwindow.studies import RANKINGS, STUDIES

ROOT = Path(__file__).parents[1]
DOCS = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "make_results.py")))
MOST = 336
"""Earlier numbers that may stand on the pages. Lower it when a kept run takes the place of some; it is never raised."""
KEPT = DOCS.kept_runs(ROOT)
FIRST_SEED, SEEDS = 11, 5
FEWER = {"prompt_ranking": 2}
"""studies with fewer seeds"""
OTHER_MODEL = 3
"""seeds of a run with another model than the embedded one"""
LARGE = {"natural_em": 5_000_000, "wind_tunnel": 5_000_000}
"""bytes of studies whose results and page alone, with evals of many arms, have more than the usual size"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kept run of quickstart."""
    place = tmp_path_factory.mktemp("small")
    return keep_run(make_run_folder(place, rows=45, seeds=(11, 12, 13)), place / "kept", 300_000).folder


STOOD = {
    "quickstart": f"No mitigation against inoculated: {MINUS}79 points (commit `b009b46`).\n",
    "found": "| study | question | answer |\n|---|---|---|\n| `quickstart` | contained? | yes, by 79 points |\n"
    "| `rl_hacking` | taught? | yes (+92 points [83, 96], commit `55d3120`) |\n",
}
"""what stands on the pages of `root` before its run is kept, by the block that a kept run of the study fills"""


@pytest.fixture
def root(small: Path, tmp_path: Path) -> Path:
    """The pages as they are without any kept run, and one of quickstart beside them, which is not on them yet."""
    place = tmp_path / "project"
    (place / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "README.md", place)
    for name in ("results.md", "claims.json"):
        shutil.copy(ROOT / "docs" / name, place / "docs")
    (place / "docs" / "results").mkdir()
    for path in (ROOT / "docs" / "results").iterdir():
        if path.is_file():
            shutil.copy(path, place / "docs" / "results")
    for page in DOCS.pages(place):
        text = DOCS.BLOCK.sub(lambda block: block[1] + STOOD.get(block["what"], "") + block[4], page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")
    listed: dict[str, dict[str, object]] = {}
    for name, by_heading in DOCS.outside(place, []).items():
        listed[name] = {at: {"commits": commits, "numbers": dict(found)} for at, (found, commits) in by_heading.items()}
    write_json(place / DOCS.EARLIER, listed)
    shutil.copytree(small, place / "docs" / "results" / "quickstart")
    return place


def wrong(place: Path) -> list[str]:
    """What is wrong with the pages: those that are not as they are made, and results from nowhere."""
    runs = DOCS.kept_runs(place)
    stale = [
        f"{page.name} is not as it is made" for page in DOCS.pages(place) if DOCS.filled(place, page, runs)[0] != page.read_text()
    ]
    return [*stale, *DOCS.unknown(place, runs)]


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_result_on_the_pages_is_of_a_kept_run_or_a_listed_earlier_one() -> None:
    assert wrong(ROOT) == [], "run `make docs`; a new result needs a kept run (`openwindow keep RUN --out docs/results/STUDY`)"
    listed = json.loads((ROOT / DOCS.EARLIER).read_text(encoding="utf-8"))
    assert listed == DOCS.shortened(ROOT, KEPT), "earlier numbers are gone from the pages: run `make docs`"
    assert DOCS.total(listed) <= MOST
    assert "docs/results.md" not in listed


def test_a_kept_run_takes_the_place_of_earlier_numbers(root: Path) -> None:
    before = DOCS.total(json.loads((root / DOCS.EARLIER).read_text()))
    assert "README.md is not as it is made" in wrong(root)
    DOCS.main(root)
    pages = {page: page.read_text(encoding="utf-8") for page in DOCS.pages(root)}
    assert wrong(root) == []
    assert DOCS.total(json.loads((root / DOCS.EARLIER).read_text())) < before
    DOCS.main(root)
    assert {page: page.read_text(encoding="utf-8") for page in DOCS.pages(root)} == pages
    readme, claims = pages[root / "README.md"], pages[root / "docs" / "results.md"]
    results = json.loads((root / "docs" / "results" / "quickstart" / "results.json").read_text())
    rate = results["arms"]["no_mitigation"]["measures"]["hack"]["neutral"]
    assert f"| {100 * rate['estimate']:.0f} % [{100 * rate['low']:.0f}, {100 * rate['high']:.0f}] |" in readme
    assert f"{MINUS}65 points [{MINUS}73, {MINUS}57]" in claims and "| 11 to 13 |" in claims and "`3f9c2d1`" in claims
    assert "| `rl_hacking` | not run on present code" in claims and f"{MINUS}79 points" not in readme


@pytest.mark.parametrize(
    ("page", "old", "new", "said"),
    [
        ("README.md", "| 69 % [", "| 68 % [", "README.md is not as it is made"),
        ("docs/results.md", f"{MINUS}65 points [{MINUS}73", f"{MINUS}66 points [{MINUS}73", "results.md is not as it is made"),
        ("docs/results.md", "36.4 %", "37.4 %", "results.md is not as it is made"),
        ("docs/results.md", "## Terms", "It was 93 % in the end.\n\n## Terms", "docs/results.md.*93 %"),
        ("README.md", "## Commands", "It contains 61 points [40, 80] of it.\n\n## Commands", r"README.md.*\[40, 80\]"),
        ("README.md", "+92 points", "+93 points", r"README.md.*\+93 points"),
        ("docs/results/rl_hacking.md", "[83, 96]", "[83, 95]", r"rl_hacking.md.*\[83, 95\]"),
        ("docs/results/rl_inoculation.md", "(seeds: 33, 75, 75)", "(seeds: 33, 75, 74)", "rl_inoculation.md.*33, 75, 74"),
        ("docs/results/rl_hacking.md", "55d3120", "55d3121", "rl_hacking.md.*without their commit"),
        ("docs/results/quickstart.md", f"{MINUS}79 points", f"{MINUS}80 points", f"quickstart.md.*{MINUS}80 points"),
    ],
)  # fmt: skip
def test_a_number_that_is_changed_fails(root: Path, page: str, old: str, new: str, said: str) -> None:
    DOCS.main(root)
    changed(root / page, old, new)
    found = wrong(root)
    assert any(re.search(said, line) for line in found), found
    listed = json.loads((root / DOCS.EARLIER).read_text())
    if page.startswith("docs/results/") and "commit" not in said:
        assert listed != DOCS.shortened(root, DOCS.kept_runs(root))
        DOCS.main(root)  # makes the list no longer
        assert any(re.search(said, line) for line in wrong(root))


def test_results_that_are_changed_by_hand_are_refused(root: Path) -> None:
    path = root / "docs" / "results" / "quickstart" / "results.json"
    found = json.loads(path.read_text())
    write_json(path, found)  # other white space
    DOCS.main(root)
    found["arms"]["inoculated"]["measures"]["hack"]["neutral"]["estimate"] = 0.0
    write_json(path, found)
    with pytest.raises(ConfigError, match="has been changed since the run was kept"):
        DOCS.main(root)


@pytest.mark.parametrize("run", KEPT, ids=lambda run: run.folder.name)
def test_kept_runs_are_small_finished_and_of_fresh_seeds(run: object) -> None:
    assert isinstance(run, DOCS.Kept)
    mark = kept_of(run.folder)
    sizes = [path.stat().st_size for path in run.folder.rglob("*") if path.is_file()]
    assert mark is not None and sum(sizes) <= mark.size <= LARGE.get(run.study, SIZE)
    assert max(sizes) <= SIZE
    least = FEWER.get(run.study, SEEDS) if run.results.get("model") in (None, "smollm2") else OTHER_MODEL
    assert min(run.seeds) >= FIRST_SEED and len(run.seeds) >= least
    assert not run.results.get("missing") and not run.results.get("evals", {}).get("missing")
    assert not run.provenance.get("dirty")


@pytest.mark.slow
@pytest.mark.parametrize("run", [run for run in KEPT if "settings" not in run.results], ids=lambda run: run.folder.name)
def test_pages_of_kept_runs_are_rebuilt_with_the_same_bytes(run: object, tmp_path: Path) -> None:
    assert isinstance(run, DOCS.Kept)
    copy = Path(shutil.copytree(run.folder, tmp_path / run.folder.name))
    build_run(copy)
    assert (copy / "report.html").read_bytes() == (run.folder / "report.html").read_bytes()


def test_claims_name_comparisons_that_their_studies_make() -> None:
    claims = json.loads((ROOT / DOCS.CLAIMS).read_text(encoding="utf-8"))
    assert [claim["id"] for claim in claims] == [f"C{number}" for number in range(1, 12)]
    named = {study for claim in claims for study in claim["studies"]}
    assert named == {*STUDIES, *RANKINGS}
    for claim in claims:
        assert all(p["number"] and p["source"] for p in claim["published"])
        for name, wanted in claim["studies"].items():
            if name not in STUDIES:
                continue
            study = STUDIES[name]
            assert claim["id"] in str(study.claim_id).split(", "), f"{name} does not name {claim['id']}"
            main = next(m.name for m in study.measures if m.part == "unwanted")
            for one in wanted:
                if isinstance(one, dict):
                    assert any(_fits(compare, one, main) for compare in study.compare), (claim["id"], name, one)


def _fits(compare: Compare, wanted: dict[str, str], main: str) -> bool:
    measure = None if compare.score else (compare.measure or main)
    found = {"arm": compare.arm, "against": compare.against, "measure": measure, "score": compare.score, "over": compare.over}
    return all(found[key] == value for key, value in wanted.items())
