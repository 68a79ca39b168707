// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/probe_table.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "userspace/capture/call_trace.h"
#include "userspace/capture/code_scan.h"
#include "userspace/capture/site_finders.h"
#include "userspace/capture/x86.h"

namespace llmtap {

void append(ProbePlan& plan, ProbePlan more) {
  if (plan.sites.empty() && !more.sites.empty()) plan.library = more.library;
  std::move(more.sites.begin(), more.sites.end(), std::back_inserter(plan.sites));
  if (!more.reason.empty()) plan.reason += (plan.reason.empty() ? "" : "; ") + more.reason;
}

namespace {

// Exported functions that move plaintext. `counted` is the form that returns the count through a
// pointer; both forms may share one inner function.
struct FunctionPair {
  std::string_view plain;
  std::string_view counted;
  tls_direction direction;
};
constexpr std::array<FunctionPair, 2> kOpenSsl = {{
    {"SSL_read", "SSL_read_ex", TLS_READ},
    {"SSL_write", "SSL_write_ex", TLS_WRITE},
}};
constexpr std::array<std::string_view, 11> kNames = {
    "SSL_read",
    "SSL_read_ex",
    "SSL_write",
    "SSL_write_ex",
    "SSL_write_ex2",
    "SSL_free",
    "SSL_CTX_set_custom_verify",  // only BoringSSL has it
    "gnutls_record_recv",
    "gnutls_record_send",
    "gnutls_record_send2",
    "gnutls_deinit"};

class SymbolPlan {
 public:
  explicit SymbolPlan(const ElfFile& elf)
      : elf_(elf), symbols_(elf.functions([](std::string_view name) {
          return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
        })) {}

  ProbePlan run() {
    if (find("SSL_read") != nullptr && find("SSL_write") != nullptr) add_openssl();
    if (find("gnutls_record_recv") != nullptr && find("gnutls_record_send") != nullptr)
      add_gnutls();
    return std::move(plan_);
  }

 private:
  void add_openssl();
  void add_pair(const FunctionPair& pair);
  std::optional<ProbeSite> inner_of(const FunctionPair& pair, const ElfSymbol& plain,
                                    const ElfSymbol& counted) const;
  void add_gnutls();
  void add_gnutls_recv(const ElfSymbol& recv);
  void add_free(const ElfSymbol& symbol);

  const ElfSymbol* find(std::string_view name) const;
  std::optional<SiteClass> class_at(std::uint64_t address) const;
  std::uint64_t cookie(tls_call_shape shape, tls_direction direction) const {
    return TLS_COOKIE(shape, direction, library_);
  }
  void add(std::uint64_t address, tls_call_shape shape, tls_direction direction, SiteKind kind,
           std::string function);

