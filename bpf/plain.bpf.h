/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plaintext of sockets of interest: those with a port that user space named. A socket is marked when
 * it connects, is accepted or listens (or is found later), in storage of its own: what a socket that
 * is not marked pays is one null check. Identity is the socket, whoever uses its descriptors.
 *
 * A socket's call is seen when it has moved bytes; the thread's registers, as they were when it
 * entered the kernel, say where the bytes are. What has no buffer there (sendfile, splice, io_uring)
 * or went by unseen counts as missing: TCP's own sequence numbers tell how much.
 */
#ifndef LLMTAP_PLAIN_BPF_H
#define LLMTAP_PLAIN_BPF_H

#include "socket.bpf.h"

enum { PORTS = 65536, VECTORS_MAX = 64 };

/* x86-64 */
enum {
	SYS_READ = 0,
	SYS_WRITE = 1,
	SYS_READV = 19,
	SYS_WRITEV = 20,
	SYS_SENDTO = 44,
	SYS_RECVFROM = 45,
	SYS_SENDMSG = 46,
	SYS_RECVMSG = 47,
	SYS_PREADV2 = 327,
	SYS_PWRITEV2 = 328,
	CODE_64BIT = 0x33, /* cs of a thread that speaks these numbers */
};

enum watched_kind { WATCHED_PLAIN = 0, WATCHED_RECORDS = 1 };

struct watched_socket {
	__u64 conn; /* in map `conns`; 0: has not moved bytes yet */
	__u32 tgid; /* who moved the first bytes: the connection's process from then on */
	__u32 seq[2]; /* TCP's, behind what was seen last of a direction */
	__u8 kind;
	__u8 ignored;
	__u8 live; /* counted in sockets_live */
	__u8 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct watched_socket);
} watched SEC(".maps");

__u8 plain_ports[PORTS] = {}; /* 1: of interest; user space's */
__u64 sockets_live = 0;       /* marked sockets that exist */

/* Where the bytes are that the thread's system call moves. */
struct call_buffers {
	__u64 base;    /* of one buffer; 0: see vectors */
	__u64 vectors; /* struct iovec[count] */
	__u64 count;
};

struct vector {
	__u64 base;
	__u64 len;
};

static __always_inline bool has_socket(struct task_struct *task, __u32 descriptor, struct sock *sk)
{
	struct file **files = BPF_CORE_READ(task, files, fdt, fd), *file = 0;

	bpf_probe_read_kernel(&file, sizeof(file), files + descriptor);
	return file && file == BPF_CORE_READ(sk, sk_socket, file);
}

/*
 * False: not to be had. So it is where the call is about something else than this socket: io_uring
 * does what it was asked for on the way out of any system call, to buffers of its own.
 */
static __always_inline bool buffers_of(struct task_struct *task, struct sock *sk,
				       struct call_buffers *b)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 second = regs->si;

	b->base = b->vectors = b->count = 0;
	if ((__u16)regs->cs != CODE_64BIT || !has_socket(task, regs->di, sk))
		return false;
	switch (regs->orig_ax) {
	case SYS_READ:
	case SYS_WRITE:
	case SYS_SENDTO:
	case SYS_RECVFROM:
		b->base = second;
		return true;
	case SYS_READV:
	case SYS_WRITEV:
	case SYS_PREADV2:
	case SYS_PWRITEV2:
		b->vectors = second;
		b->count = regs->dx;
		return true;
	case SYS_SENDMSG:
	case SYS_RECVMSG: /* struct user_msghdr, from its third word on */
		return !bpf_probe_read_user(&b->vectors, 16, (const void *)(second + 16));
	}
	return false;
}

static __always_inline struct conn_key plain_key(const struct watched_socket *w)
{
	struct conn_key key = {.conn = w->conn, .tgid = w->tgid};

	return key;
}

static __always_inline struct conn_state *plain_open(struct watched_socket *w, struct sock *sk)
{
	struct conn_key key = plain_key(w);
	struct conn_state *conn = bpf_map_lookup_elem(&conns, &key), fresh = {};
	__u8 one = 1;

	if (conn)
		return conn;
	fresh.generation = __sync_fetch_and_add(&generations, 1) + 1;
	bpf_map_update_elem(&speakers, &key.tgid, &one, BPF_ANY);
	bpf_map_update_elem(&conns, &key, &fresh, BPF_ANY);
	conn = bpf_map_lookup_elem(&conns, &key);
	if (conn)
		conn_addressed(conn, key.conn, key.tgid, sk, 0);
	return conn;
}

/*
 * Moved, but not to be had: shown as an event without payload, or the message would never end. A frame
 * of its own: before Linux 6.13 all frames of a chain of calls share 512 bytes.
 */
static __noinline void plain_missing(struct task_struct *task, struct conn_state *conn,
					  const struct watched_socket *w, __u8 direction, __u32 len)
{
	struct tls_event head = {.kind = TLS_EVENT_DATA, .direction = direction, .len = len};

	if ((conn->offset[0] | conn->offset[1]) == 0)
		conn->request_direction = direction;
	count_moved(TLS_COOKIE(0, direction, TLS_LIB_PLAIN), len);
	drop(TLS_DROP_NO_BUFFER, len);
	head.offset = __sync_fetch_and_add(&conn->offset[direction], len);
	head.conn = w->conn;
	head.tgid = w->tgid;
	head.tid = task->pid;
	head.generation = conn->generation;
	head.library = TLS_LIB_PLAIN;
	head.begin_ns = head.end_ns = bpf_ktime_get_ns();
	emit(&head, 0);
}

