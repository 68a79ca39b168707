// SPDX-License-Identifier: Apache-2.0
//
// A record's JSON without its long lists, and whole again: messages, tools and documents are kept
// as blocks, the record keeps how many there are of each.
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace llmtap {

// Keys of record_json whose elements are blocks, in the order in which blocks are numbered.
inline constexpr std::array<const char*, 4> kBlockLists = {"input", "output", "tools", "documents"};

// Takes the elements out of `record` and leaves their number.
std::vector<nlohmann::ordered_json> split_blocks(nlohmann::ordered_json& record);

// The reverse, on JSON texts. Compact. Missing blocks leave their list shorter.
std::string join_blocks(const std::string& record, const std::vector<std::string>& blocks);

}  // namespace llmtap
