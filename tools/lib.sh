# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every script under tools/ shares: progress lines, and the cache with its keys and locks.
#
# A script sources this file first. All messages go to standard error, so that standard output
# stays free for a script's answer (a directory, for instance).

set -euo pipefail

RNVME_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
RNVME_CACHE=${RNVME_CACHE:-$HOME/.cache/rnvme}
mkdir -p "$RNVME_CACHE"
RNVME_CACHE=$(cd "$RNVME_CACHE" && pwd -P)
export RNVME_TOP RNVME_CACHE

# One clock for a script and all that it calls.
export RNVME_T0=${RNVME_T0:-${EPOCHREALTIME/[.,]/}}

# Bound of the wait for another process that builds the same thing: longer than the longest build.
LOCK_SECONDS=3600

elapsed() { # [SINCE in microseconds]: seconds with one decimal
	local us=$((${EPOCHREALTIME/[.,]/} - ${1:-$RNVME_T0}))
	printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

say() {
	printf '[%6s s] %s: %s\n' "$(elapsed)" "${0##*/}" "$*" >&2
}

die() {
	say "error: $*"
	exit 1
}

# step WHAT CMD...: runs CMD quietly; says how long it took, or shows the end of what it printed.
# CMD runs in a subshell that ends at the first error, so that it may be a function of many lines.
step() {
	local what=$1 start=${EPOCHREALTIME/[.,]/} log rc=0
	shift
	log=$(mktemp "${TMPDIR:-/tmp}/rnvme-step.XXXXXX")
	say "$what ..."
	set +e # `if ! (...)` would switch errexit off inside as well
	(set -e; "$@") >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	if ((rc != 0)); then
		tail -n 40 "$log" >&2
		die "$what: failed with status $rc after $(elapsed "$start") s; all output: $log"
	fi
	rm -f "$log"
	say "$what: $(elapsed "$start") s"
}

# key FILE|=STRING...: a short hash of the contents of files and of strings.
key() {
	local part
	for part; do
		case $part in
		=*) printf 's %s\n' "$part" ;;
		*) printf 'f '; sha256sum <"$part" ;;
		esac
	done | sha256sum | cut -c1-12
}

# make_once DIR FUNCTION: has FUNCTION fill the empty directory DIR, unless that was done before.
#
# DIR counts as done once it holds the file `.complete`, which is written last; what an interrupted
# run left is thrown away. Built in place rather than renamed into place, because kernel trees
# remember their path. Concurrent callers wait for the first one.
make_once() {
	local dir=$1 fill=$2 lock
	if [[ ! -e $dir/.complete ]]; then
		mkdir -p "$(dirname "$dir")"
		exec {lock}>"$dir.lock"
		if ! flock --nonblock "$lock"; then
			say "waiting for another process that makes $dir"
			flock --wait "$LOCK_SECONDS" "$lock" || die "$dir.lock is still held after $LOCK_SECONDS s"
		fi
		if [[ ! -e $dir/.complete ]]; then
			rm -rf --one-file-system "$dir"
			mkdir "$dir"
			"$fill" "$dir"
			: >"$dir/.complete"
		fi
		exec {lock}>&-
	fi
	touch "$dir/.complete"
}

# forget_old PREFIX: removes what no one used for two weeks of the cache entries PREFIX-*.
forget_old() {
	local stamp
	find "$RNVME_CACHE" -mindepth 2 -maxdepth 2 -path "$RNVME_CACHE/$1-*/.complete" -mtime +14 -print |
		while read -r stamp; do
			say "removing $(dirname "$stamp"), unused for two weeks"
			rm -rf --one-file-system "$(dirname "$stamp")" "$(dirname "$stamp").lock"
		done
}

# inside: whether this process already runs in the build root.
inside() {
	[[ -e /.rnvme-buildroot ]]
}
