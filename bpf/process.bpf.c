// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Life and death of processes, and the two programs that user space runs itself.
 */
#include "call.bpf.h"

static __always_inline void process_ended(__u32 tgid, __u16 kind)
{
	struct tls_event head = {.kind = kind, .tgid = tgid, .tid = tgid};

	if (bpf_map_delete_elem(&speakers, &tgid))
		return; /* never said anything */
	head.begin_ns = head.end_ns = bpf_ktime_get_ns();
	emit(&head, 0);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	frames_drop(task->pid);
	if (task->signal->live.counter != 0)
		return 0; /* other threads go on */
	if (targets_only)
		bpf_map_delete_elem(&targets, &tgid);
	process_ended(tgid, TLS_EVENT_EXIT);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task)
{
	process_ended(task->tgid, TLS_EVENT_EXEC);
	return 0;
}

/* Loaded only with targets_only. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	__u8 one = 1;

	if (from != to && bpf_map_lookup_elem(&targets, &from))
		bpf_map_update_elem(&targets, &to, &one, BPF_ANY);
	return 0;
}

SEC("syscall")
int set_verdict(struct tls_set_verdict *want)
{
	struct conn_key key = {.conn = want->conn, .tgid = want->tgid};
	struct conn_state *conn = bpf_map_lookup_elem(&conns, &key);
	__u8 verdict = want->verdict;

	if (!conn || conn->generation != want->generation)
		return 1;
	if (conn->verdict == TLS_VERDICT_IGNORE && verdict != TLS_VERDICT_IGNORE) {
		/* Bytes went by uncounted: a new stream begins. */
		bpf_map_delete_elem(&conns, &key);
		return 0;
	}
	conn->verdict = verdict;
	if (verdict == TLS_VERDICT_IGNORE)
		maybe_ignored[slot_of(want->conn, want->tgid, IGNORED_SLOTS)] = 1;
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct tls_process_use);
} process_use SEC(".maps");

static long use_of_conn(void *map, struct conn_key *key, struct conn_state *conn, void *unused)
{
	struct tls_process_use fresh = {}, *use;
	__u32 tgid = key->tgid;

	use = bpf_map_lookup_elem(&process_use, &tgid);
	if (!use) {
		bpf_map_update_elem(&process_use, &tgid, &fresh, BPF_NOEXIST);
		use = bpf_map_lookup_elem(&process_use, &tgid);
		if (!use)
			return 0;
	}
	use->calls += conn->calls;
	conn->calls = 0;
	use->llm += conn->verdict == TLS_VERDICT_LLM;
	use->others += conn->verdict == TLS_VERDICT_WATCH || conn->verdict == TLS_VERDICT_IGNORE;
	return 0;
}

SEC("syscall")
int count_use(void *unused)
{
	bpf_for_each_map_elem(&conns, use_of_conn, 0, 0);
	return 0;
}

/* The daemon's tgid as the kernel's root pid namespace has it. */
SEC("syscall")
int set_own_tgid(void *unused)
{
	own_tgid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
