# Everything a newcomer and CI need; `make help` explains the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
SCALES ?= 0.1 1.0
BIN := .venv/bin
BIN33 := .venv-spark33/bin
BIN_OLDEST := .venv-oldest/bin
BIN_NEWEST := .venv-newest/bin
# Two processes of pytest, each with a Spark of its own, as tests often wait for Spark. For one: make test SIDE_BY_SIDE=
# They take the files in the order of tests/conftest.py, which by itself pytest-xdist replaces by the number of tests.
SIDE_BY_SIDE ?= -n 2 --dist loadfile --no-loadscope-reorder
# A target's -m takes the place of that of `pytest` alone, which runs the quick tests (pyproject.toml).
SERVERS := not hdfs and not blob and not cluster and not yarn and not livy and not oozie and not azureml and not browser and not mlflow and not connect
SKLEARN_SEARCH_TESTS := sklearn.model_selection.tests.test_{search,successive_halving}
# In these modules, only the tests that use a search class are run.
SKLEARN_OTHER_TESTS := sklearn.model_selection.tests.test_{validation,classification_threshold} \
	sklearn.tests.test_{calibration,metaestimators,metaestimators_metadata_routing,multiclass,multioutput,pipeline} \
	sklearn.ensemble.tests.test_{bagging,forest,stacking,voting,weight_boosting} \
	sklearn.linear_model.tests.test_{coordinate_descent,logistic,ridge,sgd} \
	sklearn.metrics.tests.test_{regression,score_objects} \
	sklearn.utils.tests.test_{parallel,pprint} \
	sklearn.decomposition.tests.test_kernel_pca sklearn.feature_extraction.tests.test_text \
	sklearn.impute.tests.test_impute sklearn.neighbors.tests.test_kde
# The first one that runs: pyenv leaves a python3.10 on the PATH that only says which version to choose.
PYTHON310 ?= $(shell for python in python3.10 "$$HOME"/.pyenv/versions/3.10.*/bin/python3.10 $$($(BIN)/uv python find 3.10 2>/dev/null); do "$$python" -c '' 2>/dev/null && command -v "$$python" && break; done)

# The newest that the search's libraries all have releases for; the others find it by the same way.
PYTHON313 ?= $(shell for python in python3.13 "$$HOME"/.pyenv/versions/3.13.*/bin/python3.13 $$($(BIN)/uv python find 3.13 2>/dev/null); do "$$python" -c '' 2>/dev/null && command -v "$$python" && break; done)

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.ready ## Create the virtual environment .venv with everything in it

.venv/.ready: setup.py constraints/spark4.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "hpt-spark needs Python 3.10 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1); name another one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints/spark4.txt --editable '.[spark,connect,azure,mlflow,dev,docs]'
	@touch $@

.PHONY: java
java: setup
	@$(BIN)/python -m hpt_spark.spark.java

.PHONY: demo
demo: setup java ## Run the main job on generated data: generate, then ingest, features, tune, predict, report
	$(BIN)/hpt-spark generate --out data/demo/raw --scale 0.02 --seed 0
	$(BIN)/hpt-spark pipeline --conf conf/demo.yaml --overwrite
	@echo "the report: runs/demo/report.html"
	@echo "the history of all runs: make ui, or $(BIN)/hpt-spark runs runs"

RUNS ?= runs
PORT ?= 5000

.PHONY: ui
ui: setup ## Show the history of the runs in RUNS (default: runs) in MLflow's pages, on this machine
	@test -e "$(RUNS)/mlflow.db" || { echo "$(RUNS)/mlflow.db does not exist yet: a search writes it, make demo for one" >&2; exit 1; }
	$(BIN)/mlflow ui --backend-store-uri "sqlite:///$(RUNS)/mlflow.db" --host 127.0.0.1 --port $(PORT)

BUNDLE_ENVIRONMENT ?= venv-pack
BUNDLE_CONSTRAINTS ?= constraints/spark4.txt
XGBOOST ?= xgboost-cpu

.PHONY: bundle
bundle: setup ## Make dist/ for clusters: a zip, the jobs, a Python environment (for HDInsight: conf/hdinsight/README.md)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check venv-pack==0.2.0
	$(BIN)/hpt-spark bundle --out dist --constraints $(BUNDLE_CONSTRAINTS) --environment $(BUNDLE_ENVIRONMENT) --xgboost $(XGBOOST)

.PHONY: test
test: java ## Run the quick tests, as `pytest` alone does
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

