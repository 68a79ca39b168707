// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs whose TLS is out of reach (Java's JSSE is bytecode). What they write to sockets is
 * ciphertext, except for the first record of a connection: its ClientHello names the host in the
 * clear (RFC 8446 section 4.1.2, RFC 6066 section 3). It is shown, so that calls which cannot be seen
 * are at least counted. All other writes end here after one look at their first bytes.
 */
#include "events.bpf.h"

enum { HELLO_BYTES = 2048, CLIENT_HELLO = 1, HELLO_HEAD = 6 };

struct io_vector {
	__u64 base;
	__u64 len;
};

static __always_inline int hello(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u64 from = ctx->cx, len = (__u32)ctx->r8;
	struct tls_site_count *site;
	__u8 head[HELLO_HEAD] = {};
	struct tls_event *event;
	struct io_vector first;

	barrier_var(from);
	barrier_var(len);
	if (!observed(task->tgid))
		return 0;
	site = site_of(cookie);
	if (site)
		site->hits++;
	if (TLS_COOKIE_SHAPE(cookie) == TLS_CALL_JAVA_WRITEV) {
		if (bpf_probe_read_user(&first, sizeof(first), (const void *)from))
			return 0;
		from = first.base;
		len = first.len;
	}
	if (len < HELLO_HEAD || bpf_probe_read_user(head, sizeof(head), (const void *)from) ||
	    head[0] != RECORD_HANDSHAKE || head[1] != 3 || head[5] != CLIENT_HELLO)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event) + HELLO_BYTES, 0);
	if (!event) {
		drop(TLS_DROP_RING_FULL, 0);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = TLS_EVENT_HELLO;
	event->tgid = task->tgid;
	event->tid = task->pid;
	event->library = TLS_COOKIE_LIBRARY(cookie);
	event->begin_ns = event->end_ns = bpf_ktime_get_ns();
	if (len > HELLO_BYTES)
		len = HELLO_BYTES;
	event->len = event->captured = len;
	if (bpf_probe_read_user(event + 1, len, (const void *)from))
		event->captured = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("uprobe")
int hello_multi(struct pt_regs *ctx)
{
	return hello(ctx);
}

SEC("uprobe")
int hello_perf(struct pt_regs *ctx)
{
	return hello(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
