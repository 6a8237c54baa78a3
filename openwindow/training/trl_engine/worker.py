"""One of TRL's processes: `accelerate launch -m openwindow.training.trl_engine.worker JOB`.

Loads the model as the process that started it has it, trains it as the job says, and saves what is trained. The first process
reports over the job's socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState
from peft import PeftModel

from openwindow.errors import ConfigError
from openwindow.models.hf import LocalModel, load
from openwindow.training.trl_engine import worker_rl, worker_sft
from openwindow.training.trl_engine.launch import Line

KINDS = {"rl": worker_rl.made, "sft": worker_sft.made}


def main() -> None:
    """Does the job whose file is the only argument."""
    path = Path(sys.argv[1])
    job = json.loads(path.read_text(encoding="utf-8"))
    state = PartialState(cpu=os.environ.get("ACCELERATE_USE_CPU", "false") == "true")
    line = _connected(job["socket"]) if state.is_main_process else None
    try:
        do(job, path.parent, line)
    except ConfigError as error:
        if line is None:
            raise
        line.send({"kind": "refused", "why": str(error)})
    finally:
        if line is not None:
            line.close()
        with contextlib.suppress(Exception):
            state.destroy_process_group()


def do(job: Mapping[str, Any], folder: Path, line: Line | None) -> None:
    """Trains as the job says and saves into `folder`/trained; `line` reports, in the first process alone. Raises ConfigError."""
    state = PartialState()
    model = loaded(job, "cpu" if state.device.type == "cpu" else str(state.device))
    trainer = KINDS[job["kind"]](model, job, folder, line)
    trainer.train(resume_from_checkpoint=job.get("resume"))
    scratch = folder / ".trained"
    trainer.save_model(str(scratch))
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.is_main_process:
        scratch.rename(folder / "trained")
    if line is not None:
        line.send({"kind": "finished"})


def loaded(job: Mapping[str, Any], device: str) -> LocalModel:
    """The model that the job starts from, with its adapter ready to be trained."""
    model = load(job["source"], job["precision"], device)
    for under in map(Path, job["under"]):
        if under.name == "adapter":
            model.merge_saved_adapter(under)
        else:
            model.load_weights(under)
    if job["adapter"] is None:
        model.network.requires_grad_(True)
        return model
    # In float32 on 16-bit weights, so that small steps are not lost; shards must all be of one precision.
    sharded = any(os.environ.get(f"ACCELERATE_USE_{kind}", "false") == "true" for kind in ("FSDP", "DEEPSPEED"))
    adapter = PeftModel.from_pretrained(model.network, job["adapter"], is_trainable=True, autocast_adapter_dtype=not sharded)
    model.network = adapter
    return model


def _connected(path: str) -> Line:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return Line(connection)


if __name__ == "__main__":
    main()
