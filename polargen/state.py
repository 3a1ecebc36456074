"""The state folder: what polargen keeps between commands, for one user.

``POLARGEN_HOME`` names it; without it the system's place for such things.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from polargen.errors import TargetError

HOME_VARIABLE = "POLARGEN_HOME"
TOGGLE_VARIABLE = "MOCK_DATA_ENABLED"
_TOGGLE = "toggle.json"
_OF_ROOT = Path("/var/lib/polargen")  # a server cannot run as root, nor look into root's home


def home(environment: Mapping[str, str] | None = None) -> Path:
    """Return the state folder; it need not be there yet."""
    given = (os.environ if environment is None else environment).get(HOME_VARIABLE, "").strip()
    if given:
        return Path(given).expanduser().absolute()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return _OF_ROOT
    from platformdirs import user_state_path

    return Path(user_state_path("polargen", appauthor=False))


def made_home() -> Path:
    """Return the state folder, made if it was not there.

    Raises:
        TargetError: it cannot be made.
    """
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(
            f"{folder}: the state folder cannot be made ({error.strerror}); name another one "
            f"with {HOME_VARIABLE}"
        ) from None
    return folder


def stored_toggle(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether database writes were enabled by ``polargen toggle``; False if never asked."""
    try:
        text = (home(environment) / _TOGGLE).read_text(encoding="utf-8")
        return json.loads(text)["enabled"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def store_toggle(enabled: bool) -> None:
    """Keep whether database writes are enabled.

    Raises:
        TargetError: the state folder cannot be written.
    """
    path = made_home() / _TOGGLE
    draft = path.with_name(f".{_TOGGLE}.{os.getpid()}")
    try:
        draft.write_text(json.dumps({"enabled": enabled}) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise TargetError(f"{path}: cannot be written ({error.strerror})") from None


def enabled(environment: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether database writes are enabled, and what decides: the variable wins."""
    said = environment.get(TOGGLE_VARIABLE)
    if said is not None and said.strip():
        return said.strip().strip("\"'").lower() == "true", f"{TOGGLE_VARIABLE} is {said!r}"
    stored = stored_toggle(environment)
    return stored, f"{TOGGLE_VARIABLE} is not set, the stored toggle is {'on' if stored else 'off'}"
