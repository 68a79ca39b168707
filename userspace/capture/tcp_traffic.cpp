// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/tcp_traffic.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "userspace/base/fd.h"
#include "userspace/capture/process_sockets.h"

namespace llmtap {
namespace {

constexpr std::uint16_t kHttps = 443;
constexpr std::uint32_t kEstablished = 1U << 1;  // of TCP_ESTABLISHED

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

void add(const nlmsghdr* message, SentBytes& sent) {
  const auto* socket = static_cast<const inet_diag_msg*>(NLMSG_DATA(message));
  if (ntohs(socket->id.idiag_sport) != kHttps && ntohs(socket->id.idiag_dport) != kHttps) return;
  auto left = static_cast<int>(NLMSG_PAYLOAD(message, sizeof(*socket)));
  auto* attribute = reinterpret_cast<rtattr*>(const_cast<inet_diag_msg*>(socket) + 1);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != INET_DIAG_INFO) continue;
    tcp_info info{};
    std::memcpy(&info, RTA_DATA(attribute),
                std::min<std::size_t>(sizeof(info), RTA_PAYLOAD(attribute)));
    sent[socket->idiag_inode] = info.tcpi_bytes_acked;
  }
}

// In the calling thread's network namespace.
void dump(std::uint8_t family, SentBytes& sent) {
  const Fd link(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  Request request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_ext = 1U << (INET_DIAG_INFO - 1);
  request.body.idiag_states = kEstablished;
  if (!link || ::send(link.get(), &request, sizeof(request), 0) < 0) return;
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  for (;;) {
    const ssize_t got = ::recv(link.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return;
    auto left = static_cast<unsigned>(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) return;
      add(message, sent);
    }
  }
}

}  // namespace

const SentBytes& TcpTraffic::of_namespace(pid_t pid) {
  static const SentBytes kNone;
  const Fd file(::open(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  if (!file || fstat(file.get(), &status) != 0) return kNone;
  const auto [place, is_new] = namespaces_.try_emplace(status.st_ino);
  if (is_new && setns(file.get(), CLONE_NEWNET) == 0) {
    dump(AF_INET, place->second);
    dump(AF_INET6, place->second);
  }
  return place->second;
}

SentBytes TcpTraffic::of(pid_t pid) {
  SentBytes own;
  const SentBytes& all = of_namespace(pid);
  if (all.empty()) return own;
  for (const std::uint64_t inode : socket_inodes(pid))
    if (const auto found = all.find(inode); found != all.end()) own.insert(*found);
  return own;
}

}  // namespace llmtap