.PHONY: test-long
test-long: java ## Run the tests that take several seconds each
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'long and not process and not slow and $(SERVERS)'

.PHONY: test-process
test-process: java ## Run the tests that start, signal and kill processes, and whole jobs with a Java of their own
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'process and not slow and $(SERVERS)'

.PHONY: test-mlflow
test-mlflow: java ## Run the tests of the history of runs on real stores and servers of MLflow
	$(BIN)/python -m pytest -m 'mlflow and not slow'

.PHONY: test-connect
test-connect: java ## Run the searches on a Spark Connect server, which they start on this machine
	$(BIN)/python -m pytest -m 'connect and not slow'

.PHONY: test-hdfs
test-hdfs: java ## Run the tests on a real HDFS, fetched from Maven Central (40 MB)
	$(BIN)/python -m tests.hdfs
	$(BIN)/python -m pytest -m hdfs

# The environment that the tests on YARN and Oozie send along, as `make bundle` makes it.
.bundle/env.tar.gz: setup.py constraints/spark4.txt | .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check venv-pack==0.2.0
	$(BIN)/hpt-spark bundle --out .bundle --constraints constraints/spark4.txt --environment venv-pack --xgboost xgboost-cpu

.PHONY: test-yarn
test-yarn: java .bundle/env.tar.gz ## Run the jobs in cluster mode on a real YARN of two nodes, fetched from Maven Central (50 MB)
	$(BIN)/python -m tests.yarn
	HPT_SPARK_TEST_ENVIRONMENT="$(CURDIR)/.bundle/env.tar.gz" $(BIN)/python -m pytest -m yarn

.PHONY: test-livy
test-livy: java ## Run jobs on a real Livy 0.5, fetched from Maven Central (73 MB)
	$(BIN)/python -m tests.livy.server
	$(BIN)/python -m pytest -m livy

.PHONY: test-oozie
test-oozie: java .bundle/env.tar.gz ## Run the workflows on a real Oozie with a real YARN, fetched from Maven Central (130 MB)
	$(BIN)/python -m tests.yarn
	$(BIN)/python -m tests.oozie.jars
	HPT_SPARK_TEST_ENVIRONMENT="$(CURDIR)/.bundle/env.tar.gz" $(BIN)/python -m pytest -m oozie

.venv-azureml/.ready: constraints/azureml.txt
	$(PYTHON) -m venv .venv-azureml
	.venv-azureml/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints/azureml.txt --requirement constraints/azureml.in
	@touch $@

.PHONY: test-azureml
test-azureml: setup .venv-azureml/.ready ## Read the Azure ML job with Azure's own loader, and the compose file by its schema
	$(BIN)/python -m pytest -m azureml

.PHONY: test-slow
test-slow: java ## Run the tests that take long, and each property on ten times as many examples
	$(BIN)/python -m pip install --quiet --disable-pip-version-check venv-pack==0.2.0
	$(BIN)/python -m pytest -m 'slow and not cluster'
	$(BIN)/python -m pytest -m 'hypothesis and not slow and $(SERVERS)' --hypothesis-profile thorough --timeout 1200
	$(BIN)/python -m pytest -m 'slow and cluster'

.PHONY: test-cluster
test-cluster: java ## Run the tests on a standalone cluster of two nodes, which they start on this machine
	$(BIN)/python -m pytest -m 'cluster and not slow'

AZURITE := 3.37.0

.PHONY: azurite
azurite: .azurite/.ready ## Install Azurite, a blob server for tests, into .azurite (Node.js; 365 MB)

.azurite/.ready:
	@command -v npm >/dev/null || { echo "Azurite needs Node.js 20 or newer with npm; install it, then: make $(MAKECMDGOALS)" >&2; exit 1; }
	npm install --prefix .azurite --no-audit --no-fund --loglevel=error azurite@$(AZURITE)
	@touch $@

.PHONY: test-blob
test-blob: java azurite ## Run the tests against a blob server
	$(BIN)/python -m pytest -m blob

AXE := 4.11.0

.browser/.ready:
	npm install --prefix .browser --no-audit --no-fund --loglevel=error axe-core@$(AXE)
	@touch $@

.PHONY: find-browser
find-browser:
	@command -v chromium chromium-browser google-chrome >/dev/null && command -v npm >/dev/null || { echo "The tests in a browser need Chromium and npm; install them (Debian: apt-get install chromium npm), then: make $(MAKECMDGOALS)" >&2; exit 1; }

