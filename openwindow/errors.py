"""One error per boundary that work can cross.

    OpenWindowError            base; never raised itself
      UserError                the user's input is wrong: exit code 2, one line, no traceback
        ConfigError            a study, arm, option or field
        DataError              a data file or data set
        ModelError             a model that cannot be found, read or loaded
        EnvironmentFault       an environment that has no truth, or whose honest solution fails
        ForeignError           code of the user's own that fails when it is called
      RunError                 something broke while running: exit code 3
        SandboxError           the sandbox cannot start, or gives less isolation than was asked for
        JudgeError             a judge that does not answer in its schema
        StorageError           the run folder cannot be written

Every message says what came, what was expected, and what to do.
"""

from __future__ import annotations


class OpenWindowError(Exception):
    """Base of all errors that openwindow raises on purpose."""

    exit_code = 3


class UserError(OpenWindowError):
    """The user's input is wrong; the message alone must be enough to fix it."""

    exit_code = 2


class ConfigError(UserError):
    """A study, arm, option or configuration field is wrong."""


class DataError(UserError):
    """A data file or data set is missing, unreadable or of the wrong form."""


class ModelError(UserError):
    """A model cannot be found, read or loaded."""


class EnvironmentFault(UserError):
    """An environment is unsound: no truth, or an honest solution that fails it."""


class ForeignError(UserError):
    """Code of the user's own failed when it was called."""

    def __init__(self, what: str, said: str) -> None:
        """`what` was called; `said` is how it failed, for callers that put it into a message of their own."""
        super().__init__(f"{what} failed ({said}); expected it to run and to return; fix it, then give the same command again")
        self.said = said


class RunError(OpenWindowError):
    """Something broke while running, through no fault of the user's input."""


class SandboxError(RunError):
    """The sandbox cannot start, or isolates less than was asked for."""


class JudgeError(RunError):
    """A judge does not answer in its schema."""


class StorageError(RunError):
    """The run folder cannot be written."""
