"""Stock S3 clients at pinned versions, installed when first asked for and kept in `.cache/clients`.

What cannot be installed raises `ClientUnavailableError`, which says what to do: no test is skipped for want of its
client. Any number of test processes may ask at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PROJECT = Path(__file__).parents[2]
_LOCKS = _PROJECT / "tests" / "clients"
_CACHE = _PROJECT / ".cache" / "clients"
_CURL = (7, 75)  # the first with --aws-sigv4


class ClientUnavailableError(RuntimeError):
    """A stock client is not here and could not be installed; the message says what to do."""


def aws() -> Path:
    """The `aws` command (version 1), of the project's development environment."""
    return _own("aws")


def python() -> Path:
    """The interpreter of the Python clients' own environment, which has all of requirements.lock."""
    return _python_clients() / "bin" / "python"


def s3cmd() -> Path:
    return _python_clients() / "bin" / "s3cmd"


def s5cmd() -> Path:
    return _python_clients() / "bin" / "s5cmd"


def rclone() -> Path:
    return _debian("rclone")


def restic() -> Path:
    return _debian("restic")


def curl() -> Path:
    found = shutil.which("curl")
    if not found:
        raise ClientUnavailableError("The tests need curl: install the package curl.")
    version = re.match(r"curl (\d+)\.(\d+)", _run([found, "--version"]))
    if not version or tuple(map(int, version.groups())) < _CURL:
        raise ClientUnavailableError("The tests need curl 7.75 or newer, which signs requests itself.")
    return Path(found)


def node() -> Path:
    """Node.js; its programs import what `node_modules` has."""
    return Path(_command("node", "Node.js 20 or newer with npm"))


def node_modules() -> Path:
    """The AWS SDK for JavaScript and all it needs, as package-lock.json says."""
    manifests = [_LOCKS / "package.json", _LOCKS / "package-lock.json"]

    def install(directory: Path) -> None:
        for manifest in manifests:
            shutil.copy(manifest, directory)
        npm = _command("npm", "Node.js 20 or newer with npm")
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=directory)

    return _installed("javascript", _fingerprint(*manifests), install) / "node_modules"


def _own(name: str) -> Path:
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ClientUnavailableError(f"{path} is missing: install requirements-dev.lock (make test does).")
    return path


def _python_clients() -> Path:
    lock = _LOCKS / "requirements.lock"

    def install(directory: Path) -> None:
        venv.create(directory, with_pip=True, symlinks=True)
        pip = [directory / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--quiet", "--require-hashes", "-r", lock])

    return _installed(f"python{sys.version_info.major}.{sys.version_info.minor}", _fingerprint(lock), install)


def _debian(name: str) -> Path:
    """The command of that name on PATH or else, unpacked and not installed, from Debian's package of that name."""
    if found := shutil.which(name):
        return Path(found)
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise ClientUnavailableError(f"The tests need {name}: install it so that it is on PATH.")

    def install(directory: Path) -> None:
        try:
            _download(name, directory)
        except ClientUnavailableError:
            # The lists of packages may be missing or old.
            _run(["apt-get", "update", "-qq"])
            _download(name, directory)
        (package,) = directory.glob(f"{name}_*.deb")
        _run(["dpkg-deb", "--extract", package, directory])
        package.unlink()

    return _installed(name, "debian", install) / "usr" / "bin" / name


def _download(package: str, directory: Path) -> None:
    _run(["apt-get", "download", "-qq", package], cwd=directory)


def _installed(name: str, version: str, install: Callable[[Path], None]) -> Path:
    """The directory that `install` has filled, once for each version."""
    directory = _CACHE / f"{name}-{version}"
    complete = directory / ".complete"
    with _locked(name):
        if not complete.exists():
            for old in _CACHE.glob(f"{name}-*"):
                shutil.rmtree(old)
            directory.mkdir(parents=True)
            install(directory)
            complete.touch()
    return directory


@contextmanager
def _locked(name: str) -> Iterator[None]:
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fingerprint(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _command(name: str, needed: str) -> str:
    found = shutil.which(name)
    if not found:
        raise ClientUnavailableError(f"The tests need {needed}: no {name} on PATH.")
    return found


def _run(command: Sequence[object], *, cwd: Path | None = None) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClientUnavailableError(f"{' '.join(words)} failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout
