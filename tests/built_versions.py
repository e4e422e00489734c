"""`python tests/built_versions.py`: the version of a build from a tag, after it, its sdist, without git, as an image.

Needs hatchling and hatch-vcs; `.ci/package` runs it. The repository is copied, and the copies get tags.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (".git_archival.txt", ".gitattributes", "LICENSE", "README.md", "pyproject.toml", "src/cowest/__init__.py")


def run(folder: Path, *command: str, **environment: str) -> str:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=os.environ | environment)
    return done.stdout.strip()


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    return run(folder, "git", *author, *arguments)


def version(folder: Path, **environment: str) -> str:
    return run(folder, sys.executable, "-m", "hatchling", "version", **environment)


def unpacked(archive: Path, to: Path) -> Path:
    with tarfile.open(archive) as file:
        file.extractall(to, filter="data")
    (folder,) = to.iterdir()
    return folder


def copied(folder: Path) -> Path:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "recipes").mkdir()
    (folder / "recipes" / "one.yaml").touch()
    return folder


def versions(work: Path) -> dict[str, str]:
    """The version by where it is built from."""
    found = {"without git": version(copied(work / "bare"))}
    (variable,) = re.findall(r'(\w+)="\$VERSION"', (ROOT / "Dockerfile").read_text())
    found["as the Dockerfile says it"] = version(copied(work / "image"), **{variable: "0.3.0"})
    repository = copied(work / "repository")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=first")
    found["without a tag"] = version(repository)
    git(repository, "tag", "v0.2.0")
    found["a tag"] = version(repository)
    run(repository, sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(work / "dist"))
    found["its sdist"] = version(unpacked(next((work / "dist").iterdir()), work / "sdist"))
    git(repository, "archive", "--prefix=cowest/", f"--output={work / 'archive.tar'}", "HEAD")
    found["its archive"] = version(unpacked(work / "archive.tar", work / "archive"))
    git(repository, "commit", "--quiet", "--allow-empty", "--message=second")
    found["after the tag"] = version(repository)
    return found


EXPECTED = {
    "without git": r"0\.0",
    "as the Dockerfile says it": r"0\.3\.0",
    "without a tag": r"0\.1\.dev1\+g[0-9a-f]+",
    "a tag": r"0\.2\.0",
    "its sdist": r"0\.2\.0",
    "its archive": r"0\.2\.0",
    "after the tag": r"0\.2\.1\.dev1\+g[0-9a-f]+",
}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = versions(Path(folder))
    print("\n".join(f"{where}: {text}" for where, text in found.items()))
    if wrong := [where for where, pattern in EXPECTED.items() if not re.fullmatch(pattern, found[where])]:
        sys.exit(f"another version than expected: {', '.join(wrong)}")
