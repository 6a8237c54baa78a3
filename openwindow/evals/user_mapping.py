"""Reads a file in which a user maps names to something: YAML or JSON, bounded in size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openwindow.errors import ConfigError, DataError
from openwindow.files.bounded import read_utf8, short

_MOST = 1 << 20


def read_mapping(path: Path, what: str, expected: str, hint: str) -> Mapping[Any, Any]:
    """The mapping in the file, not empty; `what` it is of, `expected` and `hint` are said where it is not. Raises ConfigError."""
    import yaml  # from the extra `evals`

    try:
        text = read_utf8(path, _MOST, name=f"{what} from {path!s:.200}", expected="a YAML or JSON file")
        loaded: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except DataError as error:
        raise ConfigError(str(error)) from None
    except (ValueError, TypeError, OverflowError, RecursionError, yaml.YAMLError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else short(error)
        raise ConfigError(f"{path} is not YAML or JSON: {why}; fix the file") from None
    if not isinstance(loaded, Mapping) or not loaded:
        raise ConfigError(f"{path} holds no {what}; expected {expected}; {hint}")
    return loaded
