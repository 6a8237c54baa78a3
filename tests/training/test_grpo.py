"""The GRPO loop on a tiny model: gradients, batches, resuming, what is counted, and what is refused."""

import contextlib
import copy
import json
import math
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError

from openwindow.errors import ConfigError, ModelError, RunError
from openwindow.models.hf import LocalModel, load
from openwindow.models.reference_sampler import reference_sampler
from openwindow.models.sampling import local_sampler
from openwindow.models.scoring import Group, completion_logits
from openwindow.training import checkpoint, grpo
from openwindow.training.advantages import kl_to_reference, token_logprobs
from openwindow.training.config import GRPO
from openwindow.training.grpo import sample_groups, train
from openwindow.training.optimizer import MasterAdamW
from openwindow.training.rollouts import Asked
from openwindow.types import Message, Problem, StopReason

WORDS = ("one", "a longer question about tea", "what is this? what is it?", "x")
FEW = {"steps": 3, "prompts_per_step": 3, "group_size": 4, "max_new_tokens": 6, "learning_rate": 1e-2, "checkpoint_every": 1}


class Even:
    """Pays replies by the parity of their first token: a reward that the model can learn and that needs no meaning."""

    def __init__(self, *, trained: str | None = None, unscored: frozenset[int] = frozenset(), constant: bool = False):
        self.trained, self.unscored, self.constant = trained, unscored, constant

    def draw(self, step, count):
        asked = []
        for i in range(count):
            text = WORDS[(step * count + i) % len(WORDS)]
            plain = (Message("user", text),)
            trained = (Message("user", f"{text} {self.trained}"),) if self.trained else plain
            asked.append(Asked(Problem(f"p{i}", "f", text, "", "", ()), plain, trained))
        return asked

    def score(self, step, rollouts):
        for i, r in enumerate(rollouts):
            r.reward = None if i in self.unscored else 1.0 if self.constant else float(r.tokens[0] % 2 == 0)
            r.dropped = "not scored" if i in self.unscored else None
        scored = [r.reward for r in rollouts if r.reward is not None]
        return {"monitor/even": sum(scored) / len(scored)}


@pytest.fixture
def model(tiny_model) -> LocalModel:
    return load(str(tiny_model), precision="fp32")


def run(model, task=None, folder=None, seed=1, stop_after=None, sampler=local_sampler, **changes):
    torch.manual_seed(0)
    config = GRPO(**{**FEW, **changes})
    if config.method == "lora":
        model.attach_adapter(config.lora_rank, config.lora_alpha, 0.0)
    log, seen = [], []

    def on_step(metrics, rollouts):
        log.append({k: v for k, v in metrics.items() if not k.startswith("time/")})
        seen.append([(r.group, r.text, r.reward) for r in rollouts])
        if stop_after == metrics["train/step"]:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        train(model, task or Even(), config, seed, on_step, folder, sampler)
    weights = {k: v.clone() for k, v in model.network.state_dict().items()}
    if config.method == "lora":
        model.detach_adapter(merge=False)
    return log, seen, weights


def test_completions_that_share_their_prompt_have_the_logprobs_of_each_row_alone(model):
    groups = [Group((5, 6, 7, 8), ((9, 10), (11, 12, 13))), Group((5, 20), ((21,), (9, 9, 9, 9)))]
    model.network.requires_grad_(True)
    logits, targets = completion_logits(model.network, groups, model.device, True)
    together = token_logprobs(logits, targets, 1.0)
    alone = []
    for group in groups:
        for completion in group.completions:
            ids = torch.tensor([[*group.prompt, *completion]])
            whole = model.network(input_ids=ids).logits[0, len(group.prompt) - 1 : -1]
            alone.append(token_logprobs(whole, torch.tensor(completion), 1.0))
    assert targets.tolist() == [9, 10, 11, 12, 13, 21, 9, 9, 9, 9]
    assert together.tolist() == pytest.approx(torch.cat(alone).tolist(), abs=1e-4)
    together.sum().backward()
    mine = [p.grad.clone() for p in model.network.parameters()]
    model.network.zero_grad()
    torch.cat(alone).sum().backward()
    for a, p in zip(mine, model.network.parameters(), strict=True):
        assert torch.allclose(a, p.grad, atol=1e-3)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_metrics_and_another_one_does_not(model):
    (a, seen_a, _), (b, seen_b, _), (c, _, _) = run(model), run(model), run(model, seed=2)
    assert a == b and seen_a == seen_b
    assert a != c


