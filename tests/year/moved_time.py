"""The one clock of a simulated year: libfaketime, and the file that all of its processes read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from local_cloud.system_programs import provide_library

LIBRARY = "faketime/libfaketime.so.1"
_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]


class MovedTime:
    """Time that stands still until it is moved, the same for every process with `environment`.

    So nothing in a year depends on how fast the machine is: a run takes no time, only waits do, on the
    monotonic clock that is left alone.
    """

    def __init__(self, file: Path, library: Path) -> None:
        """Keep the moment in `file`, which `library` reads at each look at the clock."""
        self._file, self._library = file.resolve(), library

    @classmethod
    def provided(cls, file: Path, build: Path) -> MovedTime:
        """Return the clock with the library of this machine, or with one that is unpacked below `build`.

        Raises:
            ProgramMissing: it can be had in neither way.
        """
        return cls(file, provide_library(LIBRARY, "faketime", build))

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be started with; see faketime(1) and libfaketime's README."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # a jump is seen at once
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # or each jump would let all time-outs fire
            # A wait on the monotonic clock, as each for Python's own lock, would else spin: 50 ms of CPU a
            # request instead of 2.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",  # or Python would take its compiled files for outdated
            "TZ": "UTC",  # the file's moment is read as local time
            "PYTHONPATH": f"{_HERE / 'moved'}:{_ROOT}",
        }

    def move_to(self, moment: datetime) -> None:
        """Let it be `moment`, to the second, for all."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}\n")
        new.replace(self._file)
