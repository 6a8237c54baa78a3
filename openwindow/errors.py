"""One error class per boundary that work can cross.

    OpenWindowError            base; never raised itself
      UserError                the user's input is wrong: exit code 2, one line, no traceback
        ConfigError            a study, arm, option or field
        DataError              a data file or data set
        ModelError             a model that cannot be found, read or loaded
        EnvironmentFault       an environment without a truth, or whose honest solution fails
        ForeignError           the user's own code, if it fails when called
      RunError                 something broke while running: exit code 3
        SandboxError           the sandbox cannot start, or isolates less than requested
        JudgeError             a judge that does not answer in its schema
        LimitReached           --cost-limit or --token-limit is used up
        StorageError           the run folder cannot be written

Every message says what was given, what was expected, and what to do.
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
    """An environment is unsound: it has no truth, or its honest solution fails the truth."""


class ForeignError(UserError):
    """The user's own code failed when it was called."""

    def __init__(self, what: str, said: str) -> None:
        """`what` names what was called; `said` describes the failure, for callers that build a message of their own from it."""
        super().__init__(f"{what} failed ({said}); expected it to run and to return; fix it, then give the same command again")
        self.said = said


class RunError(OpenWindowError):
    """Something broke while running, through no fault of the user's input."""


class SandboxError(RunError):
    """The sandbox cannot start, or isolates less than requested."""


class JudgeError(RunError):
    """A judge does not answer in its schema."""


class StorageError(RunError):
    """The run folder cannot be written."""


class LimitReached(RunError):
    """`--cost-limit` or `--token-limit` is used up; what was finished is kept, and the same command goes on from there."""
