// SPDX-License-Identifier: Apache-2.0
//
// One finder per TLS library whose functions have no symbols of their own. Each returns sites that
// it is sure of; or no sites and a reason, when the library is there but a site is not found or not
// unique; or neither, when the library is not there.
#pragma once

#include <optional>

#include "userspace/capture/call_trace.h"
#include "userspace/capture/elf.h"
#include "userspace/capture/probe_site.h"

namespace llmtap {

// Go crypto/tls, by the function table that every Go program carries. Milliseconds.
ProbePlan find_go(const ElfFile& elf);

// Where a JVM writes to sockets: for counting what its own TLS hides.
ProbePlan find_java(const ElfFile& elf);

// BoringSSL, by the reasons of its errors.
ProbePlan find_boringssl(const ElfFile& elf);

// The AEAD of AWS-LC, which rustls calls once per record, likewise.
ProbePlan find_awslc(const ElfFile& elf);

// The AEAD of ring, by its static tables of algorithms.
ProbePlan find_ring(const ElfFile& elf);

// OpenSSL 3, by the names of functions that its errors carry.
ProbePlan find_openssl(const ElfFile& elf);

// What a call in SSL_write (or, if counted, SSL_write_ex) hands on, if it is all of its arguments:
// (ssl, buf, num, &done) or, since 3.3, (ssl, buf, num, flags, &done). Likewise for reads.
std::optional<tls_call_shape> openssl_inner_shape(const TracedCall& call, bool is_counted);

}  // namespace llmtap
