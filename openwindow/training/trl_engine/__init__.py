"""Training by TRL's `GRPOTrainer` and `SFTTrainer`, in processes of their own that `accelerate launch` starts.

This process keeps everything that a study is made of: it decides what is asked and in which order, renders the prompts, grades,
screens and rewards the rollouts, and writes them down. What it hands to TRL are token ids, and what it gets back are drawn tokens
(`rl.py`), metrics and weights. So an arm is the same arm, with the same records, whoever computes its gradient.

    launch.py      starts the processes, talks to the first of them over a socket, and ends them
    rl.py, sft.py  in this process; stand in for `training.grpo.train` and `training.sft.train_examples`
    worker.py      in the other processes: `python -m openwindow.training.trl_engine.worker JOB`
    worker_rl.py, worker_sft.py   make TRL's trainers and hold on to their hooks
    options.py     what the user chooses, and what TRL does otherwise; imports nothing heavy
"""
