"""Folders of files: claimed by a lock, filled beside the target, swapped in at once.

A run to OUT writes into its sibling OUT.partial:

    OUT.partial/lock                 held while the run lives
    OUT.partial/plan.json            what the run is
    OUT.partial/_groups/00012.json   record of a finished group
    OUT.partial/<table>/part-*       its files
    OUT.partial/manifest.json        written last; then the folder takes OUT's place
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import (
    EACCES,
    EBUSY,
    EDQUOT,
    EINVAL,
    ENOSPC,
    ENOSYS,
    ENOTEMPTY,
    ENOTSUP,
    EPERM,
    EROFS,
    EXDEV,
)
from pathlib import Path
from typing import Any

from polargen.errors import ConfigError, TargetError
from polargen.manifest import FILE_NAME, Manifest

LOCK = "lock"
PLAN = "plan.json"
GROUPS = "_groups"
_OWN = frozenset({LOCK, PLAN, GROUPS, FILE_NAME})
_RENAME_EXCHANGE = 2  # Source: linux/fs.h
_AT_FDCWD = -100  # Source: linux/fcntl.h


@contextmanager
def target_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the operating system into a `TargetError` that names the remedy."""
    try:
        yield
    except OSError as error:
        raise _target_error(folder, error) from error


def _target_error(folder: Path, error: OSError) -> TargetError:
    if error.errno in (ENOSPC, EDQUOT):
        return TargetError(f"{folder}: the disk is full; free some space or choose another folder")
    if error.errno in (EACCES, EPERM):
        return TargetError(
            f"{folder}: no permission to write there; choose another folder or change its owner"
        )
    if error.errno == EROFS:
        return TargetError(f"{folder}: the file system is read-only; choose another folder")
    if error.errno in (EBUSY, EXDEV):
        return TargetError(
            f"{folder}: is a mount point and cannot be replaced; choose a folder inside it"
        )
    what = error.strerror or str(error)
    return TargetError(f"{folder}: cannot be written ({what}); choose another folder")


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class PartialFolder:
    """The folder beside OUT that a run fills, and the swap at its end.

    Args:
        out: folder of the finished data set; need not exist.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(out).expanduser().resolve()
        self.path = self.out.with_name(self.out.name + ".partial")
        self.previous = self.out.with_name(self.out.name + ".previous")
        self._lock: int | None = None
        self._made: list[Path] = []
        self._fresh = False  # holds no work of an earlier run

    def open(
        self,
        plan_hash: str,
        form: Mapping[str, Any],
        run_info: Mapping[str, Any],
        resume: bool,
    ) -> None:
        """Claim the folder.

        Args:
            plan_hash, form: what the parts hold and how; a resumed run must have the same.
            run_info: what else to keep of the run; JSON.
            resume: keep the groups of a killed run.

        Raises:
            ConfigError, TargetError: see `Sink.open`.
        """
        if not self.out.name:
            raise ConfigError(f"{self.out} cannot be replaced: choose a folder inside it")
        if self.out.exists() and self.out.is_mount():
            raise ConfigError(f"{self.out} is a mount point: choose a folder inside it")
        with target_errors(self.out):
            self._make_parents()
            try:
                self._check_partial()
                self._claim()
                self._recover()
                self.check_out()
                self._prepare({"plan_hash": plan_hash, **form}, run_info, resume)
            except BaseException:
                self._forget()
                self._remove_parents()
                raise

    def check_out(self) -> None:
        """Refuse to replace anything but a polargen data set.

        Raises:
            ConfigError: OUT is a file or holds files that are none of polargen's.
        """
        foreign = foreign_files(self.out)
        if foreign:
            shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise ConfigError(
                f"{self.out} holds other files ({shown}): choose another folder or empty it"
            )

    def save_group(self, group: int, record: Mapping[str, Any]) -> None:
        """Write a group's record, as a whole or not at all."""
        with target_errors(self.out):
            write_atomically(self.path / GROUPS / f"{group:05d}.json", json.dumps(record))

    def load_groups(self) -> Iterator[dict[str, Any]]:
        """Yield the groups' records in order; damaged ones are passed over."""
        for path in sorted((self.path / GROUPS).glob("[0-9]*.json")):
            with suppress(ValueError, OSError):
                record = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(record, dict):
                    yield record

    def commit(self, manifest: Manifest, prove: Callable[[Path], None] | None = None) -> None:
        """Write the manifest, let the data be proven, and put the folder in the place of OUT."""
        self.check_out()
        with target_errors(self.out):
            self._remove_unlisted(manifest)
            write_atomically(self.path / FILE_NAME, manifest.to_json())
        if prove is not None:
            prove(self.path)
        with target_errors(self.out):
            if _has_data(self.out):
                self._swap()
            else:
                self.path.rename(self.out)
            for name in (PLAN, GROUPS, LOCK):
                _remove(self.out / name)
        self._release()
        self._made = []

    def abort(self) -> None:
        """Remove the partial folder, and the parents made for it."""
        if self._lock is None:
            return
        _remove(self.path)
        self._release()
        self._remove_parents()

    def _make_parents(self) -> None:
        missing = []
        parent = self.out.parent
        while not parent.exists():
            missing.append(parent)
            parent = parent.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            self._made.append(folder)

    def _remove_parents(self) -> None:
        with suppress(OSError):  # not empty: someone else uses it by now
            while self._made:
                self._made.pop().rmdir()

    def _check_partial(self) -> None:
        """Refuse a folder OUT.partial that no run left."""
        ours = _is_run(self.path) or not foreign_files(self.path)
        if self.path.exists() and not ours:
            raise ConfigError(
                f"{self.path} holds other files: move it away, polargen needs this name"
            )

    def _claim(self) -> None:
        for _ in range(10):
            self._fresh = not _has_data(self.path)
            self.path.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):  # another run has just removed the folder
                lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
                if self._locked(lock):
                    return
        raise TargetError(f"{self.out}: another run is just ending there; try again")

    def _locked(self, lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise TargetError(
                f"{self.out} is being written by another run: wait for it or choose another folder"
            ) from None
        try:
            same = os.path.samestat(os.fstat(lock), (self.path / LOCK).stat())
        except FileNotFoundError:
            same = False
        if same:
            self._lock = lock
        else:
            os.close(lock)
        return same

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _recover(self) -> None:
        """Undo what a kill in the middle of a swap left."""
        if not (self.previous / FILE_NAME).is_file() or foreign_files(self.previous):
            return
        if not self.out.exists():
            self.previous.rename(self.out)
        elif _has_data(self.out):
            _remove(self.previous)

    def _forget(self) -> None:
        """Give up a claim; the work of an earlier run stays."""
        if self._lock is not None and self._fresh:
            _remove(self.path)
        self._release()

    def _prepare(
        self, identity: Mapping[str, Any], run_info: Mapping[str, Any], resume: bool
    ) -> None:
        keep = resume and self._may_resume(identity)
        self._fresh |= not keep
        for entry in self.path.iterdir():
            if entry.name != LOCK and not keep:
                _remove(entry)
        _remove(self.path / FILE_NAME)
        (self.path / GROUPS).mkdir(exist_ok=True)
        document = {**identity, "run": dict(run_info)}
        write_atomically(self.path / PLAN, json.dumps(document, ensure_ascii=False, indent=1))

    def _may_resume(self, identity: Mapping[str, Any]) -> bool:
        try:
            found = json.loads((self.path / PLAN).read_text(encoding="utf-8"))
            other = [name for name, value in identity.items() if found[name] != value]
        except (OSError, ValueError, KeyError, TypeError):
            return False  # nothing was begun
        if other:
            raise ConfigError(
                f"{self.path} was left by another run (its {other[0]} is {found[other[0]]!r}, "
                f"not {identity[other[0]]!r}): repeat that run's options, or do not resume"
            )
        return True

    def _remove_unlisted(self, manifest: Manifest) -> None:
        """Remove drafts and parts of earlier tries."""
        for name in _unlisted(self.path, manifest):
            (self.path / name).unlink()
        for folder in list(self.path.iterdir()):
            if folder.is_dir() and folder.name != GROUPS:
                with suppress(OSError):
                    folder.rmdir()

    def _swap(self) -> None:
        if self.previous.exists():
            raise TargetError(f"{self.previous} is in the way: move it away and try again")
        if exchange(self.path, self.out):
            self.path.rename(self.previous)  # free the name for the next run at once
            _remove(self.previous)
            return
        self.out.rename(self.previous)
        try:
            self.path.rename(self.out)
        except OSError:
            self.previous.rename(self.out)
            raise
        _remove(self.previous)


def exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (EINVAL, ENOSYS, ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def foreign_files(folder: Path) -> list[str]:
    """Return what in a folder is not of a polargen data set: names, at most a few; [] if none."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        return [folder.name]
    try:
        manifest = Manifest.read(folder)
    except ConfigError:
        return sorted(entry.name for entry in folder.iterdir() if entry.name != LOCK)
    return sorted(_unlisted(folder, manifest))


def _unlisted(folder: Path, manifest: Manifest) -> list[str]:
    """Return the files in a folder that are not of a data set, by names inside the folder."""
    listed = {part.file for table in manifest.tables.values() for part in table.parts}
    found = []
    for base, folders, files in os.walk(folder):
        inside = "" if base == str(folder) else f"{Path(base).relative_to(folder).as_posix()}/"
        files += [name for name in folders if (Path(base) / name).is_symlink()]
        if not inside:
            folders[:] = [name for name in folders if name != GROUPS]
            files = [name for name in files if name not in _OWN]
        found += [name for file in files if (name := inside + file) not in listed]
    return found


def _has_data(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _is_run(folder: Path) -> bool:
    return (folder / PLAN).is_file() or (folder / GROUPS).is_dir()


def _remove(path: Path) -> None:
    """Remove a file or folder, also while a worker that is being stopped still writes there."""
    for _ in range(20):
        if not path.exists():
            return
        if path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            time.sleep(0.05)
    if path.exists():
        raise OSError(ENOTEMPTY, f"{path.name} cannot be removed", str(path))
