// SPDX-License-Identifier: Apache-2.0
//
// BoringSSL without symbols: Bun, agent CLIs built with it, grpc's cygrpc, curl_cffi, Conscrypt,
// netty-tcnative, Chromium.
//
//   SSL_write raises BAD_LENGTH; it alone.
//   ssl_read_impl is a landmark: UNINITIALIZED and HANDSHAKE_FAILURE, as SSL_write, but no
//   BAD_LENGTH. SSL_read names the file once, between those two (by line), calls ssl_read_impl, and
//   takes the
//     data out of the connection, so it writes there. SSL_peek, inlined into it, does not.
#include <algorithm>

#include "userspace/capture/probe_rules.h"
#include "userspace/capture/site_finders.h"
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

constexpr const char* kName = "BoringSSL without symbols: ";

ProbePlan refused(const std::string& why) { return {TLS_LIB_BORINGSSL, {}, kName + why}; }

std::string how_many(std::size_t count) {
  return count == 0 ? "was not found" : "is not unique (" + std::to_string(count) + " candidates)";
}

bool is_read(const AnchoredFunction& candidate, const AnchoredFunction& impl,
             const AnchoredFunction& write) {
  if (candidate.references.size() != 1 || candidate.lines.empty() || impl.lines.empty() ||
      write.lines.empty())
    return false;
  const auto line = *candidate.lines.rbegin();
  const bool calls_impl = std::find(candidate.calls.begin(), candidate.calls.end(),
                                    impl.range.begin) != candidate.calls.end();
  return calls_impl && line > *impl.lines.rbegin() && line < *write.lines.begin();
}

std::optional<ProbeSite> site_at(const ElfFile& elf, const AnchoredFunction& function,
                                 tls_direction direction, const char* name) {
  const auto offset = elf.offset_of(function.range.begin);
  const auto first = decode(elf.at(function.range.begin), function.range.begin);
  if (!offset || !first) return std::nullopt;
  return ProbeSite{*offset,
                   TLS_COOKIE(TLS_CALL_INT, direction, TLS_LIB_BORINGSSL),
                   true,
                   site_class(*first),
                   SiteKind::kFound,
                   name};
}

}  // namespace

ProbePlan find_boringssl(const ElfFile& elf) {
  const auto& rules = probe_rules().boringssl;
  const auto functions = find_anchored(elf, rules.file);
  if (functions.empty()) return {};
  const auto writes = matching(functions, rules.write);
  if (writes.size() != 1) return refused("SSL_write " + how_many(writes.size()));
  auto impls = matching(functions, rules.read_impl);
  std::erase(impls, writes.front());
  std::vector<const AnchoredFunction*> reads;
  const AnchoredFunction* impl = nullptr;
  for (const auto* candidate : matching(functions, rules.read))
    for (const auto* landmark : impls)
      if (is_read(*candidate, *landmark, *writes.front())) {
        reads.push_back(candidate);
        impl = landmark;
      }
  if (reads.size() > 1) std::erase_if(reads, [](const auto* f) { return !f->stores; });
  if (reads.size() != 1 || impl == nullptr) return refused("SSL_read " + how_many(reads.size()));
  const auto read = site_at(elf, *reads.front(), TLS_READ, "SSL_read");
  const auto write = site_at(elf, *writes.front(), TLS_WRITE, "SSL_write");
  if (!read || !write) return refused("no code where it was found");
  return {TLS_LIB_BORINGSSL, {*read, *write}, {}};
}

}  // namespace llmtap
