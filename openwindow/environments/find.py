"""Finds an environment by its name, built in or the user's own (`my_env.py:MyEnv`, `cmd:COMMAND`), and its options."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from openwindow.environments import ENVIRONMENTS, user
from openwindow.environments.base import BaseEnvironment, Environment, EnvironmentConfig
from openwindow.environments.gameable import Gameable, GameableEnvironment
from openwindow.environments.graders.command import source_of
from openwindow.environments.graders.forms import COMMAND
from openwindow.environments.user_file import named_object
from openwindow.errors import ConfigError


def config_of(name: str) -> type[EnvironmentConfig]:
    """The options of the environment. Raises ConfigError for an unknown name."""
    if user.is_users(name):
        return user.config_of(user.found(name))
    if name not in ENVIRONMENTS:
        near = difflib.get_close_matches(name, ENVIRONMENTS, n=1)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"choose one of {', '.join(ENVIRONMENTS)}, or FILE.py:OBJECT, MODULE:OBJECT or cmd:COMMAND"
        )
        raise ConfigError(f"unknown environment: {name!r}; {hint}")
    return ENVIRONMENTS[name].Config


def kind_of(name: str) -> type[BaseEnvironment[Any]]:
    """The class of an environment, which describes itself; BaseEnvironment for a user's class that does not derive from it."""
    if not user.is_users(name):
        config_of(name)
        return ENVIRONMENTS[name]
    return user.kind_of(user.found(name))


def make(name: str, options: Mapping[str, Any]) -> Environment:
    """The environment with these options and defaults for the others. Raises UserError."""
    config = configured(name, options)
    if user.is_users(name):
        return user.made(name, user.found(name), config)
    return ENVIRONMENTS[name](config)


def configured(name: str, options: Mapping[str, Any]) -> EnvironmentConfig:
    """The environment's config with these options. Raises ConfigError for an unknown option or a wrong value."""
    return configured_as(name, config_of(name), options)


def configured_as(name: str, kind: type[EnvironmentConfig], options: Mapping[str, Any]) -> EnvironmentConfig:
    """A config of this kind. Raises ConfigError."""
    for option in options:
        if option not in kind.model_fields:
            near = difflib.get_close_matches(option, kind.model_fields, n=1)
            known = f"it has {', '.join(kind.model_fields)}" if kind.model_fields else "it has none"
            raise ConfigError(
                f"environment {name} has no option {option!r}; {f'did you mean {near[0]!r}?' if near else f'{known}; drop it'}"
            )
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"environment {name}: {where} is {repr(first['input'])[:60]}; {first['msg'][0].lower()}{first['msg'][1:]}; fix it"
        ) from error


def gameable(name: str, options: Mapping[str, Any]) -> Gameable:
    """The environment, whose grader must have loopholes. Raises UserError."""
    made = make(name, options)
    if not isinstance(made, Gameable):
        raise ConfigError(
            f"environment {name!r} has no loopholes; expected a gameable one such as {', '.join(gameable_names())}; change it"
        )
    return made


def gameable_names() -> list[str]:
    """The built-in environments whose grader has loopholes."""
    return [name for name, kind in ENVIRONMENTS.items() if issubclass(kind, GameableEnvironment)]


def source_hash(name: str) -> str | None:
    """SHA-256 of the file of a user's environment or grader, or of a command and the files it names; None for a built-in one."""
    if not user.is_users(name):
        return None
    if name.startswith(COMMAND):
        return hashlib.sha256(source_of(name.removeprefix(COMMAND)).encode("utf-8", "backslashreplace")).hexdigest()
    path = named_object(name)[1]
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
