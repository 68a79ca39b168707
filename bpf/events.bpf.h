/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections, counters and the way into the ring buffer: shared by all libraries' programs.
 *
 * Weak definitions: every object carries them, the linker (bpftool gen object) keeps one.
 */
#ifndef LLMTAP_EVENTS_BPF_H
#define LLMTAP_EVENTS_BPF_H

#include "kernel_types.h"
/* kernel_types.h first */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "thread_io.bpf.h"
#include "tls_event.h"

/* TLS record types that matter to us. */
enum { RECORD_HANDSHAKE = 0x16, RECORD_DATA = 0x17 };

struct conn_key {
	__u64 conn;
	__u32 tgid;
	__u32 zero;
};

struct conn_state {
	__u64 generation;
	__u64 incarnation; /* of the process: tells pid reuse and exec apart */
	__u64 offset[2];
	__u64 joined; /* of a record key: its connection, once known */
	__u32 turn_bytes; /* moved since the direction changed; saturates */
	__u32 calls;      /* since the last count_use; some may be missed */
	__u8 turn_direction;
	__u8 verdict;
	__u8 request_direction; /* of the first bytes */
	__u8 addressed;         /* user space was told the socket's addresses */
	__u32 zero;
};

/* Sizes are defaults; user space may change them before load. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} events SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct conn_key);
	__type(value, struct conn_state);
} conns SEC(".maps") __weak;

/* Processes that own a connection: whose exit is worth an event. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u8);
} speakers SEC(".maps") __weak;

/* With targets_only: the processes to observe. Children inherit. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} targets SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TLS_DROP_REASONS);
	__type(key, __u32);
	__type(value, struct tls_drop_count);
} drops SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TLS_SITES_MAX);
	__type(key, __u32);
	__type(value, struct tls_site_count);
} sites SEC(".maps") __weak;

const volatile bool targets_only __weak = false;
__u32 own_tgid __weak = 0;    /* the daemon: its exporters speak TLS too */
__u64 generations __weak = 0; /* handed out so far */

/*
 * Which connections may have verdict IGNORE: one look instead of a map lookup at every entry.
 * A slot is shared by hash, so it may say yes or, after a neighbour closed, no wrongly; both cost
 * time only, the map decides.
 */
enum { IGNORED_SLOTS = 65536 };
__u8 maybe_ignored[IGNORED_SLOTS] __weak = {};

static __always_inline __u32 slot_of(__u64 conn, __u32 tgid, __u32 slots)
{
	return (((conn >> 4) + tgid) * 0x9e3779b97f4a7c15ULL >> 32) & (slots - 1);
}

static __always_inline void drop(__u32 reason, __u64 bytes)
{
	struct tls_drop_count *count = bpf_map_lookup_elem(&drops, &reason);

	if (count) {
		__sync_fetch_and_add(&count->times, 1);
		__sync_fetch_and_add(&count->bytes, bytes);
	}
}

static __always_inline struct tls_site_count *site_of(__u64 cookie)
{
	__u32 index = TLS_COOKIE_SITE(cookie);

	return bpf_map_lookup_elem(&sites, &index);
}

/*
 * A call that moved bytes. The sum over all sites must match what is delivered and dropped, so it is
 * exact: a program may be preempted by another one on its CPU.
 */
static __always_inline void count_moved(__u64 cookie, __u64 bytes)
{
	struct tls_site_count *site = site_of(cookie);

	if (!site)
		return;
	__sync_fetch_and_add(&site->moved, 1);
	__sync_fetch_and_add(&site->bytes, bytes);
}

static __always_inline bool observed(__u32 tgid)
{
	return tgid != own_tgid && (!targets_only || bpf_map_lookup_elem(&targets, &tgid));
}

static __always_inline __u64 incarnation_of(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return leader->start_boottime + leader->self_exec_id;
}

/* The connection as it stands, or null when it is not known (in this process). */
static __always_inline struct conn_state *conn_find(struct task_struct *task, __u64 conn)
{
	struct conn_key key = {.conn = conn, .tgid = task->tgid};
	struct conn_state *state = bpf_map_lookup_elem(&conns, &key);

	return state && state->incarnation == incarnation_of(task) ? state : 0;
}

