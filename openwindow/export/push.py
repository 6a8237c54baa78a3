"""Sends the folder of an arm to the Hugging Face hub. Raises UserError where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from openwindow.errors import ConfigError
from openwindow.export.trackers import foreign, library


class Api(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    def create_repo(
        self, repo_id: str, *, private: bool | None = None, repo_type: str | None = None, exist_ok: bool = False
    ) -> object:
        """Makes the repository."""
        ...

    def upload_folder(
        self, *, repo_id: str, folder_path: str | Path, repo_type: str | None = None, commit_message: str | None = None
    ) -> object:
        """Sends the files in one commit."""
        ...


def check_name(repo: str) -> str:
    """The name of a repository. Raises ConfigError for one that the hub does not take."""
    utils = library("huggingface_hub.utils", "push", "openwindow[train]")
    try:
        utils.validate_repo_id(repo)
    except utils.HFValidationError as error:
        said = " ".join(str(error).split())[:160]
        raise ConfigError(f"{repo[:100]!r} is no name of a repository ({said}); expected ORG/NAME; give another") from None
    if repo.count("/") != 1:
        raise ConfigError(f"{repo[:100]!r} has no owner; expected ORG/NAME; put your name or organisation before it")
    return repo


def hub_api() -> Api:
    """The hub, with the user's token. Raises ConfigError if there is none."""
    hub = library("huggingface_hub", "push", "openwindow[train]")
    if hub.get_token() is None:
        raise ConfigError(
            "push and there is no token of the hub; expected HF_TOKEN, or a login; run `hf auth login`, or give --dry-run to "
            "write the folder alone"
        )
    api: Api = hub.HfApi()
    return api


def upload(folder: Path, repo: str, api: Api, *, private: bool, message: str) -> str:
    """Makes the repository if it is not there, and sends the folder in one commit; returns its address."""
    with foreign("the hub"):
        api.create_repo(repo, repo_type="model", private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, repo_type="model", commit_message=message)
    return f"https://huggingface.co/{repo}"
