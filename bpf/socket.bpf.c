// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sockets, without a probe on any system call: TCP's state changes say what connects, listens and
 * ends; the socket layer's own tracepoints say how many bytes a send or receive has moved, whatever
 * system call it came from. What is no socket costs nothing; the latter are attached only while a
 * socket of interest exists, or a TLS connection's socket is asked for (userspace/capture/socket_watch).
 */
#include "call.bpf.h"
#include "plain.bpf.h"

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_CLOSE = 7, TCP_CLOSE_WAIT = 8,
       TCP_LISTEN = 10 };
enum { FLAG_PEEK = 0x2, FLAG_TRUNC = 0x20, FLAG_ERRQUEUE = 0x2000 };
enum { RECORD_HEADER = 5, RECORD_VECTORS = 16 };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 10);
} socket_news SEC(".maps");

static __always_inline void tell(__u32 tgid, __u16 port, __u16 kind)
{
	struct socket_news news = {.tgid = tgid, .port = port, .kind = kind};

	bpf_ringbuf_output(&socket_news, &news, sizeof(news), 0);
}

static __always_inline void watch_socket(struct sock *sk, __u32 tgid, __u16 port)
{
	struct watched_socket *w = bpf_sk_storage_get(&watched, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!w || w->live)
		return;
	w->live = 1;
	__sync_fetch_and_add(&sockets_live, 1);
	if (!sockets_attached)
		tell(tgid, port, SOCKET_NEWS_OPEN);
}

/* Runs in whatever process the packet came in: only connect and listen know theirs. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_state, struct sock *sk, int before, int after)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct watched_socket *w;

	if (after == TCP_SYN_SENT) {
		if (plain_ports[remote_port(sk)] && observed(tgid) && is_tcp(sk))
			watch_socket(sk, tgid, remote_port(sk));
	} else if (after == TCP_LISTEN) {
		if (!is_tcp(sk))
			return 0;
		if (plain_ports[local_port(sk)])
			watch_socket(sk, tgid, local_port(sk));
		tell(tgid, local_port(sk), SOCKET_NEWS_LISTEN);
	} else if (after == TCP_ESTABLISHED) {
		if (before == TCP_SYN_RECV && plain_ports[local_port(sk)] && is_tcp(sk))
			watch_socket(sk, 0, local_port(sk));
		w = bpf_sk_storage_get(&watched, sk, 0, 0);
		if (w) {
			w->seq[TLS_WRITE] = seq_of(sk, TLS_WRITE);
			w->seq[TLS_READ] = seq_of(sk, TLS_READ);
		}
	} else if (after == TCP_CLOSE) {
		w = bpf_sk_storage_get(&watched, sk, 0, 0);
		if (w && w->live) {
			w->live = 0;
			__sync_fetch_and_add(&sockets_live, -1);
		}
	}
	return 0;
}

/*
 * Does a buffer begin with the header of the record that was sealed last? `typed`: its length
 * includes the type that TLS 1.3 adds.
 */
static __always_inline bool is_sealed(const struct thread_io *io, __u64 buffer, bool typed)
{
	__u8 head[RECORD_HEADER] = {};
	__u32 extra;

	if (bpf_probe_read_user(head, sizeof(head), (const void *)buffer))
		return false;
	if (head[0] != RECORD_DATA || head[1] != 3 || head[2] != 3)
		return false;
	extra = (head[3] << 8 | head[4]) - io->sealed_len;
	/* A tag of 16 bytes; TLS 1.2 with AES-GCM: 8 more for the nonce. */
	return extra == 16 || extra == 24 || (!typed && extra == 17);
}

static __always_inline bool sends_sealed(const struct thread_io *io, const struct call_buffers *b,
					 bool typed)
{
	if (b->base)
		return is_sealed(io, b->base, typed);
	for (__u32 i = 0; i < RECORD_VECTORS; i++) {
		struct vector v;

		if (i >= b->count ||
		    bpf_probe_read_user(&v, sizeof(v), (const void *)(b->vectors + i * sizeof(v))))
			return false;
		if (is_sealed(io, v.base, typed))
			return true;
	}
	return false;
}

