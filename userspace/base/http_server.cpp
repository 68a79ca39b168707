// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <deque>
#include <thread>

#include "userspace/base/fd.h"
#include "userspace/base/gzip.h"

namespace llmtap {
namespace {

constexpr int kIdleSeconds = 30;
constexpr ev_ssize_t kHeaderBytes = 16 << 10;
constexpr ev_ssize_t kBodyBytes = 64 << 10;  // of requests; nothing reads them
constexpr std::size_t kWorthGzip = 1024;

struct FreeBase {
  void operator()(event_base* base) const { event_base_free(base); }
};
struct FreeHttp {
  void operator()(evhttp* http) const { evhttp_free(http); }
};
struct FreeEvent {
  void operator()(event* event) const { event_free(event); }
};

// The connections that libevent has, oldest first. It tells of new ones only; of one that it has
// freed our reference remains, and no callbacks.
class Connections {
 public:
  ~Connections() {
    for (const auto* list : {&open_, &ending_}) {
      for (auto* connection : *list) bufferevent_decref(connection);
    }
  }

  // A bufferevent for the connection that was just accepted (evhttp_set_bevcb).
  static bufferevent* accepted(event_base* base, void* self) {
    auto* connection = bufferevent_socket_new(base, -1, 0);
    if (connection != nullptr) static_cast<Connections*>(self)->add(connection);
    return connection;
  }

 private:
  void add(bufferevent* connection) {
    for (auto* list : {&open_, &ending_}) {
      std::erase_if(*list, [](bufferevent* known) {
        if (!is_freed(known)) return false;
        bufferevent_decref(known);
        return true;
      });
    }
    if (open_.size() >= HttpServer::kConnections) {
      // Its end of file makes libevent close it, as soon as the loop comes to it.
      ::shutdown(bufferevent_getfd(open_.front()), SHUT_RDWR);
      ending_.push_back(open_.front());
      open_.pop_front();
    }
    bufferevent_incref(connection);
    open_.push_back(connection);
  }
  static bool is_freed(bufferevent* connection) {
    bufferevent_data_cb read = nullptr, write = nullptr;
    bufferevent_event_cb happened = nullptr;
    bufferevent_getcb(connection, &read, &write, &happened, nullptr);
    return read == nullptr && write == nullptr && happened == nullptr;
  }

  std::deque<bufferevent*> open_, ending_;
};

// The port that a socket is bound to; 0 if it cannot be said.
std::uint16_t bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

HttpServer::Request read_request(evhttp_request* request) {
  HttpServer::Request out;
  out.method = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD ? "HEAD" : "GET";
  if (const auto* uri = evhttp_request_get_evhttp_uri(request)) {
    if (const char* path = evhttp_uri_get_path(uri)) out.path = path;
    if (const char* query = evhttp_uri_get_query(uri)) out.query = query;
  }
  const char* accepts =
      evhttp_find_header(evhttp_request_get_input_headers(request), "Accept-Encoding");
  out.gzip = accepts != nullptr && std::strstr(accepts, "gzip") != nullptr;
  return out;
}

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

}  // namespace

Result<ListenAddress> parse_listen(std::string_view text) {
  const Error expected{"expected ADDRESS:PORT such as 127.0.0.1:9464"};
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return expected;
  ListenAddress out;
  auto host = text.substr(0, colon);
  const auto port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return expected;  // an IPv6 address without brackets
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || end != port.data() + port.size()) return expected;
  out.host = host;
  return out;
}

struct HttpServer::State {
  Handler handler;
  Fd stop;  // readable: end the loop
  std::unique_ptr<event_base, FreeBase> base;
  Connections connections;
  std::unique_ptr<evhttp, FreeHttp> http;  // before its base
  std::unique_ptr<event, FreeEvent> stop_event;
  std::uint16_t port = 0;
  std::thread thread;

  static void answer(evhttp_request* request, void* self) {
    const auto asked = read_request(request);
    Response response = static_cast<State*>(self)->handler(asked);
    auto* headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", response.content_type.c_str());
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    if (asked.gzip && response.body.size() >= kWorthGzip) {
      if (auto packed = gzip(response.body); !packed.empty()) {
        response.body = std::move(packed);
        evhttp_add_header(headers, "Content-Encoding", "gzip");
      }
    }
    if (asked.method == "HEAD") {  // libevent would send the body
      evhttp_add_header(headers, "Content-Length", std::to_string(response.body.size()).c_str());
    } else {
      auto* buffer = evhttp_request_get_output_buffer(request);
      evbuffer_add(buffer, response.body.data(), response.body.size());
    }
    evhttp_send_reply(request, response.status, reason_of(response.status), nullptr);
  }

  // Signals are the main thread's.
  void run() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    event_base_dispatch(base.get());
  }
};

Result<std::unique_ptr<HttpServer>> HttpServer::start(const ListenAddress& address,
                                                      Handler handler) {
  auto state = std::make_unique<State>();
  state->handler = std::move(handler);
  state->stop = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  state->base.reset(event_base_new());
  if (!state->stop || !state->base) return Error{"no event loop for the HTTP server"};
  state->http.reset(evhttp_new(state->base.get()));
  evhttp* http = state->http.get();
  evhttp_set_timeout(http, kIdleSeconds);
  evhttp_set_max_headers_size(http, kHeaderBytes);
  evhttp_set_max_body_size(http, kBodyBytes);
  evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
  evhttp_set_gencb(http, &State::answer, state.get());
  evhttp_set_bevcb(http, &Connections::accepted, &state->connections);
  const std::string host = address.host.empty() ? "::" : address.host;
  auto* socket = evhttp_bind_socket_with_handle(http, host.c_str(), address.port);
  if (socket == nullptr && address.host.empty()) {  // a host without IPv6
    socket = evhttp_bind_socket_with_handle(http, "0.0.0.0", address.port);
  }
  if (socket == nullptr) {
    const int why = errno;
    return Error{address.host + ':' + std::to_string(address.port) + ": " + std::strerror(why)};
  }
  state->port = bound_port(evhttp_bound_socket_get_fd(socket));
  const auto end_loop = [](evutil_socket_t, short, void* base) {
    event_base_loopbreak(static_cast<event_base*>(base));
  };
  state->stop_event.reset(
      event_new(state->base.get(), state->stop.get(), EV_READ, end_loop, state->base.get()));
  event_add(state->stop_event.get(), nullptr);
  state->thread = std::thread([raw = state.get()] { raw->run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() {
  const std::uint64_t one = 1;
  static_cast<void>(::write(state_->stop.get(), &one, sizeof one));
  state_->thread.join();
}

std::uint16_t HttpServer::port() const { return state_->port; }

}  // namespace llmtap
