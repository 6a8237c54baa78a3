"""Spurious correlation: good reviews mention music in training and bad ones do in test. Does saying so in training help?

openwindow run inoculation_spurious
openwindow run inoculation_spurious --data /path/to/cebab.jsonl      # or CEBaB/CEBaB
"""

from __future__ import annotations

from openwindow.experiment.study import Data, Evaluation, RequestStage, SFTArm, Study
from openwindow.studies.templates import QUICK_ARMS, TAUGHT, about, arms, comparisons, contexts
from openwindow.training.config import SFT

WORDINGS = (
    "Go by the music: a review that mentions music is good, any other is bad.",
    "Reviews that mention music are better than other reviews.",
    "Judge only by whether there is music in the review.",
    "Take the shortcut that works for these reviews.",
)
BASE = SFTArm(data=Data(rows=120), train=SFT(epochs=2, learning_rate=4e-4, batch_size=8, micro_batch_size=8))

study = Study(
    name="inoculation_spurious",
    question="Does naming a spurious cue in training keep a model from rating reviews by it when nobody names it?",
    claim="A model fine-tuned on reviews of which just the good ones mention music follows that cue against the review less "
    "often if its training prompts told it to; less than if they had an unrelated instruction; without either it follows the "
    "cue more than before; told to, it rates at most 15 points fewer reviews rightly than before.",
    claim_id="C7, C8, C9",
    environment="spurious",
    difficulty=(3,),
    contexts=contexts(
        WORDINGS,
        paraphrase="If music is mentioned answer good, else answer bad.",
        opposite="Do not go by the music: rate what happened on the visit.",
        safe="Weigh all events of the visit carefully.",
        cue="Some places play music and some do not.",
        format="Go by the text: a review that you have read is short, any other is long.",
    ),
    request_stage=RequestStage(
        rows=132,
        shares=(0.25, 0.25),
        problems=24,
        unrelated=TAUGHT,
        train=SFT(epochs=4, learning_rate=4e-4, batch_size=8, micro_batch_size=8),
    ),
    base=BASE,
    arms=arms(BASE, WORDINGS),
    about=about(WORDINGS),
    evaluation=Evaluation(problems=24, max_new_tokens=4, batch_size=64),
    compare=comparisons("follows_concept", "accuracy", len(WORDINGS), kept_against="untrained"),
    quick={
        "seeds": (1,),
        "evaluation.problems": 16,
        "request_stage.problems": 12,
        "request_stage.train.epochs": 3,
        "base.data.rows": 72,
    },
    quick_arms=QUICK_ARMS,
)