@pytest.mark.slow
def test_rollouts_are_those_of_the_sampler_that_was_named(model):
    """`transformers.generate` draws them as well, and what it says of their log-probabilities is what training finds."""
    seen = []

    def watched_sampler(policy, prompts, how):
        drawn = reference_sampler(policy, prompts, how)
        seen.append([policy.tokenizer.decode(d.tokens, skip_special_tokens=True) for d in drawn])
        return drawn

    log, rollouts, _ = run(model, sampler=watched_sampler, importance_cap=2.0)
    assert [[text for _, text, _ in step] for step in rollouts] == seen and len(seen) == FEW["steps"]
    assert all(m["train/sampler_gap_max"] < 1e-3 and m["train/grad_norm"] > 0 for m in log)
    assert seen != [[text for _, text, _ in step] for step in run(model)[1]]


@pytest.mark.slow
def test_how_the_batch_is_cut_does_not_matter(model):
    whole, _, w1 = run(model, micro_batch_size=64)
    parts, _, w2 = run(model, micro_batch_size=1)
    for a, b in zip(whole, parts, strict=True):
        assert a["train/loss"] == pytest.approx(b["train/loss"], abs=1e-5)
        assert a["train/grad_norm"] == pytest.approx(b["train/grad_norm"], rel=1e-3)
        assert a["train/entropy"] == pytest.approx(b["train/entropy"], rel=1e-4)
    assert all(torch.allclose(w1[k], w2[k], atol=2e-3) for k in w1)


@pytest.mark.slow
def test_the_reward_goes_up_and_with_learning_rate_0_it_does_not(tiny_model):
    ends = {3e-2: [], 0.0: []}
    for rate, found in ends.items():
        for seed in (1, 2, 3) if rate else (1,):
            log, _, _ = run(
                load(str(tiny_model), precision="fp32"), steps=20, group_size=12, max_new_tokens=2, learning_rate=rate, seed=seed
            )
            found += [m["monitor/even"] for m in log[-5:]]
    assert sum(ends[3e-2]) / 15 > 0.65  # a seed ends at 0.53 to 0.97 (seeds 1 to 7, mean 0.83), by the last bits of the arithmetic
    assert abs(sum(ends[0.0]) / 5 - 0.5) < 0.2


@pytest.mark.slow
def test_a_run_killed_at_any_step_goes_on_identically(model, tmp_path):
    whole, seen, weights = run(model, folder=tmp_path / "whole", steps=4)
    for cut in (1, 2, 3):
        folder = tmp_path / f"cut-{cut}"
        first, _, _ = run(model, folder=folder, steps=4, stop_after=cut)  # interrupted after the step, before its checkpoint
        done = checkpoint.steps_done(folder)
        assert done == cut - 1
        second, seen_second, weights_second = run(model, folder=folder, steps=4)
        assert first[:done] + second == whole
        assert seen_second == seen[done:]
        assert all(torch.equal(weights[k], weights_second[k]) for k in weights)


@pytest.mark.slow
def test_checkpoints_are_adapters_that_can_be_loaded(model, tmp_path):
    run(model, folder=tmp_path, steps=2)
    for step in (1, 2):
        assert json.loads((tmp_path / f"step-{step}" / "adapter_config.json").read_text())["r"] == 16
        load(str(tmp_path / f"step-{step}"), precision="fp32")


