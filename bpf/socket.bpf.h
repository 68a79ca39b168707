/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which socket a TLS connection belongs to, and its addresses. Needed by rustls, where only keys are
 * seen and the socket names the connection; an attribute everywhere else. rustls seals records one
 * by one into memory and writes them later, and opens them in the buffer that it received into;
 * both on one thread. So:
 *
 *   sent      a buffer of a later send begins with the header of the record sealed last
 *   received  the record lies in one of the buffers that the thread received into last
 */
#ifndef LLMTAP_SOCKET_BPF_H
#define LLMTAP_SOCKET_BPF_H

#include "events.bpf.h"

enum { FAMILY_INET = 2, FAMILY_INET6 = 10, PROTOCOL_TCP = 6 };

/* Processes that have sealed or opened a record by rustls: whose buffers are remembered. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} record_processes SEC(".maps") __weak;

/* The socket's inode number, which is never reused while it matters; 0: it has none (any more). */
static __always_inline __u64 socket_inode(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == FAMILY_INET || family == FAMILY_INET6) &&
	       BPF_CORE_READ(sk, sk_protocol) == PROTOCOL_TCP;
}

static __always_inline __u16 local_port(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_num);
}

static __always_inline __u16 remote_port(const struct sock *sk)
{
	__u32 port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));

	/* The verifier of 6.12 forgets the bounds of what was swapped: an index is masked. */
	asm volatile("" : "+r"(port));
	return port & 0xffff;
}

static __always_inline void map_ipv4(__u8 *to, __u32 address)
{
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, sizeof(address));
}

/* Tells user space, once, which addresses a connection has. */
static __always_inline void conn_addressed(struct conn_state *state, __u64 conn, __u32 tgid,
					   const struct sock *sk, __u32 inferred)
{
	struct tls_socket *event;

	state->addressed = 1;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		drop(TLS_DROP_RING_FULL, 0);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->head.kind = TLS_EVENT_SOCKET;
	event->head.conn = conn;
	event->head.generation = state->generation;
	event->head.tgid = tgid;
	event->head.begin_ns = event->head.end_ns = bpf_ktime_get_ns();
	event->local_port = local_port(sk);
	event->remote_port = remote_port(sk);
	event->inferred = inferred;
	event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == FAMILY_INET) {
		map_ipv4(event->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		map_ipv4(event->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else {
		BPF_CORE_READ_INTO(&event->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&event->remote, sk, __sk_common.skc_v6_daddr);
	}
	bpf_ringbuf_submit(event, 0);
}

/* From now on the key's bytes count as the socket's; says so when some came before. */
static __always_inline int key_join(struct task_struct *task, __u64 key, __u64 socket)
{
	struct conn_state *from = conn_find(task, key), *to;
	__u8 direction = key & 1;
	struct tls_join *join;
	__u64 base, held;

	if (!from)
		from = conn_create(key);
	to = conn_find(task, socket);
	if (!to)
		to = conn_create(socket);
	if (!from || !to)
		return 0;
	from->joined = socket;
	held = from->offset[direction];
	if (held == 0)
		return 0;
	if ((to->offset[0] | to->offset[1]) == 0)
		to->request_direction = direction;
	base = __sync_fetch_and_add(&to->offset[direction], held);
	join = bpf_ringbuf_reserve(&events, sizeof(*join), 0);
	if (!join) {
		drop(TLS_DROP_RING_FULL, 0);
		return 0;
	}
	__builtin_memset(join, 0, sizeof(*join));
	join->head.kind = TLS_EVENT_JOIN;
	join->head.direction = direction;
	join->head.conn = key;
	join->head.generation = from->generation;
	join->head.offset = base;
	join->head.tgid = task->tgid;
	join->head.tid = task->pid;
	join->head.begin_ns = join->head.end_ns = bpf_ktime_get_ns();
	join->conn = socket;
	join->generation = to->generation;
	bpf_ringbuf_submit(join, 0);
	return 0;
}

/* The socket whose received bytes hold [in, in + len). */
static __always_inline __u64 socket_received(struct task_struct *task, __u64 in, __u64 len)
{
	__u32 tid = task->pid;
	struct thread_io *io = bpf_map_lookup_elem(&record_threads, &tid);

	if (!io)
		return 0;
	for (int i = 0; i < RECEIVES; i++) {
		struct receive *r = &io->receives[(io->next - 1 - i) & (RECEIVES - 1)];

		if (r->buffer && in < r->buffer + r->len && in + len > r->buffer)
			return r->socket;
	}
	return 0;
}

#endif