static __always_inline bool conn_ignored(struct task_struct *task, __u64 conn)
{
	struct conn_state *state;

	if (!maybe_ignored[slot_of(conn, task->tgid, IGNORED_SLOTS)])
		return false;
	state = conn_find(task, conn);
	if (!state || state->verdict != TLS_VERDICT_IGNORE)
		return false;
	state->calls++;
	return true;
}

static __noinline struct conn_state *conn_create(__u64 conn)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct conn_key key = {.conn = conn, .tgid = task->tgid};
	struct conn_state fresh = {
		.generation = __sync_fetch_and_add(&generations, 1) + 1,
		.incarnation = incarnation_of(task),
	};
	__u8 one = 1;

	bpf_map_update_elem(&speakers, &key.tgid, &one, BPF_ANY);
	bpf_map_update_elem(&conns, &key, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&conns, &key);
}

/*
 * Copies one event into ring memory of a constant size (the verifier's demand): the smallest class
 * that holds it. No scratch buffer: uprobe programs can be preempted by each other.
 */
static __always_inline void emit_class(const struct tls_event *head, const void *from, const __u32 size)
{
	struct tls_event *event = bpf_ringbuf_reserve(&events, sizeof(*event) + size, 0);
	__u32 n = head->captured;

	if (!event) {
		drop(TLS_DROP_RING_FULL, head->captured);
		return;
	}
	*event = *head;
	asm volatile("" : "+r"(n));
	if (n > size)
		n = size;
	if (size && bpf_probe_read_user(event + 1, n, from)) {
		event->captured = 0;
		drop(TLS_DROP_USER_FAULT, head->captured);
	}
	bpf_ringbuf_submit(event, 0);
}

static __noinline int emit(const struct tls_event *head, const void *from)
{
	__u32 n = head->captured;

	if (n == 0)
		emit_class(head, from, 0);
	else if (n <= 256)
		emit_class(head, from, 256);
	else if (n <= 512)
		emit_class(head, from, 512);
	else if (n <= 1024)
		emit_class(head, from, 1024);
	else if (n <= 2048)
		emit_class(head, from, 2048);
	else if (n <= 4096)
		emit_class(head, from, 4096);
	else if (n <= 8192)
		emit_class(head, from, 8192);
	else
		emit_class(head, from, TLS_PIECE_BYTES);
	return 0;
}

struct cutting {
	struct tls_event head; /* of the whole call */
	__u64 from;
	__u32 copy;
	__u32 tail; /* moved, but not to be copied: reported with the last piece */
};

/* Changes nothing in `cut`: the verifier would follow every turn of the loop. */
static long emit_piece(__u64 index, const struct cutting *cut)
{
	__u64 at = index * TLS_PIECE_BYTES;
	struct tls_event head = cut->head;
	__u64 left;

	if (at >= cut->copy)
		return 1;
	left = cut->copy - at;
	head.offset += at;
	head.captured = left < TLS_PIECE_BYTES ? left : TLS_PIECE_BYTES;
	head.len = head.captured + (left > TLS_PIECE_BYTES ? 0 : cut->tail);
	emit(&head, (const void *)(cut->from + at));
	return 0;
}

/* How much of a call's bytes to copy. Moves the turn on. */
static __always_inline __u32 window(struct conn_state *conn, __u8 direction, __u32 moved)
{
	__u32 before, seen, limit;

	conn->calls++;
	if (conn->turn_direction != direction) {
		conn->turn_direction = direction;
		conn->turn_bytes = 0;
	}
	before = conn->turn_bytes;
	seen = before + moved;
	conn->turn_bytes = seen < before ? ~0U : seen;
	if (conn->verdict == TLS_VERDICT_IGNORE)
		return 0;
	if (conn->verdict != TLS_VERDICT_WATCH)
		return moved;
	limit = direction == conn->request_direction ? TLS_WATCH_REQUEST_BYTES : TLS_WATCH_BYTES;
	if (before >= limit)
		return 0;
	return moved < limit - before ? moved : limit - before;
}

struct moved_bytes {
	__u64 conn;
	__u64 from;
	__u64 begin_ns;
	__u64 cookie;
	__u32 len;
	__u32 flags;
};

