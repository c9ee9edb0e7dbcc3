"""A searchable index of one's own images: what is near a query for a task, or for several tasks with weights.

An index is a folder: the network's pack, immutable numbered segments of vectors with a table of their images, and a
manifest that is replaced in one step. ``manifest`` describes it; ``sources`` reads images from folders, lists and
Parquet files; ``vectors`` says which vectors an image needs; ``writing`` embeds images into segments (``segments``);
``views`` turns stored vectors into a task's similarity, and ``searching`` ranks by it; ``filters`` narrows what is
searched. A reader holds a ``snapshot``; ``image_index`` joins all. Imports torch and pyarrow, but neither pandas nor
what a study is run with. May import ``trainables.packs`` and below; nothing inside ``trainables`` imports it.
"""

from trainables.index.adding.sources import SourceImage, read_images
from trainables.index.errors import IndexFault, UnknownImage
from trainables.index.image_index import ImageIndex
from trainables.index.match import Match
from trainables.index.reader import InIndex

__all__ = ["ImageIndex", "InIndex", "IndexFault", "Match", "SourceImage", "UnknownImage", "read_images"]
