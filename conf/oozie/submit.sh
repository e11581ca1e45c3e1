#!/usr/bin/env bash
# Submit one job in cluster mode and wait for it: the shell action of workflow-shell.xml.
#
#   SPARK_OPTIONS='--queue default ...' submit.sh APP_DIR FAILURE_FILE JOB [OPTION ...]
set -euo pipefail
app_dir=$1 failure_file=$2 job=$3
shift 3
read -r -a options <<<"${SPARK_OPTIONS:-}"
exec spark-submit --master yarn --deploy-mode cluster --name "hpt_spark $job" \
    --py-files "$app_dir/hpt_spark.zip" --archives "$app_dir/env.tar.gz#env" \
    --conf spark.yarn.appMasterEnv.PYSPARK_PYTHON=./env/bin/python \
    --conf spark.executorEnv.PYSPARK_PYTHON=./env/bin/python \
    --conf "spark.yarn.appMasterEnv.HPT_SPARK_FAILURE_FILE=$failure_file" \
    "${options[@]}" "$app_dir/jobs/$job.py" "$@"
