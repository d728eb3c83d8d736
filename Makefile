# SPDX-License-Identifier: GPL-2.0
#
# What people type. Each target sets up what it needs on a machine that has nothing of ours:
# see `make help`. Kbuild describes the module itself.

.DEFAULT_GOAL := all

# Given by the person who types: KDIR= (a prepared kernel tree), CMD= (for vm), KERNEL=.
KERNEL ?= stock

.PHONY: all modules vm run test unit check icount soak clean help

all: modules

ifneq ($(KDIR),)
# The usual way to build a module, without a build root of ours.
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
else
modules:
	@tools/module $(KERNEL) >/dev/null
endif

vm:
	@tools/vm --kernel $(KERNEL) $(if $(CMD),--command '$(subst ','\'',$(CMD))')

run:
	@tools/run

test:
	@tools/test

unit:
	@tools/unit

check:
	@tools/check

icount:
	@tools/icount

soak:
	@tools/soak

clean:
ifneq ($(KDIR),)
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
endif
	rm -rf build

help:
	@echo 'make            rnvme.ko for the Debian kernel, in build/stock (KERNEL=debug: build/debug)'
	@echo 'make KDIR=DIR   rnvme.ko for the prepared kernel tree DIR, here'
	@echo 'make run        a Debian machine whose root file system is on /dev/rnvme0n1'
	@echo 'make vm         a shell on a bare machine with one NVMe drive, in seconds (KERNEL=debug)'
	@echo "make vm CMD=... runs one command there and ends with its status"
	@echo 'make test       check, unit and the tests in virtual machines'
	@echo 'make unit       the tests that run on this machine'
	@echo 'make check      formats, linters and the rules of the house'
	@echo 'make icount     instructions per I/O, rnvme beside the C driver'
	@echo 'make soak       the full numbers, file by file: hours; goes on where it was cut off'
	@echo 'make clean      removes build/'
	@echo
	@echo 'RNVME_CACHE=DIR where build root, kernels and images are kept (~/.cache/rnvme)'
	@echo 'ACCEL=tcg|kvm   how QEMU runs machines, if not as it finds best'
