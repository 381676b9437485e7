"""Rules of the house that no linter knows: file length, no executable formats, no absolute paths, honest tests.

Run as ``python -m factory_assets_tests.house_rules``; part of ``make check``.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINES_MAX = 800
_EXECUTABLE = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|joblib|cloudpickle|dill|shelve|marshal)\b|torch\.load\(|allow_pickle\s*=\s*True"
    r"|read_pickle\(|to_pickle\("
)
_ABSOLUTE = re.compile(r"[\"'(= ]/(?:home|root|tmp|Users|mnt|srv|opt|work)/")
_SILENT = re.compile(r"except Exception|except:\s*$|except BaseException:\s*pass")


def tracked(*suffixes: str) -> list[Path]:
    """Files git tracks or would track, with one of the suffixes."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    paths = [ROOT / line for line in listed.stdout.decode().splitlines()]
    return [path for path in paths if path.exists() and (path.suffix in suffixes or path.name in suffixes)]


def broken_rules() -> list[str]:
    """One line for each place that breaks a rule."""
    found = []
    for path in tracked(".py"):
        name = path.relative_to(ROOT).as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LINES_MAX:
            found.append(f"{name}: {len(lines)} lines, at most {LINES_MAX}")
        for number, line in enumerate(lines, start=1):
            if name != "factory_assets_tests/house_rules.py" and _EXECUTABLE.search(line):
                found.append(f"{name}:{number}: executable format")
            if name.startswith("factory_assets/") and _SILENT.search(line):
                found.append(f"{name}:{number}: hides errors")
    for path in tracked(".py", ".toml", ".yaml", ".yml", ".md", ".txt", "Makefile", "run"):
        name = path.relative_to(ROOT).as_posix()
        if name == "factory_assets_tests/house_rules.py":
            continue
        text = path.read_text(encoding="utf-8")
        found += [
            f"{name}:{number}: path of one machine"
            for number, line in enumerate(text.splitlines(), start=1)
            if _ABSOLUTE.search(line)
        ]
        if name == "constraints.txt":
            found += [f"{name}: {line}" for line in text.splitlines() if "://" in line or "+" in line or "@" in line]
    return found


if __name__ == "__main__":
    rules = broken_rules()
    sys.stdout.write("".join(f"{line}\n" for line in rules) or "house rules: all kept\n")
    sys.exit(1 if rules else 0)
