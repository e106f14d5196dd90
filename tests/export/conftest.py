"""The page of deploy/browser, and what it is shown."""

import numpy as np
import pytest

from hrnet_tf.drawn.figures import Company, draw_picture
from hrnet_tf.images.pictures import write_image
from support.browser import FOLDER, open_page


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory):
    """A folder with the page, and place for files beside it."""
    folder = tmp_path_factory.mktemp("served")
    for item in FOLDER.iterdir():
        (folder / item.name).symlink_to(item)
    return folder


@pytest.fixture(scope="module")
def page(page_folder):
    """The page in a browser, which is closed before other tests go on."""
    with open_page(page_folder) as page:
        yield page


@pytest.fixture(scope="session")
def figure():
    """A picture of one figure, uint8 RGB."""
    rng = np.random.default_rng(7)
    return draw_picture("jumping", rng, Company(people=(1, 1), things=(0, 0))).image


@pytest.fixture(scope="session")
def photo(figure, tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "figure.png"
    write_image(path, figure)
    return path
