"""Work that is done ahead of its use, in order."""

import collections
from concurrent.futures import ThreadPoolExecutor


def run_ahead(jobs, threads):
    """Calls functions side by side and yields their results in order.

    Args:
        jobs: iterable of functions without arguments, from which the next is taken when
            a thread is free for it.
        threads: how many run at once, and how many results may wait at most.

    Yields:
        The result of each.
    """
    ahead, pool = collections.deque(), ThreadPoolExecutor(threads)
    try:
        for job in jobs:
            ahead.append(pool.submit(job))
            if len(ahead) == threads:
                yield ahead.popleft().result()
        for done in ahead:
            yield done.result()
    finally:  # Also where nobody wants the rest.
        pool.shutdown(wait=False, cancel_futures=True)
