#!/usr/bin/env bash
# A script action of HDInsight, for the head nodes: builds the Python environment of the bundle, tries it, packs it, and
# puts it beside the bundle as env.tar.gz. Needs no human; an environment that is there already is not built again.
#
# usage: build_env.sh BUNDLE      e.g. build_env.sh wasbs:///hpt_spark
set -euo pipefail

bundle=${1:?usage: build_env.sh BUNDLE, e.g. build_env.sh wasbs:///hpt_spark}
bundle=${bundle%/}
conda=${CONDA:-/usr/bin/miniforge/bin/conda}

say() { echo "build_env.sh: $*"; }
fail() { echo "build_env.sh: $*" >&2; exit 1; }

# Both head nodes run this, and one is enough.
case $(hostname) in
    hn1-*) say "hn0 does it"; exit 0 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# What somebody has put there must not be taken for the environment's own.
unset PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE=1 HOME="$work"

for file in environment.yml requirements.txt constraints.txt; do
    hadoop fs -get "$bundle/$file" "$file" || fail "$bundle has no $file; upload what \`make bundle\` made, and conf/hdinsight/environment.yml"
done
wanted=$(cat environment.yml requirements.txt constraints.txt | sha256sum | cut -d' ' -f1)
if hadoop fs -test -e "$bundle/env.tar.gz" && [ "$(hadoop fs -cat "$bundle/env.sha256" 2>/dev/null)" = "$wanted" ]; then
    say "$bundle/env.tar.gz is up to date"
    exit 0
fi

[ -x "$conda" ] || fail "there is no $conda; let CONDA name it"
say "builds the environment"
"$conda" env create --quiet --prefix env --file environment.yml
env/bin/python -m pip install --quiet --no-cache-dir --only-binary :all: --requirement requirements.txt --constraint constraints.txt
# A library that does not fit the nodes' glibc is found here and not by the first fit.
env/bin/python -c 'import pandas, pyarrow, scipy, sklearn, xgboost; print("build_env.sh: xgboost", xgboost.__version__)'
env/bin/conda-pack --quiet --prefix env --output env.tar.gz --ignore-missing-files
say "packed $(du -h env.tar.gz | cut -f1)"

# A job that starts meanwhile finds the old one, or none, and never a half.
hadoop fs -put -f env.tar.gz "$bundle/env.tar.gz.new"
hadoop fs -rm -f -skipTrash "$bundle/env.sha256" "$bundle/env.tar.gz"
hadoop fs -mv "$bundle/env.tar.gz.new" "$bundle/env.tar.gz"
printf '%s' "$wanted" > env.sha256
hadoop fs -put -f env.sha256 "$bundle/env.sha256"
say "put $bundle/env.tar.gz"
