/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A call that is observed at entry and at return: arguments are kept from the one to the other.
 *
 * Frames live in task storage (a uretprobe's return runs on the thread that entered), a few per
 * thread because calls nest (TLS in TLS, a custom BIO). A frame is known by its stack pointer: on
 * x86-64 it is 8 higher at return, after `ret` popped the return address.
 */
#ifndef LLMTAP_CALL_BPF_H
#define LLMTAP_CALL_BPF_H

#include "events.bpf.h"

enum { FRAMES = 4 };

struct frame {
	__u64 sp; /* 0: free */
	__u64 conn; /* 0: muted, its return is to be passed over */
	__u64 buffer;
	__u64 len;   /* asked for */
	__u64 extra; /* per shape: where the count of bytes goes, ... */
	__u64 begin_ns;
	__u64 cookie;
};

struct frames {
	struct frame frame[FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct frames);
} calls SEC(".maps") __weak;

static __always_inline struct frames *frames_of_thread(struct task_struct *task, __u64 flags)
{
	return bpf_task_storage_get(&calls, task, 0, flags);
}

/*
 * A frame for the call that begins at `sp`. One that stands deeper in the stack (lower) than the
 * new one was left by a jump out of its call; it is reused when nothing is free.
 */
static __always_inline struct frame *frame_push(struct task_struct *task, __u64 sp)
{
	struct frames *f = frames_of_thread(task, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct frame *stale = 0;

	if (!f)
		return 0;
	for (int i = 0; i < FRAMES; i++) {
		if (f->frame[i].sp == 0 || f->frame[i].sp == sp)
			return &f->frame[i];
		if (f->frame[i].sp < sp)
			stale = &f->frame[i];
	}
	return stale;
}

static __always_inline struct frame *frame_of_return(struct task_struct *task, struct pt_regs *ctx)
{
	__u64 sp = PT_REGS_SP(ctx) - 8;
	struct frames *f = frames_of_thread(task, 0);

	if (!f)
		return 0;
	for (int i = 0; i < FRAMES; i++)
		if (f->frame[i].sp == sp)
			return &f->frame[i];
	return 0;
}

#endif
