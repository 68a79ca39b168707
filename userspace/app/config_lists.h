// SPDX-License-Identifier: Apache-2.0
//
// Keys that take a list, and how one item of each is read.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/app/config.h"

namespace llmtap {

// Where we are in a file, for errors: "FILE:LINE: KEY: what is wrong".
struct Place {
  std::string file;
  std::string key;  // empty at the top

  Error fail(const YAML::Node& node, const std::string& what) const;
  Error fail(const YAML::Node& node, const std::string& member, const std::string& what) const;
};

struct ListKey {
  std::string_view path;
  // Appends the item.
  Status (*read)(Config&, const Place&, const YAML::Node& item);
};

const std::vector<ListKey>& list_keys();

}  // namespace llmtap
