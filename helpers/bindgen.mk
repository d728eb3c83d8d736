# SPDX-License-Identifier: GPL-2.0
#
# How bindings are made from a header of this folder, which $(rnvme_helpers) names.
# For the Kbuild files of modules that use mq/.

# GCC flags that libclang does not know (the kernel's own list in rust/Makefile
# is not exported to external modules).
rnvme_bindgen_skip_c_flags := -mno-fp-ret-in-387 -mpreferred-stack-boundary=% \
	-mskip-rax-setup -mgeneral-regs-only -msign-return-address=% \
	-mindirect-branch=thunk-extern -mindirect-branch-register \
	-mfunction-return=thunk-extern -mrecord-mcount -mabi=lp64 \
	-mindirect-branch-cs-prefix -mstack-protector-guard% -mtraceback=no \
	-mno-pointers-to-nested-functions -mno-string \
	-mno-strict-align -mstrict-align -mdirect-extern-access \
	-mexplicit-relocs -mno-check-zero-division \
	-fconserve-stack -falign-jumps=% -falign-loops=% \
	-femit-struct-debug-baseonly -fno-ipa-cp-clone -fno-ipa-sra \
	-fno-partial-inlining -fplugin-arg-arm_ssp_per_task_plugin-% \
	-fno-reorder-blocks -fno-allow-store-data-races -fasan-shadow-offset=% \
	-fzero-call-used-regs=% -fno-stack-clash-protection \
	-fno-inline-functions-called-once -fsanitize=bounds-strict \
	-fstrict-flex-arrays=% -fmin-function-alignment=% \
	-fzero-init-padding-bits=% -mno-fdpic -fdiagnostics-show-context \
	-fdiagnostics-show-context=% --param=% --param asan-% \
	-fno-isolate-erroneous-paths-dereference -ffixed-r2 -mmultiple -mno-readonly-in-sdata

rnvme_bindgen_flags := $(shell grep -Ev '^\#|^$$' $(rnvme_helpers)/bindgen_parameters)

quiet_cmd_rnvme_bindgen = BINDGEN $@
      cmd_rnvme_bindgen = \
	$(BINDGEN) $< $(rnvme_bindgen_flags) --rust-target 1.85 --use-core \
		--with-derive-default --ctypes-prefix ffi --no-layout-tests --no-debug '.*' \
		--no-doc-comments --enable-function-attribute-detection \
		--raw-line 'use kernel::ffi;' \
		--raw-line 'use pin_init::MaybeZeroable;' \
		-o $@ -- $(filter-out $(rnvme_bindgen_skip_c_flags),$(c_flags)) -I$(rnvme_helpers) -w \
		--target=$(if $(CONFIG_X86_64),x86_64-linux-gnu,aarch64-linux-gnu) \
		-fno-builtin -D__BINDGEN__ -DMODULE ; \
	sed -Ei 's/pub const RUST_CONST_HELPER_/pub const /' $@
