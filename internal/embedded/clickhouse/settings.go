package clickhouse

import (
	"maps"
	"slices"
	"strings"
)

// offered lists the settings a request may send in its URL. A list of what is
// allowed, because a setting can reach files and other hosts, and because what
// is set must be possible to undo.
var offered = settingSet(
	// Exactly-once inserts.
	"insert_deduplication_token", "insert_deduplicate", "deduplicate_blocks_in_dependent_materialized_views",
	"async_insert", "wait_for_async_insert", "async_insert_deduplicate",
	// The cut of inserts into blocks.
	"max_insert_threads", "max_insert_block_size", "max_insert_block_size_bytes",
	"min_insert_block_size_rows", "min_insert_block_size_bytes", "max_partitions_per_insert_block",
	"insert_null_as_default", "input_format_null_as_default", "input_format_skip_unknown_fields",
	"date_time_input_format", "fsync_metadata",
	// Limits.
	"max_execution_time", "max_memory_usage", "max_result_rows", "max_result_bytes", "result_overflow_mode",
	"max_rows_to_read", "max_bytes_to_read", "read_overflow_mode", "max_threads", "max_block_size",
	"max_bytes_before_external_group_by", "max_bytes_before_external_sort", "readonly",
	// Semantics of queries.
	"final", "join_use_nulls", "group_by_use_nulls", "session_timezone", "prefer_column_name_to_alias",
	"optimize_read_in_order", "use_query_cache", "use_query_condition_cache", "use_skip_indexes_if_final", "do_not_merge_across_partitions_select_final",
	"mutations_sync", "alter_sync", "lightweight_deletes_sync", "allow_nondeterministic_mutations",
	"allow_suspicious_low_cardinality_types",
	// Output.
	"date_time_output_format", "output_format_json_quote_64bit_integers", "output_format_native_write_json_as_string",
	"log_queries", "log_comment",
)

// protocol lists the parameters of ClickHouse's HTTP interface that are not
// settings of the engine.
var protocol = settingSet(
	"query", "database", "default_format", "client_protocol_version", "query_id", "quota_key",
	"user", "password", "compress", "decompress", "wait_end_of_query", "buffer_size",
	"enable_http_compression", "http_zlib_compression_level", "send_progress_in_http_headers",
	"add_http_cors_header", "cancel_http_readonly_queries_on_client_close", "send_profile_events",
	"output_format_parallel_formatting", "network_compression_method", "network_zstd_compression_level",
)

func settingSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// base holds what every session is opened with, where it differs from the
// engine's default: a setting that is reset goes back to this.
type base map[string]string

// arguments renders the base as command line options, readonly last: nothing
// can be set after it.
func (b base) arguments() []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if name != "readonly" {
			args = append(args, "--"+name+"="+b[name])
		}
	}
	if value, ok := b["readonly"]; ok {
		args = append(args, "--readonly="+value)
	}
	return args
}

// adopt makes the session's settings and database those of a request. Only
// differences are executed. A failure leaves the session spoilt.
func (s *session) adopt(base base, want map[string]string, database string) error {
	var assignments []string
	for name := range s.applied {
		if _, ok := want[name]; !ok {
			value := "DEFAULT"
			if v, ok := base[name]; ok {
				value = quoteText(v)
			}
			assignments = append(assignments, name+" = "+value)
		}
	}
	readonly := ""
	for name, value := range want {
		if current, ok := s.applied[name]; ok && current == value {
			continue
		}
		if name == "readonly" {
			readonly = value
			continue
		}
		assignments = append(assignments, name+" = "+quoteText(value))
	}
	var parts []string
	if len(assignments) > 0 {
		slices.Sort(assignments)
		parts = append(parts, "SET "+strings.Join(assignments, ", "))
	}
	if database != s.database {
		parts = append(parts, "USE "+quoteName(database))
	}
	if readonly != "" {
		// A session can't leave readonly again.
		s.spoilt = true
		parts = append(parts, "SET readonly = "+quoteText(readonly))
	}
	if len(parts) == 0 {
		return nil
	}
	if err := s.query(statement{sql: strings.Join(parts, ";\n"), format: "Null"}, nil); err != nil {
		s.spoilt = true
		return err
	}
	s.applied, s.database = want, database
	return nil
}
