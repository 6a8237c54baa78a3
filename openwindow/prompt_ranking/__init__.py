"""Inoculation prompts ranked before any training, and the study of whether that ranking holds."""
