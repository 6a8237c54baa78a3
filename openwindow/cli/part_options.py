"""Options of `openwindow run` for a part of a study, and for many parts on a cluster."""

from __future__ import annotations

from typing import Annotated

from openwindow.cli.options import option

PARTS = "Parts of a study"
"""the panel of these options in the help"""
Arms = Annotated[
    str | None,
    option("--arms", what="Run only these arms; others may run the rest into the same folder.", metavar="A,B", panel=PARTS),
]
OnlySeeds = Annotated[str | None, option("--only-seeds", what="Run only at these seeds of the study.", metavar="A,B", panel=PARTS)]
Wait = Annotated[
    float | None,
    option("--wait", what="Minutes to wait for an arm that others need and nobody runs. [default: 1440]", metavar="M", panel=PARTS),
]
Ray = Annotated[
    str | None,
    option(
        "--ray",
        what="Run the arms on a Ray cluster. [default address: a running one, or this machine]",
        metavar="[ADDRESS]",
        panel=PARTS,
    ),
]
Gpus = Annotated[
    float | None,
    option("--gpus-per-arm", what="With --ray: GPUs of each arm. [default: 1 where the cluster has any]", metavar="N", panel=PARTS),
]
