// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Libraries with C calls that move bytes between a buffer and a connection: OpenSSL, BoringSSL
 * (SSL_read, SSL_write, the _ex forms, or the function behind them) and GnuTLS. The cookie's shape
 * says where the arguments are.
 *
 * Bytes are taken at return in both directions: a write that returned WANT_WRITE is repeated with
 * the same buffer and would appear twice.
 *
 * Three variants of the same two steps; user space loads the one that the kernel can do.
 */
#include "call.bpf.h"

extern bool bpf_session_is_return(void) __ksym __weak;

/* For other objects: the linker of libbpf 1.1 refuses a kernel function named in two. */
__hidden int session_is_return(void)
{
	return bpf_session_is_return();
}

static __always_inline void read_arguments(struct pt_regs *ctx, __u8 shape, struct frame *frame)
{
	frame->buffer = PT_REGS_PARM2(ctx);
	frame->len = PT_REGS_PARM3(ctx);
	frame->extra = 0;
	switch (shape) {
	case TLS_CALL_INT:
		frame->len = (__u32)PT_REGS_PARM3(ctx);
		break;
	case TLS_CALL_SIZE_OUT:
	case TLS_CALL_EX:
		frame->extra = PT_REGS_PARM4(ctx);
		break;
	case TLS_CALL_SIZE_OUT5:
		frame->extra = PT_REGS_PARM5(ctx);
		break;
	case TLS_CALL_GNUTLS_RECV:
		frame->buffer = PT_REGS_PARM3(ctx);
		frame->len = PT_REGS_PARM4(ctx);
		break;
	}
}

/* True when the return is wanted: a frame has been pushed. */
static __always_inline bool enter(struct pt_regs *ctx, struct task_struct *task, __u64 cookie)
{
	__u8 shape = TLS_COOKIE_SHAPE(cookie);
	__u64 address = PT_REGS_PARM1(ctx);
	struct tls_site_count *site;
	struct frame *frame;

	if (!observed(task->tgid))
		return false;
	site = site_of(cookie);
	if (site)
		site->hits++;
	if (shape == TLS_CALL_FREE) {
		conn_close(task, address);
		return false;
	}
	if (shape == TLS_CALL_GNUTLS_RECV && (__u8)PT_REGS_PARM2(ctx) != 0x17)
		return false; /* not application data */
	if (conn_ignored(task, address)) {
		if (site)
			site->ignored++;
		return false;
	}
	frame = frame_push(task->pid, PT_REGS_SP(ctx));
	if (!frame) {
		drop(TLS_DROP_STATE_FULL, 0);
		return false;
	}
	frame->conn = address;
	frame->cookie = cookie;
	frame->begin_ns = bpf_ktime_get_ns();
	read_arguments(ctx, shape, frame);
	return true;
}

/* Bytes that the call moved. */
static __always_inline __u64 result(struct pt_regs *ctx, __u8 shape, const struct frame *frame)
{
	__s32 rc = PT_REGS_RC(ctx);
	__u64 done = 0;

	if (rc <= 0)
		return 0;
	if (shape != TLS_CALL_SIZE_OUT && shape != TLS_CALL_SIZE_OUT5 && shape != TLS_CALL_EX)
		return rc;
	if (bpf_probe_read_user(&done, sizeof(done), (const void *)frame->extra))
		drop(TLS_DROP_USER_FAULT, 0);
	return done;
}

static __always_inline void leave(struct pt_regs *ctx, struct task_struct *task)
{
	struct frame *frame = frame_of_return(task->pid, ctx);
	struct moved_bytes m = {};
	struct tls_site_count *site;
	bool plausible;
	__u64 done, wanted;

	if (!frame) {
		if (!frame_was_left(task->pid, ctx))
			drop(TLS_DROP_UNMATCHED_RETURN, 0);
		return;
	}
	if (frame->conn == 0) {
		frame_pop(frame);
		return;
	}
	done = result(ctx, TLS_COOKIE_SHAPE(frame->cookie), frame);
	m.conn = frame->conn;
	m.from = frame->buffer;
	m.begin_ns = frame->begin_ns;
	m.cookie = frame->cookie;
	m.len = done;
	wanted = frame->len;
	plausible = done <= wanted && done <= 0xffffffff;
	frame_pop(frame);
	if (!plausible) {
		drop(TLS_DROP_WRONG_SITE, 0);
		site = site_of(m.cookie);
		if (site)
			site->refused++;
	} else if (done > 0) {
		moved(task, &m);
	} else if (wanted > 0 && TLS_COOKIE_DIRECTION(m.cookie) == TLS_READ &&
		   TLS_COOKIE_SHAPE(m.cookie) != TLS_CALL_EX && (__s32)PT_REGS_RC(ctx) == 0) {
		peer_ended(task, &m);
	}
}

/* One program for entry and return; 1 from the entry declines the return. Kernel 6.13. */
SEC("uprobe")
int call_session(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!bpf_session_is_return())
		return !enter(ctx, task, bpf_get_attach_cookie(ctx));
	leave(ctx, task);
	return 0;
}

/* Without sessions a return cannot be declined: a muted frame lets it pass. */
static __always_inline int enter_or_mute(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct frame *frame;

	if (enter(ctx, task, cookie) || TLS_COOKIE_SHAPE(cookie) == TLS_CALL_FREE)
		return 0;
	frame = frame_push(task->pid, PT_REGS_SP(ctx));
	if (frame)
		frame->conn = 0;
	return 0;
}

/* uprobe.multi, kernel 6.6. */
SEC("uprobe")
int call_multi_enter(struct pt_regs *ctx)
{
	return enter_or_mute(ctx);
}

SEC("uretprobe")
int call_multi_leave(struct pt_regs *ctx)
{
	leave(ctx, bpf_get_current_task_btf());
	return 0;
}

/* One perf event per probe. */
SEC("uprobe")
int call_perf_enter(struct pt_regs *ctx)
{
	return enter_or_mute(ctx);
}

SEC("uretprobe")
int call_perf_leave(struct pt_regs *ctx)
{
	leave(ctx, bpf_get_current_task_btf());
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
