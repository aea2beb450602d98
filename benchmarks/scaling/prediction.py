"""Step times on several nodes, predicted from one node's and from the links.

Sources. The bytes and hops of a ring all-reduce: Patarasuk and Yuan, "Bandwidth optimal
all-reduce algorithms for clusters of workstations" (2009), section 3; NCCL documents
the same bandwidth term (nccl-tests, doc/PERFORMANCE.md) and models latency as hops of
two kinds, inside a node and between nodes (nccl, src/graph/tuning.cc), as is done here.
"""

import dataclasses
import math

WORTH = 0.9  # an efficiency from which on nothing is called a limit but the step


@dataclasses.dataclass(frozen=True)
class Link:
    """What data passes from one rank of a ring to the next.

    Attributes:
        bandwidth: bytes per second, each way at once.
        latency: seconds of one hop.
    """

    bandwidth: float
    latency: float


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Equal nodes.

    Attributes:
        gpus: of each node, a replica each.
        inside: `Link` between the GPUs of a node.
        between: `Link` of a node to the others, all its network cards together.
        rings: hierarchical (a ring in every node, then one between the nodes) or flat
            (one ring through all GPUs).
        clips_per_second: that a node's cores can decode; None where it is not known.
    """

    gpus: int
    inside: Link
    between: Link
    rings: str = "hierarchical"
    clips_per_second: float | None = None


@dataclasses.dataclass(frozen=True)
class Measured:
    """A step on one node, as it was measured.

    Attributes:
        seconds: of an update.
        clips: of a replica's part of the batch.
        fixed: seconds of `seconds` that a smaller batch would not save.
        gradients: bytes that are reduced.
        parts: in which a replica computes its clips (gradient accumulation).
    """

    seconds: float
    clips: int
    fixed: float
    gradients: int
    parts: int = 1


@dataclasses.dataclass(frozen=True)
class Row:
    """The prediction for a number of nodes; times are None where there can be no step.

    Attributes:
        nodes, replicas, batch: counts; the batch is global.
        clips: of each replica; None where they do not divide the batch.
        limit: step, link, input or batch.
        seconds: of an update.
        all_reduce: seconds of it in which nothing but all-reduces happens.
        efficiency: clips per second and node, as a fraction of the measured node's.
        decoded: clips per second that each node must decode so that no step waits.
    """

    nodes: int
    replicas: int
    batch: int
    clips: int | None
    limit: str
    seconds: float | None = None
    all_reduce: float | None = None
    efficiency: float | None = None
    decoded: float | None = None

    @property
    def rate(self):
        """Clips per second of all nodes."""
        return self.batch / self.seconds


def ring(size, ranks, link):
    """Seconds of a ring all-reduce: 2(n-1)/n bytes / bandwidth + 2(n-1) latency.

    Each rank sends 2(n-1) times one n-th of the data to its neighbour: n-1 times to
    add up, n-1 times to hand round the sums.

    Args:
        size: bytes of the data.
        ranks: n.
        link: `Link` between neighbours.
    """
    hops = 2 * (ranks - 1)
    return hops / ranks * size / link.bandwidth + hops * link.latency


def all_reduce(size, nodes, cluster):
    """Seconds of an all-reduce over all GPUs of so many nodes.

    Hierarchical: the parts of the ring inside each node (add up, hand round) before and
    after a ring between nodes; nothing of one is hidden by the other. Flat: one ring,
    as fast as its slowest link, with hops of both kinds.
    """
    inside, between, gpus = cluster.inside, cluster.between, cluster.gpus
    if cluster.rings == "hierarchical" or nodes == 1:
        return ring(size, gpus, inside) + ring(size, nodes, between)
    ranks, crossing = nodes * gpus, 2 * (nodes - 1)
    links = [between, inside] if gpus > 1 else [between]
    slowest = min(link.bandwidth for link in links)
    hops = 2 * (ranks - 1)
    return (
        hops / ranks * size / slowest
        + (hops - crossing) * inside.latency
        + crossing * between.latency
    )


def computing(measured, cluster):
    """Seconds of the measured step that are neither all-reduce nor fixed."""
    inside = all_reduce(measured.gradients, 1, cluster)
    return measured.seconds - inside - measured.fixed


def fixed_part(full, half, inside):
    """Seconds of a step that do not shrink with its batch.

    The line through two measured steps, one with half the batch of the other.

    Args:
        full: seconds of a step.
        half: seconds of one with half the batch.
        inside: seconds of all-reduces that both hold.
    """
    return 2 * half - full - inside


def strong(measured, cluster, nodes):
    """The same global batch on more nodes: each replica gets fewer clips."""
    batch = measured.clips * cluster.gpus
    clips, rest = divmod(batch, nodes * cluster.gpus * measured.parts)
    if rest:
        return Row(nodes, nodes * cluster.gpus, batch, None, "batch")
    return predict(measured, cluster, nodes, clips * measured.parts)


def weak(measured, cluster, nodes):
    """The same clips on each replica: the global batch grows with the nodes."""
    return predict(measured, cluster, nodes, measured.clips)


def predict(measured, cluster, nodes, clips):
    """The `Row` for so many nodes and clips of each replica.

    The gradients are packed into one tensor, which is reduced when the backward pass is
    over: computing and reducing take turns. Decoding works ahead at the same time.
    """
    share = clips / measured.clips
    reducing = all_reduce(measured.gradients, nodes, cluster)
    busy = measured.fixed + computing(measured, cluster) * share + reducing
    per_node = clips * cluster.gpus
    rate = cluster.clips_per_second
    seconds = max(busy, per_node / rate) if rate else busy
    ideal = measured.seconds * share
    before = all_reduce(measured.gradients, 1, cluster)
    lost = {
        "link": reducing - before * share,
        "batch": measured.fixed * (1 - share),
        "input": seconds - busy,
    }
    efficiency = ideal / seconds
    return Row(
        nodes=nodes,
        replicas=nodes * cluster.gpus,
        batch=nodes * per_node,
        clips=clips,
        limit="step" if efficiency >= WORTH else max(lost, key=lost.get),
        seconds=seconds,
        all_reduce=reducing,
        efficiency=efficiency,
        decoded=per_node / busy,
    )


def enough_clips(measured, cluster, nodes):
    """Clips of each replica from which on links and fixed costs leave `WORTH`.

    A multiple of the parts; decoding is left aside.
    """
    reducing = all_reduce(measured.gradients, nodes, cluster)
    clip = computing(measured, cluster) / measured.clips
    gained = measured.seconds / measured.clips - WORTH * clip
    fewest = WORTH * (measured.fixed + reducing) / gained
    return math.ceil(fewest / measured.parts - 1e-9) * measured.parts
