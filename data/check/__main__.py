"""Says what a model would be trained, validated and tested on, before it is.

    python -m data.check VIDEOS
    python -m data.check --workdir=RUN
    python -m data.check --config=ucf101_swin_tiny --data.root=UCF101 --html=ucf101.html

VIDEOS is a folder of class folders, with UCF101's lists or without any; every option
of an experiment is a flag. Videos are scanned as before a training, and a folder's
split is drawn and kept. A table names each class with its videos, their recordings and
lengths. Then come the findings: files with the same content in training and test
("leak") and elsewhere ("copy"), videos that cannot be read, classes that are uneven or
not tested, videos shorter than a clip. With --html they become a page with pictures.
The exit code is 3 where there is a leak, or a run would refuse.
"""

from pathlib import Path

from absl import flags, logging

from configs.command.errors import DataError
from configs.command.flags import define, define_path
from configs.command.launch import parse, run
from configs.command.streams import produce
from data.check.facts import facts_of
from data.check.table import describe
from data.sources import check_root
from data.wanted import open_wanted, wanted_data
from storage.files import write_atomically

FLAGS = flags.FLAGS


def main(arguments):
    """Prints the table, and writes the page where it is asked for."""
    data = wanted_data(arguments)
    check_root(data)
    source = open_wanted(data)
    facts = facts_of(source, data)
    produce(*describe(facts))
    if FLAGS.html:
        from data.check.page import write_page

        page = write_page(source, data, facts, data.root)
        write_atomically(Path(FLAGS.html), page)
        logging.info("The page is %s.", FLAGS.html)
    reasons = refusals(facts, data)
    if reasons:
        raise DataError(f"{data.root}: {'; '.join(reasons)}.")


def refusals(facts, data):
    """Why no model should be trained on a data set, or cannot be: list of texts."""
    reasons = []
    if facts.leaks:
        reasons.append(
            f"{len(facts.leaks)} videos are both trained on and measured on (remove "
            "the copies, or let groups.csv keep those of a drawn split together)"
        )
    bad, trained = (
        sum(split == "train" for _, split, _ in facts.bad),
        facts.counts["train"],
    )
    if bad > data.bad_allowed(trained):
        reasons.append(f"{bad} of {trained} training videos cannot be read")
    if facts.unvalidated:
        reasons.append("there is nothing to validate on")
    return reasons


if __name__ == "__main__":
    define()
    define_path("html", "File of the page that is written.")
    parse()
    run(main)