struct plain_piece {
	struct conn_key key;
	__u64 from;
	__u32 len;
	__u32 direction;
};

/* Global, so that the verifier looks at it once and not for every vector. */
__noinline int plain_piece(struct plain_piece *piece)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct moved_bytes m = {};
	struct conn_state *conn;
	struct conn_key key;

	if (!piece)
		return 0;
	key = piece->key;
	conn = bpf_map_lookup_elem(&conns, &key);
	m.conn = key.conn;
	m.from = piece->from;
	m.len = piece->len;
	m.cookie = TLS_COOKIE(0, piece->direction & 1, TLS_LIB_PLAIN);
	m.begin_ns = bpf_ktime_get_ns();
	count_moved(m.cookie, m.len);
	if (conn)
		conn_moved(task, conn, key.tgid, &m);
	else
		drop(TLS_DROP_STATE_FULL, m.len);
	return 0;
}

struct plain_walk {
	struct call_buffers buffers;
	struct plain_piece piece; /* key and direction; the rest is overwritten */
	__u32 left;
};

/*
 * `left` bytes across the call's vectors; afterwards what is beyond the last one. Global, so that the
 * verifier looks at the loop once and not on every path to it (1.1 s of the daemon's start).
 */
__noinline int plain_vectors(struct plain_walk *walk)
{
	struct call_buffers *b;
	struct plain_piece *piece;
	__u32 left;

	if (!walk)
		return 0;
	b = &walk->buffers;
	piece = &walk->piece;
	left = walk->left;
	for (__u32 i = 0; i < VECTORS_MAX; i++) {
		struct vector v;

		if (left == 0 || i >= b->count ||
		    bpf_probe_read_user(&v, sizeof(v), (const void *)(b->vectors + i * sizeof(v))))
			break;
		if (v.len == 0)
			continue;
		piece->from = v.base;
		piece->len = v.len < left ? v.len : left;
		left -= piece->len;
		plain_piece(piece);
	}
	walk->left = left;
	return 0;
}

static __always_inline __u32 seq_of(struct sock *sk, __u8 direction)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	return direction == TLS_READ ? BPF_CORE_READ(tcp, copied_seq) : BPF_CORE_READ(tcp, write_seq);
}

/*
 * Bytes that went by before this call's. Reads: at any time (splice has no event); writes: only
 * before the first, as two threads may write at once. A FIN counts as one.
 */
static __always_inline void plain_unseen(struct task_struct *task, struct conn_state *conn,
					 struct watched_socket *w, struct sock *sk, __u8 direction,
					 __u32 len)
{
	__u32 now = seq_of(sk, direction), before = w->seq[direction & 1], unseen;
	bool first = conn->offset[direction & 1] == 0;

	w->seq[direction & 1] = now;
	if (before == 0 || (direction == TLS_WRITE && !first))
		return;
	unseen = now - len - before;
	if ((__s32)unseen > 1)
		plain_missing(task, conn, w, direction, unseen);
}

/* `len` bytes moved on a marked socket; 0: its peer has ended. */
static __always_inline void plain_moved(struct task_struct *task, struct watched_socket *w,
					struct sock *sk, __u8 direction, __u32 len)
{
	struct plain_walk walk = {};
	struct conn_state *conn;

	if (w->ignored)
		return;
	if (w->conn == 0) {
		if (!observed(task->tgid))
			return;
		w->tgid = task->tgid;
		w->conn = socket_inode(sk) | TLS_CONN_SOCKET | TLS_CONN_PLAIN;
	}
	conn = plain_open(w, sk);
	if (!conn) {
		drop(TLS_DROP_STATE_FULL, 0);
		return;
	}
	if (conn->verdict == TLS_VERDICT_IGNORE) {
		w->ignored = 1;
		return;
	}
	if (len == 0) {
		struct tls_event head = {.kind = TLS_EVENT_DATA, .direction = TLS_READ};

		head.conn = w->conn;
		head.tgid = w->tgid;
		head.tid = task->pid;
		head.generation = conn->generation;
		head.offset = conn->offset[TLS_READ];
		head.library = TLS_LIB_PLAIN;
		head.begin_ns = head.end_ns = bpf_ktime_get_ns();
		emit(&head, 0);
		return;
	}
	plain_unseen(task, conn, w, sk, direction, len);
	walk.piece.key = plain_key(w);
	walk.piece.direction = direction;
	if (buffers_of(task, sk, &walk.buffers)) {
		if (walk.buffers.base) {
			walk.piece.from = walk.buffers.base;
			walk.piece.len = len;
			plain_piece(&walk.piece);
			return;
		}
		walk.left = len;
		plain_vectors(&walk);
		len = walk.left;
	}
	if (len)
		plain_missing(task, conn, w, direction, len);
}

/* The socket is gone: nobody can move bytes on it any more. */
static __always_inline void plain_gone(const struct watched_socket *w)
{
	struct tls_event head = {.kind = TLS_EVENT_CLOSE};
	struct conn_key key = plain_key(w);
	struct conn_state *conn = w->conn ? bpf_map_lookup_elem(&conns, &key) : 0;

	if (!conn)
		return;
	head.conn = key.conn;
	head.tgid = key.tgid;
	head.generation = conn->generation;
	head.begin_ns = head.end_ns = bpf_ktime_get_ns();
	head.library = w->kind == WATCHED_PLAIN ? TLS_LIB_PLAIN : 0;
	bpf_map_delete_elem(&conns, &key);
	emit(&head, 0);
}

#endif
