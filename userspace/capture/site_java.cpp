// SPDX-License-Identifier: Apache-2.0
//
// Java's own TLS (JSSE) has no native code to probe; what writes its records to sockets has:
//   write0, writev0 (JNIEnv*, jclass, jobject fd, jlong address, jint length)
// in libnio.so, as FileDispatcherImpl's up to about JDK 21, as SocketDispatcher's since. There a
// connection's ClientHello shows the host whose calls will not be seen.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/capture/site_finders.h"
#include "userspace/capture/x86.h"

namespace llmtap {
namespace {

constexpr std::array<std::pair<std::string_view, tls_call_shape>, 4> kWrites = {{
    {"Java_sun_nio_ch_SocketDispatcher_write0", TLS_CALL_JAVA_WRITE},
    {"Java_sun_nio_ch_SocketDispatcher_writev0", TLS_CALL_JAVA_WRITEV},
    {"Java_sun_nio_ch_FileDispatcherImpl_write0", TLS_CALL_JAVA_WRITE},
    {"Java_sun_nio_ch_FileDispatcherImpl_writev0", TLS_CALL_JAVA_WRITEV},
}};

std::optional<tls_call_shape> shape_of(std::string_view name) {
  const auto* found = std::find_if(kWrites.begin(), kWrites.end(),
                                   [name](const auto& write) { return write.first == name; });
  if (found == kWrites.end()) return std::nullopt;
  return found->second;
}

}  // namespace

ProbePlan find_java(const ElfFile& elf) {
  ProbePlan plan;
  if (!elf.is_x86_64()) return plan;
  plan.library = TLS_LIB_JSSE;
  for (const auto& symbol :
       elf.functions([](std::string_view name) { return shape_of(name).has_value(); })) {
    const auto offset = elf.offset_of(symbol.address);
    if (!offset || !elf.is_executable(symbol.address)) continue;
    const auto instruction = decode(elf.at(symbol.address), symbol.address);
    if (!instruction) continue;
    plan.sites.push_back({*offset, TLS_COOKIE(*shape_of(symbol.name), TLS_WRITE, TLS_LIB_JSSE),
                          false, site_class(*instruction), SiteKind::kEntry,
                          std::string(symbol.name)});
  }
  return plan;
}

}  // namespace llmtap
