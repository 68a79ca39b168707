// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http_receiver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace llmtap::test {
namespace {

void reset_on_close(int fd) {
  const linger hard{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

}  // namespace

HttpReceiver::HttpReceiver(Script script, int port, bool keep)
    : script_(std::move(script)), keep_(keep) {
  listen_fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  socklen_t size = sizeof address;
  if (::bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listen_fd_, 16) != 0) {
    throw std::runtime_error("the test's server cannot listen");
  }
  ::getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

HttpReceiver::~HttpReceiver() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  thread_.join();
  ::close(listen_fd_);
}

std::vector<Received> HttpReceiver::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

bool HttpReceiver::wait(const std::function<bool(const std::vector<Received>&)>& enough,
                        std::chrono::milliseconds timeout) const {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (std::chrono::steady_clock::now() < until) {
    if (enough(requests())) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return enough(requests());
}

void HttpReceiver::run() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    pollfd waiting{listen_fd_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) != 1) continue;
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) serve(fd);
  }
}

// One request per connection.
void HttpReceiver::serve(int fd) {
  std::string bytes;
  std::size_t head = std::string::npos;
  std::size_t want = std::string::npos;
  char buffer[65536];
  while (head == std::string::npos || bytes.size() < want) {
    const auto got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (head == std::string::npos && (head = bytes.find("\r\n\r\n")) != std::string::npos) {
      const auto length = bytes.find("Content-Length: ");
      want = head + 4 + (length < head ? std::stoul(bytes.substr(length + 16)) : 0);
      if (cuts_ > 0) {
        --cuts_;
        reset_on_close(fd);
        ::close(fd);
        return;
      }
    }
  }
  if (head == std::string::npos || bytes.size() < want) {
    ::close(fd);
    return;
  }
  Received request;
  request.method = bytes.substr(0, bytes.find(' '));
  const auto path = bytes.find(' ') + 1;
  request.path = bytes.substr(path, bytes.find(' ', path) - path);
  request.headers = bytes.substr(0, head + 2);
  request.body = bytes.substr(head + 4);
  const Reply reply = script_(request);
  std::this_thread::sleep_for(reply.delay);
  if (keep_) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  if (reply.reset) {
    reset_on_close(fd);
  } else {
    const std::string answer =
        "HTTP/1.1 " + std::to_string(reply.status) + " X\r\nConnection: close\r\n" + reply.headers +
        "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
    [[maybe_unused]] const auto sent = ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  ::close(fd);
}

}  // namespace llmtap::test
