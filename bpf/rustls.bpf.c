// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * rustls, at the AEAD below it: AWS-LC's EVP_AEAD_CTX_* or ring's algorithm functions. One call is
 * one TLS record. Plaintext is `in` at entry of a seal (it is encrypted in place) and `out` at
 * return of an open.
 *
 * The connection is not an argument, only the key is: see socket.bpf.h. A key's address is reused,
 * but its first record is then a handshake message, except in TLS 1.2 with a known socket.
 *
 * The additional data tells records from other uses of the cipher (QUIC, the program's own):
 *   TLS 1.3   5 bytes, 17 03 03 len16; the plaintext ends in the record's type and maybe zeros
 *   TLS 1.2  13 bytes, sequence 8, type, 03 03, len16
 */
#include "call.bpf.h"
#include "socket.bpf.h"

extern int session_is_return(void) __hidden; /* openssl.bpf.c */

enum { AAD_13 = 5, AAD_12 = 13, TAG = 16, PADDING_MAX = 64 };

struct aead_call {
	__u64 key;
	__u64 in, in_len;
	__u64 out, out_len; /* where it goes, where its length goes (0: as in_len) */
	__u64 aad, aad_len;
};

static __always_inline bool is_seal(__u8 shape)
{
	return shape == TLS_CALL_AWSLC_SEAL || shape == TLS_CALL_AWSLC_SEAL_SCATTER ||
	       shape == TLS_CALL_RING_SEAL;
}

/* `[rsp+8]` and up are arguments too. */
static __always_inline bool read_call(struct pt_regs *ctx, __u8 shape, struct aead_call *c)
{
	__u64 di = ctx->di, si = ctx->si, dx = ctx->dx, cx = ctx->cx, r8 = ctx->r8, r9 = ctx->r9;
	__u64 stack[8];

	/* All loads here: merged across branches they use a pointer the verifier refuses. */
	barrier_var(di);
	barrier_var(si);
	barrier_var(dx);
	barrier_var(cx);
	barrier_var(r8);
	barrier_var(r9);
	if (bpf_probe_read_user(stack, sizeof(stack), (const void *)(ctx->sp + 8)))
		return false;
	c->key = di;
	c->out = si;
	c->out_len = 0;
	c->in = stack[0];
	c->in_len = stack[1];
	c->aad = stack[2];
	c->aad_len = stack[3];
	switch (shape) {
	case TLS_CALL_AWSLC_OPEN:
		c->out_len = dx;
		break;
	case TLS_CALL_AWSLC_SEAL_SCATTER:
		c->in = stack[1];
		c->in_len = stack[2];
		c->aad = stack[5];
		c->aad_len = stack[6];
		break;
	case TLS_CALL_AWSLC_OPEN_GATHER:
		c->in = r8;
		c->in_len = r9;
		break;
	case TLS_CALL_RING_SEAL:
	case TLS_CALL_RING_OPEN:
		c->key = si;
		c->out = r9;
		c->in = r9;
		c->in_len = stack[0];
		if (shape == TLS_CALL_RING_OPEN) { /* the ciphertext begins at src.start */
			c->in += stack[1];
			c->in_len -= stack[1];
		}
		c->aad = cx;
		c->aad_len = r8;
		break;
	}
	return c->in_len <= TLS_PIECE_BYTES + 512;
}

/* The record's type, 0 when the plaintext's end says it (TLS 1.3), -1 when this is no record. */
static __always_inline int record_type(const struct aead_call *c)
{
	__u8 aad[AAD_12] = {};
	__u32 len;

	if (c->aad_len != AAD_13 && c->aad_len != AAD_12)
		return -1;
	if (bpf_probe_read_user(aad, c->aad_len == AAD_13 ? AAD_13 : AAD_12, (const void *)c->aad))
		return -1;
	if (c->aad_len == AAD_12)
		return aad[9] == 3 && aad[10] == 3 ? aad[8] : -1;
	len = aad[3] << 8 | aad[4];
	if (aad[0] != RECORD_DATA || aad[1] != 3 || aad[2] != 3 ||
	    (len != c->in_len && len != c->in_len + TAG))
		return -1;
	return 0;
}

/* TLS 1.3: takes zeros and the type off the end. */
static __always_inline __u8 inner_type(__u64 data, __u64 *len)
{
	for (int i = 0; i < PADDING_MAX; i++) {
		__u8 last = 0;

		if (*len == 0)
			return 0;
		--*len;
		if (bpf_probe_read_user(&last, sizeof(last), (const void *)(data + *len)))
			return 0;
		if (last)
			return last;
	}
	return 0;
}

/* The connection that a key's records belong to, 0 when it is not known (any more). */
static __always_inline __u64 joined(struct task_struct *task, __u64 key)
{
	struct conn_state *state = conn_find(task, key);
	struct conn_key gone = {.conn = key, .tgid = task->tgid};

	if (!state || !state->joined)
		return 0;
	if (conn_find(task, state->joined))
		return state->joined;
	bpf_map_delete_elem(&conns, &gone); /* the socket was closed, the address is reused */
	return 0;
}

static __always_inline void record(struct task_struct *task, __u8 type, struct moved_bytes *m)
{
	struct conn_key epoch = {.conn = m->conn, .tgid = task->tgid};
	__u64 key = m->conn, len = m->len, socket;
	struct thread_io *io;

	if (type == 0)
		type = inner_type(m->from, &len);
	if (type == RECORD_HANDSHAKE)
		bpf_map_delete_elem(&conns, &epoch);
	if (type != RECORD_DATA || len == 0)
		return;
	socket = joined(task, key);
	if (socket) {
		m->conn = socket;
	} else {
		m->flags = TLS_FLAG_UNJOINED;
		io = thread_io_of(task->pid);
		if (io && (key & 1) == TLS_WRITE) {
			io->sealed_key = key;
			io->sealed_len = m->len;
		}
	}
	m->len = len;
	moved(task, m);
}

static __always_inline bool within_open(__u32 tid, __u64 sp)
{
	struct frame_table *table = frame_table();

	if (!table)
		return false;
	for (int i = 0; i < FRAME_PROBES; i++) {
		struct frame *frame = frame_at(table, tid, i);

		if (frame->tid == tid && frame->sp > sp &&
		    TLS_COOKIE_SHAPE(frame->cookie) == TLS_CALL_AWSLC_OPEN)
			return true;
	}
	return false;
}

/* True when the return is wanted. */
static __always_inline bool aead_enter(struct pt_regs *ctx, struct task_struct *task, __u64 cookie)
{
	struct moved_bytes m = {.cookie = cookie};
	__u8 shape = TLS_COOKIE_SHAPE(cookie);
	struct tls_site_count *site;
	__u32 tgid = task->tgid;
	struct aead_call c = {};
	struct frame *frame;
	__u64 socket;
	__u8 one = 1;
	int type;

	if (!observed(tgid))
		return false;
	site = site_of(cookie);
	if (site)
		site->hits++;
	if (!read_call(ctx, shape, &c))
		return false;
	type = record_type(&c);
	if (type < 0)
		return false;
	if (!bpf_map_lookup_elem(&record_processes, &tgid))
		bpf_map_update_elem(&record_processes, &tgid, &one, BPF_ANY);
	m.conn = (c.key & ~1ULL) | (TLS_COOKIE_DIRECTION(cookie) & 1);
	m.begin_ns = bpf_ktime_get_ns();
	if (is_seal(shape)) {
		m.from = c.in;
		m.len = c.in_len;
		record(task, type, &m);
		return false;
	}
	if (shape == TLS_CALL_AWSLC_OPEN_GATHER && within_open(task->pid, ctx->sp))
		return false;
	socket = joined(task, m.conn);
	if (socket && conn_ignored(task, socket))
		return false;
	if (!socket) {
		socket = socket_received(task, c.in, c.in_len);
		if (socket)
			key_join(task, m.conn, socket);
	}
	frame = frame_push(task->pid, ctx->sp);
	if (!frame) {
		drop(TLS_DROP_STATE_FULL, 0);
		return false;
	}
	frame->conn = m.conn;
	frame->buffer = c.out;
	frame->len = c.in_len;
	frame->extra = c.out_len;
	frame->begin_ns = m.begin_ns;
	frame->cookie = cookie;
	frame->type = type;
	return true;
}

static __always_inline void aead_leave(struct pt_regs *ctx, struct task_struct *task)
{
	struct frame *frame = frame_of_return(task->pid, ctx);
	struct moved_bytes m = {};
	__u64 len, extra;
	__u8 type;

	if (!frame) {
		drop(TLS_DROP_UNMATCHED_RETURN, 0);
		return;
	}
	m.conn = frame->conn;
	m.from = frame->buffer;
	m.begin_ns = frame->begin_ns;
	m.cookie = frame->cookie;
	type = frame->type;
	len = frame->len;
	extra = frame->extra;
	frame_pop(frame);
	if (m.conn == 0)
		return; /* muted */
	/* ring only computes the tag here: its caller compares it. */
	if (TLS_COOKIE_SHAPE(m.cookie) != TLS_CALL_RING_OPEN && (__u32)PT_REGS_RC(ctx) != 1)
		return;
	if (extra && bpf_probe_read_user(&len, sizeof(len), (const void *)extra)) {
		drop(TLS_DROP_USER_FAULT, 0);
		return;
	}
	if (len > TLS_PIECE_BYTES + 512) {
		drop(TLS_DROP_WRONG_SITE, 0);
		return;
	}
	m.len = len;
	record(task, type, &m);
}

SEC("uprobe")
int aead_session(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!session_is_return())
		return !aead_enter(ctx, task, bpf_get_attach_cookie(ctx));
	aead_leave(ctx, task);
	return 0;
}

static __always_inline int aead_enter_or_mute(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct frame *frame;

	if (aead_enter(ctx, task, cookie) || is_seal(TLS_COOKIE_SHAPE(cookie)))
		return 0;
	frame = frame_push(task->pid, ctx->sp);
	if (frame)
		frame->conn = 0;
	return 0;
}

SEC("uprobe")
int aead_multi_enter(struct pt_regs *ctx)
{
	return aead_enter_or_mute(ctx);
}

SEC("uretprobe")
int aead_multi_leave(struct pt_regs *ctx)
{
	aead_leave(ctx, bpf_get_current_task_btf());
	return 0;
}

SEC("uprobe")
int aead_perf_enter(struct pt_regs *ctx)
{
	return aead_enter_or_mute(ctx);
}

SEC("uretprobe")
int aead_perf_leave(struct pt_regs *ctx)
{
	aead_leave(ctx, bpf_get_current_task_btf());
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
