/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a thread did last that tells which socket a TLS connection uses: the buffers it received
 * into, and the record it sealed (or handed to a library that seals it).
 */
#ifndef LLMTAP_THREAD_IO_BPF_H
#define LLMTAP_THREAD_IO_BPF_H

#include "kernel_types.h"
/* kernel_types.h first */
#include <bpf/bpf_helpers.h>

enum { RECEIVES = 4 };

struct receive {
	__u64 buffer;
	__u64 socket; /* socket_id() */
	__u32 len;
	__u32 zero;
};

struct thread_io {
	struct receive receives[RECEIVES];
	__u64 sealed_key; /* of the last record whose socket is not known; 0: none */
	__u32 sealed_len; /* of its plaintext */
	__u32 next;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* thread */
	__type(value, struct thread_io);
} record_threads SEC(".maps") __weak;

/* Set by user space: the programs of socket.bpf.c that see bytes are attached; and TLS's sockets are
 * asked for. */
__u32 sockets_attached __weak = 0;
__u32 tls_sockets __weak = 0;

static __always_inline struct thread_io *thread_io_of(__u32 tid)
{
	struct thread_io fresh = {}, *io = bpf_map_lookup_elem(&record_threads, &tid);

	if (io)
		return io;
	bpf_map_update_elem(&record_threads, &tid, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&record_threads, &tid);
}

static __always_inline void note_sealed(__u32 tid, __u64 key, __u32 len)
{
	struct thread_io *io = thread_io_of(tid);

	if (!io)
		return;
	io->sealed_key = key;
	io->sealed_len = len;
}

#endif
