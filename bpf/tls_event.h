/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only contract between the kernel programs and user space. Plain C, fixed width, no pointers;
 * layout asserted on both sides. Every struct that crosses the border is here and nowhere else.
 */
#ifndef LLMTAP_TLS_EVENT_H
#define LLMTAP_TLS_EVENT_H

#ifdef __cplusplus
#include <cstdint>
#define LLMTAP_U64 std::uint64_t
#define LLMTAP_U32 std::uint32_t
#define LLMTAP_U16 std::uint16_t
#define LLMTAP_U8 std::uint8_t
#define LLMTAP_STATIC_ASSERT static_assert
extern "C" {
#else
#define LLMTAP_U64 __u64
#define LLMTAP_U32 __u32
#define LLMTAP_U16 __u16
#define LLMTAP_U8 __u8
#define LLMTAP_STATIC_ASSERT _Static_assert
#endif

enum tls_event_kind {
	TLS_EVENT_DATA = 1,  /* payload follows */
	TLS_EVENT_CLOSE = 2, /* the TLS object was freed */
	TLS_EVENT_EXIT = 3,  /* the process is gone: all its connections are closed */
	TLS_EVENT_EXEC = 4,  /* the process runs another image: likewise */
	TLS_EVENT_JOIN = 5,  /* struct tls_join: an unjoined stream's socket is known now */
	TLS_EVENT_SOCKET = 6, /* struct tls_socket: the connection's addresses are known now */
};

/* Payload: the first record of a connection whose plaintext is out of reach. `conn` is 0. */
enum { TLS_EVENT_HELLO = 7 };

enum tls_direction { TLS_WRITE = 0, TLS_READ = 1 };

/*
 * `captured` payload bytes follow the header directly. `len` bytes moved on the stream at
 * `offset`; the `len - captured` behind the payload were not copied.
 * Times are CLOCK_MONOTONIC nanoseconds.
 */
struct tls_event {
	LLMTAP_U64 begin_ns; /* the TLS call was entered */
	LLMTAP_U64 end_ns;   /* it returned */
	LLMTAP_U64 conn;     /* address of the TLS object in the process */
	LLMTAP_U64 generation;
	LLMTAP_U64 offset; /* of the first payload byte in this direction's stream */
	LLMTAP_U32 tgid;
	LLMTAP_U32 tid;
	LLMTAP_U32 len;
	LLMTAP_U32 captured;
	LLMTAP_U16 kind;
	LLMTAP_U8 direction;
	LLMTAP_U8 library; /* enum tls_library: for doctor and metrics */
	LLMTAP_U32 flags;  /* enum tls_event_flag */
};
LLMTAP_STATIC_ASSERT(sizeof(struct tls_event) == 64, "tls_event layout");

enum tls_event_flag {
	TLS_FLAG_UNJOINED = 1, /* `conn` is a record key of one direction; a JOIN may follow */
};

/* `conn` values: addresses in user space, except sockets' inode numbers, with this bit. */
#define TLS_CONN_SOCKET ((LLMTAP_U64)1 << 63)
/* As well, where the socket itself is observed: what it carries is another stream. */
#define TLS_CONN_PLAIN ((LLMTAP_U64)1 << 62)

/*
 * What was sent under key `head.conn`, `head.generation` in `head.direction` belongs to connection
 * `conn`, `generation`, from offset `head.offset` on. What follows comes under that name.
 */
struct tls_join {
	struct tls_event head;
	LLMTAP_U64 conn;
	LLMTAP_U64 generation;
};
LLMTAP_STATIC_ASSERT(sizeof(struct tls_join) == 80, "tls_join layout");

/* An attribute of connection `head.conn`, `head.generation`. Addresses in network order, IPv4 as
 * ::ffff:a.b.c.d; ports in host order. */
struct tls_socket {
	struct tls_event head;
	LLMTAP_U8 local[16];
	LLMTAP_U8 remote[16];
	LLMTAP_U16 local_port;
	LLMTAP_U16 remote_port;
	LLMTAP_U32 netns; /* inode number of the network namespace */
	LLMTAP_U32 inferred; /* 1: by the size of a record, not by a call within the TLS call */
	LLMTAP_U32 zero;
};
LLMTAP_STATIC_ASSERT(sizeof(struct tls_socket) == 112, "tls_socket layout");

/* What ring `socket_news` brings, apart from `events`: few, and to be read at once. */
enum socket_news_kind {
	SOCKET_NEWS_OPEN = 1,   /* a socket of interest, while the data programs are not attached */
	SOCKET_NEWS_LISTEN = 2, /* somebody listens, on whatever port */
};
struct socket_news {
	LLMTAP_U32 tgid; /* 0: not known */
	LLMTAP_U16 port;
	LLMTAP_U16 kind;
};
LLMTAP_STATIC_ASSERT(sizeof(struct socket_news) == 8, "socket_news layout");

enum tls_library {
	TLS_LIB_OPENSSL = 1,
	TLS_LIB_BORINGSSL = 2,
	TLS_LIB_GNUTLS = 3,
	TLS_LIB_GO = 4,
	TLS_LIB_RUSTLS_AWSLC = 5,
	TLS_LIB_RUSTLS_RING = 6,
	TLS_LIB_PLAIN = 7,
	TLS_LIB_JSSE = 8, /* its connections are counted, not seen */
};

/*
 * Per CPU counters, index of map `drops`. Every byte counted here is also missing in the stream's
 * offsets (a gap, or len > captured), except where the count of bytes is unknown (0). Exactly:
 *   bytes of all `sites` = payload of all events + bytes of all `drops`
 */
enum tls_drop {
	TLS_DROP_RING_FULL = 0,        /* the ring buffer had no room */
	TLS_DROP_USER_FAULT = 1,       /* the target's memory was not resident */
	TLS_DROP_TOO_LONG = 2,         /* more than TLS_CALL_BYTES_MAX in one call */
	TLS_DROP_STATE_FULL = 3,       /* no room for the call's or the connection's state */
	TLS_DROP_UNMATCHED_RETURN = 4, /* a return whose entry was not seen */
	TLS_DROP_WRONG_SITE = 5,       /* the result makes no sense: not the function we took it for */
	TLS_DROP_NO_BUFFER = 6,        /* a socket's bytes that no buffer of a call holds: sendfile, io_uring */
	TLS_DROP_WITHHELD = 7,         /* no loss: the connection's verdict asked for less */
	TLS_DROP_REASONS = 8,
};
struct tls_drop_count {
	LLMTAP_U64 times;
	LLMTAP_U64 bytes;
};

/* What user space decided about a connection (map `conns`, field `verdict`). */
enum tls_verdict {
	TLS_VERDICT_UNKNOWN = 0, /* copy everything */
	TLS_VERDICT_LLM = 1,     /* copy everything */
	TLS_VERDICT_WATCH = 2,   /* copy the head of each turn */
	TLS_VERDICT_IGNORE = 3,  /* copy nothing */
};
/*
 * A write after a read, or a read after a write, starts a turn. WATCH has two limits: a request's
 * body follows its head within microseconds, before user space can say that it is an LLM call
 * after all; the answer takes longer. The request's direction is that of the first bytes seen.
 *
 * IGNORE costs one bare trap: returns are not observed and offsets stand still, so leaving IGNORE
 * starts a new generation at offset 0.
 */
enum {
	TLS_WATCH_BYTES = 1024,
	TLS_WATCH_REQUEST_BYTES = 256 << 10,
};

enum {
	TLS_PIECE_BYTES = 16384,        /* payload of one event at most; longer calls give several */
	TLS_CALL_BYTES_MAX = 64 << 20, /* copied of one call at most */
	TLS_SITES_MAX = 4096,          /* entries of map `sites`; index 0 is shared when it is full */
};

/* Per CPU counters of one probe site, index of map `sites`. */
struct tls_site_count {
	LLMTAP_U64 hits;    /* entries by observed processes */
	LLMTAP_U64 ignored; /* of these: on connections with verdict IGNORE */
	LLMTAP_U64 moved;   /* calls that moved bytes */
	LLMTAP_U64 bytes;
	LLMTAP_U64 refused; /* results that made no sense */
};

/*
 * Map `process_use`: what processes did since the last look, filled by program `count_use` from the
 * connections that are open. User space deletes what it has read.
 */
struct tls_process_use {
	LLMTAP_U64 calls;   /* TLS calls, those on ignored connections included */
	LLMTAP_U32 llm;     /* connections that carry LLM calls */
	LLMTAP_U32 others;  /* connections that are judged to be something else */
};

/* Context of program `set_verdict`, run by user space through BPF_PROG_RUN: it changes the
 * connection in place, which a map update from user space cannot do without losing offsets.
 * The program returns 1 when there is no such connection (any more). */
struct tls_set_verdict {
	LLMTAP_U64 conn;
	LLMTAP_U64 generation;
	LLMTAP_U32 tgid;
	LLMTAP_U32 verdict;
};

/*
 * Attach cookie of a probe: how to read the call that it sits on. Chosen by user space per site,
 * so that one program serves every library.
 * cookie = shape | direction << 8 | library << 16 | index in `sites` << 32 (set when attaching).
 * Arguments are counted from 0 in the System V order (rdi, rsi, rdx, rcx, r8, r9).
 */
enum tls_call_shape {
	TLS_CALL_INT = 1,      /* (conn, buf, len) -> bytes, <= 0: nothing moved */
	TLS_CALL_SIZE_OUT = 2, /* (conn, buf, len, size_t *done) -> > 0: *done bytes moved */
	TLS_CALL_FREE = 3,     /* (conn): the TLS object goes away; entry only */
	TLS_CALL_SIZE_OUT5 = 4, /* (conn, buf, len, flags, size_t *done): OpenSSL 3.3+ write */
	TLS_CALL_GNUTLS_RECV = 5, /* (session, type, buf, len) -> bytes; type 0x17 is application data */
	TLS_CALL_EX = 6, /* as SIZE_OUT; but 0 whenever nothing moved, also when there is nothing yet */
	TLS_CALL_GO_WRITE = 7, /* rax conn, rbx buf, rcx len; entry only, bytes known at entry */
	TLS_CALL_GO_READ = 8,  /* jcc behind halfConn.decrypt: rax buf, rbx len, dil type, [rbp+16] conn */
	/* AEAD calls, one per record (rustls); arguments in bpf/rustls.bpf.c. Seals: entry only. */
	TLS_CALL_AWSLC_SEAL = 9,
	TLS_CALL_AWSLC_SEAL_SCATTER = 10,
	TLS_CALL_AWSLC_OPEN = 11,
	TLS_CALL_AWSLC_OPEN_GATHER = 12,
	TLS_CALL_RING_SEAL = 13,
	TLS_CALL_RING_OPEN = 14,
	/* Writes of ciphertext by a JVM: (env, class, fd, address, len); entry only. */
	TLS_CALL_JAVA_WRITE = 15,
	TLS_CALL_JAVA_WRITEV = 16, /* the address of an iovec array */
};
#define TLS_COOKIE(shape, direction, library)                                                     \
	((LLMTAP_U64)(shape) | (LLMTAP_U64)(direction) << 8 | (LLMTAP_U64)(library) << 16)
#define TLS_COOKIE_SITE(cookie) ((LLMTAP_U32)((cookie) >> 32))
#define TLS_COOKIE_SHAPE(cookie) ((LLMTAP_U8)(cookie))
#define TLS_COOKIE_DIRECTION(cookie) ((LLMTAP_U8)((cookie) >> 8))
#define TLS_COOKIE_LIBRARY(cookie) ((LLMTAP_U8)((cookie) >> 16))

#ifdef __cplusplus
}
#endif
#endif
