"""What a grader of your own is made of: `Task`, `OwnGrader`, `WithTruth`, `WithSource`."""

from openwindow.environments.graders.tasks import OwnGrader, Task, WithSource, WithTruth

__all__ = ["OwnGrader", "Task", "WithSource", "WithTruth"]