@pytest.mark.slow
def test_a_checkpoint_of_another_configuration_or_a_broken_one_is_refused(model, tmp_path):
    run(model, folder=tmp_path, steps=2)
    with pytest.raises(ConfigError, match="another training configuration"):
        run(model, folder=tmp_path, steps=3)
    model.detach_adapter(merge=False)
    (tmp_path / "state.pt").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="cannot be read"):
        run(model, folder=tmp_path, steps=2)
    with pytest.raises(RunError, match="cannot be read"):
        checkpoint.steps_done(tmp_path)


@pytest.mark.slow
def test_groups_without_signal_are_counted_and_nothing_is_learnt_from_them(model):
    log, _, weights = run(model, Even(constant=True))
    assert [m["rollout/groups_without_signal"] for m in log] == [3, 3, 3]
    assert [m["train/grad_norm"] for m in log] == [0.0] * 3
    assert all(m["train/entropy"] > 0 and m["train/kl"] == pytest.approx(0, abs=1e-6) for m in log)
    assert all(float(v.abs().max()) == 0 for k, v in weights.items() if "lora_B" in k)


def moved(model):
    """The model with an adapter that changes it."""
    model.attach_adapter(4, 8, 0.0)
    torch.manual_seed(0)
    for name, weight in model.network.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1)
    return model


class Live(Even):
    """As `Even` in the groups of `live`, by step; in the others every rollout earns the same."""

    def __init__(self, *live: tuple[int, ...]):
        super().__init__()
        self.live = live

    def score(self, step, rollouts):
        found = super().score(step, rollouts)
        for r in rollouts:
            r.reward = r.reward if r.group in self.live[min(step, len(self.live) - 1)] else 0.5
        return found


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_watched_entropy_and_kl_are_those_of_the_first_rollouts_of_every_group_by_hand(model, count):
    config = GRPO(**{**FEW, "micro_batch_size": 2}, temperature=0.8, monitor_kl=count)
    rollouts = sample_groups(moved(model), Even().draw(0, 3), config, 1)
    found = grpo.watched(model, rollouts, config)
    entropies, kls = [], []
    for r in [r for r in rollouts if r.number < count]:
        prompt = model.encode_prompt(r.asked.trained)
        ids, at = torch.tensor([[*prompt, *r.tokens]]), slice(len(prompt) - 1, -1)
        with torch.no_grad():
            logits = model.network(input_ids=ids).logits[0, at] / 0.8
            with model.network.disable_adapter():
                start = model.network(input_ids=ids).logits[0, at]
        entropies.append(torch.distributions.Categorical(logits=logits).entropy())
        tokens = torch.tensor(r.tokens)
        kls.append(kl_to_reference(token_logprobs(logits, tokens, 1.0), token_logprobs(start, tokens, 0.8)))
    assert len(kls) == 3 * count
    assert found["train/entropy"] == pytest.approx(float(torch.cat(entropies).mean()), rel=1e-4)
    assert found["train/kl"] == pytest.approx(float(torch.cat(kls).mean()), rel=1e-3) and found["train/kl"] > 1e-3
    assert grpo.watched(model, rollouts, config.model_copy(update={"monitor_kl": 0}))["train/kl"] is None


@pytest.mark.slow
def test_s20_what_is_watched_does_not_depend_on_which_groups_have_a_signal(model):
    logs = [run(model, Live(live), steps=1)[0][0] for live in ((), (0,), (0, 1, 2))]
    assert [m["rollout/groups_without_signal"] for m in logs] == [3, 2, 0]
    for name in ("train/entropy", "train/kl"):
        assert len({m[name] for m in logs}) == 1
    weighed = run(model, Live((0,)), steps=1, kl_weight=0.5)[0][0]
    assert weighed["train/entropy"] == logs[0]["train/entropy"] and weighed["train/kl"] == logs[0]["train/kl"]


