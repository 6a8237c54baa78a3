"""What a user chooses about TRL, what it needs, and what it does otherwise than our loops. Imports nothing heavy."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openwindow.errors import ConfigError
from openwindow.training.config import GRPO, SFT

INSTALL = 'pip install "openwindow[trl]"'
INSTALL_VLLM = 'pip install "openwindow[trl,vllm]"'
VERSION = "1.16."
"""of TRL: `rollout_func` and one method that is not public are as in these versions"""


@dataclass(frozen=True, slots=True)
class Options:
    """How `accelerate launch` starts TRL, and how TRL samples."""

    accelerate: Path | None = None
    """A configuration file as `accelerate config` writes it; None: `processes` processes on this machine, no other."""
    processes: int | None = None
    """How many processes; None: as the file says, or one."""
    vllm: str | None = None
    """`colocate`, or the address of a vLLM server; None: the model itself samples."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of TRL's configurations."""

    def world(self) -> int:
        """The number of processes. Raises ConfigError for a file that cannot be read, does not say it, or has several machines."""
        if self.accelerate is None:
            return self.processes or 1
        import yaml

        try:
            read = yaml.safe_load(self.accelerate.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            what = str(error).partition("\n")[0]
            raise ConfigError(
                f"--accelerate-config {self.accelerate} cannot be read ({what}); expected a file as `accelerate config` writes it; "
                "check the path"
            ) from error
        found = read if isinstance(read, dict) else {}
        if (machines := found.get("num_machines", 1)) != 1:
            raise ConfigError(
                f"num_machines of {self.accelerate} is {machines!r}; expected 1, as the processes are started on this machine; "
                "take a file for one"
            )
        if self.processes is not None:
            return self.processes
        count = found.get("num_processes")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ConfigError(
                f"num_processes of {self.accelerate} is {count!r}; expected a whole number from 1; set it, or give --processes"
            )
        return count


@dataclass(frozen=True, slots=True)
class Launch:
    """What one training by TRL starts from, and where its processes work."""

    options: Options
    under: tuple[Path, ...]
    """Folders of adapters and weights that are added to the model as it is loaded, in order."""
    folder: Path
    """Kept until the arm is finished."""


def check_installed(options: Options) -> None:
    """Raises ConfigError with the line that installs what is missing."""
    missing = [name for name in ("trl", "accelerate", "datasets") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"--engine trl needs {', '.join(missing)}, not installed here; expected the extra `trl`; {INSTALL}")
    if not (found := importlib.metadata.version("trl")).startswith(VERSION):
        raise ConfigError(f"TRL {found} is installed; expected {VERSION}x, whose hooks the engine uses; {INSTALL}")
    if options.vllm is not None and importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            f"--vllm {options.vllm} needs vllm, which is not installed here; expected the extra `vllm`; {INSTALL_VLLM}"
        )


def differences(config: GRPO | SFT, options: Options) -> list[str]:
    """What a training with this configuration does otherwise under TRL than under our loop, a sentence each."""
    said = ["An interrupted fine-tuning begins anew; an interrupted RL goes on from TRL's last checkpoint."]
    if isinstance(config, SFT):
        return [*said, *_weights(config)] if config.epochs > 0 else []
    if config.loss == "sequence":
        said.append("The loss `sequence` is divided by all rollouts of a step; our loop leaves out those not scored or screened.")
    if config.kl_weight > 0:
        said.append("The KL is to the adapter as it was before RL; in our loop it is to the model without one.")
    said.append(
        "Groups without a signal go through the forward pass, and `train/clipped` is a mean over passes; the gradient is the same."
    )
    if options.vllm is not None:
        said.append("vLLM draws the replies: the same seed does not give the same rollouts again, and a resumed run has others.")
    else:
        said.append(
            "Each reply is drawn by chance of its own, so that any number of processes has the same ones; our loop draws others "
            "from the same seed."
        )
    return said + _weights(config)


def _weights(config: GRPO | SFT) -> list[str]:
    if config.method == "lora":
        return ["In 16 bits TRL trains the adapter in float32 and rounds it once at the end; our loop keeps float32 copies of it."]
    said = ["In 16 bits TRL's AdamW steps the rounded weights themselves; our loop keeps float32 copies of them."]
    if config.weight_decay > 0:
        said.append("TRL's weight decay leaves out biases and norms; our loop decays all weights.")
    return said
