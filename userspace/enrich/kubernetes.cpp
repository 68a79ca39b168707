// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/kubernetes.h"

#include <algorithm>

namespace llmtap {
namespace {

constexpr std::size_t kUid = 36;

// 8-4-4-4-12 hex digits; systemd's slice names have '_' for '-'.
std::string uid_at(std::string_view text) {
  if (text.size() < kUid) return {};
  std::string uid(text.substr(0, kUid));
  std::replace(uid.begin(), uid.end(), '_', '-');
  for (std::size_t i = 0; i < kUid; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = uid[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return {};
  }
  return uid;
}

// A DNS label or subdomain (RFC 1123), as Kubernetes names things; else "".
std::string_view name_only(std::string_view text) {
  constexpr std::size_t kLongest = 253;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const bool good = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.';
  });
  return good && text.size() <= kLongest ? text : std::string_view{};
}

std::string_view variable(std::string_view environ, std::string_view name) {
  while (!environ.empty()) {
    const auto entry = environ.substr(0, environ.find('\0'));
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=')
      return entry.substr(name.size() + 1);
    environ.remove_prefix(std::min(environ.size(), entry.size() + 1));
  }
  return {};
}

}  // namespace

std::string pod_uid(std::string_view cgroup) {
  const auto pods = cgroup.find("kubepods");
  if (pods == std::string_view::npos) return {};
  for (auto at = cgroup.find("pod", pods); at != std::string_view::npos;
       at = cgroup.find("pod", at + 1)) {
    if (auto uid = uid_at(cgroup.substr(at + 3)); !uid.empty()) return uid;
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> kubernetes_attributes(
    std::string_view cgroup, std::string_view environ, std::string_view namespace_file) {
  std::vector<std::pair<std::string, std::string>> found;
  const std::string uid = pod_uid(cgroup);
  if (uid.empty()) return found;
  const auto add = [&found](const char* key, std::string_view value) {
    if (!value.empty()) found.emplace_back(key, value);
  };
  add("k8s.pod.uid", uid);
  add("k8s.pod.name", name_only(variable(environ, "HOSTNAME")));
  add("k8s.namespace.name", name_only(namespace_file));
  return found;
}

}  // namespace llmtap
