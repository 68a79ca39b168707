// SPDX-License-Identifier: Apache-2.0
//
// Moves bytes over TLS with OpenSSL, however it is linked: https_exchange HOST PORT [ex]
// sends stdin to the server, prints what comes back until the server closes. `ex`: by SSL_write_ex
// and SSL_read_ex. The authority is in SSL_CERT_FILE.
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

int main(int argc, char** argv) {
  if (argc < 3) fail("https_exchange HOST PORT [ex]");
  const int ex = argc > 3 && strcmp(argv[3], "ex") == 0;
  static char buffer[1 << 20];
  size_t size = 0, n;
  while ((n = fread(buffer + size, 1, sizeof(buffer) - size, stdin)) > 0) size += n;

  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_default_verify_paths(context);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  BIO* bio = BIO_new_ssl_connect(context);
  SSL* ssl = NULL;
  BIO_get_ssl(bio, &ssl);
  BIO_set_conn_hostname(bio, argv[1]);
  BIO_set_conn_port(bio, argv[2]);
  SSL_set_tlsext_host_name(ssl, argv[1]);
  SSL_set1_host(ssl, argv[1]);
  if (BIO_do_connect(bio) <= 0) fail("no connection");
  for (size_t at = 0; at < size; at += n) {
    if (ex && SSL_write_ex(ssl, buffer + at, size - at, &n) != 1) fail("SSL_write_ex");
    if (!ex) {
      const int written = SSL_write(ssl, buffer + at, (int)(size - at));
      if (written <= 0) fail("SSL_write");
      n = (size_t)written;
    }
  }
  for (;;) {
    if (ex) {
      if (SSL_read_ex(ssl, buffer, sizeof(buffer), &n) != 1) break;
    } else {
      const int got = SSL_read(ssl, buffer, sizeof(buffer));
      if (got <= 0) break;
      n = (size_t)got;
    }
    fwrite(buffer, 1, n, stdout);
  }
  fflush(stdout);
  BIO_free_all(bio);
  return 0;
}