.PHONY: test-browser
test-browser: find-browser setup .browser/.ready ## Open the report in headless Chromium, with the network off
	$(BIN)/python -m pip install --quiet --disable-pip-version-check playwright==1.58.0
	$(BIN)/python -m pytest -m browser

.PHONY: test-sklearn
test-sklearn: setup java ## Run scikit-learn's own tests that search, with our classes
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -c /dev/null -p no:cacheprovider -p tests.search.sklearn_plugin --timeout 300 --pyargs $(SKLEARN_SEARCH_TESTS) $(SKLEARN_OTHER_TESTS)

.PHONY: test-pure
test-pure: setup ## Run the tests that need no Spark
	$(BIN)/python -m pytest -m 'not spark and not slow and not long and not process and $(SERVERS)'

.PHONY: find-python310
find-python310:
	@test -n "$(PYTHON310)" || { echo "The tests on Spark 3.3 need Python 3.10; install one, or name it: make PYTHON310=/path/to/python3.10 $(MAKECMDGOALS)" >&2; exit 1; }

.venv-spark33/.ready: setup.py constraints/spark33.txt | .venv/.ready
	$(PYTHON310) -m venv --clear --without-pip .venv-spark33
	$(BIN)/uv pip install --quiet --python $(BIN33)/python --constraint constraints/spark33.txt --editable '.[spark,azure,mlflow,dev]'
	@touch $@

.PHONY: test-spark33
test-spark33: find-python310 .venv-spark33/.ready ## Run the quick tests on PySpark 3.3 and Python 3.10, as on HDInsight 5.1
	@$(BIN33)/python -m hpt_spark.spark.java
	$(BIN33)/python -m pytest $(SIDE_BY_SIDE)

.PHONY: test-process-spark33
test-process-spark33: find-python310 .venv-spark33/.ready ## Run the tests of processes there
	@$(BIN33)/python -m hpt_spark.spark.java
	$(BIN33)/python -m pytest $(SIDE_BY_SIDE) -m 'process and not slow and $(SERVERS)'

.PHONY: test-hdfs-spark33
test-hdfs-spark33: find-python310 .venv-spark33/.ready ## Run the tests on a real HDFS of the release that PySpark 3.3 has
	$(BIN33)/python -m tests.hdfs
	$(BIN33)/python -m pytest -m hdfs

.bundle-spark33/env.tar.gz: setup.py constraints/spark33.txt | .venv-spark33/.ready
	$(BIN)/uv pip install --quiet --python $(BIN33)/python venv-pack==0.2.0
	$(BIN33)/hpt-spark bundle --out .bundle-spark33 --constraints constraints/spark33.txt --environment venv-pack --xgboost xgboost-cpu

.PHONY: test-yarn-spark33
test-yarn-spark33: find-python310 .venv-spark33/.ready .bundle-spark33/env.tar.gz ## Run the jobs on a YARN of the release that PySpark 3.3 has
	@$(BIN33)/python -m hpt_spark.spark.java
	$(BIN33)/python -m tests.yarn
	HPT_SPARK_TEST_ENVIRONMENT="$(CURDIR)/.bundle-spark33/env.tar.gz" $(BIN33)/python -m pytest -m yarn

.venv-oldest/.ready: setup.py constraints/oldest.txt | .venv/.ready
	$(PYTHON310) -m venv --clear --without-pip .venv-oldest
	$(BIN)/uv pip install --quiet --python $(BIN_OLDEST)/python --constraint constraints/oldest.txt --editable '.[spark,azure,dev]'
	@touch $@

.PHONY: test-oldest-quick
test-oldest-quick: find-python310 .venv-oldest/.ready ## Run what depends most on them on the oldest libraries supported
	@$(BIN_OLDEST)/python -m hpt_spark.spark.java
	$(BIN_OLDEST)/python -m pytest $(SIDE_BY_SIDE) $(addprefix tests/search/,boosting test_search.py test_search_cv.py test_fit_groups.py test_folds.py)

.PHONY: test-oldest
test-oldest: find-python310 .venv-oldest/.ready ## Run all tests of the search, and scikit-learn's own, there
	$(BIN_OLDEST)/python -m pytest $(SIDE_BY_SIDE) tests/search
	$(BIN_OLDEST)/python -m pytest $(SIDE_BY_SIDE) -m 'process and not slow and $(SERVERS)' tests/search
	$(BIN_OLDEST)/python -m pytest -c /dev/null -p no:cacheprovider -p tests.search.sklearn_plugin --timeout 300 --pyargs $(SKLEARN_SEARCH_TESTS)

