"""Whether a run folder was made by this account: then its paths are this person's own, else a stranger's.

A run's config.yaml and overrides.yaml are sealed (HMAC-SHA256) with a key that lies in the account's state folder and
never travels. A folder from elsewhere, or one that was changed by hand, bears no valid seal.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from pathlib import Path

from gan_lab.storage.files import write_whole
from gan_lab.storage.run_folder import RunFolder

KEY_BYTES = 32


def seal(folder: RunFolder) -> None:
    """Mark a run as made here; without a place for the key it stays unmarked."""
    with contextlib.suppress(OSError):
        write_whole(folder.seal, _seal_of(folder, _key(make=True)) + "\n")


def made_here(folder: RunFolder) -> bool:
    """Whether this account made the run, and nobody has changed its configuration since."""
    try:
        stored = folder.seal.read_text().strip()
        return hmac.compare_digest(stored.encode(), _seal_of(folder, _key(make=False)).encode())
    except (OSError, ValueError):
        return False


def _seal_of(folder: RunFolder, key: bytes) -> str:
    seal_ = hmac.new(key, digestmod="sha256")
    for file in (folder.config, folder.overrides):
        content = file.read_bytes() if file.is_file() else b""
        seal_.update(len(content).to_bytes(8, "big") + content)
    return seal_.hexdigest()


def _key(*, make: bool) -> bytes:
    """The account's key.

    Raises:
        OSError: if there is none, or it cannot be made.
    """
    from platformdirs import user_state_path

    path = Path(user_state_path("gan_lab", appauthor=False)) / "seal.key"
    if make and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path}: is no key")
    return key
