#!/usr/bin/env bash
# Print why a job has failed as the property `reason`, for the kill node's message.
#
#   reason.sh FAILURE_FILE
set -euo pipefail
# Oozie keeps 2 KB of an action's output and 500 characters of a message, and reads a backslash as an escape.
reason=$(hdfs dfs -cat "$1" 2>/dev/null | tr -s '\n\t ' ' ' | tr -d '\r' | cut -c 1-300 | sed 's/\\/\\\\/g; s/ *$//') || true
echo "reason=${reason:-the driver left no reason: it was killed, or never started; look at its log in YARN}"
