/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A call that is observed at entry and at return: arguments are kept from the one to the other.
 *
 * Frames stand in one open table, hashed by thread (a uretprobe's return runs on the thread that
 * entered): a slot is claimed by one compare-and-swap and read without a helper call, which is a
 * third of what task storage takes. Calls nest (TLS in TLS, a custom BIO), so a frame is known by
 * its stack pointer too: on x86-64 it is 8 higher at return, after `ret` popped the address.
 */
#ifndef LLMTAP_CALL_BPF_H
#define LLMTAP_CALL_BPF_H

#include "events.bpf.h"

enum { FRAMES = 32768, FRAME_PROBES = 8 };

struct frame {
	__u64 sp;
	__u64 conn; /* 0: muted, its return is to be passed over */
	__u64 buffer;
	__u64 len;   /* asked for */
	__u64 extra; /* per shape: where the count of bytes goes, ... */
	__u64 begin_ns;
	__u64 cookie;
	__u32 tid;  /* owner; 0: free */
	__u32 left; /* the owner whose call ended last */
	__u64 type; /* per shape: of the record, when known at entry */
};

struct frame_table {
	struct frame frame[FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame_table);
} frames SEC(".maps") __weak;

static __always_inline struct frame_table *frame_table(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&frames, &zero);
}

static __always_inline struct frame *frame_at(struct frame_table *table, __u32 tid, __u32 probe)
{
	return &table->frame[(tid * 0x9e3779b1U + probe) & (FRAMES - 1)];
}

/*
 * A frame for the call that begins at `sp`, or null when the thread's slots are taken. One of its
 * own that stands deeper in the stack (lower) was left by a jump out of its call: it is reused.
 */
static __always_inline struct frame *frame_push(__u32 tid, __u64 sp)
{
	struct frame_table *table = frame_table();

	if (!table)
		return 0;
	for (int i = 0; i < FRAME_PROBES; i++) {
		struct frame *frame = frame_at(table, tid, i);

		if (frame->tid == tid ? frame->sp <= sp :
		    frame->tid == 0 && __sync_val_compare_and_swap(&frame->tid, 0, tid) == 0) {
			frame->sp = sp;
			return frame;
		}
	}
	return 0;
}

static __always_inline struct frame *frame_of_return(__u32 tid, struct pt_regs *ctx)
{
	__u64 sp = PT_REGS_SP(ctx) - 8;
	struct frame_table *table = frame_table();

	if (!table)
		return 0;
	for (int i = 0; i < FRAME_PROBES; i++) {
		struct frame *frame = frame_at(table, tid, i);

		if (frame->tid == tid && frame->sp == sp)
			return frame;
	}
	return 0;
}

static __always_inline void frame_pop(struct frame *frame)
{
	frame->left = frame->tid;
	*(volatile __u32 *)&frame->tid = 0;
}

/*
 * Whether the call that returns now has been dealt with: for a moment a file may carry two links,
 * for every process and for one, while user space changes from the one to the other.
 */
static __always_inline bool frame_was_left(__u32 tid, struct pt_regs *ctx)
{
	__u64 sp = PT_REGS_SP(ctx) - 8;
	struct frame_table *table = frame_table();

	if (!table)
		return false;
	for (int i = 0; i < FRAME_PROBES; i++) {
		struct frame *frame = frame_at(table, tid, i);

		if (frame->left == tid && frame->sp == sp)
			return true;
	}
	return false;
}

/* The thread is gone, perhaps in the middle of a call. */
static __always_inline void frames_drop(__u32 tid)
{
	struct frame_table *table = frame_table();

	if (!table)
		return;
	for (int i = 0; i < FRAME_PROBES; i++) {
		struct frame *frame = frame_at(table, tid, i);

		if (frame->tid == tid)
			frame_pop(frame);
	}
}

#endif
