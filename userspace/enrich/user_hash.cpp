// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/user_hash.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "userspace/base/fd.h"

namespace llmtap {
namespace {

constexpr std::size_t kKeyBytes = 32;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// As it stands in a JSON text. Ids with characters that JSON escapes are rare and come escaped one
// way: backslash and quote.
std::string in_quotes(const std::string& id) {
  std::string out = "\"";
  for (const char c : id) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string UserHash::of(const std::string& id) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  ::HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
         reinterpret_cast<const unsigned char*>(id.data()), id.size(), digest.data(), &size);
  std::array<char, 17> hex{};
  for (std::size_t i = 0; i < 8; ++i)
    std::snprintf(&hex[2 * i], 3, "%02x", static_cast<unsigned>(digest[i]));
  return std::string("user-") + hex.data();
}

void UserHash::apply(CallRecord& call) const {
  if (call.user_id.empty()) return;
  const std::string hashed = of(call.user_id);
  const std::string from = in_quotes(call.user_id);
  const std::string to = in_quotes(hashed);
  for (auto* params : {&call.params, &call.vendor}) {
    for (auto& param : *params) replace_all(param.json, from, to);
  }
  for (auto* headers : {&call.request_headers, &call.response_headers}) {
    headers->rewrite_values([&](std::string_view, std::string& value) {
      // Whole, or within baggage or a header's JSON; short ids would hit by chance.
      constexpr std::size_t kTelling = 4;
      if (value == call.user_id || call.user_id.size() >= kTelling)
        replace_all(value, call.user_id, hashed);
    });
  }
  // Agent command lines put user, account and session into one id.
  if (call.session_id == call.user_id) call.session_id = hashed;
  call.user_id = hashed;
}

Result<std::string> installation_key(const std::string& file) {
  {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();  // an iterator would throw where reading fails: a directory
    std::string key = text.str();
    if (key.size() >= kKeyBytes) return key;
  }
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
  std::array<unsigned char, kKeyBytes> random{};
  if (::RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
    return Error{"no random bytes"};
  const std::string key(reinterpret_cast<const char*>(random.data()), random.size());
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd || ::write(fd.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()))
    return Error{file + ": " + std::strerror(errno)};
  return key;
}

}  // namespace llmtap
