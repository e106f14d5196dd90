"""What is to be predicted on, by what and where to: the record beside the parts."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hrnet_tf.bulk.places import Folder
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.common.text_files import as_json
from hrnet_tf.export.integrity import find_manifest
from hrnet_tf.tasks import read_manifest
from hrnet_tf.training.configs import RUN_FILE
from hrnet_tf.training.run import Run

RECORD = "_job.json"  # names that begin so are passed over by readers of Parquet
BEGUN = "_begun"  # a folder of notes, one for each part that somebody works at

# What must agree where a folder is gone on with, and how it is called.
SAME = {
    "model_digest": "model",
    "detector_digest": "detector",
    "settings": "settings",
    "flip": "flip",
    "pixel_limit": "pixel limit",
    "inputs": "source",
}


@dataclass(frozen=True)
class Job:
    """A prediction on many images.

    Attributes:
        model: path of a run or an exported model.
        model_digest: tells its weights and facts from others'.
        detector: path of the detector; "": none.
        detector_digest: see `model_digest`.
        settings: `key=value`, of a run.
        flip: whether to average with the mirrored image.
        pixel_limit: larger images are not decoded.
        source: of the images, for people.
        inputs: tells them from others.
        images: how many there are.
        out: folder of the parts.
    """

    model: str
    model_digest: str
    detector: str
    detector_digest: str
    settings: tuple[str, ...]
    flip: bool
    pixel_limit: int
    source: str
    inputs: str
    images: int
    out: str

    def begin(self, folder: Folder) -> None:
        """Write the record, or see that the folder is of the same job.

        Raises:
            InputError: if it is of another one, or holds something else.
        """
        text = folder.read_text(RECORD)
        if text is None:
            if folder.names():
                raise InputError(
                    f"{self.out} is there, not empty, and not of predict-many; choose "
                    "another --out."
                )
            folder.write_text(RECORD, as_json(asdict(self), indent=2))
            return
        try:
            before: dict[str, Any] = json.loads(text)
        except ValueError:
            raise InputError(
                f"{self.out}/{RECORD} is damaged: it is no JSON."
            ) from None
        own = json.loads(as_json(asdict(self)))
        for key, what in SAME.items():
            if before.get(key) != own[key]:
                raise InputError(
                    f"{self.out} was begun with another {what} ("
                    f"{_told(before, key)} then, {_told(own, key)} now); choose "
                    "another --out, or give the same."
                )


def _told(record: dict[str, Any], key: str) -> str:
    """What a record says, in words."""
    if key == "inputs":
        return f"{record.get('images')} images of {record.get('source')}"
    if key.endswith("_digest"):
        name, digest = key.removesuffix("_digest"), str(record.get(key))
        return f"{record.get(name)}, SHA-256 {digest[:8]}" if digest else "none"
    return str(record.get(key))


def digest_of_model(path: str) -> str:
    """What tells a model from others: of its weights, and of its manifest.

    Raises:
        InputError: if there is no model.
    """
    if not path:
        return ""
    folder = Path(path)
    if not folder.exists():
        raise InputError(
            f"There is no {path}; give the folder of a run or an exported model."
        )
    if (folder / RUN_FILE).is_file():
        run = Run.open(folder)
        told = [sha256_of(run.best), sha256_of(run.manifest)]
        return hashlib.sha256("".join(told).encode()).hexdigest()
    facts = find_manifest(folder)
    read_manifest(facts)
    return sha256_of(facts)
