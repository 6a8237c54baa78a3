"""Finds an environment by its name, built in or `my_env.py:MyEnv`, and its options."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from openwindow.environments import ENVIRONMENTS, user
from openwindow.environments.base import BaseEnvironment, Environment, EnvironmentConfig
from openwindow.environments.gameable import Gameable, GameableEnvironment
from openwindow.errors import ConfigError


def config_of(name: str) -> type[EnvironmentConfig]:
    """The options of the environment. Raises ConfigError for an unknown name."""
    if user.is_users(name):
        return user.config_of(user.found(name)[0])
    if name not in ENVIRONMENTS:
        near = difflib.get_close_matches(name, ENVIRONMENTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(ENVIRONMENTS)}, or FILE.py:OBJECT"
        raise ConfigError(f"unknown environment: {name!r}; {hint}")
    return ENVIRONMENTS[name].Config


def kind_of(name: str) -> type[BaseEnvironment[Any]]:
    """The class of an environment, which describes itself; BaseEnvironment for a user's class that does not derive from it."""
    if not user.is_users(name):
        config_of(name)
        return ENVIRONMENTS[name]
    thing = user.found(name)[0]
    return thing if isinstance(thing, type) and issubclass(thing, BaseEnvironment) else BaseEnvironment


def make(name: str, options: Mapping[str, Any]) -> Environment:
    """The environment with these options and defaults for the others. Raises UserError."""
    config = configured(name, options)
    if user.is_users(name):
        return user.wrapped(name, user.found(name)[0], config)
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
    """SHA-256 of the file of a user's environment; None for a built-in one."""
    return hashlib.sha256(user.found(name)[1].read_bytes()).hexdigest() if user.is_users(name) else None
