// SPDX-License-Identifier: Apache-2.0
//
// Static OpenSSL 3 without symbols. Its errors carry __func__, so the names of functions are
// strings of the program; each of the two functions behind both API forms is the only one that
// loads its own.
#include <algorithm>
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

// Since 3.3 the writer takes flags before the pointer to the count. Said by "OpenSSL 3.5.5 27 Jan
// 2026"; nothing if no version is there, or several that disagree.
std::optional<bool> takes_flags(const ElfFile& elf) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  constexpr int kWithFlags = 3;
  std::vector<bool> votes;
  for (const auto& text : find_texts(elf, "OpenSSL 3.", 2)) {
    if (!is_digit(text[0])) continue;
    const int digit = text[0] - '0';
    votes.push_back((is_digit(text[1]) ? digit * 10 + (text[1] - '0') : digit) >= kWithFlags);
  }
  for (const auto& text : find_texts(elf, "OpenSSL 4.", 1))
    if (is_digit(text[0])) votes.push_back(true);
  if (votes.empty() || std::count(votes.begin(), votes.end(), votes[0]) != std::ssize(votes))
    return std::nullopt;
  return votes[0];
}

// Without a version (the linker drops its text when nobody asks for it), the callers show where
// they put the count.
std::optional<tls_call_shape> shape_by_callers(const ElfFile& elf, std::uint64_t writer) {
  constexpr std::size_t kMostCallers = 64;  // the API's few forms
  std::optional<tls_call_shape> found;
  const auto calls = find_calls(elf, writer);
  if (calls.size() > kMostCallers) return std::nullopt;
  for (const auto& caller : functions_around(elf, calls)) {
    if (!caller) continue;
    for (const auto& call : trace_calls(elf, caller->begin)) {
      if (call.target != writer) continue;
      for (const bool is_counted : {false, true}) {
        const auto shape = openssl_inner_shape(call, is_counted);
        if (shape && found && *found != *shape) return std::nullopt;
        if (shape) found = shape;
      }
    }
  }
  return found;
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

// `done` of the plain form is a local variable, of the counted form its fourth argument.
std::optional<tls_call_shape> openssl_inner_shape(const TracedCall& call, bool is_counted) {
  const auto& a = call.arguments;
  const auto is_done = [&](const TracedValue& v) {
    return is_counted ? v.is_argument(3) : v.kind == TracedValue::Kind::kStackAddress;
  };
  if (!a[0].is_argument(0) || !a[1].is_argument(1) || !a[2].is_count(2)) return std::nullopt;
  if (is_done(a[3])) return TLS_CALL_SIZE_OUT;
  if (a[3].kind == TracedValue::Kind::kConstant && is_done(a[4])) return TLS_CALL_SIZE_OUT5;
  return std::nullopt;
}

ProbePlan find_openssl(const ElfFile& elf) {
  const auto& rules = probe_rules().openssl;
  if (find_strings(elf, rules.write).empty()) {
    if (find_strings(elf, "ssl/ssl_lib.c").empty()) return {};
    return refused("older than 3.0, not supported");
  }
  ProbePlan plan{TLS_LIB_OPENSSL, {}, {}};
  for (const auto direction : {TLS_READ, TLS_WRITE}) {
    const auto& name = direction == TLS_READ ? rules.read : rules.write;
    const auto function = function_naming(elf, name);
    if (!function) return refused(name + " was not found, or is not unique");
    const auto first = decode(elf.at(*function), *function);
    const auto offset = elf.offset_of(*function);
    if (!first || !offset || !starts_like_a_function(*first))
      return refused(name + " does not start like a function");
    auto shape = std::optional(TLS_CALL_SIZE_OUT);
    if (direction == TLS_WRITE) {
      const auto flags = takes_flags(elf);
      shape = flags ? (*flags ? TLS_CALL_SIZE_OUT5 : TLS_CALL_SIZE_OUT)
                    : shape_by_callers(elf, *function);
    }
    if (!shape) return refused("neither its version nor its callers say how it counts");
    plan.sites.push_back({*offset, TLS_COOKIE(*shape, direction, TLS_LIB_OPENSSL), true,
                          site_class(*first), SiteKind::kFound, name});
  }
  return plan;
}

}  // namespace llmtap