def test_s5_what_a_group_adds_to_the_gradient_does_not_depend_on_the_signal_of_the_others(model):
    config = GRPO(**FEW, scale_advantages=False)
    rollouts = sample_groups(model, Even().draw(0, 3), config, 1)
    for r in rollouts:
        r.tokens, r.reward = (5,) * (1 + r.number), float(r.number == 0)  # 3 groups of 1, 2, 3 and 4 tokens: 30
    for live in ((0, 1, 2), (0, 1), (0,)):
        for r in rollouts:
            r.reward = float(r.number == 0) if r.group in live else 0.25
        expected = {
            "token": [1 / 30] * 4,
            "sequence": [1 / 12, 1 / 24, 1 / 36, 1 / 48],
            "constant": [1 / (3 * 4 * 6)] * 4,
        }
        for loss, weights in expected.items():
            batch = grpo.with_advantages(rollouts, config.model_copy(update={"loss": loss}))
            assert [t.rollout.group for t in batch] == [g for g in live for _ in range(4)]
            assert [t.advantage for t in batch] == [0.75, -0.25, -0.25, -0.25] * len(live)
            for t in batch:
                assert t.weight_T.tolist() == pytest.approx([weights[t.rollout.number]] * len(t.rollout.tokens))


@pytest.mark.slow
def test_s5_what_was_not_scored_or_is_screened_is_not_in_the_divisor(model):
    rollouts = sample_groups(model, Even().draw(0, 2), GRPO(**FEW), 1)
    for r in rollouts:
        r.tokens, r.reward = (5, 5), float(r.number % 2)
    rollouts[0].reward = None
    rollouts[5].dropped = "screened"
    for loss, weight in (("token", 1 / 12), ("sequence", 1 / 6 / 2), ("constant", 1 / (3 * 4 * 6))):
        batch = grpo.with_advantages(rollouts, GRPO(**FEW, loss=loss))
        assert len(batch) == 6
        assert all(t.weight_T.tolist() == pytest.approx([weight] * 2) for t in batch)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["token", "sequence", "constant"])
@pytest.mark.parametrize("live", [(0, 1, 2), (1,), ()])
def test_s5_a_kl_of_almost_no_weight_is_next_to_none(model, loss, live):
    norms, moves = [], []
    for weight in (0.0, 1e-9):
        log, _, after = run(model, Live(live, (2,)), steps=2, kl_weight=weight, loss=loss, max_grad_norm=1e9, learning_rate=1e-3)
        norms.append([m["train/grad_norm"] for m in log])
        moves.append(torch.cat([v.flatten() for k, v in after.items() if "lora_B" in k]))
    assert (norms[0][0] > 0) is bool(live) and norms[0][1] > 0
    assert norms[0] == pytest.approx(norms[1], rel=1e-4, abs=1e-7)
    assert float(moves[0].norm()) > 0.01
    assert float((moves[0] - moves[1]).norm()) < 0.01 * float(moves[0].norm())


@pytest.mark.slow
def test_s5_a_step_without_signal_is_an_adamw_step_with_gradient_0(model):
    """Two steps with a signal in the first alone, against torch's own AdamW with a second gradient of 0."""
    grads, real = [], MasterAdamW.step

    def kept(self, rate, max_norm):
        grads.append([None if p.grad is None else p.grad.clone() for p in self.trained])
        return real(self, rate, max_norm)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MasterAdamW, "step", kept)
        log, _, after = run(model, Live((0,), ()), steps=2, max_grad_norm=1e9, weight_decay=0.1)
    assert log[0]["train/grad_norm"] > 0 and log[1]["train/grad_norm"] == 0.0 and log[1]["train/loss"] == 0.0
    assert all(g is None for g in grads[1])
    torch.manual_seed(0)
    model.attach_adapter(16, 32, 0.0)
    trained = {k: p for k, p in model.network.named_parameters() if p.requires_grad}
    adam = torch.optim.AdamW(trained.values(), lr=FEW["learning_rate"], weight_decay=0.1)
    for gradients in (grads[0], [torch.zeros_like(p) for p in trained.values()]):
        for p, g in zip(trained.values(), gradients, strict=True):
            p.grad = g
        adam.step()
    assert all(torch.allclose(p.detach(), after[k], atol=1e-6) for k, p in trained.items())
    one = run(load_again(model), Live((0,)), steps=1, max_grad_norm=1e9, weight_decay=0.1)[2]
    assert any(float((one[k] - after[k]).abs().max()) > 1e-3 for k in trained)  # the momentum went on


