"""Video files on disk as a source."""

import dataclasses

from data.decode import read_clip
from data.source import Source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files(Source):
    """Videos that lie in files of their own, at the paths of the listing."""

    def read(self, video, *, frames, regions, size, flip, out):
        """See `Source.read`."""
        held = self.videos[video]
        read_clip(
            self.listing.paths[video],
            frames=frames,
            regions=regions,
            size=size,
            flip=flip,
            seek=held.exact,
            shape=(held.height, held.width),
            out=out,
        )
