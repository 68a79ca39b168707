// SPDX-License-Identifier: Apache-2.0
//
// Static OpenSSL 3 without symbols. Its errors carry __func__, so the names of functions are
// strings of the program; each of the two functions behind both API forms is the only one that
// loads its own.
#include <array>
#include <string>

#include "userspace/capture/code_scan.h"
#include "userspace/capture/function_bounds.h"
#include "userspace/capture/probe_rules.h"
#include "userspace/capture/site_finders.h"
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

ProbePlan refused(const std::string& why) {
  return {TLS_LIB_OPENSSL, {}, "OpenSSL without symbols: " + why};
}

// "OpenSSL 3.5.5 27 Jan 2026": the minor number; nothing if there is none, or more than one
// version.
std::optional<int> minor_version(const ElfFile& elf) {
  std::optional<int> minor;
  for (const auto& text : find_texts(elf, "OpenSSL 3.", 2)) {
    const char digit = text[0];
    if (digit < '0' || digit > '9') continue;
    const int value =
        text[1] >= '0' && text[1] <= '9' ? (digit - '0') * 10 + (text[1] - '0') : digit - '0';
    if (minor && *minor != value) return std::nullopt;
    minor = value;
  }
  return minor;
}

// The one function that loads the string `name`.
std::optional<std::uint64_t> function_naming(const ElfFile& elf, const std::string& name) {
  std::vector<std::uint64_t> strings;
  for (const auto address : find_strings(elf, name)) {
    const auto bytes = elf.at(address);
    if (bytes.size() > name.size() && bytes[name.size()] == 0) strings.push_back(address);
  }
  std::vector<std::uint64_t> addresses;
  for (const auto& reference : find_references(elf, strings))
    addresses.push_back(reference.address);
  std::optional<std::uint64_t> begin;
  for (const auto& range : functions_around(elf, addresses)) {
    if (!range || (begin && *begin != range->begin)) return std::nullopt;
    begin = range->begin;
  }
  return begin;
}

// A part that the compiler moved away from its function does not start like one.
bool starts_like_a_function(const Instruction& first) {
  return first.is(ZYDIS_MNEMONIC_PUSH) || first.is(ZYDIS_MNEMONIC_ENDBR64) ||
         first.is(ZYDIS_MNEMONIC_SUB);
}

}  // namespace

ProbePlan find_openssl(const ElfFile& elf) {
  const auto& rules = probe_rules().openssl;
  if (find_strings(elf, rules.write).empty()) {
    if (find_strings(elf, "ssl/ssl_lib.c").empty()) return {};
    return refused("older than 3.0, not supported");
  }
  const auto minor = minor_version(elf);
  if (!minor) return refused("it does not say which version it is");
  // Since 3.3 the writer takes flags before the pointer to the count.
  constexpr int kWithFlags = 3;
  struct Wanted {
    const std::string& name;
    tls_call_shape shape;
    tls_direction direction;
  };
  const std::array<Wanted, 2> all = {
      {{rules.read, TLS_CALL_SIZE_OUT, TLS_READ},
       {rules.write, *minor >= kWithFlags ? TLS_CALL_SIZE_OUT5 : TLS_CALL_SIZE_OUT, TLS_WRITE}}};
  ProbePlan plan{TLS_LIB_OPENSSL, {}, {}};
  for (const auto& wanted : all) {
    const auto function = function_naming(elf, wanted.name);
    if (!function) return refused(wanted.name + " was not found, or is not unique");
    const auto first = decode(elf.at(*function), *function);
    const auto offset = elf.offset_of(*function);
    if (!first || !offset || !starts_like_a_function(*first))
      return refused(wanted.name + " does not start like a function");
    plan.sites.push_back({*offset, TLS_COOKIE(wanted.shape, wanted.direction, TLS_LIB_OPENSSL),
                          true, site_class(*first), SiteKind::kFound, wanted.name});
  }
  return plan;
}

}  // namespace llmtap
