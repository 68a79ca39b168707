// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/probe_rules.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

// The file's bytes as a part of the program.
asm(".section .rodata\n"
    "llmtap_probe_rules_begin:\n"
    ".incbin \"" LLMTAP_PROBE_RULES_FILE
    "\"\n"
    "llmtap_probe_rules_end:\n"
    ".byte 0\n"
    ".global llmtap_probe_rules_begin\n"
    ".global llmtap_probe_rules_end\n"
    ".previous\n");
extern "C" const char llmtap_probe_rules_begin[];
extern "C" const char llmtap_probe_rules_end[];

namespace llmtap {
namespace {

ReasonRules read_rules(const nlohmann::json& alternatives) {
  ReasonRules rules;
  for (const auto& one : alternatives)
    rules.push_back({one.value("all", std::vector<std::uint32_t>{}),
                     one.value("none", std::vector<std::uint32_t>{})});
  return rules;
}

// Of our own file: a mistake in it shows in every test.
ProbeRules read_file() {
  const auto all = nlohmann::json::parse(llmtap_probe_rules_begin, llmtap_probe_rules_end);
  const auto &boringssl = all.at("boringssl"), &awslc = all.at("awslc"),
             &openssl = all.at("openssl");
  ProbeRules rules;
  rules.boringssl = {boringssl.at("file"), read_rules(boringssl.at("write")),
                     read_rules(boringssl.at("read_impl")), read_rules(boringssl.at("read"))};
  rules.awslc = {awslc.at("file"), read_rules(awslc.at("seal")),
                 read_rules(awslc.at("seal_scatter")), read_rules(awslc.at("open")),
                 read_rules(awslc.at("open_gather"))};
  rules.openssl = {openssl.at("write"), openssl.at("read")};
  return rules;
}

}  // namespace

bool ReasonRule::matches(const AnchoredFunction& function) const {
  const auto has = [&](std::uint32_t reason) { return function.has(reason); };
  return std::all_of(all.begin(), all.end(), has) && std::none_of(none.begin(), none.end(), has);
}

const ProbeRules& probe_rules() {
  static const ProbeRules rules = read_file();
  return rules;
}

std::vector<const AnchoredFunction*> matching(const std::vector<AnchoredFunction>& functions,
                                              const ReasonRules& rules) {
  std::vector<const AnchoredFunction*> found;
  for (const auto& rule : rules) {
    for (const auto& function : functions)
      if (rule.matches(function)) found.push_back(&function);
    if (!found.empty()) break;
  }
  return found;
}

}  // namespace llmtap
