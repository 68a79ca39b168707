// SPDX-License-Identifier: Apache-2.0
//
// A TLS client and server in one process, joined by memory BIOs: no socket, nothing but libssl.
// Obeys commands on stdin, one a line, and answers each with one line on stdout:
//
//   new            a fresh connection               -> CLIENT SERVER (addresses, hex)
//   write N        client writes N, server reads    -> ok
//   reply N        server writes N, client reads    -> ok
//   sizes A B C..  `write` of each size             -> ok
//   ex 0|1         use SSL_read_ex / SSL_write_ex   -> ok
//   poll           server reads, nothing is there   -> ok
//   end            client says that it will send no more, server reads that -> ok
//   free           frees the connection             -> ok
//   nested N       write N through a second TLS connection inside the first -> CLIENT SERVER
//   retry N        write N into a pipe that is too narrow: many WANT_WRITE  -> number of tries
//   fork           a child obeys what follows       -> pid of the child
//   exec           the same program anew            -> (nothing; the next command answers)
//   bench N MS     ping-pong of N bytes             -> ns per TLS call, best of slices
//
// Byte `o` of a direction's stream is pattern(o), so that an observer can check what it saw.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kBuffer = 1 << 24 };

struct end {
  SSL* ssl;
  uint64_t written;
};
static struct end client, server;
static SSL_CTX *client_ctx, *server_ctx;
static int use_ex;
static unsigned char *out_buffer, *in_buffer;

static void die(const char* what) {
  fprintf(stderr, "tls_pingpong: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

static unsigned char pattern(uint64_t offset) {
  return (unsigned char)(offset * 131 + (offset >> 11) * 7 + 5);
}

static int do_write(SSL* ssl, const void* data, size_t n) {
  size_t done = 0;
  if (!use_ex) return SSL_write(ssl, data, (int)n);
  return SSL_write_ex(ssl, data, n, &done) ? (int)done : -1;
}

static int do_read(SSL* ssl, void* data, size_t n) {
  size_t done = 0;
  if (!use_ex) return SSL_read(ssl, data, (int)n);
  return SSL_read_ex(ssl, data, n, &done) ? (int)done : -1;
}

static void drain(SSL* ssl, size_t n) {
  while (n > 0) {
    const int got = do_read(ssl, in_buffer, n < 16384 ? n : 16384);
    if (got <= 0) die("read failed");
    n -= (size_t)got;
  }
}

static void move(struct end* from, SSL* to, size_t n) {
  if (n > kBuffer) die("too much");
  for (size_t i = 0; i < n; ++i) out_buffer[i] = pattern(from->written + i);
  if (do_write(from->ssl, out_buffer, n) != (int)n) die("write failed");
  from->written += n;
  drain(to, n);
}

static void self_signed(SSL_CTX* ctx) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  if (!key || !cert) die("no key");
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), 0);
  X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
  X509_set_pubkey(cert, key);
  X509_sign(cert, key, EVP_sha256());
  SSL_CTX_use_certificate(ctx, cert);
  SSL_CTX_use_PrivateKey(ctx, key);
  X509_free(cert);
  EVP_PKEY_free(key);
}

static void handshake(SSL* a, SSL* b) {
  for (int i = 0; i < 10 && !(SSL_is_init_finished(a) && SSL_is_init_finished(b)); ++i) {
    SSL_do_handshake(a);
    SSL_do_handshake(b);
  }
  // The session tickets behind the handshake.
  if (!SSL_is_init_finished(a) || SSL_read(a, in_buffer, 1) > 0) die("no handshake");
}

static void join_by_pipe(SSL* a, SSL* b, size_t bytes) {
  BIO *left, *right;
  if (!BIO_new_bio_pair(&left, bytes, &right, bytes)) die("no pair");
  SSL_set_bio(a, left, left);
  SSL_set_bio(b, right, right);
}

static void open_pair(struct end* c, struct end* s, size_t pipe_bytes) {
  c->ssl = SSL_new(client_ctx);
  s->ssl = SSL_new(server_ctx);
  c->written = s->written = 0;
  SSL_set_connect_state(c->ssl);
  SSL_set_accept_state(s->ssl);
  if (pipe_bytes > 0) {
    join_by_pipe(c->ssl, s->ssl, pipe_bytes);
  } else {
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
    BIO_up_ref(up);
    BIO_up_ref(down);
    SSL_set_bio(c->ssl, down, up);
    SSL_set_bio(s->ssl, up, down);
  }
}

static void close_pair(struct end* c, struct end* s) {
  SSL_free(c->ssl);
  SSL_free(s->ssl);
  c->ssl = s->ssl = NULL;
}

