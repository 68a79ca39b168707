// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/sentry/dsn.h"

namespace llmtap::sentry {

Result<Dsn> parse_dsn(const std::string& text) {
  const auto scheme_end = text.find("://");
  const std::string scheme = text.substr(0, scheme_end == std::string::npos ? 0 : scheme_end);
  if (scheme != "https" && scheme != "http") return Error{"expected https://KEY@HOST/PROJECT"};
  const auto key_begin = scheme_end + 3;
  const auto at = text.find('@', key_begin);
  if (at == std::string::npos) return Error{"expected https://KEY@HOST/PROJECT: no key"};
  const auto slash = text.rfind('/');
  if (slash == std::string::npos || slash < at || slash + 1 == text.size())
    return Error{"expected https://KEY@HOST/PROJECT: no project"};
  Dsn dsn;
  const std::string keys = text.substr(key_begin, at - key_begin);
  dsn.public_key = keys.substr(0, keys.find(':'));
  dsn.project = text.substr(slash + 1);
  dsn.origin = scheme + "://" + text.substr(at + 1, slash - at - 1);
  if (dsn.public_key.empty()) return Error{"expected https://KEY@HOST/PROJECT: no key"};
  if (slash == at + 1) return Error{"expected https://KEY@HOST/PROJECT: no host"};
  return dsn;
}

}  // namespace llmtap::sentry