/* A process with rustls: names its sockets, remembers its buffers, joins what it sealed. */
static __noinline void record_moved(struct task_struct *task, struct sock *sk, __u8 direction,
					 __u32 len, const struct call_buffers *b)
{
	__u64 id = socket_inode(sk) | TLS_CONN_SOCKET;
	struct thread_io *io = thread_io_of(task->pid);
	struct watched_socket *w;
	struct conn_state *conn;
	struct receive *r;
	struct vector v;

	if (!io)
		return;
	if (direction == TLS_READ) {
		v.base = b->base;
		v.len = len;
		if (!v.base && bpf_probe_read_user(&v, sizeof(v), (const void *)b->vectors))
			return;
		r = &io->receives[io->next & (RECEIVES - 1)];
		r->buffer = v.base;
		r->len = v.len < len ? v.len : len;
		r->socket = id;
		io->next++;
	} else if (io->sealed_key && sends_sealed(io, b, true)) {
		key_join(task, io->sealed_key, id);
		io->sealed_key = 0;
	}
	conn = conn_find(task, id);
	if (!conn || conn->addressed)
		return;
	conn_addressed(conn, id, task->tgid, sk, 0);
	w = bpf_sk_storage_get(&watched, sk, 0, BPF_SK_STORAGE_GET_F_CREATE); /* for its end */
	if (!w)
		return;
	w->kind = WATCHED_RECORDS;
	w->conn = id;
	w->tgid = task->tgid;
}

/* The TLS connection whose call the thread is in (the innermost); 0: in none. */
static __always_inline __u64 calling(__u32 tid)
{
	struct frame_table *table = frame_table();
	__u64 conn = 0, sp = ~0ULL;

	if (!table)
		return 0;
	for (int i = 0; i < FRAME_PROBES; i++) {
		struct frame *frame = frame_at(table, tid, i);

		if (frame->tid == tid && frame->conn && frame->sp < sp) {
			sp = frame->sp;
			conn = frame->conn;
		}
	}
	return conn;
}

/*
 * Other libraries: within a TLS call, its connection's; else (memory BIO, Go), of what the thread
 * wrote last, if the send begins with that record.
 */
static __noinline void address_call(struct task_struct *task, struct sock *sk, __u8 direction)
{
	__u32 tid = task->pid;
	__u64 address = calling(tid);
	struct call_buffers buffers;
	struct conn_state *conn;
	struct thread_io *io;
	__u32 inferred = 0;

	if (!address && direction == TLS_WRITE) {
		io = bpf_map_lookup_elem(&record_threads, &tid);
		if (io && io->sealed_key && buffers_of(task, sk, &buffers) && sends_sealed(io, &buffers, false)) {
			address = io->sealed_key;
			io->sealed_key = 0;
			inferred = 1;
		}
	}
	conn = address ? conn_find(task, address) : 0;
	if (conn && !conn->addressed && is_tcp(sk))
		conn_addressed(conn, address, task->tgid, sk, inferred);
}

static __always_inline int socket_moved(struct sock *sk, int len, __u8 direction)
{
	struct watched_socket *w = bpf_sk_storage_get(&watched, sk, 0, 0);
	struct task_struct *task = bpf_get_current_task_btf();
	struct call_buffers buffers;
	__u32 tgid = task->tgid;

	if (w && w->kind == WATCHED_PLAIN) {
		plain_moved(task, w, sk, direction, len);
		return 0;
	}
	if (len == 0 || !tls_sockets)
		return 0;
	if (!bpf_map_lookup_elem(&record_processes, &tgid))
		address_call(task, sk, direction);
	else if (is_tcp(sk) && buffers_of(task, sk, &buffers))
		record_moved(task, sk, direction, len, &buffers);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(socket_sent, struct sock *sk, int ret, int flags)
{
	return ret > 0 ? socket_moved(sk, ret, TLS_WRITE) : 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(socket_read, struct sock *sk, int ret, int flags)
{
	if (ret < 0 || flags & (FLAG_PEEK | FLAG_TRUNC | FLAG_ERRQUEUE))
		return 0;
	return socket_moved(sk, ret, TLS_READ);
}

/* After the last descriptor was closed and TCP is done with it. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(socket_gone, struct sock *sk)
{
	struct watched_socket *w = bpf_sk_storage_get(&watched, sk, 0, 0);

	if (w)
		plain_gone(w);
	return 0;
}

/* Every socket of every process, in whatever namespace: for those that were there before. */
SEC("iter/task_file")
int socket_find(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;
	__u8 state;

	if (!task || !file || !observed(task->tgid))
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_tcp(sk))
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_LISTEN)
		tell(task->tgid, local_port(sk), SOCKET_NEWS_LISTEN);
	else if (state != TCP_ESTABLISHED && state != TCP_SYN_SENT && state != TCP_CLOSE_WAIT)
		return 0;
	if (plain_ports[local_port(sk)])
		watch_socket(sk, task->tgid, local_port(sk));
	else if (plain_ports[remote_port(sk)])
		watch_socket(sk, task->tgid, remote_port(sk));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