/* `len` > 0 bytes moved on `conn` of process `tgid`: as its verdict says, copies them. */
static __always_inline void conn_moved(struct task_struct *task, struct conn_state *conn, __u32 tgid,
				       const struct moved_bytes *m)
{
	__u8 direction = TLS_COOKIE_DIRECTION(m->cookie) & 1;
	struct cutting cut = {};
	__u32 copy;

	if ((conn->offset[0] | conn->offset[1]) == 0)
		conn->request_direction = direction;
	cut.head.offset = __sync_fetch_and_add(&conn->offset[direction], m->len);
	copy = window(conn, direction, m->len);
	if (copy < m->len)
		drop(TLS_DROP_WITHHELD, m->len - copy);
	if (copy == 0)
		return;
	if (copy > TLS_CALL_BYTES_MAX) {
		drop(TLS_DROP_TOO_LONG, copy - TLS_CALL_BYTES_MAX);
		copy = TLS_CALL_BYTES_MAX;
	}
	cut.head.begin_ns = m->begin_ns;
	cut.head.end_ns = bpf_ktime_get_ns();
	cut.head.conn = m->conn;
	cut.head.generation = conn->generation;
	cut.head.tgid = tgid;
	cut.head.tid = task->pid;
	cut.head.kind = TLS_EVENT_DATA;
	cut.head.direction = direction;
	cut.head.library = TLS_COOKIE_LIBRARY(m->cookie);
	cut.head.flags = m->flags;
	if (copy <= TLS_PIECE_BYTES) {
		cut.head.captured = copy;
		cut.head.len = m->len;
		emit(&cut.head, (const void *)m->from);
		return;
	}
	cut.from = m->from;
	cut.copy = copy;
	cut.tail = m->len - copy;
	bpf_loop((copy + TLS_PIECE_BYTES - 1) / TLS_PIECE_BYTES, emit_piece, &cut, 0);
}

/* Likewise, on a connection of a TLS library: counts them, too. */
static __always_inline void moved(struct task_struct *task, const struct moved_bytes *m)
{
	struct conn_state *conn = conn_find(task, m->conn);

	count_moved(m->cookie, m->len);
	if (!conn)
		conn = conn_create(m->conn);
	if (!conn) {
		drop(TLS_DROP_STATE_FULL, m->len);
		return;
	}
	if (tls_sockets && !conn->addressed && TLS_COOKIE_DIRECTION(m->cookie) == TLS_WRITE &&
	    !(m->flags & TLS_FLAG_UNJOINED))
		note_sealed(task->pid, m->conn, m->len);
	conn_moved(task, conn, task->tgid, m);
}

/* A read returned 0: the peer has ended its side. Shown as a read of no bytes at the stream's end. */
static __always_inline void peer_ended(struct task_struct *task, const struct moved_bytes *m)
{
	struct conn_state *conn = conn_find(task, m->conn);
	struct tls_event head = {.kind = TLS_EVENT_DATA, .conn = m->conn, .direction = TLS_READ};

	if (!conn || conn->verdict == TLS_VERDICT_IGNORE)
		return;
	head.generation = conn->generation;
	head.offset = conn->offset[TLS_READ];
	head.begin_ns = m->begin_ns;
	head.end_ns = bpf_ktime_get_ns();
	head.tgid = task->tgid;
	head.tid = task->pid;
	head.library = TLS_COOKIE_LIBRARY(m->cookie);
	emit(&head, 0);
}

/* The TLS object goes away: its address may be reused by the next connection. */
static __always_inline void conn_close(struct task_struct *task, __u64 conn)
{
	struct conn_key key = {.conn = conn, .tgid = task->tgid};
	struct conn_state *state = conn_find(task, conn);
	struct tls_event head = {.kind = TLS_EVENT_CLOSE, .conn = conn};

	if (!state)
		return;
	head.generation = state->generation;
	head.begin_ns = head.end_ns = bpf_ktime_get_ns();
	head.tgid = key.tgid;
	head.tid = task->pid;
	if (state->verdict == TLS_VERDICT_IGNORE)
		maybe_ignored[slot_of(conn, key.tgid, IGNORED_SLOTS)] = 0;
	bpf_map_delete_elem(&conns, &key);
	emit(&head, 0);
}

#endif
