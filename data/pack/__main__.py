"""Packs the videos of a data set into a few large files, for shared file systems.

    python -m data.pack VIDEOS PACKED
    python -m data.pack PREPARED PACKED --data.source=list --data.train_list=train.csv …
    python -m data.pack PACKED --workdir=RUN

PACKED gets shards in ArrayRecord's format, which hold the videos as their files are,
byte for byte, and which --data.source=array_record --data.root=PACKED reads: names,
classes, split and what the scan found come along. Every option of an experiment is a
flag that says which videos there are; a folder's split is drawn and kept as before a
training. Bad videos are packed too, and count as before.

Each record is read again, and compared with its file byte for byte and by three frames.
The command may be stopped and given again: it goes on with the next shard. Two videos
at a time are in memory for each of --data.threads.
"""

from pathlib import Path

from absl import flags, logging

from configs.command.errors import ConfigError
from configs.command.flags import define
from configs.command.launch import parse, run
from configs.command.streams import produce
from configs.schema.paths import check_utf8
from data.sources import check_root
from data.wanted import open_wanted, wanted_data

FLAGS = flags.FLAGS
MEGABYTE = 10**6
PACKED_ALREADY = ("tfds", "array_record")


def main(arguments):
    """Packs the data set and says how large it is."""
    if not arguments:
        raise ConfigError("data.pack needs the folder that it is to write, PACKED.")
    *root, out = arguments
    if "://" in out:
        raise ConfigError(
            f"PACKED must be a folder here, to be copied; received {out!r}."
        )
    check_utf8(out, "PACKED")
    out = Path(out)
    data = wanted_data(root)
    check_root(data)
    if data.source in PACKED_ALREADY:
        raise ConfigError(
            "data.source must be a kind of separate files; received "
            f"{data.source}, which is packed already."
        )
    source = open_wanted(data)
    from data.pack.work import pack

    try:
        shards = pack(source, data, out, shard_bytes=FLAGS.shard_megabytes * MEGABYTE)
    except KeyboardInterrupt:
        logging.info("The same command goes on.")
        raise
    bad = sum(bool(video.reason) for video in source.videos)
    size = sum(path.stat().st_size for path in out.glob("*.array_record"))
    produce(
        f"videos{len(source.videos):>18}",
        f"of them bad{bad:>13}",
        f"shards{shards:>18}",
        f"MB{size / MEGABYTE:>22.1f}",
    )


if __name__ == "__main__":
    define()
    flags.DEFINE_integer(
        "shard_megabytes", 256, "About how large a shard becomes.", lower_bound=1
    )
    parse()
    run(main)
