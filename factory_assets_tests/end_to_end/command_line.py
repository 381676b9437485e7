"""Running ``factory`` inside the test's process, and comparing a home before and after."""

import contextlib
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from rich.console import Console

from factory_assets import cli


@dataclass(frozen=True)
class Answer:
    """Exit code, standard output and standard error of one command."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """What the user reads on standard error, as one line of words."""
        return " ".join(self.err.split())


def factory(*arguments: str) -> Answer:
    """Run ``factory`` with these arguments; any exception that is no exit is the test's failure."""
    out, err = io.StringIO(), io.StringIO()
    consoles = {"out": Console(file=out, width=300), "err": Console(file=err, width=300)}
    code = 0
    with (
        patch("sys.argv", ["factory", *arguments]),
        patch.multiple(cli, **consoles),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return Answer(code, out.getvalue(), err.getvalue())


def snapshot(root: Path, *, without: Sequence[str] = ()) -> dict[str, str]:
    """Every file (hash of its bytes) and folder under a root, except under the named top folders."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if name.parts[0] not in without:
            found[str(name)] = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return found