.PHONY: find-python313
find-python313:
	@test -n "$(PYTHON313)" || { echo "The tests on the newest libraries need Python 3.13; install one, or name it: make PYTHON313=/path/to/python3.13 $(MAKECMDGOALS)" >&2; exit 1; }

.venv-newest/.ready: setup.py constraints/newest.txt | .venv/.ready
	$(PYTHON313) -m venv --clear --without-pip .venv-newest
	$(BIN)/uv pip install --quiet --python $(BIN_NEWEST)/python --constraint constraints/newest.txt --editable '.[spark,connect,azure,dev]'
	@touch $@

.PHONY: test-newest
test-newest: find-python313 .venv-newest/.ready ## Run the quick tests of search and matrix on Python 3.13 and the newest XGBoost and scikit-learn
	@$(BIN_NEWEST)/python -m hpt_spark.spark.java
	$(BIN_NEWEST)/python -m pytest $(SIDE_BY_SIDE) tests/search tests/matrix

.PHONY: lint
lint: setup docs ## Check style, types, the layers of the package and the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: docs
docs: setup ## Build the documentation as a site in build/site; a broken link is an error
	$(BIN)/python docs/configuration_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

.PHONY: docs-serve
docs-serve: setup ## Show the documentation on this machine while it is written
	$(BIN)/python docs/configuration_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

.PHONY: format
format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench-features
bench-features: java ## Compare ingest and build_features with single-process pandas pipelines (SCALES="0.1 1.0 4.0")
	$(BIN)/python bench/features.py --scale $(SCALES) --skip-pandas 4.0 --repeat 3 --out docs/benchmarks.md

.PHONY: bench-scenario
bench-scenario: java ## Run the six jobs at full size, with the scenario's four candidates (half an hour on 2 cores)
	$(BIN)/python bench/scenario.py --scale 1.0 --out docs/benchmarks.md

.PHONY: bench-blob
bench-blob: setup azurite ## Compare the download of a blob with the SDK's own
	$(BIN)/python bench/blob.py --size 200 1000 --repeat 5 --out docs/benchmarks.md

.PHONY: bench-search
bench-search: java ## Compare our search with scikit-learn's, joblib-spark and spark-sklearn's mechanism
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints/spark4.txt joblibspark
	$(BIN)/python bench/search.py --out docs/benchmarks.md

.PHONY: bench-report
bench-report: find-browser setup .browser/.ready ## Measure the report of 16 and of 5,000 candidates in headless Chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check playwright==1.58.0
	$(BIN)/python bench/report.py --candidates 16 5000 --out docs/benchmarks.md

.PHONY: bench-tracking
bench-tracking: java ## Measure what a history in MLflow costs a search of 1,000 tiny candidates
	$(BIN)/python bench/tracking.py --out docs/benchmarks.md

.PHONY: bench-yarn
bench-yarn: java .bundle/env.tar.gz ## Measure where the seconds of a run on YARN go, and pipeline against five submissions
	$(BIN)/python -m tests.yarn
	HPT_SPARK_TEST_ENVIRONMENT="$(CURDIR)/.bundle/env.tar.gz" $(BIN)/python bench/yarn.py --out docs/benchmarks.md

.PHONY: constraints
constraints: setup ## Resolve the constraints files again to the newest releases
	$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --no-annotate --python-version 3.10 --extra spark --extra azure --extra dev --extra docs --extra mlflow --constraint constraints/spark4.in setup.py -o constraints/spark4.txt
	$(BIN)/uv pip compile --quiet --no-emit-index-url --no-header --no-annotate --python-version 3.10 --extra spark --extra azure --extra dev --extra mlflow --constraint constraints/spark33.in setup.py -o constraints/spark33.txt
	$(BIN)/uv pip compile --quiet --no-emit-index-url --no-header --no-annotate --python-version 3.10 --extra spark --extra azure --extra dev --constraint constraints/oldest.in setup.py -o constraints/oldest.txt
	$(BIN)/uv pip compile --quiet --no-emit-index-url --no-header --no-annotate --python-version 3.13 --extra spark --extra azure --extra dev --constraint constraints/newest.in setup.py -o constraints/newest.txt
	$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --no-annotate --python-version 3.10 constraints/azureml.in -o constraints/azureml.txt

.PHONY: clean
clean: ## Remove what the targets made
	rm -rf .venv .venv-spark33 .venv-oldest .venv-newest .venv-azureml .azurite .browser .bundle .bundle-spark33 .hdfs .livy .oozie data/demo runs/demo build dist *.egg-info
