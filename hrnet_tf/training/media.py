"""Files to files: predict on an image, a folder of images or a video."""

import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import writing
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.pipelines import ahead
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.reading import PIXEL_LIMIT, UPRIGHT, Reading
from hrnet_tf.common.text_files import write_json
from hrnet_tf.data.choice import spread
from hrnet_tf.images.files import read_image
from hrnet_tf.images.folders import IMAGES, VIDEOS, is_clutter, is_image, is_video
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.video import VideoFile
from hrnet_tf.tasks.base.finding_viewer import Shown
from hrnet_tf.tasks.base.viewer import NOT_FINITE, Viewer
from hrnet_tf.training.looking import PIXELS_TOGETHER, WAITING, More, look_through

logger = logging.getLogger(__name__)

LOOKED_AT = 24  # images or frames, where a viewer looks ahead


@dataclass
class Summary:
    """What became of a prediction on files.

    Attributes:
        folder: where everything was written.
        images: how many images or frames were looked at.
        found: how many people, or classified images.
        skipped: images that could not be read, with the reason.
    """

    folder: Path
    images: int = 0
    found: int = 0
    skipped: list[str] = field(default_factory=list)


def predict_files(
    viewer: Viewer,
    source: str | Path,
    out: str | Path | None = None,
    pixel_limit: int = PIXEL_LIMIT,
) -> Summary:
    """Predict on an image, a folder of images or a video.

    Writes the input with what was found drawn on it, and a JSON file: for people
    `keypoints.json`, a COCO result file in pixels of the original images; for classes
    `classes.json`; for labels of pixels `shares.json`, and `masks/`, PNG files whose
    values are indices of the classes; for things and stuff `panoptic.json`, and
    `panoptic/`, PNG files of ids as in COCO's format; for numbers of pixels
    `values.json`, and `values/`, `.npy` files `(height, width, channels)`. An image's
    id is the one that the viewer's files say, else its name's number if it is one that
    no other image has, else its name; a frame's id is its number, from 0.

    Small images are drawn larger; numbers in the files are in pixels of the originals.
    Threads read the next images, draw and write while the network looks at several; all
    comes out in the order of the images.

    Args:
        viewer: looks at the images.
        source: the image, the folder or the video.
        out: folder to write to; by default a new one in `predictions/`.
        pixel_limit: larger images are not decoded.

    Raises:
        InputError: if there is nothing to read, or `out` is there and not empty; if no
            image can be read; or if the model's answers are not finite.
    """
    source = Path(source)
    folder = _new_folder(source, out)
    summary = Summary(folder)
    reading = Reading(viewer.orientation, pixel_limit)
    if is_video(source.name):
        viewer.prepare_video(source)
        viewer.look_ahead(_some_frames(source, reading), frames=True)
        target = folder / f"{source.stem}.mp4"
        summary.images = look_at_video(viewer, source, target, reading)
    else:
        files = list_images(source)
        ids = viewer.prepare(files)
        viewer.look_ahead(_some_images(files, reading), frames=False)
        skipped = None if source.is_file() else summary.skipped
        with contextlib.closing(_opened(files, ids, viewer, reading, skipped)) as shown:
            summary.images = look_through(viewer, shown, _keeper(folder))
        if not summary.images:
            raise InputError(
                f"{source}: none of its {len(files)} images can be read; the first: "
                f"{summary.skipped[0]}"
            )
    viewer.finish()
    summary.found = len(viewer.entries)
    check_entries(viewer.entries)
    write_json(folder / viewer.file_name, viewer.entries, indent=None)
    return summary


def _opened(
    files: Sequence[Path],
    ids: Sequence[int | str],
    viewer: Viewer,
    reading: Reading,
    skipped: list[str] | None,
) -> Generator[Shown, None, None]:
    """Images that can be read; others are noted, or refused if `skipped` is None."""

    def read(path: Path) -> np.ndarray | InputError:
        try:
            return read_image(path, reading.orientation, reading.pixel_limit)
        except InputError as error:
            return error

    images = ahead(read, files, WAITING, weigh=_pixels, limit=PIXELS_TOGETHER)
    bar = progress_bar(
        zip(files, ids, images, strict=True),
        total=len(files),
        unit="image",
        shown=skipped is not None,
    )
    with contextlib.closing(images):
        for path, image_id, image in bar:
            try:
                if isinstance(image, InputError):
                    raise image
                viewer.check(path, image_id, image)
            except InputError as error:
                if skipped is None:
                    raise
                logger.warning("skipped: %s", error)
                skipped.append(str(error))
                continue
            yield Shown(path.name, image_id, image)


def _pixels(image: Any) -> int:
    """Of an image; what is none has none."""
    return image.shape[0] * image.shape[1] if isinstance(image, np.ndarray) else 0


