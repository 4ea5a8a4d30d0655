"""A folder appears whole or not at all, and takes nothing of anybody's with it.

The files are written aside, flushed to the disk, and the folder exchanged for the one
that is there, in one step where the system has it. At every instant the earlier output
or the new one is there, whole. Where the system has no exchange there are two renames,
and what a kill between them leaves is put back by the next run
(:mod:`resgen.files.aside`).

Of the earlier folder only what resgen wrote goes (:mod:`resgen.files.ownership`).
Where anything else lies in it, the folder is refused; with ``force`` those files come
along to the same places in the new folder. A file of somebody's where a new one belongs
is never overwritten.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from resgen.errors import ResgenError, UsageError
from resgen.files.aside import OLD, folder_aside
from resgen.files.exchange import exchange
from resgen.files.ordinary import reason
from resgen.files.ownership import Contents, briefly, contents, listed, parents
from resgen.files.whole import flush, require_writable, unwritable

#: Others' files that come along at most: more of them are a home, not an output.
MOST: Final = 100_000
#: How often somebody else may be quicker before it is an error.
_TRIES: Final = 8
_QUICKER: Final = {errno.EEXIST, errno.ENOTEMPTY}
_NEW: Final = "new"


@contextmanager
def staged(
    target: Path,
    *,
    force: bool,
    names: Iterable[str] = (),
    source: Path | None = None,
) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` when the block ends well.

    A link at ``target`` is followed. ``names`` are files that will be written, as far
    as they are known: one of somebody's in their place is refused before the work, and
    so is a folder that holds the ``source`` of the work, which would go.
    What cannot be is a :class:`~resgen.errors.ResgenError`, and leaves all as it was.
    """
    place, found = require_place(target, force=force, names=names, source=source)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with folder_aside(place.parent) as aside:
            new = aside / _NEW
            new.mkdir()
            try:
                yield new
                flush(new)
                _put(new, place, target, found, force=force)
            except ResgenError as error:
                # A person knows nothing of the folder aside, which is gone by then.
                error.message = error.message.replace(str(new), str(target))
                raise
    except OSError as error:
        raise unwritable(target, error) from error


def require_place(
    target: Path,
    *,
    force: bool,
    names: Iterable[str] = (),
    source: Path | None = None,
) -> tuple[Path, Contents | None]:
    """Refuse what :func:`staged` would, before work that ends in it.

    Gives the folder that ``target`` leads to, and what is in it that may be replaced.
    """
    place = _resolved(target)
    try:
        held = source and place.is_dir() and Path(os.path.realpath(source))
        if source and held and held.is_relative_to(place):
            raise UsageError(
                f"{target} holds {source.name}, which this is made from, and would be "
                "replaced",
                hint="name another folder",
            )
        found = _check(place, target, names, force=force)
    except OSError as error:
        raise unwritable(target, error) from error
    require_writable(target)
    return place, found


# --- parts ----------------------------------------------------------------------------


def _resolved(target: Path) -> Path:
    try:
        return Path(os.path.realpath(target))
    except ValueError as error:  # a NUL, which no path of any system holds
        raise ResgenError(f"cannot write {str(target)!r}: {error}") from error


def _check(
    place: Path,
    target: Path,
    names: Iterable[str],
    *,
    force: bool,
    known: Contents | None = None,
) -> Contents | None:
    """What is at ``place``, which may be replaced; None if nothing is."""
    names = tuple(names)
    if not os.path.lexists(place):
        return None
    if not place.is_dir():
        # A link that leads nowhere, or in a circle, is there and is no file.
        what = "a file" if place.exists() else "a link that leads to no folder"
        raise ResgenError(f"{target} is {what}", hint="name another folder")
    if not force and not listed(place) and any(place.iterdir()):
        # Nothing there is ours; whoever names his home does not wait until all is seen.
        inside = sorted(f"{p.name}/" if p.is_dir() else p.name for p in place.iterdir())
        raise _refused(target, inside, [n for n in names if n in inside])
    found = contents(place, known)
    wanted = dict.fromkeys(names)
    taken = {parent for name in wanted for parent in parents(name)} | wanted.keys()
    blocked = [
        name
        for name in sorted(found.others)
        if name in taken or any(parent in wanted for parent in parents(name))
    ]
    if found.others and not force:
        raise _refused(target, briefly(found), blocked)
    if len(found.others) > MOST:
        raise ResgenError(
            f"{target} holds more than {MOST:,} other files",
            hint="name another folder",
        )
    if blocked:
        raise ResgenError(
            f"{target / blocked[0]} is not resgen's, or was changed since, and a new "
            "file belongs there",
            hint="move it away, or name another folder",
        )
    return found


def _refused(
    target: Path, others: Iterable[str], blocked: Sequence[str]
) -> ResgenError:
    first, more = [*others][:3], len([*others]) - 3
    said = ", ".join(first) + (f" and {more} more" if more > 0 else "")
    return ResgenError(
        f"{target} holds what resgen did not write, or what was changed since: {said}",
        hint=f"name another folder, or move {blocked[0]} away, where a file belongs"
        if blocked
        else "name another folder, or take those files along with force=True",
    )


def _put(
    new: Path, place: Path, target: Path, known: Contents | None, *, force: bool
) -> None:
    """Have ``new`` take the place of what is at ``place``."""
    names = [
        path.relative_to(new).as_posix() for path in new.rglob("*") if not path.is_dir()
    ]
    for _ in range(_TRIES):
        known = _check(place, target, names, force=force, known=known)
        if known is None:
            try:
                new.rename(place)
            except OSError as error:
                if error.errno not in _QUICKER:
                    raise
            else:
                return
        elif _carry(known.others, place, new) and _swap(new, place, known):
            return
    raise ResgenError(
        f"{target} is being changed by somebody else", hint="build it again"
    )


def _carry(others: Mapping[str, object], place: Path, new: Path) -> bool:
    """Give others' files a second name in the new folder; False if one is gone."""
    _like(place, new)
    try:
        for name in others:
            made = [p for p in parents(name) if not (new / p).exists()]
            for parent in made:
                (new / parent).mkdir()
                _like(place / parent, new / parent)
            if not os.path.lexists(new / name):
                _link(place / name, new / name)
    except FileNotFoundError:
        return False
    return True


def _link(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():  # an empty one
        target.mkdir()
        _like(source, target)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError as error:  # a file system without a second name for files
        if not source.is_file() or source.stat().st_dev != target.parent.stat().st_dev:
            words = f"{source} cannot come along: {reason(error)}"
            raise ResgenError(words, hint="name another folder") from error
        shutil.copy2(source, target, follow_symlinks=False)


def _like(old: Path, new: Path) -> None:
    """Give a folder the mode and owner of the one that it replaces."""
    shutil.copystat(old, new)
    with suppress(OSError, AttributeError):
        state = old.stat()
        os.chown(new, state.st_uid, state.st_gid)


def _swap(new: Path, place: Path, known: Contents) -> bool:
    """Exchange the two; False, and all as it was, if ``place`` is not as ``known``."""
    if exchange(new, place):
        if _is_known(new, known):
            return True
        exchange(new, place)
        return False
    old = new.parent / OLD / place.name
    old.parent.mkdir(exist_ok=True)
    place.rename(old)
    try:
        if _is_known(old, known):
            new.rename(place)
            return True
        return False
    finally:
        if not os.path.lexists(place):
            old.rename(place)


def _is_known(old: Path, known: Contents) -> bool:
    """Whether nothing of others came to the old folder since it was looked at."""
    return contents(old, known).others.items() <= known.others.items()
