"""RUN, RUN@best and RUN@STEP: a run, and its checkpoint, that a new run begins with."""

import dataclasses
import os
import re
from pathlib import Path
from typing import Literal

from configs.command.errors import ConfigError

CHOICE = re.compile(r"(?P<run>.+)@(?P<checkpoint>best|[0-9]{1,18})", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class InitFrom:
    """What the option `init_from` names.

    Attributes:
        run: the folder of the run.
        checkpoint: a step; "best", the step with the best validation; None, the newest.
    """

    run: Path
    checkpoint: int | Literal["best"] | None = None

    @classmethod
    def parse(cls, text):
        """Reads the option. A folder called like RUN@7 is given as RUN@7/.

        Args:
            text: the option, which is not empty.

        Returns:
            `InitFrom`.
        """
        match = CHOICE.fullmatch(text)
        if match is None:
            return cls(Path(text))
        checkpoint = match["checkpoint"]
        chosen = checkpoint if checkpoint == "best" else int(checkpoint)
        return cls(Path(match["run"]), chosen)

    @property
    def config_path(self):
        """The run's config.json.

        Raises:
            ConfigError: it is not there.
        """
        path = self.run / "config.json"
        if not os.path.isfile(path):
            raise ConfigError(
                "init_from must be RUN, RUN@best or RUN@STEP, where RUN is the folder "
                f"of a run; received {str(self.run)!r}, which holds no config.json."
            )
        return path
