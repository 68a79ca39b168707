// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/user_patterns.h"

#include <re2/re2.h>

#include <utility>

namespace llmtap {

struct UserPatterns::Pattern {
  std::string mask;
  std::unique_ptr<re2::RE2> regex;
};

UserPatterns::UserPatterns() = default;
UserPatterns::~UserPatterns() = default;
UserPatterns::UserPatterns(UserPatterns&&) noexcept = default;
UserPatterns& UserPatterns::operator=(UserPatterns&&) noexcept = default;

Status UserPatterns::add(const std::string& name, const std::string& regex) {
  constexpr std::int64_t kMemory = 8 << 20;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemory);
  auto compiled = std::make_unique<re2::RE2>(regex, options);
  if (!compiled->ok()) return Error{compiled->error()};
  if (re2::RE2::FullMatch("", *compiled)) return Error{"matches the empty text"};
  patterns_.push_back({"[REDACTED:" + name + ']', std::move(compiled)});
  return Unit{};
}

std::size_t UserPatterns::apply(std::string& text) const {
  std::size_t finds = 0;
  for (const auto& pattern : patterns_) {
    const re2::StringPiece whole(text);
    std::string out;
    std::size_t copied = 0;
    re2::StringPiece match;
    for (std::size_t at = 0; at < text.size();) {
      if (!pattern.regex->Match(whole, at, text.size(), re2::RE2::UNANCHORED, &match, 1)) break;
      const auto begin = static_cast<std::size_t>(match.data() - text.data());
      if (match.empty()) {  // an assertion such as \b
        at = begin + 1;
        continue;
      }
      out.append(text, copied, begin - copied);
      out += pattern.mask;
      at = copied = begin + match.size();
      ++finds;
    }
    if (copied == 0) continue;
    out.append(text, copied);
    text = std::move(out);
  }
  return finds;
}

}  // namespace llmtap