def _keeper(folder: Path) -> Callable[[Shown, More, np.ndarray], None]:
    """Writes pictures to a folder, and what else is known of their images."""

    def keep(shown: Shown, more: More, picture: np.ndarray) -> None:
        target = folder / f"{Path(shown.name).stem}.jpg"
        if target.exists():  # a.jpg and a.png may lie in one folder
            target = folder / f"{shown.name}.jpg"
        write_image(target, picture)
        more(folder, target.stem)

    return keep


def check_entries(entries: list[dict[str, Any]]) -> None:
    """Raise an InputError if an entry holds a number that is not finite."""
    try:
        json.dumps(entries, allow_nan=False)
    except ValueError:
        raise InputError(NOT_FINITE) from None


def _some_images(paths: Sequence[Path], reading: Reading) -> Iterator[np.ndarray]:
    """Images from everywhere in a folder, but for those that cannot be read."""
    for index in spread(len(paths), LOOKED_AT):
        with contextlib.suppress(InputError):
            yield read_image(paths[index], reading.orientation, reading.pixel_limit)


def _some_frames(source: Path, reading: Reading) -> Iterator[np.ndarray]:
    """Frames from everywhere in a video; none if it cannot be read."""
    try:
        capture = _open_video(source, reading)
    except InputError:
        return
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    step = max(1, total // LOOKED_AT)
    try:
        yield from itertools.islice(_frames(capture), 0, step * LOOKED_AT, step)
    finally:
        capture.release()


def list_images(source: Path) -> list[Path]:
    """The image files of a folder in order, or the one image.

    Raises:
        InputError: if there is none.
    """
    if source.is_file():
        return [source]
    names = source.iterdir() if source.is_dir() else ()
    found = sorted(p for p in names if is_image(p.name) and not is_clutter(p.name))
    if not found:
        what = "no image in it" if source.is_dir() else "no such file or folder"
        raise InputError(
            f"{source}: {what}; give an image, a folder of images "
            f"({', '.join(IMAGES)}) or a video ({', '.join(VIDEOS)})."
        )
    return found


def look_at_video(
    viewer: Viewer, source: Path, target: Path, reading: Reading = UPRIGHT
) -> int:
    """Show every frame of a video to a viewer, and write the pictures of them.

    A video that ends before the number of frames that it promises is told of.

    Args:
        viewer: looks at the frames; their ids are numbers from 0.
        source: the video.
        target: the one to write.
        reading: how frames are turned, and how large they may be.

    Returns:
        How many frames there were.

    Raises:
        InputError: if OpenCV cannot read the video or write one.
    """
    capture = _open_video(source, reading)
    # Some kinds of files do not say how many; then it is nothing or less.
    total = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    frames = _ahead(_frames(capture))
    bar = progress_bar(frames, total=total, unit="frame")
    shown = (Shown(source.name, number, frame) for number, frame in enumerate(bar))
    with writing(target) as partial:
        video = VideoFile(partial, rate)

        def keep(shown: Shown, more: More, picture: np.ndarray) -> None:
            video.write(picture)

        try:
            look_through(viewer, shown, keep)
        finally:
            frames.close()
            capture.release()
            video.release()
        if not video.frames:
            raise InputError(f"Video {source} cannot be read: it has no frame.")
        video.check()
    if video.frames < total:
        logger.warning(
            "%s breaks off or lacks frames: it promises %d, %d can be read",
            source,
            total,
            video.frames,
        )
    return video.frames


def _ahead(frames: Iterator[np.ndarray]) -> Generator[np.ndarray, None, None]:
    """The frames, some of them read before they are asked for, in another thread."""
    read = ahead(
        lambda _: next(frames, None),
        itertools.repeat(None),
        WAITING,
        threads=1,
        weigh=_pixels,
        limit=PIXELS_TOGETHER,
    )
    with contextlib.closing(read):
        for frame in read:
            if frame is None:
                return
            yield frame


def _open_video(source: Path, reading: Reading) -> Any:
    capture = cv2.VideoCapture(str(source))
    if not capture.isOpened():
        raise InputError(
            f"Video {source} cannot be read: it is missing, broken or of a kind that "
            "OpenCV does not know."
        )
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > reading.pixel_limit:
        raise InputError(
            f"Video {source} has frames of {width}x{height} pixels (width x height); "
            f"up to {reading.pixel_limit} pixels are read (pixel_limit)."
        )
    # A tag that says how the camera was held, as images have one.
    upright = float(reading.orientation == "upright")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, upright)
    return capture


def _frames(capture: Any) -> Iterator[np.ndarray]:
    while True:
        try:
            there, frame = capture.read()
        except cv2.error:
            return
        if not there:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def _new_folder(source: Path, out: str | Path | None) -> Path:
    if out is not None:
        out = Path(out)
        if out.is_file() or (out.is_dir() and any(out.iterdir())):
            raise InputError(f"{out} is there and not empty; choose another --out.")
        return out
    name, number = source.stem or "images", 1
    while (
        folder := Path("predictions") / (f"{name}-{number}" if number > 1 else name)
    ).exists():
        number += 1
    return folder
