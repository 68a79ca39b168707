/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which socket a record key belongs to. rustls seals records one by one into memory and writes
 * them later, and opens them in the buffer that it received into; both on one thread. So:
 *
 *   sent      a buffer of a later send begins with the header of the record sealed last
 *   received  the record lies in one of the buffers that the thread received into last
 *
 * Keys end with their epoch, sockets do not: the socket names the connection.
 */
#ifndef LLMTAP_SOCKET_BPF_H
#define LLMTAP_SOCKET_BPF_H

#include "events.bpf.h"

enum { RECEIVES = 4, VECTORS = 16, RECORD_HEADER = 5 };

struct receive {
	__u64 buffer;
	__u32 len;
	__u32 fd;
};

struct thread_io {
	struct receive receives[RECEIVES];
	__u64 sealed_key; /* of the last record whose socket is not known; 0: none */
	__u32 sealed_len;
	__u32 next;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* thread */
	__type(value, struct thread_io);
} record_threads SEC(".maps") __weak;

/* Processes that have sealed or opened a record: whose system calls matter. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} record_processes SEC(".maps") __weak;

/* The socket's inode number, which is never reused while it matters; 0: not a socket. */
static __always_inline __u64 socket_of(struct task_struct *task, __u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = 0;
	struct inode *inode;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & 0170000) != 0140000)
		return 0;
	return BPF_CORE_READ(inode, i_ino) | TLS_CONN_SOCKET;
}

static __always_inline struct thread_io *thread_io_of(__u32 tid)
{
	struct thread_io fresh = {}, *io = bpf_map_lookup_elem(&record_threads, &tid);

	if (io)
		return io;
	bpf_map_update_elem(&record_threads, &tid, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&record_threads, &tid);
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
			return socket_of(task, r->fd);
	}
	return 0;
}

#endif