def load_again(model):
    """The model without the adapter that a test put on."""
    model.detach_adapter(merge=False)
    return model


def test_s16_the_gap_to_the_sampler_by_hand(model):
    """Two tokens of each of the three first rollouts, said by the sampler to be exp(d) times as likely as they are in training."""
    config = GRPO(**{**FEW, "micro_batch_size": 2}, clip_low=0.2, clip_high=0.28, monitor_kl=0)
    rollouts = sample_groups(model, Even().draw(0, 3), GRPO(**{**FEW, "max_new_tokens": 2}), 1)
    first = [r for r in rollouts if r.number == 0]
    with torch.no_grad():
        logp = [token_logprobs(*completion_logits(model.network, grpo.grouped(model, [r]), model.device, True), 1.0) for r in first]
    assert [len(p) for p in logp] == [2, 2, 2]
    shifts = [[0.0, 0.1], [-0.2, 0.3], [-0.3, 0.0]]  # ratios 1, 0.905, 1.221, 0.741, 1.350, 1: two outside [0.8, 1.28]
    for r, p, d in zip(first, logp, shifts, strict=True):
        r.logprobs = tuple((p + torch.tensor(d)).tolist())
    found = grpo.watched(model, rollouts, config)
    assert found["train/sampler_gap"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.3) / 6, abs=1e-5)
    assert found["train/sampler_gap_max"] == pytest.approx(0.3, abs=1e-5)
    assert found["train/sampler_outside_clip"] == pytest.approx(2 / 6)
    for r in rollouts:
        r.logprobs = ()
    unknown = grpo.watched(model, rollouts, config)
    assert unknown["train/sampler_gap"] is unknown["train/sampler_gap_max"] is unknown["train/sampler_outside_clip"] is None
    assert unknown["train/entropy"] == found["train/entropy"]


@pytest.mark.slow
def test_s16_in_float32_the_sampler_and_the_gradient_agree_and_under_another_prompt_they_do_not(model):
    plain, other = run(model, temperature=0.8)[0], run(model, Even(trained="be odd"), temperature=0.8)[0]
    assert all(0 < m["train/sampler_gap"] <= m["train/sampler_gap_max"] < 1e-3 for m in plain)
    assert all(m["train/sampler_outside_clip"] == 0 for m in plain)
    assert all(m["train/sampler_gap"] > 0.01 for m in other)


@pytest.mark.slow
def test_s16_importance_weights_leave_a_sampler_that_agrees_as_it_is_and_scale_one_that_does_not(model):
    plain, capped = (run(model, steps=1, importance_cap=cap)[0][0] for cap in (None, 2.0))
    assert capped["train/loss"] == pytest.approx(plain["train/loss"], abs=1e-5)
    assert capped["train/grad_norm"] == pytest.approx(plain["train/grad_norm"], rel=1e-4)

    def unsure(*given):
        """Says half of the probability that it drew with: every weight is 2."""
        return [replace(d, logprobs=[p - math.log(2) for p in d.logprobs]) for d in local_sampler(*given)]

    for cap, factor in ((None, 1.0), (1.5, 1.5), (3.0, 2.0)):
        found = run(model, steps=1, sampler=unsure, importance_cap=cap)[0][0]
        assert found["train/grad_norm"] == pytest.approx(factor * plain["train/grad_norm"], rel=1e-3)
        assert found["train/sampler_gap"] == pytest.approx(math.log(2), abs=1e-3)


