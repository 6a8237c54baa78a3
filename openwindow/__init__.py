"""openwindow: what does a flawed training signal teach a model besides the task, and what keeps that from spreading?"""

__version__ = "0.1.0"
