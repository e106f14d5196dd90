"""Fetches LiteRT.js, which the page runs networks in, into the folder `vendor`.

    python deploy/browser/fetch.py

It needs npm, which brings packages from the registry that it is set to. Each package is
one version, and its archive has the SHA-512 that stands here, or is refused.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).with_name("vendor")
MARK = "integrity"  # the file that says which archive a folder is of

# By folder: the package, its version, and its archive's SHA-512 as npm writes it.
PACKAGES = {
    "core": (
        "@litertjs/core",
        "2.5.3",
        "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    ),
    "wasm-utils": (
        "@litertjs/wasm-utils",
        "2.5.3",
        "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
    ),
}


def is_there() -> bool:
    """Whether all packages are in their folders, in their versions."""
    return all(
        (VENDOR / folder / MARK).is_file()
        and (VENDOR / folder / MARK).read_text(encoding="utf-8") == integrity
        for folder, (_, _, integrity) in PACKAGES.items()
    )


def fetch(folder: str) -> None:
    """Bring one package into its folder; what lies there is replaced.

    Raises:
        SystemExit: if npm is missing, cannot fetch it, or brings another archive.
    """
    name, version, integrity = PACKAGES[folder]
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed, which fetches LiteRT.js; on Debian: npm.")
    with tempfile.TemporaryDirectory(dir=VENDOR.parent) as place:
        command = [npm, "pack", "--silent", f"{name}@{version}"]
        done = subprocess.run(
            command, cwd=place, capture_output=True, text=True, check=False
        )
        archives = list(Path(place).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            sys.exit(f"npm could not fetch {name} {version}:\n{done.stderr.strip()}")
        check(archives[0], integrity)
        with tarfile.open(archives[0]) as archive:
            archive.extractall(place, filter="data")
        fresh = Path(place) / "package"
        (fresh / MARK).write_text(integrity, encoding="utf-8")
        shutil.rmtree(VENDOR / folder, ignore_errors=True)
        VENDOR.mkdir(exist_ok=True)
        fresh.rename(VENDOR / folder)


def check(archive: Path, integrity: str) -> None:
    """End the program if an archive is not the one that `integrity` is of."""
    digest = hashlib.sha512(archive.read_bytes()).digest()
    found = f"sha512-{base64.b64encode(digest).decode()}"
    if found != integrity:
        sys.exit(
            f"{archive.name} is not the archive that is known: its hash is {found}, "
            f"expected {integrity}. Nothing was installed."
        )


def main() -> None:
    """Fetch what is not there."""
    if not is_there():
        for folder in PACKAGES:
            fetch(folder)
    versions = ", ".join(f"{name} {version}" for name, version, _ in PACKAGES.values())
    print(f"{VENDOR} holds {versions}")


if __name__ == "__main__":
    main()
