"""Where a run ends, as plain numbers: how far it is, and how long that takes."""

from __future__ import annotations

import math
import time

from gan_lab.engine.clock import KIMG, Clock


class Stop:
    """The first of three limits; the stopwatch of `max_time` starts with `start`.

    Args:
        max_kimg: thousands of images in all; None for no limit.
        max_rounds: rounds in all; None for no limit.
        max_time: minutes since training started this time, evaluations included; None for no limit.
    """

    def __init__(
        self,
        *,
        max_kimg: float | None = None,
        max_rounds: int | None = None,
        max_time: float | None = None,
    ) -> None:
        self.max_images = math.inf if max_kimg is None else max_kimg * KIMG
        self.max_rounds = math.inf if max_rounds is None else max_rounds
        self.max_seconds = math.inf if max_time is None else max_time * 60
        self.start()

    def start(self) -> None:
        """Start the stopwatch."""
        self.started = time.perf_counter()

    def reached(self, clock: Clock) -> bool:
        """Whether a limit is met."""
        return self.counted_out(clock) or time.perf_counter() - self.started >= self.max_seconds

    def counted_out(self, clock: Clock) -> bool:
        """Whether a limit that all ranks count alike is met."""
        return clock.images_seen >= self.max_images or clock.iteration >= self.max_rounds

    def share(self, clock: Clock) -> float | None:
        """How much of the run is done, in [0, 1]; None without a limit."""
        shares = [
            clock.images_seen / self.max_images if self.max_images < math.inf else 0.0,
            clock.iteration / self.max_rounds if self.max_rounds < math.inf else 0.0,
            (time.perf_counter() - self.started) / self.max_seconds
            if self.max_seconds < math.inf
            else 0.0,
        ]
        return min(max(shares), 1.0) if any(shares) else None

    def seconds_left(self, clock: Clock, images_per_s: float) -> float | None:
        """Estimated seconds to the first limit; None without a limit."""
        left = self.max_seconds - (time.perf_counter() - self.started)
        if images_per_s > 0:
            left = min(left, (self.max_images - clock.images_seen) / images_per_s)
            if self.max_rounds < math.inf and clock.iteration:
                per_round = clock.images_seen / clock.iteration
                left = min(left, (self.max_rounds - clock.iteration) * per_round / images_per_s)
        return max(left, 0.0) if left < math.inf else None

    def seconds_of_time_left(self) -> float:
        """Seconds to the limit of time; infinite without one."""
        return max(self.max_seconds - (time.perf_counter() - self.started), 0.0)

    def last_image(self, per_round: float | None) -> float | None:
        """How many images will have been seen at the end; None where only the time limits the run.

        Args:
            per_round: images of a round; None where that is not known.
        """
        rounds = self.max_rounds * per_round if per_round else math.inf
        end = min(self.max_images, rounds)
        return end if end < math.inf else None
