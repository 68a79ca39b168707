// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Go's crypto/tls (1.21 to 1.26), at two places inside the functions; never a uretprobe, which
 * corrupts growing stacks. Registers are those of Go's ABI (ABIInternal): results and arguments.
 *
 *   write  behind the stack check of (*Conn).Write: rax *Conn, rbx data, rcx len
 *   read   the jump behind the call of (*halfConn).decrypt in readRecordOrCCS: rax data, rbx len,
 *          dil record type, rsi error; the caller's first argument's spill slot holds *Conn
 *
 * A goroutine changes threads between calls, not between these instructions: no state is needed.
 * Bytes of a write are taken as sent; a write that fails ends the connection.
 */
#include "events.bpf.h"

enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };

/* A hello that arrives opens a connection: the *Conn of an earlier one was reused. */
static __always_inline void handshake(struct task_struct *task, __u64 conn, __u64 data)
{
	__u8 type = 0;

	if (!bpf_probe_read_user(&type, sizeof(type), (const void *)data) &&
	    (type == CLIENT_HELLO || type == SERVER_HELLO))
		conn_close(task, conn);
}

static __always_inline int go_record(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct moved_bytes m = {.cookie = bpf_get_attach_cookie(ctx)};
	__u64 ax = ctx->ax, bx = ctx->bx, cx = ctx->cx;
	struct tls_site_count *site;
	__u64 len;

	/* All loads here: merged across branches they use a pointer the verifier refuses. */
	barrier_var(bx);
	barrier_var(cx);

	if (!observed(task->tgid))
		return 0;
	site = site_of(m.cookie);
	if (site)
		site->hits++;
	m.begin_ns = bpf_ktime_get_ns();
	if (TLS_COOKIE_SHAPE(m.cookie) == TLS_CALL_GO_WRITE) {
		m.conn = ax;
		m.from = bx;
		len = cx;
	} else {
		__u8 type = ctx->di;

		if (ctx->si != 0 || (type != RECORD_DATA && type != RECORD_HANDSHAKE))
			return 0;
		if (bpf_probe_read_user(&m.conn, sizeof(m.conn), (const void *)(ctx->bp + 16))) {
			count_moved(m.cookie, bx);
			drop(TLS_DROP_USER_FAULT, bx);
			return 0;
		}
		m.from = ax;
		len = bx;
		if (type == RECORD_HANDSHAKE) {
			handshake(task, m.conn, m.from);
			return 0;
		}
	}
	if (len == 0)
		return 0;
	if (len > 0xffffffff) {
		drop(TLS_DROP_WRONG_SITE, 0);
		if (site)
			site->refused++;
		return 0;
	}
	m.len = len;
	moved(task, &m);
	return 0;
}

SEC("uprobe")
int go_multi(struct pt_regs *ctx)
{
	return go_record(ctx);
}

SEC("uprobe")
int go_perf(struct pt_regs *ctx)
{
	return go_record(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
