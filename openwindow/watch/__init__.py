"""A window on a run that another trainer makes: its rollouts read, graded again, counted by step, and shown on a page."""
