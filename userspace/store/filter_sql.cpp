// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/filter_sql.h"

#include "userspace/store/schema.h"
#include "userspace/store/search_text.h"

namespace llmtap {
namespace {

const char* sign(Compare compare) {
  switch (compare) {
    case Compare::kLess:
      return " < ?";
    case Compare::kLessEqual:
      return " <= ?";
    case Compare::kGreater:
      return " > ?";
    case Compare::kGreaterEqual:
      return " >= ?";
    case Compare::kEqual:
      break;
  }
  return " = ?";
}

// '*' is ours; the other signs of GLOB are text.
std::string glob(const std::string& text) {
  std::string pattern;
  for (const char c : text) {
    if (c == '[' || c == '?') {
      pattern += '[';
      pattern += c;
      pattern += ']';
    } else {
      pattern += c;
    }
  }
  return pattern;
}

class Builder {
 public:
  Builder(SqlCondition& out, const std::vector<std::int64_t>& days) : out_(out), days_(days) {}

  std::string term(const FilterTerm& term) {
    std::string any;
    for (const auto& value : term.values) {
      if (!any.empty()) any += " OR ";
      any += condition(*term.field, value);
    }
    // NOT of an absent value is true: calls without a finish reason have not finished with "stop".
    return term.negated ? "NOT coalesce((" + any + "), 0)" : '(' + any + ')';
  }

 private:
  std::string condition(const FilterField& field, const FilterValue& value) {
    const std::string column = "call." + std::string(field.column);
    switch (field.kind) {
      case FieldKind::kName:
        return name(column, value.text);
      case FieldKind::kId:
        bind(value.text);
        return "call.id IN (SELECT call FROM detail WHERE " + std::string(field.column) + " = ?)";
      case FieldKind::kNumber:
      case FieldKind::kDuration:
        bind(value.number);
        return column + sign(value.compare);
      case FieldKind::kFlag:
        return std::string("(call.flags & ") + std::string(field.column) + ") " +
               (value.text == "true" ? "!= 0" : "= 0");
      case FieldKind::kStatus:
        return status(value.text);
      case FieldKind::kText:
        return text(value.text);
    }
    return "0";
  }

  std::string name(const std::string& column, const std::string& text) {
    if (text.find('*') == std::string::npos) {
      bind(text);
      return column + " = (SELECT id FROM name WHERE text = ?)";
    }
    bind(glob(text));
    return column + " IN (SELECT id FROM name WHERE text GLOB ?)";
  }

  static std::string status(const std::string& text) {
    if (text == "ok") return "call.error_class IS NULL";
    if (text == "error") return "call.error_class IS NOT NULL";
    if (text == "partial") return "(call.flags & " + std::to_string(kFlagPartial) + ") != 0";
    if (text.ends_with("xx")) {
      const std::string low = text.substr(0, 1) + "00";
      return "call.http_status BETWEEN " + low + " AND " + low + " + 99";
    }
    return "call.http_status = " + text;  // three digits, the parser saw to it
  }

  std::string text(const std::string& words) {
    const std::string phrase = search_phrase(words);
    if (phrase.empty() || days_.empty()) return "0";
    std::string blocks;
    for (const auto day : days_) {
      const std::string table = search_table(day);
      if (!blocks.empty()) blocks += " UNION ALL ";
      blocks += "SELECT rowid FROM " + table + " WHERE " + table + " MATCH ?";
      bind(phrase);
    }
    return "call.id IN (SELECT call FROM call_block WHERE block IN (" + blocks + "))";
  }

  template <class T>
  void bind(const T& value) {
    out_.values.emplace_back(value);
  }

  SqlCondition& out_;
  const std::vector<std::int64_t>& days_;
};

}  // namespace

void SqlCondition::bind(Statement& statement) const {
  for (const auto& value : values) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      statement.bind(std::string_view(*text));
    } else if (const auto* number = std::get_if<double>(&value)) {
      statement.bind(*number);
    } else {
      statement.bind(std::get<std::int64_t>(value));
    }
  }
}

SqlCondition filter_sql(const Filter& filter, const std::vector<std::int64_t>& search_days) {
  SqlCondition out;
  Builder builder(out, search_days);
  for (const auto& term : filter) {
    if (!out.where.empty()) out.where += " AND ";
    out.where += builder.term(term);
  }
  if (out.where.empty()) out.where = "1";
  return out;
}

}  // namespace llmtap