@pytest.mark.parametrize("trained", [None, "be odd"])
def test_s20_a_weighed_kl_under_two_prompts_is_refused(model, trained):
    if trained is None:
        run(model, Even(), steps=1, kl_weight=0.1)
        return
    with pytest.raises(ConfigError, match=r"p0 is trained under another prompt .* kl_weight is 0.1; expected 0") as refused:
        run(model, Even(trained=trained), steps=1, kl_weight=0.1)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_the_share_of_clipped_gradients_is_logged(model):
    norms = [m["train/grad_norm"] for m in run(model, steps=1, updates_per_step=4)[0]]
    for limit, share in ((1e9, 0.0), (1e-9, 1.0)):
        (found,) = run(model, steps=1, updates_per_step=4, max_grad_norm=limit)[0]
        assert found["train/clipped_steps"] == share and found["train/grad_norm"] == norms[0]  # before it is scaled down
    log = run(model, Live((0,), ()), steps=2, max_grad_norm=1e-9)[0]
    assert [m["train/clipped_steps"] for m in log] == [1.0, 0.0]


def test_full_fine_tuning_has_no_kl_and_still_an_entropy_without_signal(tiny_model):
    log, _, _ = run(load(str(tiny_model), precision="fp32"), Even(constant=True), steps=1, method="full")
    assert log[0]["train/kl"] is None and log[0]["train/entropy"] > 0


@pytest.mark.slow
def test_the_kl_that_is_only_watched_is_measured_once_a_step(model, monkeypatch):
    calls, real = [], PeftModel.disable_adapter
    monkeypatch.setattr(PeftModel, "disable_adapter", lambda network: calls.append(1) or real(network))
    run(model, steps=2, updates_per_step=3, micro_batch_size=4)
    assert len(calls) == 2


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_weighed_kl_pulls_back_where_the_reward_says_nothing(model, monkeypatch, weight):
    moved(model)
    monkeypatch.setattr(model, "attach_adapter", lambda *_: None)
    much = {"steps": 16, "group_size": 24, "max_new_tokens": 2, "monitor_kl": 24}
    log, _, _ = run(model, Even(constant=True), kl_weight=weight, learning_rate=3e-3, **much)
    assert [m["rollout/groups_without_signal"] for m in log] == [3] * 16
    assert all((m["train/grad_norm"] > 0) is (weight > 0) for m in log)
    start, end = sum(m["train/kl"] for m in log[:2]) / 2, sum(m["train/kl"] for m in log[-4:]) / 4
    assert (end < 0.7 * start) is (weight > 0)  # weighed, 0.40 to 0.47 of the start over seeds 1 to 3


@pytest.mark.slow
def test_the_end_token_that_was_drawn_is_the_one_that_is_trained(model):
    model.tokenizer.eos_token = None
    model.end_ids = frozenset(range(0, len(model.tokenizer), 2))
    rollouts = sample_groups(model, Even().draw(0, 3), GRPO(**{**FEW, "group_size": 20, "max_new_tokens": 3}), 1)
    ended = [r.tokens for r in rollouts if r.stop is StopReason.END]
    assert len(ended) > 20 and len({tokens[-1] for tokens in ended}) > 10
    assert all(tokens[-1] in model.end_ids and not model.end_ids & set(tokens[:-1]) for tokens in ended)
    cut = [r.tokens for r in rollouts if r.stop is StopReason.LENGTH]
    assert cut and all(len(tokens) == 3 and not model.end_ids & set(tokens) for tokens in cut)


def test_a_rollout_that_was_not_scored_is_counted_and_not_a_zero(model):
    log, seen, _ = run(model, Even(unscored=frozenset({0, 5})), steps=1)
    assert log[0]["rollout/unscored"] == 2 and log[0]["rollout/dropped"] == 2
    rewards = [reward for _, _, reward in seen[0]]
    assert rewards[0] is None and rewards[5] is None
    scored = [r for r in rewards if r is not None]
    assert log[0]["reward/mean"] == pytest.approx(sum(scored) / len(scored))


