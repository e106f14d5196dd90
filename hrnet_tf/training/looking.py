"""Images through a viewer: read before, looked at together, drawn and kept behind."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.common.pipelines import Behind
from hrnet_tf.tasks.base.finding_viewer import FindingViewer, Shown, found_in
from hrnet_tf.tasks.base.viewer import Viewer

PIXELS_TOGETHER = 2**25  # of all images that are seen at once, if they are several
WAITING = 16  # images that are read, or pictures that are drawn, at once

# Of a folder and a stem: writes what else is known of an image.
More = Callable[[Path, str], None]

# Of an image, the writer of what else is known of it, and its picture.
Keep = Callable[[Shown, More, np.ndarray], None]


def look_through(viewer: Viewer, images: Iterable[Shown], keep: Keep) -> int:
    """Look at images in groups; pictures are drawn and kept while the next are seen.

    Args:
        viewer: looks at them; its entries are in the order of the images.
        images: to look at.
        keep: takes each picture, in the order of the images, in a thread of its own.

    Returns:
        How many images there were.

    Raises:
        InputError: as the viewer; pictures of the images before have been kept then.
    """
    count = 0
    alone = not isinstance(viewer, FindingViewer) and (
        type(viewer).write_more is not Viewer.write_more
    )
    with Behind(WAITING, PIXELS_TOGETHER) as behind:
        for group in in_groups(images, viewer.together):
            for shown, draw, more in _looks(viewer, group):
                count += 1
                pixels = shown.image.shape[0] * shown.image.shape[1]
                behind.put(draw, functools.partial(keep, shown, more), pixels)
                if alone:  # it writes of its last image alone
                    behind.finish()
    return count


def _looks(
    viewer: Viewer, group: Sequence[Shown]
) -> Iterator[tuple[Shown, Callable[[], np.ndarray], More]]:
    """Each image, what draws its picture, and what writes what else is known."""
    if isinstance(viewer, FindingViewer):
        for shown, found in zip(group, found_in(viewer, group), strict=True):
            viewer.note(shown, found)
            draw = functools.partial(viewer.draw, shown.image, found)
            yield shown, draw, functools.partial(viewer.write_found, found=found)
        return
    viewer.see([shown.image for shown in group])
    for shown in group:
        picture = viewer.look(shown.name, shown.image_id, shown.image)
        yield shown, functools.partial(np.asarray, picture), viewer.write_more


def in_groups(images: Iterable[Shown], most: int) -> Iterator[list[Shown]]:
    """Images that are seen at once: few enough, and not too large together."""
    group: list[Shown] = []
    pixels = 0
    for each in images:
        own = each.image.shape[0] * each.image.shape[1]
        if group and (len(group) == most or pixels + own > PIXELS_TOGETHER):
            yield group
            group, pixels = [], 0
        group.append(each)
        pixels += own
    if group:
        yield group