// A BIO whose bytes travel over the outer connection: SSL_write calls SSL_write.
static int tunnel_write(BIO* bio, const char* data, int n) {
  struct end* outer = BIO_get_data(bio);
  const int done = SSL_write(outer->ssl, data, n);
  if (done > 0) outer->written += (uint64_t)done;
  return done;
}
static long tunnel_ctrl(BIO* bio, int command, long number, void* pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static void nested(size_t n) {
  BIO_METHOD* method = BIO_meth_new(BIO_TYPE_FILTER | BIO_get_new_index(), "tunnel");
  BIO_meth_set_write(method, tunnel_write);
  BIO_meth_set_ctrl(method, tunnel_ctrl);
  struct end inner, peer;
  open_pair(&inner, &peer, 0);
  handshake(inner.ssl, peer.ssl);
  BIO* tunnel = BIO_new(method);
  BIO_set_data(tunnel, &client);
  BIO_set_init(tunnel, 1);
  SSL_set0_wbio(inner.ssl, tunnel);
  for (size_t i = 0; i < n; ++i) out_buffer[i] = pattern(i);
  if (SSL_write(inner.ssl, out_buffer, (int)n) != (int)n) die("nested write");
  while (SSL_read(server.ssl, in_buffer, 16384) > 0) continue;
  printf("%p %p\n", (void*)inner.ssl, (void*)client.ssl);
  close_pair(&inner, &peer);
}

static void retry(size_t n) {
  struct end a, b;
  int tries = 0;
  size_t received = 0;
  open_pair(&a, &b, 4096);
  SSL_set_mode(a.ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  for (int i = 0; i < 40; ++i) SSL_do_handshake(a.ssl), SSL_do_handshake(b.ssl);
  for (size_t i = 0; i < n; ++i) out_buffer[i] = pattern(i);
  for (int done = 0; !done || received < n;) {
    if (!done) ++tries, done = SSL_write(a.ssl, out_buffer, (int)n) == (int)n;
    const int got = SSL_read(b.ssl, in_buffer, 16384);
    if (got > 0) received += (size_t)got;
    if (tries > 10000) die("retry does not end");
  }
  printf("%d %p %p\n", tries, (void*)a.ssl, (void*)b.ssl);
  close_pair(&a, &b);
}

static double now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

// One round is four calls: write, read, write, read.
static void bench(size_t n, double ms) {
  const double end = now_ns() + ms * 1e6;
  double best = 1e18;
  while (now_ns() < end) {
    enum { kRounds = 40 };
    const double start = now_ns();
    for (int i = 0; i < kRounds; ++i) {
      if (SSL_write(client.ssl, out_buffer, (int)n) <= 0) die("bench");
      if (SSL_read(server.ssl, in_buffer, 16384) <= 0) die("bench");
      if (SSL_write(server.ssl, out_buffer, (int)n) <= 0) die("bench");
      if (SSL_read(client.ssl, in_buffer, 16384) <= 0) die("bench");
    }
    const double each = (now_ns() - start) / (4 * kRounds);
    if (each < best) best = each;
  }
  printf("%.1f\n", best);
}

static void new_pair(void) {
  open_pair(&client, &server, 0);
  handshake(client.ssl, server.ssl);
  printf("%p %p\n", (void*)client.ssl, (void*)server.ssl);
}

static void fork_off(void) {
  const pid_t child = fork();
  if (child == 0) {
    printf("%d\n", (int)getpid());
    return;
  }
  waitpid(child, NULL, 0);
  exit(0);
}

// What has answered itself.
static int obey_special(const char* word, size_t n, const char* self) {
  char* second = strtok(NULL, " \n");
  if (!strcmp(word, "new")) new_pair();
  else if (!strcmp(word, "nested")) nested(n);
  else if (!strcmp(word, "retry")) retry(n);
  else if (!strcmp(word, "fork")) fork_off();
  else if (!strcmp(word, "bench")) bench(n, second ? atof(second) : 200);
  else if (!strcmp(word, "exec") && execl(self, self, (char*)NULL)) die("exec");
  else return 0;
  return 1;
}

static void obey(char* line, const char* self) {
  char* word = strtok(line, " \n");
  char* argument = strtok(NULL, " \n");
  const size_t n = argument ? strtoull(argument, NULL, 10) : 0;
  if (!word) return;
  if (!strcmp(word, "sizes")) {
    for (; argument; argument = strtok(NULL, " \n")) {
      move(&client, server.ssl, strtoull(argument, NULL, 10));
    }
  } else if (!strcmp(word, "write")) {
    move(&client, server.ssl, n);
  } else if (!strcmp(word, "reply")) {
    move(&server, client.ssl, n);
  } else if (!strcmp(word, "poll")) {
    if (do_read(server.ssl, in_buffer, 16384) > 0) die("something was there");
  } else if (!strcmp(word, "end")) {
    if (SSL_shutdown(client.ssl) < 0 || do_read(server.ssl, in_buffer, 16384) > 0) die("no end");
  } else if (!strcmp(word, "ex")) {
    use_ex = (int)n;
  } else if (!strcmp(word, "free")) {
    close_pair(&client, &server);
  } else if (obey_special(word, n, self)) {
    return;
  } else {
    die(word);
  }
  puts("ok");
}

// Unbuffered, so that a child or an exec'd successor finds the next command.
static int next_line(char* line, size_t size) {
  size_t n = 0;
  while (n + 1 < size && read(0, line + n, 1) == 1) {
    if (line[n++] == '\n') break;
  }
  line[n] = 0;
  return n > 0;
}

int main(int argc, char** argv) {
  char line[4096];
  (void)argc;
  setvbuf(stdout, NULL, _IOLBF, 0);
  out_buffer = malloc(kBuffer);
  in_buffer = malloc(16384);
  client_ctx = SSL_CTX_new(TLS_client_method());
  server_ctx = SSL_CTX_new(TLS_server_method());
  if (!out_buffer || !in_buffer || !client_ctx || !server_ctx) die("no memory");
  memset(out_buffer, 'x', kBuffer);
  self_signed(server_ctx);
  while (next_line(line, sizeof(line))) obey(line, argv[0]);
  return 0;
}
