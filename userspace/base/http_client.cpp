// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/http_client.h"

#include <curl/curl.h>
#include <strings.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <mutex>

namespace llmtap {
namespace {

struct SlistDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistDelete>;

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& body = static_cast<HttpResponse*>(user)->body;
  body.append(data, std::min(size, HttpResponse::kBodyLimit - body.size()));
  return size;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  constexpr std::string_view kName = "retry-after:";
  std::string_view line(data, size);
  if (line.size() > kName.size() && strncasecmp(line.data(), kName.data(), kName.size()) == 0) {
    line.remove_prefix(kName.size());
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    static_cast<HttpResponse*>(user)->retry_after = std::string(line);
  }
  return size;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::atomic<bool>*>(user)->load() ? 1 : 0;
}

void set_tls(CURL* curl, const CertificateFiles& files) {
  const auto set = [curl](CURLoption option, const std::string& file) {
    if (!file.empty()) curl_easy_setopt(curl, option, file.c_str());
  };
  set(CURLOPT_CAINFO, files.authorities);
  set(CURLOPT_SSLCERT, files.certificate);
  set(CURLOPT_SSLKEY, files.key);
}

}  // namespace

Result<HttpOrigin> parse_origin(std::string_view url) {
  constexpr std::string_view kUnix = "unix://";
  if (url.starts_with(kUnix)) {
    const auto path = url.substr(kUnix.size());
    if (path.empty() || path.front() != '/') {
      return Error{"'" + std::string(url) +
                   "': a unix socket needs an absolute path, unix:///path"};
    }
    return HttpOrigin{"http://localhost", std::string(path)};
  }
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return Error{"'" + std::string(url) + "': expected http://, https:// or unix://"};
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  return HttpOrigin{std::string(url), ""};
}

Result<std::string> url_host(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  char* host = nullptr;
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) {
    return Error{"'" + url + "' is no URL"};
  }
  std::string text = host;
  curl_free(host);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

struct HttpClient::State {
  CURL* curl = nullptr;
  std::atomic<bool> cancelled{false};
};

HttpClient::HttpClient() : state_(std::make_unique<State>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  state_->curl = curl_easy_init();
}

HttpClient::~HttpClient() {
  if (state_->curl != nullptr) curl_easy_cleanup(state_->curl);
}

void HttpClient::cancel() { state_->cancelled = true; }

Result<HttpResponse> HttpClient::send(const HttpRequest& request) {
  CURL* curl = state_->curl;
  if (curl == nullptr) return Error{"libcurl could not be initialised"};
  curl_easy_reset(curl);  // keeps connections

  Slist headers;
  const auto add = [&headers](const char* line) {
    curl_slist* longer = curl_slist_append(headers.get(), line);
    if (longer == nullptr) return;
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  for (const auto& header : request.headers) {
    constexpr std::string_view kBreaks("\r\n\0", 3);
    if (header.find_first_of(kBreaks) != std::string::npos)
      return Error{"a header holds a line break"};
    add(header.c_str());
  }
  add("Expect:");  // no 100-continue round trip

  HttpResponse response;
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  // Clear text is for an Agent nearby: no proxy. HTTPS_PROXY holds for the rest.
  if (request.url.starts_with("http://")) curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "llmtap");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &response);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &state_->cancelled);
  set_tls(curl, request.tls);
  if (request.body) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body->data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body->size()));
  }
  if (const CURLcode code = curl_easy_perform(curl); code != CURLE_OK) {
    return Error{curl_easy_strerror(code)};
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  return response;
}

}  // namespace llmtap
