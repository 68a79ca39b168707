// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/tool_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace llmtap {
namespace {

using Schema = nlohmann::ordered_json;

constexpr int kMaxDepth = 8;
// Bytes. An ordered object takes time in proportion to the square of its members.
constexpr std::size_t kLongestSchema = 32 << 10;
constexpr std::size_t kMostSchemas = 512 << 10;  // of one call

std::string text_of(const Schema& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Schema::error_handler_t::replace);
}

const Schema* member(const Schema& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string members_text(const Schema& schema, int depth);

template <typename Show>
std::string alternatives(const Schema& list, Show show) {
  std::string out;
  for (const auto& one : list) out += (out.empty() ? "" : " | ") + show(one);
  return out;
}

std::string type_text(const Schema& schema, int depth) {
  if (!schema.is_object() || depth > kMaxDepth) return "any";
  const auto literal = [](const Schema& one) {
    return one.dump(-1, ' ', false, Schema::error_handler_t::replace);
  };
  if (const auto* words = member(schema, "enum"); words && words->is_array()) {
    return alternatives(*words, literal);
  }
  if (const auto* reference = member(schema, "$ref"); reference && reference->is_string()) {
    const auto path = reference->get<std::string>();
    return path.substr(path.rfind('/') + 1);
  }
  for (const auto key : {"anyOf", "oneOf"}) {
    if (const auto* any = member(schema, key); any && any->is_array()) {
      return alternatives(*any, [&](const Schema& one) { return type_text(one, depth + 1); });
    }
  }
  const auto* type = member(schema, "type");
  if (type == nullptr) return "any";
  if (type->is_array()) return alternatives(*type, text_of);
  if (*type == "array") {
    const auto* items = member(schema, "items");
    return (items ? type_text(*items, depth + 1) : "any") + "[]";
  }
  if (*type == "object") {
    const std::string inner = members_text(schema, depth + 1);
    return inner.empty() ? "object" : "{\n" + inner + "}";
  }
  return *type == "integer" ? "number" : text_of(*type);
}

std::unordered_set<std::string> required(const Schema& schema) {
  std::unordered_set<std::string> names;
  const auto* list = member(schema, "required");
  if (list == nullptr || !list->is_array()) return names;
  for (const auto& one : *list)
    if (one.is_string()) names.insert(one.get<std::string>());
  return names;
}

std::string members_text(const Schema& schema, int depth) {
  std::string out;
  const auto* properties = member(schema, "properties");
  if (properties == nullptr || !properties->is_object()) return out;
  const auto wanted = required(schema);
  for (const auto& [name, one] : properties->items()) {
    const auto* description = member(one, "description");
    if (description) out += "// " + text_of(*description) + '\n';
    out += name + (wanted.contains(name) ? ": " : "?: ") + type_text(one, depth) + ",\n";
  }
  return out;
}

std::string one_tool(const ToolDefinition& tool, std::size_t& budget) {
  std::string out;
  if (!tool.description.empty()) out += "// " + tool.description + '\n';
  if (tool.schema.size() > std::min(budget, kLongestSchema))
    return out + "type " + tool.name + " = " + tool.schema + ";\n\n";
  budget -= tool.schema.size();
  const auto schema = Schema::parse(tool.schema, nullptr, /*allow_exceptions=*/false);
  const std::string members = members_text(schema, 0);
  out += "type " + tool.name;
  out += members.empty() ? " = () => any;\n\n" : " = (_: {\n" + members + "}) => any;\n\n";
  if (const auto* definitions = member(schema, "$defs"); definitions && definitions->is_object()) {
    for (const auto& [name, one] : definitions->items())
      out += name + ": " + type_text(one, 0) + '\n';
  }
  return out;
}

}  // namespace

std::string tool_text(const std::vector<ToolDefinition>& tools) {
  if (tools.empty()) return {};
  std::string out = "# Tools\n\n## functions\n\nnamespace functions {\n\n";
  std::size_t budget = kMostSchemas;
  for (const auto& tool : tools) out += one_tool(tool, budget);
  return out + "} // namespace functions";
}

std::string answer_schema_text(const std::vector<Param>& params) {
  for (const auto& param : params) {
    const bool chat = param.name == "response_format";
    if (!chat && param.name != "text") continue;
    if (param.json.size() > kLongestSchema) return param.json;
    const auto value = Schema::parse(param.json, nullptr, /*allow_exceptions=*/false);
    const auto* format = member(value, chat ? "json_schema" : "format");
    const auto* schema = format ? member(*format, "schema") : nullptr;
    if (schema) return text_of(*schema);
  }
  return {};
}

}  // namespace llmtap
