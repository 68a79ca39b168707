// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/store_sink.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/sinks/record_json.h"
#include "userspace/store/block_lists.h"

namespace llmtap {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPreviewCharacters = 120;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The first characters on one line.
std::string preview_of(const std::string& text) {
  std::string out;
  std::size_t characters = 0;
  bool space = true;  // leading blanks go
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20) {
      if (!std::exchange(space, true)) out += ' ', ++characters;
    } else {
      const bool begins = (byte & 0xc0) != 0x80;
      if (begins && characters++ >= kPreviewCharacters) break;
      out += c;
      space = false;
    }
  }
  return out;
}

// What a reader of a list wants to see: the last text of the user, the first of the answer.
const std::string* last_text(const std::vector<Message>& messages) {
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    for (auto part = message->parts.rbegin(); part != message->parts.rend(); ++part) {
      if (!part->text.empty() && message->role != "system") return &part->text;
    }
  }
  return nullptr;
}
const std::string* first_text(const std::vector<Message>& messages) {
  for (const auto& message : messages) {
    for (const auto& part : message.parts) {
      if (part.kind == PartKind::kText && !part.text.empty()) return &part.text;
      if (part.kind == PartKind::kToolCall && !part.tool_name.empty()) return &part.tool_name;
    }
  }
  return nullptr;
}

std::string search_text_of(const Message& message) {
  std::string text;
  for (const auto& part : message.parts) {
    for (const auto* piece :
         {&part.text, &part.tool_name, &part.tool_id, &part.arguments, &part.reference}) {
      if (piece->empty()) continue;
      text += *piece;
      text += '\n';
    }
  }
  return text;
}

// The database and its log of writes.
std::uint64_t bytes_on_disk(const std::string& path) {
  std::uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(path + suffix, missing);
    if (!missing) bytes += size;
  }
  return bytes;
}

class StoreWriter final : public RecordWriter {
 public:
  StoreWriter(std::string path, std::unique_ptr<Store> store, const Retention& retention)
      : path_(std::move(path)), store_(std::move(store)), retention_(retention) {}

  ~StoreWriter() override {
    if (lost_ > 0) log_warning("store: " + std::to_string(lost_) + " calls could not be kept");
  }

  std::string_view name() const override { return "store"; }

  void count(SinkCounts& counts) const override {
    counts.store = StoreCounts{stored_, lost_, bytes_on_disk(path_)};
  }

  void write(std::span<const SharedCall> calls) override {
    std::vector<StoredCall> rows;
    rows.reserve(calls.size());
    for (const auto& call : calls) rows.push_back(to_stored(*call));
    if (auto status = store_->insert(rows); status) {
      stored_ += calls.size();
      if (std::exchange(failed_, 0) > 0) log_info("store: writing again");
    } else {
      if (failed_ == 0)
        log_error("store: " + status.error().message + "; calls are not kept until it works again");
      failed_ += calls.size();
      lost_ += calls.size();
    }
    retain();
  }

  void idle() override { retain(); }

 private:
  // A small piece after each write while there is something to delete, else once a minute.
  void retain() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_retention_) return;
    auto more = store_->retain(retention_, unix_ns());
    if (!more) log_warning("store: " + more.error().message);
    next_retention_ =
        now + (more && *more ? std::chrono::milliseconds{50} : std::chrono::milliseconds{60'000});
  }

  const std::string path_;
  const std::unique_ptr<Store> store_;
  const Retention retention_;
  std::uint64_t failed_ = 0;  // since the last success
  std::atomic<std::uint64_t> stored_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::chrono::steady_clock::time_point next_retention_{};
};

}  // namespace

StoredCall to_stored(const CallRecord& call) {
  StoredCall out;
  out.summary = summarize(call);
  out.record_id = call.id;
  Json record = record_json(call, {.content = true, .headers = true});
  // Texts to search by, in the order in which split_blocks numbers blocks.
  std::vector<std::string> search;
  for (const auto* messages : {&call.input, &call.output}) {
    for (const auto& message : *messages) search.push_back(search_text_of(message));
  }
  for (const auto& tool : call.tools) search.push_back(tool.name + '\n' + tool.description);
  for (const auto& document : call.documents) search.push_back(document);
  const auto blocks = split_blocks(record);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    out.blocks.push_back({dump(blocks[i]), i < search.size() ? search[i] : std::string()});
  }
  out.detail = dump(record);
  const auto* asked = last_text(call.input);
  if (asked == nullptr && !call.documents.empty()) asked = &call.documents.front();
  if (asked != nullptr) out.preview_input = preview_of(*asked);
  if (const auto* said = first_text(call.output)) out.preview_output = preview_of(*said);
  if (out.preview_output.empty() && call.error)
    out.preview_output = preview_of(call.error->message);
  return out;
}

Result<std::unique_ptr<RecordWriter>> open_store_writer(const std::string& path,
                                                        const Retention& retention) {
  auto store = Store::open(path);
  if (!store) return store.error();
  return std::unique_ptr<RecordWriter>(
      std::make_unique<StoreWriter>(path, std::move(*store), retention));
}

}  // namespace llmtap
