"""Says sentences and shows phases for a second or two, without any library that is slow to import."""

from __future__ import annotations

import logging
import sys
import time

from gan_lab.process.console import speaking
from gan_lab.process.progress import phase

LONG = "A sentence that is wider than most terminals, so that it takes several rows; " * 3
SAID = [
    "first", LONG.strip(), "with [brackets] and :colons:", "from a library", "half a line, and the rest of it", "last",
]  # fmt: skip

log = logging.getLogger("gan_lab.toy")


def main() -> None:
    with speaking():
        with phase("Waking up", at_once=True):
            time.sleep(0.4)
            log.info(SAID[0])
            log.info(SAID[1])
        with phase("Counting to forty", total=40, unit="numbers") as counting:
            for at in range(40):
                time.sleep(0.03)
                counting.advance()
                if at == 12:
                    log.info(SAID[2])
                if at == 20:
                    sys.stderr.write(f"{SAID[3]}\nhalf a line")
                if at == 25:
                    print(", and the rest of it", file=sys.stderr)
                if at == 30:
                    with phase("Something inside of it", at_once=True):
                        time.sleep(0.2)
        log.info(SAID[-1])


if __name__ == "__main__":
    main()
