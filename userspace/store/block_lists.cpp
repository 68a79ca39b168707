// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/block_lists.h"

#include <utility>

namespace llmtap {

using Json = nlohmann::ordered_json;

std::vector<Json> split_blocks(Json& record) {
  std::vector<Json> blocks;
  for (const char* key : kBlockLists) {
    const auto list = record.find(key);
    if (list == record.end() || !list->is_array()) continue;
    const std::size_t count = list->size();
    for (auto& element : *list) blocks.push_back(std::move(element));
    *list = count;
  }
  return blocks;
}

std::string join_blocks(const std::string& record, const std::vector<std::string>& blocks) {
  Json whole = Json::parse(record, nullptr, false);
  if (!whole.is_object()) return record;
  std::size_t next = 0;
  for (const char* key : kBlockLists) {
    const auto list = whole.find(key);
    if (list == whole.end() || !list->is_number_unsigned()) continue;
    const auto count = list->get<std::size_t>();
    Json elements = Json::array();
    for (std::size_t i = 0; i < count && next < blocks.size(); ++i, ++next) {
      auto element = Json::parse(blocks[next], nullptr, false);
      if (!element.is_discarded()) elements.push_back(std::move(element));
    }
    *list = std::move(elements);
  }
  return whole.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace llmtap
