// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sends, receives and closes of processes that use record keys (socket.bpf.h). Attached only while
 * such a library is probed: a syscall tracepoint slows every process down a little.
 */
#include "socket.bpf.h"

/* x86-64 */
enum {
	SYS_READ = 0,
	SYS_WRITE = 1,
	SYS_CLOSE = 3,
	SYS_READV = 19,
	SYS_WRITEV = 20,
	SYS_SENDTO = 44,
	SYS_RECVFROM = 45,
	SYS_SENDMSG = 46,
	SYS_RECVMSG = 47,
};

struct vector {
	__u64 base;
	__u64 len;
};

/* struct user_msghdr, from its third word on */
struct message {
	__u64 vectors;
	__u64 count;
};

static __always_inline bool read_message(__u64 at, struct message *message)
{
	return !bpf_probe_read_user(message, sizeof(*message), (const void *)(at + 16));
}

static __always_inline void received(struct thread_io *io, __u32 fd, __u64 buffer, __u64 len)
{
	struct receive *r = &io->receives[io->next & (RECEIVES - 1)];

	r->buffer = buffer;
	r->len = len < 0x7fffffff ? len : 0x7fffffff;
	r->fd = fd;
	io->next++;
}

static __always_inline void received_vector(struct thread_io *io, __u32 fd, __u64 vectors)
{
	struct vector first;

	if (!bpf_probe_read_user(&first, sizeof(first), (const void *)vectors))
		received(io, fd, first.base, first.len);
}

/* Does a buffer begin with the header of the record that was sealed last? */
static __always_inline bool is_sealed(const struct thread_io *io, __u64 buffer)
{
	__u8 head[RECORD_HEADER] = {};
	__u32 len;

	if (bpf_probe_read_user(head, sizeof(head), (const void *)buffer))
		return false;
	len = head[3] << 8 | head[4];
	/* A tag of 16 bytes; TLS 1.2 with AES-GCM: 8 more for the nonce. */
	return head[0] == RECORD_DATA && head[1] == 3 && head[2] == 3 &&
	       (len == io->sealed_len + 16 || len == io->sealed_len + 24);
}

static __always_inline void sent(struct task_struct *task, struct thread_io *io, __u32 fd,
				 __u64 vectors, __u64 count)
{
	for (__u32 i = 0; i < VECTORS; i++) {
		struct vector v;
		__u64 socket;

		if (i >= count || bpf_probe_read_user(&v, sizeof(v), (const void *)(vectors + i * sizeof(v))))
			return;
		if (!is_sealed(io, v.base))
			continue;
		socket = socket_of(task, fd);
		if (socket)
			key_join(task, io->sealed_key, socket);
		io->sealed_key = 0;
		return;
	}
}

static __always_inline void sent_one(struct task_struct *task, struct thread_io *io, __u32 fd,
				     __u64 buffer)
{
	__u64 socket;

	if (!is_sealed(io, buffer))
		return;
	socket = socket_of(task, fd);
	if (socket)
		key_join(task, io->sealed_key, socket);
	io->sealed_key = 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(record_syscall, struct pt_regs *regs, long id)
{
	struct task_struct *task;
	struct message message;
	struct thread_io *io;
	__u64 fd, second, third, socket;
	__u32 tgid;

	if (id > SYS_RECVMSG)
		return 0;
	task = bpf_get_current_task_btf();
	tgid = task->tgid;
	if (!bpf_map_lookup_elem(&record_processes, &tgid))
		return 0;
	io = thread_io_of(task->pid);
	if (!io)
		return 0;
	fd = regs->di;
	second = regs->si;
	third = regs->dx;
	switch (id) {
	case SYS_READ:
	case SYS_RECVFROM:
		received(io, fd, second, third);
		break;
	case SYS_READV:
		received_vector(io, fd, second);
		break;
	case SYS_RECVMSG:
		if (read_message(second, &message))
			received_vector(io, fd, message.vectors);
		break;
	case SYS_WRITE:
	case SYS_SENDTO:
		if (io->sealed_key)
			sent_one(task, io, fd, second);
		break;
	case SYS_WRITEV:
		if (io->sealed_key)
			sent(task, io, fd, second, third);
		break;
	case SYS_SENDMSG:
		if (io->sealed_key && read_message(second, &message))
			sent(task, io, fd, message.vectors, message.count);
		break;
	case SYS_CLOSE:
		socket = socket_of(task, fd);
		if (socket)
			conn_close(task, socket);
		break;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
