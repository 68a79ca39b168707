// SPDX-License-Identifier: Apache-2.0
//
// Where to put a uprobe in one file and how the kernel program reads the call there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bpf/tls_event.h"

namespace llmtap {

// What a trap at a site costs (x86-64): the kernel emulates push, nops, relative jumps and calls
// (0.35-1 us); everything else is single-stepped (3.5-17 us).
enum class SiteClass : std::uint8_t { kEmulated, kStepped };

// Why this site stands for the function.
enum class SiteKind : std::uint8_t {
  kEntry,      // the function's first instruction
  kPastEndbr,  // entry-only probe behind endbr64
  kInner,      // the shared inner function that the exported wrapper calls
  kFound,      // found by meaning in a binary without symbols
};

struct ProbeSite {
  std::uint64_t file_offset = 0;
  std::uint64_t cookie = 0;  // TLS_COOKIE(shape, direction, library)
  bool wants_return = true;  // entry and return, or entry only
  SiteClass site_class = SiteClass::kStepped;
  SiteKind kind = SiteKind::kEntry;
  std::string function;  // for doctor: "SSL_read, SSL_read_ex"

  bool operator==(const ProbeSite&) const = default;
};

// Everything to attach in one file, or why there is nothing.
struct ProbePlan {
  tls_library library = TLS_LIB_OPENSSL;
  std::vector<ProbeSite> sites;
  std::string reason;  // one line, when sites is empty or something was refused

  bool operator==(const ProbePlan&) const = default;
};

// The identity of a probed file: inode alone aliases on overlayfs.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  auto operator<=>(const FileId&) const = default;
};

}  // namespace llmtap