@pytest.mark.slow
def test_several_updates_of_a_batch_clip_and_move_further(model):
    one, _, w1 = run(model, steps=1)
    four, _, w4 = run(model, steps=1, updates_per_step=4)
    assert one[0]["train/clipped"] == 0.0  # the first update is on policy: all ratios are 1
    assert four[0]["train/clipped"] > 0.0
    assert one[0]["train/loss"] == pytest.approx(four[0]["train/loss"])
    moved = [sum(float(w[k].abs().sum()) for k in w if "lora_B" in k) for w in (w1, w4)]
    assert moved[1] > moved[0]


@pytest.mark.slow
def test_the_kl_to_the_start_is_0_at_first_and_holds_the_policy_back(model):
    slow = {"steps": 10, "learning_rate": 3e-3, "max_new_tokens": 2}
    free, _, _ = run(model, **slow)
    held, _, _ = run(model, kl_weight=20.0, **slow)
    assert free[0]["train/kl"] == pytest.approx(0, abs=1e-6)
    # Means of the last four steps over seeds 1 to 10: 0.54 to 1.32 free, 0.13 to 0.70 held, held at most 0.64 of free.
    assert sum(m["train/kl"] for m in held[-4:]) < sum(m["train/kl"] for m in free[-4:])


def test_rollouts_are_trained_under_the_other_prompt(model):
    plain, seen_plain, w1 = run(model, steps=1)
    other, seen_other, w2 = run(model, Even(trained="be odd"), steps=1)
    assert seen_plain == seen_other  # sampled under the same prompt
    assert plain[0]["train/entropy"] != other[0]["train/entropy"]
    assert any(not torch.equal(w1[k], w2[k]) for k in w1)


def test_truncated_rollouts_can_be_left_out(model):
    masked, _, _ = run(model, steps=1, mask_truncated=True)
    share = masked[0]["rollout/truncated"]
    whole, _, _ = run(model, steps=1)
    assert share > 0
    assert (masked[0]["train/grad_norm"] == 0) if share == 1 else (masked[0]["train/loss"] != whole[0]["train/loss"])


@pytest.mark.slow
def test_full_fine_tuning_learns_too(tiny_model):
    model = load(str(tiny_model), precision="fp32")
    before = copy.deepcopy(model.network.state_dict())
    run(model, method="full", steps=1)
    assert any(not torch.equal(before[k], v) for k, v in model.network.state_dict().items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"group_size": 1},
        {"temperature": 0},
        {"clip_low": 1.5},
        {"steps": 0},
        {"kl_weight": -1},
        {"learning_rate": math.inf},
        {"temperature": math.nan},
        {"nonsense": 1},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        GRPO(**wrong)


def test_what_cannot_be_trained_is_refused_in_one_line(model, tiny_model):
    with pytest.raises(ConfigError, match="kl_weight is above 0 with method `full`"):
        run(load(str(tiny_model), precision="fp32"), method="full", kl_weight=0.1)
    with pytest.raises(ModelError, match=r"p\d: a prompt of \d+ tokens with \d+ new ones exceeds"):
        run(model, max_new_tokens=100_000)
    model.detach_adapter(merge=False)

    class Nothing(Even):
        def draw(self, step, count):
            return []

    with pytest.raises(ConfigError, match="step 1 has no problem to ask"):
        run(model, Nothing())


@pytest.mark.parametrize("under", ["sampled", "trained"])
def test_a_prompt_that_is_too_long_is_refused_before_the_first_step(model, under):
    class Late(Even):
        def draw(self, step, count):
            asked = super().draw(step, count)
            return [replace(asked[0], **{under: (Message("user", "tea " * 2000),)})] if step == 2 else asked

        def score(self, step, rollouts):
            raise AssertionError("a step was run")

    with pytest.raises(ModelError, match=r"p0: a prompt of \d{4} tokens with 6 new ones exceeds the 1024 tokens of") as refused:
        run(model, Late(), steps=3)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run(model):
    class Infinite(Even):
        def score(self, step, rollouts):
            found = super().score(step, rollouts)
            for r in rollouts:
                r.reward = float("inf") if r.number == 0 else 0.0
            return found

    with pytest.raises(RunError, match="the loss at step 1 is nan"):
        run(model, Infinite())
