#!/usr/bin/env bash
# Make the run of the current slot (a day, by default), unless it is made already; cron calls this, README.md says how.
#
#   run_slot.sh SETTINGS
#
# Silent when all is well. Otherwise one line on standard error, which cron mails, and an exit code other than 0:
# the job's own, 75 when another run holds the lock, 2 when the settings are wrong, 1 for anything else.
set -euo pipefail
umask 027

fail() { # CODE REASON
    printf 'hpt-spark %s: %s\n' "${slot:-run_slot.sh}" "$2" >&2
    exit "$1"
}

# Whoever starts it, a run sees this environment and what the settings export, and nothing else.
if [ "${HPT_SPARK_SLOT_ENVIRONMENT:-}" != clean ]; then
    exec env -i HPT_SPARK_SLOT_ENVIRONMENT=clean HOME="${HOME:-/}" LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin \
        "$BASH" "$0" "$@"
fi
unset HPT_SPARK_SLOT_ENVIRONMENT
[ $# = 1 ] || fail 2 "got $# arguments; call it with one, the file of settings"
[ -r "$1" ] || fail 2 "the settings $1 cannot be read"
settings=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") || fail 2 "the settings $1 cannot be found"

COMMAND=()
RUNS='' LOGS='' SLOT=%Y-%m-%d KEEP_RUNS=7 KEEP_LOGS=30 MIN_FREE_MB=1024 MAX_TIME=20h
"$BASH" -n "$settings" 2>/dev/null || fail 2 "the settings $settings are no bash script: try bash -n"
# shellcheck source=conf/cron/settings.sh
source "$settings" || fail 2 "the settings $settings do not work as a script"
[ ${#COMMAND[@]} -gt 0 ] || fail 2 "COMMAND is missing in $settings: give the job and its options as an array"
[[ $RUNS = /* && $LOGS = /* ]] || fail 2 "RUNS and LOGS must be absolute paths, see $settings"
for name in KEEP_RUNS KEEP_LOGS; do
    [[ ${!name} =~ ^[1-9][0-9]{0,5}$ ]] || fail 2 "$name=${!name} must be a whole number from 1 on, see $settings"
done
[[ $MIN_FREE_MB =~ ^[0-9]{1,9}$ ]] || fail 2 "MIN_FREE_MB=$MIN_FREE_MB must be a whole number, see $settings"
# The clock decides once: a machine that sleeps for a night goes on with the run that it has begun.
slot=$(date "+$SLOT") || fail 2 "SLOT=$SLOT is no format of date, see $settings"
[[ $slot =~ ^[0-9A-Za-z][0-9A-Za-z._-]*$ ]] || fail 2 "SLOT=$SLOT gives $slot; use digits, letters, . _ and - only"

run=$RUNS/$slot log=$LOGS/$slot.log
mkdir -p "$RUNS" "$LOGS" 2>/dev/null || fail 1 "$RUNS or $LOGS cannot be created: disk full, or not allowed?"
# Children inherit the lock: a job that outlives this script keeps the next one out.
{ exec 9>>"$RUNS/.lock"; } 2>/dev/null || fail 1 "$RUNS/.lock cannot be written: disk full, or not allowed?"
flock --nonblock 9 || fail 75 "another run still goes on (lock $RUNS/.lock); nothing was started"
[ ! -e "$run/.finished" ] || exit 0

# --- what earlier slots have left ---

runs() { # the dated runs but this one, newest first
    find "$RUNS" -mindepth 1 -maxdepth 1 -type d -name '[0-9A-Za-z]*' ! -name "$slot" -printf '%f\n' | LC_ALL=C sort -r
}

is_in_use() { # RUN: started by hand, perhaps; a driver renews its lock every few seconds
    [ -n "$(find "$1" -maxdepth 2 -name 'lock-*.json' -mmin -60 -print -quit)" ]
}

prune_runs() { # keep the newest KEEP_RUNS finished ones, and as many that failed
    local name kind
    local -A kept=([finished]=0 [failed]=0)
    while IFS= read -r name; do
        [ -e "$RUNS/$name/.slot" ] || continue # nothing of ours
        kind=failed
        [ ! -e "$RUNS/$name/.finished" ] || kind=finished
        if [ "${kept[$kind]}" -lt "$KEEP_RUNS" ] || is_in_use "$RUNS/$name"; then
            kept[$kind]=$((kept[$kind] + 1))
        else
            rm -rf -- "${RUNS:?}/${name:?}" 2>/dev/null || fail 1 "the old run $RUNS/$name cannot be deleted"
        fi
    done < <(runs)
}

rotate_logs() { # earlier slots' logs are packed, and beyond KEEP_LOGS deleted
    local number=0 file
    find "$LOGS" -maxdepth 1 -type f -name '[0-9A-Za-z]*.log' ! -name "$slot.log" -exec gzip --force --quiet {} + || true
    while IFS= read -r file; do
        number=$((number + 1))
        [ "$number" -lt "$KEEP_LOGS" ] || rm -f -- "$LOGS/$file"
    done < <(find "$LOGS" -maxdepth 1 -type f -name '[0-9A-Za-z]*.log.gz' -printf '%f\n' | LC_ALL=C sort -r)
}

prune_runs
rotate_logs
free=$(df --output=avail --block-size=1M -- "$RUNS" | tail -n 1 | tr -d ' ')
[ "$free" -ge "$MIN_FREE_MB" ] || fail 1 "$free MB are free for $RUNS, MIN_FREE_MB=$MIN_FREE_MB are wanted: make room"

# --- this slot's run ---

{ mkdir -p "$run" && : >>"$run/.slot" && : >>"$log"; } 2>/dev/null || fail 1 "$run or $log cannot be written: disk full?"
reason_file=$(mktemp 2>/dev/null) || fail 1 "there is no room for a file in ${TMPDIR:-/tmp}"
trap 'rm -f -- "$reason_file"' EXIT
export HPT_SPARK_FAILURE_FILE=$reason_file

job='' ended_by=''
# shellcheck disable=SC2329 # traps call it
end_job() { # SIGNAL
    ended_by=$1
    [ -z "$job" ] || kill -s TERM "$job" 2>/dev/null || true
}
trap 'end_job TERM' TERM
trap 'end_job HUP' HUP
trap 'end_job INT' INT

cd "$run" # for what a program drops where it stands
quoted=${run//\'/\'\'} # a quote within the quotes of YAML
{ printf '== %s %s\n' "$(date --iso-8601=seconds)" "${COMMAND[*]}" >>"$log"; } 2>/dev/null ||
    fail 1 "$log cannot be written: disk full?"
timeout --kill-after=60s "$MAX_TIME" "${COMMAND[@]}" --set "run.dir='$quoted'" >>"$log" 2>&1 </dev/null &
job=$!
[ -z "$ended_by" ] || end_job "$ended_by" # which came before there was a job
while true; do # a trapped signal ends `wait` before the job has ended
    code=0
    wait "$job" 2>/dev/null || code=$? # bash itself would say `Killed`
    kill -0 "$job" 2>/dev/null || break
done

if [ "$code" = 0 ]; then
    { : >"$run/.finished"; } 2>/dev/null || fail 1 "the job is done, but $run/.finished cannot be written: disk full?"
    exit 0
fi
reason=''
# A job that begins removes the file; one that is killed writes none.
[ ! -e "$reason_file" ] || reason=$(tr -s '\n\t ' ' ' <"$reason_file" | cut -c 1-500)
if [ -n "$ended_by" ]; then
    code=$((128 + $(kill -l "$ended_by"))) # the job itself got SIGTERM
    reason="ended by SIG$ended_by"
elif [ -z "$reason" ]; then
    case $code in
        124) reason="not done after MAX_TIME=$MAX_TIME" ;;
        126 | 127) reason="COMMAND cannot be run: ${COMMAND[0]}" ;;
        137) reason="killed, perhaps for want of memory" ;;
        *) reason="no reason was left" ;;
    esac
fi
fail "$code" "exit $code: $reason (log: $log)"
