"""The stub headers that stand in for kernel headers: file name -> text.

BCC wants a kernel source tree only because its own helper header includes a few of the kernel's. These are all it
needs; every field of a kernel struct comes from BTF instead. Never: anything of a node.
"""

_TYPES = """\
#ifndef SANTA_TYPES
#define SANTA_TYPES
typedef unsigned char u8, __u8, unchar;
typedef signed char s8, __s8;
typedef unsigned short u16, __u16, __be16, __le16, __sum16, umode_t;
typedef short s16, __s16;
typedef unsigned int u32, __u32, __be32, __le32, __wsum, gfp_t, dev_t, uid_t, gid_t;
typedef int s32, __s32, pid_t;
typedef unsigned long long u64, __u64, __be64, __le64;
typedef long long s64, __s64;
typedef __u64 __aligned_u64 __attribute__((aligned(8)));
typedef __be64 __aligned_be64 __attribute__((aligned(8)));
typedef unsigned long size_t, uintptr_t, sector_t;
typedef long ssize_t;
typedef long long loff_t;
typedef _Bool bool;
#define __always_inline inline __attribute__((always_inline))
#define true 1
#define false 0
#define NULL ((void *)0)
#include <uapi/linux/ptrace.h>
#endif
"""

#: What programs of uprobes and of perf events get: uapi/asm/ptrace.h, uapi/linux/bpf_perf_event.h.
_PTRACE = """\
#ifndef SANTA_PTRACE
#define SANTA_PTRACE
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
struct bpf_perf_event_data {
	struct pt_regs regs;
	unsigned long long sample_period, addr;
};
#endif
"""

#: Below BCC_KERNEL_SOURCE. linux/bpf_common.h and if_ether.h hold opcodes and frames, which no probe uses.
HEADERS = {
    "include/linux/kconfig.h": "#define CONFIG_BPF_SYSCALL 1\n",
    "include/linux/types.h": _TYPES,
    "include/linux/version.h": "#define LINUX_VERSION_CODE 0\n#define KERNEL_VERSION(a, b, c) 0\n",
    "include/linux/log2.h": "#define roundup_pow_of_two(n) (n)\n",
    "include/asm/page.h": "#define PAGE_SIZE 4096\n",
    "include/uapi/linux/bpf.h": "#include <linux/types.h>\n",
    "include/uapi/linux/bpf_common.h": "",
    "include/uapi/linux/if_ether.h": "",
    "include/uapi/linux/if_packet.h": "",
    "include/uapi/linux/ptrace.h": _PTRACE,
}
