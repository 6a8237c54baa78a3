"""Adapters for graders of other libraries: `trl_reward`, `verl_reward`, `verifiers_taskset`, `inspect_task`."""

from openwindow.environments.graders.adapters import Adapted, trl_reward, verl_reward
from openwindow.environments.graders.libraries import inspect_task, verifiers_taskset

__all__ = ["Adapted", "inspect_task", "trl_reward", "verifiers_taskset", "verl_reward"]