  const ElfFile& elf_;
  const std::vector<ElfSymbol> symbols_;
  tls_library library_ = TLS_LIB_OPENSSL;
  ProbePlan plan_;
};

const ElfSymbol* SymbolPlan::find(std::string_view name) const {
  const auto found = std::find_if(symbols_.begin(), symbols_.end(),
                                  [&](const ElfSymbol& s) { return s.name == name; });
  return found == symbols_.end() ? nullptr : &*found;
}

// Nothing: there is no instruction at `address`.
std::optional<SiteClass> SymbolPlan::class_at(std::uint64_t address) const {
  if (!elf_.is_executable(address)) return std::nullopt;
  if (!elf_.is_x86_64()) return SiteClass::kStepped;  // not known to be better
  const auto instruction = decode(elf_.at(address), address);
  if (!instruction) return std::nullopt;
  return site_class(*instruction);
}

void SymbolPlan::add(std::uint64_t address, tls_call_shape shape, tls_direction direction,
                     SiteKind kind, std::string function) {
  const auto site_class = class_at(address);
  const auto offset = elf_.offset_of(address);
  if (!site_class || !offset) {
    plan_.reason = function + ": no code at its symbol";
    return;
  }
  plan_.sites.push_back({*offset, cookie(shape, direction), shape != TLS_CALL_FREE, *site_class,
                         kind, std::move(function)});
}

void SymbolPlan::add_openssl() {
  library_ = find("SSL_CTX_set_custom_verify") != nullptr ? TLS_LIB_BORINGSSL : TLS_LIB_OPENSSL;
  plan_.library = library_;
  for (const auto& pair : kOpenSsl) add_pair(pair);
  if (const auto* symbol = find("SSL_free")) add_free(*symbol);
}

void SymbolPlan::add_pair(const FunctionPair& pair) {
  const ElfSymbol& plain = *find(pair.plain);
  const ElfSymbol* counted = find(pair.counted);
  if (counted != nullptr && elf_.is_x86_64()) {
    const bool both_cheap = class_at(plain.address) == SiteClass::kEmulated &&
                            class_at(counted->address) == SiteClass::kEmulated;
    if (auto inner = both_cheap ? std::nullopt : inner_of(pair, plain, *counted)) {
      plan_.sites.push_back(std::move(*inner));
      return;
    }
  }
  add(plain.address, TLS_CALL_INT, pair.direction, SiteKind::kEntry, std::string(pair.plain));
  if (counted != nullptr && counted->address != plain.address)
    add(counted->address, TLS_CALL_EX, pair.direction, SiteKind::kEntry, std::string(pair.counted));
}

// Relied on only when both exported forms hand their arguments to the same function, to exactly
// one, and when that one is cheaper than they are.
std::optional<ProbeSite> SymbolPlan::inner_of(const FunctionPair& pair, const ElfSymbol& plain,
                                              const ElfSymbol& counted) const {
  std::vector<ProbeSite> sites;
  const auto from_counted = trace_calls(elf_, counted.address, symbols_);
  for (const auto& call : trace_calls(elf_, plain.address, symbols_)) {
    const auto shape = openssl_inner_shape(call, false);
    if (!shape) continue;
    const bool shared = std::any_of(from_counted.begin(), from_counted.end(), [&](const auto& c) {
      return c.target == call.target && openssl_inner_shape(c, true) == shape;
    });
    const auto offset = elf_.offset_of(call.target);
    if (!shared || !offset || class_at(call.target) != SiteClass::kEmulated) continue;
    sites.push_back({*offset, cookie(*shape, pair.direction), true, SiteClass::kEmulated,
                     SiteKind::kInner, std::string(pair.plain) + ", " + std::string(pair.counted)});
  }
  if (sites.size() != 1) return std::nullopt;
  return sites.front();
}

void SymbolPlan::add_free(const ElfSymbol& symbol) {
  const auto cheap = elf_.is_x86_64() ? emulated_near_entry(elf_, symbol.address) : std::nullopt;
  const std::uint64_t address = cheap.value_or(symbol.address);
  add(address, TLS_CALL_FREE, TLS_WRITE,
      address == symbol.address ? SiteKind::kEntry : SiteKind::kPastEndbr,
      std::string(symbol.name));
}

// gnutls_record_send jumps to gnutls_record_send2 with its three arguments in place.
void SymbolPlan::add_gnutls() {
  library_ = TLS_LIB_GNUTLS;
  if (plan_.sites.empty()) plan_.library = library_;
  const ElfSymbol& send = *find("gnutls_record_send");
  const ElfSymbol* send2 = find("gnutls_record_send2");
  const auto calls =
      elf_.is_x86_64() ? trace_calls(elf_, send.address, symbols_) : std::vector<TracedCall>{};
  const bool passes_on = send2 != nullptr && std::any_of(calls.begin(), calls.end(), [&](auto& c) {
                           return c.target == send2->address && c.arguments[0].is_argument(0) &&
                                  c.arguments[1].is_argument(1) && c.arguments[2].is_argument(2);
                         });
  if (passes_on) {
    add(send2->address, TLS_CALL_INT, TLS_WRITE, SiteKind::kInner,
        "gnutls_record_send, gnutls_record_send2");
  } else {
    add(send.address, TLS_CALL_INT, TLS_WRITE, SiteKind::kEntry, "gnutls_record_send");
  }
  add_gnutls_recv(*find("gnutls_record_recv"));
  if (const auto* symbol = find("gnutls_deinit")) add_free(*symbol);
}

// Without kernel TLS, gnutls_record_recv(session, data, size) ends in a jump to
// inner(session, 0x17, data, size, sequence = NULL, timeout).
void SymbolPlan::add_gnutls_recv(const ElfSymbol& recv) {
  constexpr std::uint64_t kApplicationData = 0x17;
  std::vector<std::uint64_t> inner;
  if (elf_.is_x86_64()) {
    for (const auto& call : trace_calls(elf_, recv.address, symbols_)) {
      const auto& a = call.arguments;
      if (call.is_tail && a[0].is_argument(0) && a[1].is_constant(kApplicationData) &&
          a[2].is_argument(1) && a[3].is_argument(2) && a[4].is_constant(0))
        inner.push_back(call.target);
    }
  }
  if (inner.size() == 1 && class_at(inner[0]) == SiteClass::kEmulated) {
    add(inner[0], TLS_CALL_GNUTLS_RECV, TLS_READ, SiteKind::kInner, "gnutls_record_recv");
  } else {
    add(recv.address, TLS_CALL_INT, TLS_READ, SiteKind::kEntry, "gnutls_record_recv");
  }
}

}  // namespace

ProbePlan plan_by_symbols(const ElfFile& elf) {
  ProbePlan plan = SymbolPlan(elf).run();
  append(plan, find_go(elf));
  append(plan, find_java(elf));
  return plan;
}

ProbePlan plan_by_search(const ElfFile& elf, bool has_symbols) {
  if (!elf.is_x86_64()) return {};
  ProbePlan plan;
  if (!has_symbols) {
    plan = find_boringssl(elf);
    append(plan, find_openssl(elf));
  }
  // The AEAD functions are below BoringSSL as well: only rustls has nothing better above them.
  if (!find_texts(elf, "rustls", 0).empty()) {
    append(plan, find_awslc(elf));
    append(plan, find_ring(elf));
  }
  return plan;
}

ProbePlan plan_probes(const ElfFile& elf) {
  ProbePlan plan = plan_by_symbols(elf);
  append(plan, plan_by_search(elf, !plan.sites.empty()));
  return plan;
}

}  // namespace llmtap
