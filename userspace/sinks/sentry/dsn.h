// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "parsers/core/result.h"

namespace llmtap::sentry {

// {scheme}://{public key}[:{secret}]@{host}[:{port}]{/path}/{project}
struct Dsn {
  std::string origin;  // scheme, host, port, path; without a trailing slash
  std::string public_key;
  std::string project;

  std::string otlp_url() const {
    return origin + "/api/" + project + "/integration/otlp/v1/traces";
  }
  std::string envelope_url() const { return origin + "/api/" + project + "/envelope/"; }
};

// Errors say what is wrong without repeating the key.
Result<Dsn> parse_dsn(const std::string& text);

}  // namespace llmtap::sentry
