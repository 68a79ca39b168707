// SPDX-License-Identifier: Apache-2.0
#include "parsers/body/content_coding.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

namespace llmtap {
namespace {

std::string token(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(" \t") - first + 1);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::optional<Coding> coding(std::string_view name) {
  if (name == "gzip" || name == "x-gzip") return Coding::kGzip;
  if (name == "deflate") return Coding::kDeflate;
  if (name == "br") return Coding::kBrotli;
  if (name == "zstd") return Coding::kZstd;
  return std::nullopt;
}

}  // namespace

ContentCoding::ContentCoding(const Headers& headers, const InflateLimits& limits) {
  for (const auto& header : headers) {
    if (header.name != "content-encoding") continue;
    std::string_view list = header.value;
    while (!list.empty()) {
      const auto comma = list.find(',');
      const std::string name = token(list.substr(0, comma));
      list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
      if (name.empty() || name == "identity" || name == "none" || name == "utf-8") continue;
      const auto known = coding(name);
      if (!known || stages_.size() == kMaxStages) {
        broken_ = true;
        return;
      }
      stages_.push_back({make_inflater(*known, limits)});
    }
  }
  std::reverse(stages_.begin(), stages_.end());
}

bool ContentCoding::feed(std::string_view bytes, const Inflater::Output& output) {
  if (broken_) return false;
  run(0, bytes, output);
  return !broken_;
}

void ContentCoding::run(std::size_t stage, std::string_view bytes,
                        const Inflater::Output& output) {
  if (broken_ || bytes.empty()) return;
  if (stage == stages_.size()) {
    output(bytes);
    return;
  }
  auto& current = stages_[stage];
  current.touched = true;
  const InflateStatus status = current.inflater->feed(
      bytes, [&](std::string_view decoded) { run(stage + 1, decoded, output); });
  current.done = status == InflateStatus::kDone;
  if (status == InflateStatus::kCorrupt || status == InflateStatus::kBomb) broken_ = true;
}

bool ContentCoding::ended() const {
  if (broken_) return false;
  return std::all_of(stages_.begin(), stages_.end(),
                     [](const Stage& stage) { return stage.done || !stage.touched; });
}

std::size_t ContentCoding::memory() const {
  std::size_t bytes = 0;
  for (const auto& stage : stages_) bytes += stage.inflater->memory();
  return bytes;
}

}  // namespace llmtap
