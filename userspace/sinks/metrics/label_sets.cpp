// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/metrics/label_sets.h"

#include <algorithm>

#include "userspace/base/utf8.h"

namespace llmtap {

// A whole scrape is refused for one bad byte.
std::string label_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint point = front_code_point(text);
    const auto bytes = text.substr(0, std::max<std::size_t>(point.length, 1));
    if (out.size() + bytes.size() > kLabelBytes) break;
    out += point.length == 0 || point.value < 0x20 ? std::string_view("?") : bytes;
    text.remove_prefix(bytes.size());
  }
  return out;
}

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
