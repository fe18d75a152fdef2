"""Install Debian's Slurm packages where they are missing: `python -m tests.slurm.install`."""

import os
import shutil
import subprocess
import sys

from .cluster import PACKAGES


def is_installed(package: str) -> bool:
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return shutil.which("dpkg-query") is not None and (
        subprocess.run(command, capture_output=True, text=True, check=False).stdout == "installed"
    )


def main() -> None:
    missing = [name for name in PACKAGES if not is_installed(name)]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        sys.exit(f"test-slurm: this is no Debian; install a Slurm yourself, with: {' '.join(missing)}")
    if os.getuid() != 0:
        sys.exit(f"test-slurm: needs root, to start Slurm's daemons and to install: {' '.join(missing)}")
    # The packages' own services stay off (RUNLEVEL): the tests start daemons of their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in ("update", "install --yes --no-install-recommends"):
        arguments = ["apt-get", "-qq", *command.split(), *(missing if "install" in command else [])]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"test-slurm: {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
