"""Programs of others that the tests in Python use."""

import subprocess


def installed(program, *commands):
    """Whether a program is there, installed by these commands if need be."""
    try:
        if not program.exists():
            for command in commands:
                subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError):
        return False
    return program.exists()
