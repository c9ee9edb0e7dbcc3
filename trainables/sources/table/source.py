"""Your own images: any folder of image files, and a CSV file with one row per image and one column per task."""

from __future__ import annotations

from pathlib import Path

from trainables.sources.reading.image_files import FolderFiles
from trainables.sources.reading.listing import ListedSource
from trainables.sources.reading.text_files import read_table
from trainables.sources.source import ReadRequest
from trainables.sources.table.columns import delimiter_of, image_columns, images_folder, split_column
from trainables.sources.table.keys import TableKeys
from trainables.sources.table.rows import read_rows


class TableImages(TableKeys):
    """Images that a CSV file lists."""

    def open(self, request: ReadRequest) -> ListedSource:
        """Return the images of the table."""
        if not self.folder.is_dir():
            raise ValueError(f"data.source.images: {self.folder} is not a folder")
        files = FolderFiles(self.folder)
        return ListedSource(request, read_rows(self, request.tasks, request.data_seed, files), files)

    def count_images(self) -> int:
        """Return the number of rows of the table."""
        return len(read_table(self.path, self.delimiter))

    def known_tasks(self) -> tuple[str, ...]:
        """Return all columns except image and split; the group column may be a task, such as identifying people."""
        return self.tasks_of(read_table(self.path, self.delimiter))

    @classmethod
    def detect(cls, folder: Path) -> TableImages | None:
        """Return the source if one CSV file in the folder has a column of image files.

        Raises:
            ValueError: several files do, or none does and one cannot be read.
        """
        found, unreadable = [], []
        for path in sorted([*folder.glob("*.csv"), *folder.glob("*.tsv")]):
            try:
                found += [source] if (source := cls.of(path)) else []
            except ValueError as error:
                unreadable.append(error)
        if unreadable and not found:
            raise unreadable[0]
        if len(found) > 1:
            names = ", ".join(source.path.name for source in found)
            raise ValueError(f"{folder}: several tables list images ({names}); give the path of one of them")
        return found[0] if found else None

    @classmethod
    def of(cls, path: Path) -> TableImages | None:
        """Return the source described by a CSV file, None if no column contains image file names.

        Raises:
            ValueError: the file cannot be read as a table.
        """
        delimiter = delimiter_of(path)
        table = read_table(path, delimiter)
        columns = image_columns(table)
        if not columns:
            return None
        images, split = images_folder(table.column(columns[0]), path.parent), split_column(table)
        keys = {
            "image_column": columns[0],
            **({"delimiter": delimiter} if delimiter != "," else {}),
            **({"images": images} if images != path.parent else {}),
            **({"split_column": split} if split not in (None, "split") else {}),
        }
        return cls.model_validate({"path": path, **keys})
