#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# in_tree.sh KERNEL-DIR m|y TARGET...: builds the driver as drivers/block/rnvme/ of a prepared kernel
# source, as a module or built in, without a trace in that source: a layer in memory over it takes
# what is written. It stands at the path of the source itself, since what is built there remembers
# its path. Copies the results, the files TARGET below drivers/block/rnvme/, to the current directory.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd -P)
# The build root, where this runs, has a mount name space of its own already: nothing leaves it.
if [[ ${1-} != --inside ]]; then
	exec unshare --mount --propagation unchanged "$0" --inside "$@"
fi
shift
kernel=$1 value=$2
shift 2
source=$kernel/build results=$PWD
make=(make -C "$source" -j"$(nproc)" LOCALVERSION="$(cat "$kernel/localversion")")

layer=$(mktemp -d /dev/shm/rnvme-in-tree.XXXXXX)
trap 'cd /; umount "$source" 2>/dev/null || true; rm -rf "$layer"' EXIT
mkdir "$layer/upper" "$layer/work"
mount -t overlay -o "lowerdir=$source,upperdir=$layer/upper,workdir=$layer/work" rnvme "$source"

patch --directory="$source" --strip=1 --forward <"$top/tools/in-tree.patch"
mkdir "$source/drivers/block/rnvme"
git -c safe.directory='*' -C "$top" ls-files --cached --others --exclude-standard -z |
	tar --create --directory="$top" --null --files-from=- --ignore-failed-read |
	tar --extract --directory="$source/drivers/block/rnvme"

case $value in
m) "$source/scripts/config" --file "$source/.config" --module BLK_DEV_RNVME ;;
y) "$source/scripts/config" --file "$source/.config" --enable BLK_DEV_RNVME ;;
esac
"${make[@]}" olddefconfig
grep -x "CONFIG_BLK_DEV_RNVME=$value" "$source/.config"
"${make[@]}" drivers/block/rnvme/
cd "$source/drivers/block/rnvme"
cp --parents "$@" "$results/"
