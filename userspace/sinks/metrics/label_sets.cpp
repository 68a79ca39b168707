// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/metrics/label_sets.h"

#include <algorithm>

namespace llmtap {
namespace {

// Length of the UTF-8 sequence at the front of `text`; 0 if there is none (RFC 3629, section 4).
std::size_t sequence(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  if (length == 1) return 1;
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool outside = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : length;
}

// A whole scrape is refused for one bad byte.
std::string label_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = sequence(text);
    if (out.size() + std::max<std::size_t>(length, 1) > LabelSets::kValueBytes) break;
    const bool control = length == 1 && static_cast<unsigned char>(text[0]) < 0x20;
    out += length == 0 || control ? std::string_view("?") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace

void LabelSets::bound(std::string& value, std::set<std::string>& known, std::size_t most,
                      Limit limit) {
  if (value.empty() || known.contains(value)) return;
  if (known.size() < most) {
    known.insert(value);
    return;
  }
  ++overflows_[static_cast<std::size_t>(limit)];
  value = kOther;
}

LabelSet LabelSets::admit(LabelSet wanted) {
  for (auto* value : {&wanted.provider, &wanted.model, &wanted.service})
    *value = label_text(*value);
  if (sets_.contains(wanted)) return wanted;
  bound(wanted.provider, providers_, kProviders, Limit::kProvider);
  bound(wanted.model, models_, kModels, Limit::kModel);
  bound(wanted.service, services_, kServices, Limit::kService);
  if (sets_.contains(wanted)) return wanted;
  if (sets_.size() >= most_) {
    ++overflows_[static_cast<std::size_t>(Limit::kSet)];
    return {wanted.provider, std::string(kOther), std::string(kOther)};
  }
  sets_.insert(wanted);
  return wanted;
}

}  // namespace llmtap
