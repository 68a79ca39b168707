// SPDX-License-Identifier: Apache-2.0
//
// Thin ownership over SQLite's C API: a connection and prepared statements. Errors are values and
// carry SQLite's own words. Only store/ includes this.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "parsers/core/result.h"

namespace llmtap {

// Parameters are bound in order by bind(); columns are read in place. Belongs to its Database.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement(Statement&&) = default;
  Statement& operator=(Statement&&) = default;

  Statement& bind(std::int64_t value);
  Statement& bind(double value);
  Statement& bind(std::string_view text);        // copied
  Statement& bind_blob(std::string_view bytes);  // copied
  Statement& bind_null();
  Statement& bind(const std::optional<std::int64_t>& value);

  // SQLITE_ROW, SQLITE_DONE or an error code.
  int step() { return sqlite3_step(statement_.get()); }
  void reset();

  int columns() const { return sqlite3_column_count(statement_.get()); }
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::optional<std::int64_t> optional(int column) const;
  std::string text(int column) const;
  std::string blob(int column) const;
  std::string_view blob_view(int column) const;  // until the next step

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_ = 1;
};

class Database {
 public:
  enum class Mode { kCreate, kReadOnly };
  static Result<Database> open(const std::string& path, Mode mode);

  Status execute(const std::string& sql);
  // An error names the SQL: a programming error, or a database of another shape.
  Result<Statement> prepare(const std::string& sql) const;
  // Runs to the end, throws rows away.
  Status run(Statement& statement) const;
  std::int64_t last_id() const { return sqlite3_last_insert_rowid(db_.get()); }
  int changes() const { return sqlite3_changes(db_.get()); }
  std::string error() const { return sqlite3_errmsg(db_.get()); }
  // First column of the first row, absent without a row.
  Result<std::optional<std::int64_t>> number(const std::string& sql) const;
  sqlite3* handle() { return db_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  explicit Database(sqlite3* db) : db_(db) {}
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace llmtap
