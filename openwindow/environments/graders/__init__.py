"""Graders of users' own, in every form that trainers have, as tasks with scores and as an environment to train and measure in."""
