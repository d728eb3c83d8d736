# SPDX-License-Identifier: GPL-2.0
[ -r ~/.bashrc ] && . ~/.bashrc
cat <<'END'

The root file system of this machine is on /dev/rnvme0n1, driven by rnvme. Things to try:

  lsblk; findmnt /            nvme id-ctrl /dev/rnvme0     nvme smart-log /dev/rnvme0n1
  rnvme-claim status          ls -l /dev/disk/by-id        fio --name=a --size=256M --rw=randread

Changes to the disk are lost when you leave: by `poweroff`, or Ctrl-a x.

END
