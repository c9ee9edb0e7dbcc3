"""Published groupings of the 40 CelebA attributes, using the column names of CelebA's attribute list."""

from __future__ import annotations

from search_spaces.factors.partitions import Partition

_HAIR = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Gray_Hair",
    "Receding_Hairline",
    "Straight_Hair",
    "Wavy_Hair",
)
_EYES = ("Arched_Eyebrows", "Bags_Under_Eyes", "Bushy_Eyebrows", "Eyeglasses", "Narrow_Eyes")
_NOSE = ("Big_Nose", "Pointy_Nose")
_WHOLE_FACE = (
    "Attractive",
    "Blurry",
    "Chubby",
    "Heavy_Makeup",
    "Male",
    "Oval_Face",
    "Pale_Skin",
    "Smiling",
    "Young",
)

_MCNN: dict[str, tuple[str, ...]] = {
    "gender": ("Male",),
    "nose": _NOSE,
    "mouth": ("Big_Lips", "Smiling", "Wearing_Lipstick", "Mouth_Slightly_Open"),
    "eyes": _EYES,
    "face": ("Attractive", "Blurry", "Oval_Face", "Pale_Skin", "Young", "Heavy_Makeup"),
    "around_head": (*_HAIR, "Wearing_Earrings", "Wearing_Necklace", "Wearing_Necktie", "Wearing_Hat"),
    "facial_hair": ("5_o_Clock_Shadow", "Mustache", "No_Beard", "Sideburns", "Goatee"),
    "cheeks": ("High_Cheekbones", "Rosy_Cheeks"),
    "fat": ("Chubby", "Double_Chin"),
}
_REGIONS: dict[str, tuple[str, ...]] = {
    "holistic": _WHOLE_FACE,
    "hair": (*_HAIR, "Wearing_Hat"),
    "eyes": _EYES,
    "nose": _NOSE,
    "cheek": ("High_Cheekbones", "Rosy_Cheeks", "Sideburns", "Wearing_Earrings"),
    "mouth": ("5_o_Clock_Shadow", "Big_Lips", "Mouth_Slightly_Open", "Mustache", "Wearing_Lipstick"),
    "chin": ("Double_Chin", "Goatee", "No_Beard"),
    "neck": ("Wearing_Necklace", "Wearing_Necktie"),
}
_OBJECT: dict[str, tuple[str, ...]] = {
    "mouth": ("5_o_Clock_Shadow", "Big_Lips", "Mouth_Slightly_Open", "Mustache", "Wearing_Lipstick", "No_Beard"),
    "ear": ("Wearing_Earrings",),
    "lower_face": ("Double_Chin", "Goatee", "Wearing_Necklace", "Wearing_Necktie"),
    "cheeks": ("High_Cheekbones", "Rosy_Cheeks", "Sideburns"),
    "nose": _NOSE,
    "eyes": _EYES,
    "hair": (*_HAIR, "Wearing_Hat"),
    "object": _WHOLE_FACE,
}

CELEBA_GROUPINGS: dict[str, Partition] = {
    "celeba-mcnn": tuple(_MCNN.values()),
    "celeba-regions": tuple(_REGIONS.values()),
    "celeba-object": tuple(_OBJECT.values()),
}
"""Published groupings by name.

``celeba-mcnn``: the 9 groups of Hand and Chellappa, *Attributes for Improved Attributes*, AAAI 2017 (arXiv 1604.07360).
``celeba-regions``: a holistic group and 7 face regions, in the style of Han et al. (arXiv 1706.00906), as coded at
github.com/2rintf/face-attribute-prediction-v2. ``celeba-object``: 8 groups, with whole-face attributes under "object",
from public code; probably, but not certainly, the grouping used in published CelebA experiments on task routing.
"""
