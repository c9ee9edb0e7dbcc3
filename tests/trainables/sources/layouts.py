"""Small copies of official data sets, laid out as they are downloaded, made of real images."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

CELEBA_SPLITS = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class Faces:
    """Real faces: file names as in CelebA, bytes, the official flags, attributes by name (1 or -1), identities."""

    names: list[str]
    images: list[bytes]
    flags: list[int]
    attributes: dict[str, list[int]]
    identities: list[int]


def read_faces(folder: Path, per_split: int = 12) -> Faces:
    """Take the first faces of every split. The attributes lie in the schema, in the official order."""
    faces = Faces([], [], [], {}, [])
    for split, flag in CELEBA_SPLITS.items():
        with pq.ParquetFile(folder / "data" / f"{split}-00000-of-00001.parquet") as file:
            table = next(file.iter_batches(per_split)).to_pylist()
        for row in table:
            faces.names.append(f"{len(faces.names) + 1:06d}.jpg")
            faces.images.append(row["image"]["bytes"])
            faces.flags.append(flag)
            faces.identities.append(row["identity"] + 1)
            for name, value in row.items():
                if name not in ("image", "identity"):
                    faces.attributes.setdefault(name, []).append(1 if value else -1)
    return faces


def attribute_lines(faces: Faces) -> list[str]:
    """The official text: count, names, and values right-aligned in two columns."""
    rows = zip(faces.names, *faces.attributes.values(), strict=True)
    lines = [f"{name} " + " ".join(f"{value:2d}" for value in values) for name, *values in rows]
    return [str(len(faces.names)), " ".join(faces.attributes) + " ", *lines]


def write_images(faces: Faces, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, data in zip(faces.names, faces.images, strict=True):
        (folder / name).write_bytes(data)


def write_celeba_lists(faces: Faces, attributes: Path, partition: Path, identities: Path, end: str = "\n") -> None:
    pairs = zip(faces.names, faces.flags, faces.identities, strict=True)
    lines = [(f"{name} {flag}", f"{name} {person}") for name, flag, person in pairs]
    for path, text in (
        (attributes, attribute_lines(faces)),
        (partition, [flag for flag, _ in lines]),
        (identities, [person for _, person in lines]),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((end.join(text) + end).encode())


def write_official(faces: Faces, root: Path, end: str = "\n") -> Path:
    write_celeba_lists(
        faces,
        root / "Anno" / "list_attr_celeba.txt",
        root / "Eval" / "list_eval_partition.txt",
        root / "Anno" / "identity_CelebA.txt",
        end,
    )
    write_images(faces, root / "Img" / "img_align_celeba")
    return root


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def write_kaggle(faces: Faces, root: Path) -> Path:
    """Comma-separated, and the images in a folder inside a folder of the same name."""
    values = list(zip(faces.names, *faces.attributes.values(), strict=True))
    write_csv(root / "list_attr_celeba.csv", ["image_id", *faces.attributes], values)
    flags = list(zip(faces.names, faces.flags, strict=True))
    write_csv(root / "list_eval_partition.csv", ["image_id", "partition"], flags)
    write_images(faces, root / "img_align_celeba" / "img_align_celeba")
    return root


@dataclass(frozen=True)
class Shoes:
    """Real shoes with the columns of ``meta-data.csv`` and their places in the tree of images."""

    header: list[str]
    rows: list[list[str]]
    paths: list[str]
    images: list[bytes]


HEELS = ("Flat", "Under 1in", "1in - 1 3/4in", "5in & over", "")
CLOSURES = ("Lace up", "Buckle", "Slip-On;Elastic Gore", "Elastic Gore;Slip-On", "")
BRANDS = ("Acorn", "L.A.M.B.", "Born")
HEADER = ["CID", "Category", "SubCategory", "HeelHeight", "Insole", "Closure", "Gender", "Material", "ToeStyle"]


def read_shoes(folder: Path, count: int = 60) -> Shoes:
    """Give real shoes the official columns, whose values go round. Two colours a product."""
    with pq.ParquetFile(folder / "data" / "train-00000-of-00001.parquet") as file:
        table = next(file.iter_batches(count)).to_pylist()
    shoes = Shoes(HEADER, [], [], [])
    for number, row in enumerate(table):
        product, colour = 7000000 + number // 2, 30 + number % 2
        category = ("Shoes", "Boots", "Sandals", "Slippers")[number // 2 % 4]
        gender = ("Men", "Women", "Boys;Girls")[number // 2 % 3]
        closure, heel = CLOSURES[number % 5], HEELS[number // 2 % 5]
        shoes.rows.append([f"{product}-{colour}", category, "Ankle", heel, "", closure, gender, "Leather", "Round Toe"])
        shoes.paths.append(f"{category}/Ankle/{BRANDS[number % 3]}/{product}.{colour}.jpg")
        shoes.images.append(row["image"]["bytes"])
    return shoes


def write_zappos(shoes: Shoes, root: Path, images: str = "ut-zap50k-images", dots: str = ".") -> Path:
    """Write tree and tables; ``dots`` is how the tree spells the dot that ends a brand."""
    for path, data in zip(shoes.paths, shoes.images, strict=True):
        place = root / images / path.replace("B./", f"B{dots}/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    write_csv(root / "ut-zap50k-data" / "meta-data.csv", shoes.header, shoes.rows)
    boots = [[row[0], int(row[1] == "Boots"), int(row[1] == "Shoes")] for row in shoes.rows]
    write_csv(root / "ut-zap50k-data" / "meta-data-bin.csv", ["CID", "Category.Boots", "Category.Shoes"], boots)
    return root


def write_csn(root: Path, filenames: Sequence[str], lists: dict[tuple[str, str], list[tuple[int, int, int]]]) -> None:
    """Write the released lists: (task, split) -> lines of anchor, far, close."""
    (root / "data" / "tripletlists").mkdir(parents=True, exist_ok=True)
    (root / "data" / "filenames.json").write_text("".join(f"{name}\n" for name in filenames))
    for (task, split), lines in lists.items():
        text = "".join(f"{anchor} {far} {close}\n" for anchor, far, close in lines)
        (root / "data" / "tripletlists" / f"{task}_tripletlist_{split}.txt").write_text(text)
