# What run_slot.sh does, and where; a part of a bash script. Copy it, change it, chmod 600 it if it holds secrets.
# shellcheck shell=bash disable=SC2034

RUNS=/var/lib/hpt_spark/runs # a folder for each slot's run
LOGS=/var/log/hpt_spark      # a log for each slot
SLOT=%Y-%m-%d                # the name of the current slot, a format of `date`: a day; a week is %G-W%V
KEEP_RUNS=7                  # finished runs that are kept beside the one being made
KEEP_LOGS=30                 # logs that are kept; all but the current one are packed
MIN_FREE_MB=1024             # start only with so much room where RUNS is
MAX_TIME=20h                 # end a run that takes longer

# The job; run.dir is added. Where a cluster is to do it: COMMAND=(spark-submit ... jobs/pipeline.py --conf ...).
COMMAND=(/opt/hpt_spark/.venv/bin/hpt-spark pipeline --conf single_vm
    --set source.uri=/var/lib/hpt_spark/raw
    --set tables.uri=/var/lib/hpt_spark/tables
    --set source.downloads=/var/lib/hpt_spark/downloads)

# cron gives a run no environment, and run_slot.sh takes none over: name here what it needs.
export JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64
# export AZURE_STORAGE_CONNECTION_STRING=...
