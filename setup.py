"""Packaging; the settings of the tools stand in pyproject.toml."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(
    '__version__ = "(.+)"', (ROOT / "hrnet_tf" / "version.py").read_text()
)
REQUIREMENTS = [
    line
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


class BuildWithConfigs(build_py):
    """Puts configs/ beside the modules, where hrnet_tf/shipped.py looks for them."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "hrnet_tf" / "configs"
            shutil.copytree(ROOT / "configs", target, dirs_exist_ok=True)


setup(
    cmdclass={"build_py": BuildWithConfigs},
    name="hrnet-tf",
    version=VERSION.group(1),
    description="HRNet, the High-Resolution Network family, for Keras and TensorFlow 2",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["hrnet_tf", "hrnet_tf.*"]),
    package_data={"hrnet_tf": ["keypoint_sets/*.yaml", "class_sets/*.yaml"]},
    python_requires=">=3.10",
    install_requires=REQUIREMENTS,
    extras_require={
        # The addons lane, Python 3.10 or 3.11: the last TensorFlow with
        # tensorflow-addons.
        "addons": [
            "tensorflow>=2.15,<2.16",
            "keras>=2.15,<2.16",
            "tensorflow-addons>=0.23",
            "tensorflow-serving-api>=2.15,<2.16",
            "onnx<1.17",
            "opencv-python<4.12",
        ],
        "dev": ["pytest>=8", "ruff>=0.8", "mypy>=1.11", "types-PyYAML", "types-tqdm"],
    },
    entry_points={"console_scripts": ["hrnet-tf=hrnet_tf.cli:main"]},
)
