"""Packaging; the settings of the tools stand in pyproject.toml."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(
    '__version__ = "(.+)"',
    (ROOT / "hrnet_tf" / "common" / "version.py").read_text(encoding="utf-8"),
)


def read_requirements():
    """The lines of requirements.txt by their part; "": what everybody needs."""
    parts, part = {"": []}, ""
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if title := re.match(r"# \[(\w+)\]", line):
            part = title.group(1)
            parts[part] = []
        elif line and not line.startswith("#"):
            parts[part].append(line)
    return parts


REQUIREMENTS = read_requirements()
PARTS = ("export", "openvino", "ray", "serving")
EXTRAS = [line for part in PARTS for line in REQUIREMENTS[part]]


class BuildWithConfigs(build_py):
    """Puts configs/ beside the modules: hrnet_tf/common/shipped.py looks there."""

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
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["HRNet", "pose estimation", "semantic segmentation", "Keras"],
    classifiers=[
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    packages=find_packages(include=["hrnet_tf", "hrnet_tf.*"]),
    package_data={
        "hrnet_tf.tasks": ["*/*_sets/*.yaml"],
        "hrnet_tf.paper_tables": ["*.yaml"],
    },
    # As in the Makefile: there is no TensorFlow for others.
    python_requires=">=3.10,<3.14",
    install_requires=REQUIREMENTS[""],
    extras_require={
        "export": REQUIREMENTS["export"],
        "openvino": REQUIREMENTS["openvino"],
        "ray": REQUIREMENTS["ray"],
        "serving": REQUIREMENTS["serving"],
        "kubernetes": REQUIREMENTS["kubernetes"],
        "remote": REQUIREMENTS["remote"],
        "docs": REQUIREMENTS["docs"],
        "peers": REQUIREMENTS["peers"],
        "all": EXTRAS,
        # The addons lane, Python 3.10 or 3.11: the last TensorFlow with
        # tensorflow-addons.
        "addons": [
            *EXTRAS,
            "tensorflow>=2.15,<2.16",
            "keras>=2.15,<2.16",
            "tensorflow-addons>=0.23",
            "tensorflow-serving-api>=2.15,<2.16",
            "onnx<1.17",
            "opencv-python<4.12",
            "pyarrow<22",
            "pandas<3",
        ],
        # The tests look at everything, and build the packages and the site.
        "dev": [
            *EXTRAS,
            *REQUIREMENTS["docs"],
            "jsonschema>=4",
            "pytest>=8",
            "selenium>=4.20",
            "ruff>=0.8",
            "mypy>=1.11",
            "types-PyYAML",
            "types-tqdm",
            "setuptools>=64",
            "wheel>=0.42",
        ],
    },
    entry_points={"console_scripts": ["hrnet-tf=hrnet_tf.cli:main"]},
)
